"""Read build folders."""

from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.build import Build, Layout, read_build
from pytest_nrf_fota.builds.files import BuildFiles, find_build_files
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.inspection.beside import board_as_built, keys_of_hex_files
from pytest_nrf_fota.inspection.build_remarks import remarks_on_build
from pytest_nrf_fota.inspection.build_settings import found_partition, read_settings
from pytest_nrf_fota.inspection.contents import (
    Container,
    Contents,
    FoundOther,
    FoundPartition,
)
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.read_memory_file import inspect_bin, inspect_hex
from pytest_nrf_fota.inspection.read_package import inspect_package
from pytest_nrf_fota.inspection.remark import remark


def inspect_build(folder: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    """What a build made. A file of it that cannot be read is a remark. Raises `PackageError`."""
    files = find_build_files(folder)
    contents: list[Contents] = []
    remarks: list[Finding] = []
    build: Build | None = None
    as_named, takes_its_slots = board, False
    try:
        build = read_build(folder)
        takes_its_slots = build.layout is not None and not build.has_no_mcuboot
        board = board_as_built(board, build)
    except PackageError as error:
        takes_its_slots = False
        remarks.append(_unreadable(Path(error.where), folder, error))
    keys = keys.with_build(keys_of_hex_files((*files.hex_files, *files.image_hex_files), board))
    for path in (*_shown_hex_files(files), *files.packages):
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
    if build is not None:
        remarks += remarks_on_build(build, contents, as_named, takes_its_slots=takes_its_slots)
    return Contents(
        path=str(folder),
        container=Container.BUILD,
        size_bytes=sum(one.size_bytes for one in contents) + sum(one.size_bytes for one in others),
        board=board.name,
        settings=tuple(
            setting for config in files.configs for setting in read_settings(config, folder)
        ),
        partitions=_partitions(None if build is None else build.layout),
        files=tuple(contents),
        others=tuple(others),
        remarks=tuple(remarks),
    )


def _shown_hex_files(files: BuildFiles) -> tuple[Path, ...]:
    """The merged ones; of a build without the partition manager those of each image."""
    if files.hex_files or files.main_partitions is not None:
        return files.hex_files
    return files.image_hex_files


def _inspect_artifact(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    if path.suffix == ".hex":
        return inspect_hex(path, board, keys)
    return inspect_package(path, board, keys)


def _partitions(layout: Layout | None) -> tuple[FoundPartition, ...]:
    return () if layout is None else tuple(found_partition(p) for p in layout.partitions)


def _other(path: Path, folder: Path) -> FoundOther:
    return FoundOther(name=str(path.relative_to(folder)), size_bytes=path.stat().st_size)


def _unreadable(path: Path, folder: Path, error: PackageError) -> Finding:
    place = path.relative_to(folder) if path.is_relative_to(folder) else path
    return remark("file_unreadable", str(place), what=error.what)
