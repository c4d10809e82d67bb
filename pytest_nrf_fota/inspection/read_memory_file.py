"""Read .hex and .bin files."""

from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.given_file import read_at_most, require_file
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.firmware.multi_image import read_multi_image
from pytest_nrf_fota.inspection.contents import Container, Contents, FoundSegment
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.memory_contents import MemoryContents, inspect_memory
from pytest_nrf_fota.inspection.read_multi_image import inspect_multi_image
from pytest_nrf_fota.inspection.remark import remark
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory

# The external flash of the kit, twice.
LARGEST_BIN_BYTES = 16 * 1024 * 1024
MOST_SEGMENTS_SHOWN = 256
_ELF_MAGIC = b"\x7fELF"


def inspect_hex(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    """What a hex file holds. Raises `PackageError`."""
    segments = read_hex(path)
    found = inspect_memory(
        SparseMemory(segments), board, has_addresses=True, name=path.name, keys=keys
    )
    remarks = list(found.remarks)
    if found.boots_mcuboot_alone:
        remarks.append(remark("no_nsib", "boot"))
    if len(segments) > MOST_SEGMENTS_SHOWN:
        counts = {"segments": len(segments), "listed": MOST_SEGMENTS_SHOWN}
        remarks.append(remark("many_segments", path.name, **counts))
    shown = tuple(_describe_segment(s, board) for s in segments[:MOST_SEGMENTS_SHOWN])
    return _contents(path, Container.HEX, board, found).model_copy(
        update={
            "segments": shown,
            "remarks": tuple(remarks),
            "mcuboot_alone": found.boots_mcuboot_alone,
        }
    )


def inspect_bin(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    """What a .bin holds: an update image, a signed firmware, a dump. Raises `PackageError`."""
    data = read_bin(path)
    parts = read_multi_image(data)
    if parts is not None:
        return inspect_multi_image(path, data, parts, board, keys)
    memory = SparseMemory((Segment(0, data),))
    found = inspect_memory(memory, board, has_addresses=False, name=path.name, keys=keys)
    if found.is_empty and len(data) > board.slots.primary.address:
        # A dump of the whole flash: offsets are addresses.
        found = inspect_memory(memory, board, has_addresses=True, name=path.name, keys=keys)
    if found.remarks and not (found.images or found.firmwares):
        raise PackageError(
            found.remarks[0].cause,
            where=str(path),
            next_step=f"Give a file of a build for {board.name}."
            if found.other_chips
            else "Copy the file again, or build it again.",
        )
    if found.is_empty:
        raise PackageError(
            "The file holds nothing that is known: no MCUboot image (magic 0x96f3b83d), no "
            "fw_info, no image trailer.",
            where=str(path),
            next_step="Give a .bin that was signed (app_update.bin, signed_by_*.bin), a .hex, a "
            "DFU .zip or a build folder; an unsigned zephyr.bin does not hold its version.",
        )
    return _contents(path, Container.BIN, board, found)


def read_bin(path: Path) -> bytes:
    """The whole file. Raises `PackageError` where it is missing, too large or an ELF file."""
    require_file(path, "The file")
    data = read_at_most(
        path,
        LARGEST_BIN_BYTES,
        why="no memory of the kit holds more than that",
        next_step="Give the build's .bin, .hex or .zip.",
    )
    if data.startswith(_ELF_MAGIC):
        raise PackageError(
            "The file is an ELF file, which holds neither headers nor signatures.",
            where=str(path),
            next_step="Give the .hex or the signed .bin that the build made with it.",
        )
    return data


def _contents(
    path: Path, container: Container, board: BoardType, found: MemoryContents
) -> Contents:
    return Contents(
        path=str(path),
        container=container,
        size_bytes=path.stat().st_size,
        board=board.name,
        images=found.images,
        firmwares=found.firmwares,
        accepts=found.accepts,
        provisioning=found.provisioning,
        network_provisioning=found.network_provisioning,
        other_chips=found.other_chips,
        trailers=found.trailers,
        remarks=found.remarks,
    )


def _describe_segment(segment: Segment, board: BoardType) -> FoundSegment:
    region = board.region_of(segment.address, len(segment.data))
    return FoundSegment(
        address=segment.address,
        size_bytes=len(segment.data),
        memory=region.name if region is not None else None,
    )
