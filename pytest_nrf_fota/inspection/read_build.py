"""Read build folders."""

from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.build import Layout, read_build
from pytest_nrf_fota.builds.files import find_build_files
from pytest_nrf_fota.builds.slots import slots_of
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.inspection.beside import keys_of_hex_files
from pytest_nrf_fota.inspection.build_settings import found_partition, read_settings
from pytest_nrf_fota.inspection.contents import (
    Container,
    Contents,
    FoundOther,
    FoundPartition,
    Remark,
)
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.read_memory_file import inspect_bin, inspect_hex
from pytest_nrf_fota.inspection.read_package import inspect_package


def inspect_build(folder: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    """What a build made. A file of it that cannot be read is a remark. Raises `PackageError`."""
    files = find_build_files(folder)
    contents: list[Contents] = []
    remarks: list[Remark] = []
    layout: Layout | None = None
    try:
        layout = read_build(folder).layout
        if layout is not None:
            board = board.model_copy(update={"slots": slots_of(layout, board)})
    except PackageError as error:
        remarks.append(_unreadable(Path(error.where), folder, error))
    keys = keys.with_build(keys_of_hex_files((*files.hex_files, *files.image_hex_files), board))
    for path in (*files.hex_files, *files.packages):
        try:
            one = _inspect_artifact(path, board, keys)
        except PackageError as error:
            remarks.append(_unreadable(path, folder, error))
        else:
            contents.append(one)
    hashes = {image.hash for one in contents for image in one.images}
    others: list[FoundOther] = []
    for path in files.bins:
        try:
            one = inspect_bin(path, board, keys)
        except PackageError as error:
            remarks.append(_unreadable(path, folder, error))
            continue
        # Most signed binaries are in a package or in merged.hex as well.
        if {image.hash for image in one.images} <= hashes:
            others.append(_other(path, folder))
        else:
            contents.append(one)
    return Contents(
        path=str(folder),
        container=Container.BUILD,
        size_bytes=sum(one.size_bytes for one in contents) + sum(one.size_bytes for one in others),
        board=board.name,
        settings=tuple(
            setting for config in files.configs for setting in read_settings(config, folder)
        ),
        partitions=_partitions(layout),
        files=tuple(contents),
        others=tuple(others),
        remarks=tuple(remarks),
    )


def _inspect_artifact(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    if path.suffix == ".hex":
        return inspect_hex(path, board, keys)
    return inspect_package(path, board, keys)


def _partitions(layout: Layout | None) -> tuple[FoundPartition, ...]:
    return () if layout is None else tuple(found_partition(p) for p in layout.partitions)


def _other(path: Path, folder: Path) -> FoundOther:
    return FoundOther(name=str(path.relative_to(folder)), size_bytes=path.stat().st_size)


def _unreadable(path: Path, folder: Path, error: PackageError) -> Remark:
    return Remark(level="warning", place=str(path.relative_to(folder)), text=error.what)
