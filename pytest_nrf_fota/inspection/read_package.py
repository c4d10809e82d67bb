"""Read DFU packages."""

from collections.abc import Sequence
from pathlib import Path

from pytest_nrf_fota.board import BoardType
from pytest_nrf_fota.errors import PackageError
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
from pytest_nrf_fota.inspection.contents import (
    Container,
    Contents,
    FoundImage,
    FoundManifestEntry,
    FoundOther,
    Remark,
)
from pytest_nrf_fota.inspection.known_keys import GivenKey
from pytest_nrf_fota.inspection.memory_contents import MemoryContents, inspect_memory
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory


def inspect_package(path: Path, board: BoardType, given: Sequence[GivenKey]) -> Contents:
    """What a DFU package holds; also one that is for another board. Raises `PackageError`."""
    entries = read_entries(path)
    manifest = read_manifest(path, entries)
    images: list[FoundImage] = []
    others: list[FoundOther] = []
    remarks: list[Remark] = list(_refused(path, board))
    for name, data in entries.items():
        if name == MANIFEST_NAME:
            continue
        found = _inspect_entry(name, data, board, given)
        remarks += [r.model_copy(update={"place": name}) for r in found.remarks] if found else []
        if found is None or not found.images:
            others.append(FoundOther(name=name, size_bytes=len(data)))
            continue
        described = _manifest_entry(manifest, name)
        images += [one.model_copy(update={"manifest": described}) for one in found.images]
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
    name: str, data: bytes, board: BoardType, given: Sequence[GivenKey]
) -> MemoryContents | None:
    if not data:
        return None
    memory = SparseMemory((Segment(0, data),))
    return inspect_memory(memory, board, has_addresses=False, name=name, given=given)


def _refused(path: Path, board: BoardType) -> tuple[Remark, ...]:
    try:
        read_strictly(path, package_target(board))
    except PackageError as error:
        return (
            Remark(
                level="warning",
                place=path.name,
                text=f"A test run on {board.name} would refuse this package: {error.what}",
            ),
        )
    return ()


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
