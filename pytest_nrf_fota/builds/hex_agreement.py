"""Whether what lies in a hex file lies where the board's slots are."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType, Slot, Slots
from pytest_nrf_fota.builds.slots import slots_table
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.fw_info import (
    MAGIC_COMMON,
    MAGIC_FIRMWARE_INFO,
    VALID,
    VALID_OFFSET_BYTES,
    find_fw_info,
)
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader
from pytest_nrf_fota.firmware.mcuboot_image import IMAGE_MAGIC, McubootImage, NotAnImageError
from pytest_nrf_fota.firmware.provisioning import ADDRESSES_OFFSET_BYTES, parse_provisioning

_PAGE_BYTES = 0x1000
# The two words of fw_info's magic that are the same on all chips (sdk-nrf include/fw_info.h).
_FW_INFO_START = struct.pack("<II", MAGIC_COMMON, MAGIC_FIRMWARE_INFO)


@dataclass(frozen=True)
class _Found:
    """What the file shows of a slot's place; `shown_by` is what lies there."""

    name: str
    address: int
    shown_by: str


def require_hex_fits_slots(
    segments: Sequence[Segment], board: BoardType, paths: Sequence[Path], layout: str
) -> None:
    """Raise `BoardFileError` where the file's provisioning data or image lie elsewhere.

    Args:
        segments: the data of all hex files.
        board: whose slots count.
        paths: the hex files.
        layout: where the slots come from, for the message.
    """
    files = ", ".join(str(path) for path in paths)
    if board.slots.s0 is not None and _is_mcuboot_alone(segments, board):
        raise BoardFileError(
            "The firmware has no NSIB: MCUboot lies at 0, and there is neither provisioning data "
            f"nor a firmware in S0 (0x{board.slots.s0.address:x}) or S1.",
            where=files,
            next_step="Give the whole build folder, whose layout is then taken, or a board without "
            "NSIB such as nrf5340dk_mcuboot (virtual: nrf5340dk_mcuboot_sim).",
        )
    found = list(_found_places(segments, board))
    wrong = [one for one in found if _address(board.slots, one.name) != one.address]
    if wrong:
        lines = [
            f"    {one.name}: {_shown(_address(board.slots, one.name))} in {layout}, "
            f"0x{one.address:x} in the hex file ({one.shown_by})"
            for one in wrong
        ]
        raise BoardFileError(
            "The slots of the board are not those of the firmware:\n" + "\n".join(lines),
            where=files,
            next_step="Give the whole build folder, whose partitions.yml is then taken, or a board "
            "file with its own slots (sizes as in partitions.yml):\n"
            f"{slots_table(_moved(board, found))}",
        )


def _found_places(segments: Sequence[Segment], board: BoardType) -> Iterator[_Found]:
    slots, read = board.slots, memory_reader(segments)
    if slots.provisioning_address is not None:
        where: int | None = slots.provisioning_address
        provisioning = parse_provisioning(read, slots.provisioning_address)
        if provisioning is None:
            where = _provisioning_elsewhere(segments, board)
            provisioning = None if where is None else parse_provisioning(read, where)
        if provisioning is not None and where is not None:
            yield _Found("provisioning_address", where, "its provisioning data")
            yield _Found("s0", provisioning.s0_address, "its provisioning data")
            yield _Found("s1", provisioning.s1_address, "its provisioning data")
    if not _holds_image(segments, slots.primary.address):
        address = _only_image(segments, board)
        if address is not None:
            yield _Found("primary", address, "an image header")


def _provisioning_elsewhere(segments: Sequence[Segment], board: BoardType) -> int | None:
    """Where provisioning data begins in OTP; None for a file without any."""
    core, read = board.soc.application, memory_reader(segments)
    for segment in (segment for segment in segments if segment.address in core.otp):
        # What comes before the addresses is erased, so a file begins with them. Builds of NCS 2.1
        # have nothing before them.
        for address in (segment.address - ADDRESSES_OFFSET_BYTES, segment.address):
            found = parse_provisioning(read, address) if address in core.otp else None
            if found is not None and found.keys and found.s0_address in core.flash:
                return address
    return None


def _only_image(segments: Sequence[Segment], board: BoardType) -> int | None:
    """Where the one image for MCUboot lies in the internal flash; None for none, or several."""
    limit = board.memory[0]
    found = [
        address
        for segment in segments
        if limit.contains(segment.address, len(segment.data))
        for address in range(-(-segment.address // _PAGE_BYTES) * _PAGE_BYTES, segment.end, 0x1000)
        if _holds_image((segment,), address)
    ]
    return found[0] if len(found) == 1 else None


def _holds_image(segments: Sequence[Segment], address: int) -> bool:
    """Whether a whole image lies there; the magic alone is also a constant in MCUboot's code."""
    read = memory_reader(segments)
    if int.from_bytes(read(address, 4), "little") != IMAGE_MAGIC:
        return False
    end = max((s.end for s in segments if s.address <= address < s.end), default=address)
    try:
        McubootImage.parse(read(address, end - address))
    except NotAnImageError:
        return False
    return True


def _is_mcuboot_alone(segments: Sequence[Segment], board: BoardType) -> bool:
    slots, read = board.slots, memory_reader(segments)
    if slots.s0 is None or slots.s1 is None or slots.provisioning_address is None:
        return False
    has_nsib_firmware = any(find_fw_info(read, s.address) for s in (slots.s0, slots.s1))
    is_provisioned = parse_provisioning(read, slots.provisioning_address) is not None
    has_code_at_0 = read(0, 8) != b"\xff" * 8
    has_image = (
        _holds_image(segments, slots.primary.address) or _only_image(segments, board) is not None
    )
    own = [segment for segment in segments if segment.address in board.soc.application.flash]
    is_alone = not (has_nsib_firmware or is_provisioned or _holds_fw_info(own))
    return has_code_at_0 and has_image and is_alone


def _holds_fw_info(segments: Sequence[Segment]) -> bool:
    """Whether NSIB's struct lies anywhere, of whatever chip; its magic alone may be code."""
    for data in (segment.data for segment in segments):
        at = data.find(_FW_INFO_START)
        while at >= 0:
            word = data[at + VALID_OFFSET_BYTES : at + VALID_OFFSET_BYTES + 4]
            if int.from_bytes(word, "little") == VALID:
                return True
            at = data.find(_FW_INFO_START, at + 1)
    return False


def _address(slots: Slots, name: str) -> int | None:
    place: Slot | int | None = getattr(slots, name)
    return place.address if isinstance(place, Slot) else place


def _shown(address: int | None) -> str:
    return "none" if address is None else f"0x{address:x}"


def _moved(board: BoardType, found: Sequence[_Found]) -> Slots:
    """The board's slots where the file has them.

    A file does not tell a slot's size: it is the board's, cut off where the next slot or the end of
    the memory is, so that these slots are ones that a board may have.
    """
    slots = board.slots
    moved: dict[str, Slot | int] = {}
    for one in found:
        place: Slot | int | None = getattr(slots, one.name)
        is_slot = one.name != "provisioning_address"
        size_bytes = place.size if isinstance(place, Slot) else _PAGE_BYTES
        moved[one.name] = Slot(address=one.address, size=size_bytes) if is_slot else one.address
    slots = slots.model_copy(update=moved)
    primary = _cut_off(slots.primary, slots, board)
    is_pair = board.slots.primary.size == board.slots.secondary.size
    secondary = slots.secondary
    if is_pair:
        secondary = secondary.model_copy(update={"size": primary.size})
    cut: dict[str, Slot] = {"primary": primary, "secondary": secondary}
    if slots.s0 is not None and slots.s1 is not None:
        of_one_size = min(_cut_off(s, slots, board).size for s in (slots.s0, slots.s1))
        for name, s_slot in (("s0", slots.s0), ("s1", slots.s1)):
            cut[name] = s_slot.model_copy(update={"size": of_one_size})
    return slots.model_copy(update=cut)


def _cut_off(slot: Slot, slots: Slots, board: BoardType) -> Slot:
    others = (getattr(slots, name) for name in Slots.model_fields)
    behind = [s.address for s in others if isinstance(s, Slot) and s.address > slot.address]
    memory = board.region_of(slot.address, 1)
    ends = [slot.address + slot.size, *behind]
    if memory is not None:
        ends.append(memory.start + memory.size)
    return slot.model_copy(update={"size": min(ends) - slot.address})
