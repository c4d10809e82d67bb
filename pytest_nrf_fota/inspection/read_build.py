"""Read build folders."""

from pathlib import Path

from pytest_nrf_fota.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.build_files import BuildFiles, find_build_files
from pytest_nrf_fota.inspection.board_of_build import board_as_built
from pytest_nrf_fota.inspection.build_settings import read_partitions, read_settings
from pytest_nrf_fota.inspection.contents import (
    Container,
    Contents,
    FoundOther,
    FoundPartition,
    Remark,
)
from pytest_nrf_fota.inspection.keys_of_build import keys_of_hex_files
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.read_memory_file import inspect_bin, inspect_hex
from pytest_nrf_fota.inspection.read_package import inspect_package


def inspect_build(folder: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    """What a build made. A file of it that cannot be read is a remark. Raises `PackageError`."""
    files = find_build_files(folder)
    partitions = _partitions(files)
    board = board_as_built(board, partitions)
    keys = keys.with_build(keys_of_hex_files(files.hex_files, board))
    contents: list[Contents] = []
    remarks: list[Remark] = []
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
        partitions=partitions,
        files=tuple(contents),
        others=tuple(others),
        remarks=tuple(remarks),
    )


def _inspect_artifact(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    if path.suffix == ".hex":
        return inspect_hex(path, board, keys)
    return inspect_package(path, board, keys)


def _partitions(files: BuildFiles) -> tuple[FoundPartition, ...]:
    return read_partitions(files.partitions) if files.partitions is not None else ()


def _other(path: Path, folder: Path) -> FoundOther:
    return FoundOther(name=str(path.relative_to(folder)), size_bytes=path.stat().st_size)


def _unreadable(path: Path, folder: Path, error: PackageError) -> Remark:
    return Remark(level="warning", place=str(path.relative_to(folder)), text=error.what)
