"""Read DFU packages."""

from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.firmware.dfu_package import (
    MANIFEST_NAME,
    Manifest,
    ManifestFile,
    package_target,
    read_entries,
    read_manifest,
)
from pytest_nrf_fota.firmware.dfu_package import read_package as read_strictly
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.mcuboot_image import COMPRESSION_FLAGS, ENCRYPTION_FLAGS
from pytest_nrf_fota.firmware.tlv_names import flag_names
from pytest_nrf_fota.inspection.contents import (
    Container,
    Contents,
    FoundImage,
    FoundManifestEntry,
    FoundOther,
    Role,
)
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.memory_contents import MemoryContents, inspect_memory
from pytest_nrf_fota.inspection.remark import at_place, remark
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory

_HIDING_FLAGS = frozenset(flag_names(ENCRYPTION_FLAGS | COMPRESSION_FLAGS))


def inspect_package(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    """What a DFU package holds; also one that is for another board. Raises `PackageError`."""
    entries = read_entries(path)
    manifest = read_manifest(path, entries)
    images: list[FoundImage] = []
    others: list[FoundOther] = []
    remarks: list[Finding] = list(_refused(path, board))
    for name, data in entries.items():
        if name == MANIFEST_NAME:
            continue
        found = _inspect_entry(name, data, board, keys)
        remarks += [at_place(r, name) for r in found.remarks] if found else []
        if found is None or not found.images:
            others.append(FoundOther(name=name, size_bytes=len(data)))
            continue
        described = _manifest_entry(manifest, name)
        images += [_with_manifest(one, described) for one in found.images]
    return Contents(
        path=str(path),
        container=Container.PACKAGE,
        size_bytes=path.stat().st_size,
        board=board.name,
        images=tuple(images),
        others=tuple(others),
        remarks=tuple(remarks),
    )


def _inspect_entry(
    name: str, data: bytes, board: BoardType, keys: KeysAtHand
) -> MemoryContents | None:
    if not data:
        return None
    memory = SparseMemory((Segment(0, data),))
    return inspect_memory(memory, board, has_addresses=False, name=name, keys=keys)


def _refused(path: Path, board: BoardType) -> tuple[Finding, ...]:
    try:
        read_strictly(path, package_target(board))
    except PackageError as error:
        values = {"board": board.name, "what": error.what, "next_step": error.next_step}
        return (remark("package_refused", path.name, **values),)
    return ()


def _with_manifest(image: FoundImage, entry: FoundManifestEntry | None) -> FoundImage:
    """The image with what the manifest says, which tells the role where the image cannot."""
    if entry is None:
        return image
    found: dict[str, object] = {"manifest": entry}
    cannot_be_seen = image.role is Role.UNKNOWN and set(image.flags) & _HIDING_FLAGS
    if cannot_be_seen:
        role = _role_by_manifest(entry)
        found |= {"role": role, "role_reason": f"by the manifest alone: {image.role_reason}"}
    elif entry.type == "mcuboot" and image.role is Role.APPLICATION and image.role_reason:
        # Neither says what it is: one at the address of an S0/S1 slot, and no bootloader for it.
        found |= {
            "role": Role.UNKNOWN,
            "role_reason": f"MCUboot by the manifest, an application {image.role_reason}",
        }
    return image.model_copy(update=found)


def _role_by_manifest(entry: FoundManifestEntry) -> Role:
    match entry.type, entry.slot:
        case "mcuboot", 0:
            return Role.MCUBOOT_S0
        case "mcuboot", 1:
            return Role.MCUBOOT_S1
        case "mcuboot", _:
            return Role.UNKNOWN
        case _:
            return Role.NETWORK_CORE if entry.image_index == 1 else Role.APPLICATION


def _manifest_entry(manifest: Manifest, name: str) -> FoundManifestEntry | None:
    entry: ManifestFile | None = next((e for e in manifest.files if e.file == name), None)
    if entry is None:
        return None
    return FoundManifestEntry(
        type=entry.type,
        board=entry.board,
        soc=entry.soc,
        load_address=entry.load_address,
        image_index=entry.image_index,
        slot=entry.slot,
        version_mcuboot=entry.version_mcuboot,
        version_b0=entry.version_b0,
    )
