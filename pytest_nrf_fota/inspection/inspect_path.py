"""Look into whatever the user names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.build import Build, build_around
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.firmware.given_file import require_file
from pytest_nrf_fota.inspection.beside import board_as_built, keys_beside
from pytest_nrf_fota.inspection.build_remarks import without_mcuboot
from pytest_nrf_fota.inspection.contents import Contents
from pytest_nrf_fota.inspection.known_keys import KeyInFile, KeysAtHand
from pytest_nrf_fota.inspection.network_core import on_hex_file
from pytest_nrf_fota.inspection.read_build import inspect_build
from pytest_nrf_fota.inspection.read_memory_file import inspect_bin, inspect_hex
from pytest_nrf_fota.inspection.read_package import inspect_package
from pytest_nrf_fota.inspection.remark import remark
from pytest_nrf_fota.inspection.remarks import remarks_on


def inspect_path(path: Path, board: BoardType, given: Sequence[KeyInFile] = ()) -> Contents:
    """What a .bin, .hex, DFU .zip or build folder holds, with remarks.

    Args:
        path: file or folder; its name's ending decides, without a known ending its first bytes.
        board: whose addresses count, where the build that the file lies in names no others.
        given: keys to recognise, and to check signatures with, beside those that are published and
            those in the MCUboot of the same build.

    Raises:
        PackageError: it is missing, unreadable, too large, or nothing in it is known.
    """
    keys = KeysAtHand(tuple(given))
    build = build_around(path) if path.is_file() else None
    as_built = _board_of(board, build)
    if path.is_file():
        keys = keys.with_build(keys_beside(path, as_built, build))
    contents = _read(path, as_built, keys)
    if path.is_file():
        remarks = (*_on_build(path, build, board, as_built), *contents.remarks)
        on_network_core = on_hex_file(path, contents, build, board)
        contents = contents.model_copy(update={"remarks": (*remarks, *on_network_core)})
    files = tuple(one.model_copy(update={"remarks": remarks_on(one)}) for one in contents.files)
    return contents.model_copy(update={"files": files, "remarks": remarks_on(contents)})


def _board_of(board: BoardType, build: Build | None) -> BoardType:
    try:
        return board_as_built(board, build)
    except PackageError:
        return board


def _on_build(
    path: Path, build: Build | None, board: BoardType, as_built: BoardType
) -> Iterator[Finding]:
    if build is None:
        return
    if build.has_no_mcuboot:
        yield without_mcuboot(build)
    elif build.layout is not None and as_built.slots != board.slots:
        layout = build.layout.source
        yield remark("slots_of_build", path.name, layout=layout, board=board.name)


def _read(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    if path.is_dir():
        return inspect_build(path, board, keys)
    require_file(path, "The file")
    match path.suffix.lower():
        case ".zip":
            return inspect_package(path, board, keys)
        case ".hex" | ".ihex":
            return inspect_hex(path, board, keys)
        case ".bin":
            return inspect_bin(path, board, keys)
        case _:
            return _read_by_first_bytes(path, board, keys)


def _read_by_first_bytes(path: Path, board: BoardType, keys: KeysAtHand) -> Contents:
    with path.open("rb") as stream:
        first = stream.read(2)
    if first == b"PK":
        return inspect_package(path, board, keys)
    if first.startswith(b":"):
        return inspect_hex(path, board, keys)
    return inspect_bin(path, board, keys)
