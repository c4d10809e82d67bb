"""What is in the folder of a file: the layout of its build, and the keys in the build's MCUboot."""

from collections.abc import Iterable
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.slots import slots_of
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.inspection.known_keys import KeyInFile
from pytest_nrf_fota.inspection.memory_contents import inspect_memory
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory

# What a build calls the hex file that holds MCUboot, in the order of preference.
_HEX_NAMES = ("merged.hex", "merged_domains.hex", "mcuboot.hex")


def board_as_built(board: BoardType, build: Build | None) -> BoardType:
    """The board with the slots of a build and the way in which its MCUboot updates.

    A build without MCUboot has no slots, whatever its devicetree says. Raises `PackageError` for
    slots that the board cannot hold.
    """
    if build is None or build.has_no_mcuboot:
        return board
    mode = build.bootloader_mode
    update: dict[str, object] = {}
    if mode is not None:
        update["boot"] = board.boot.model_copy(update={"bootloader_mode": mode})
    if build.layout is not None:
        update["slots"] = slots_of(build.layout, board)
    return board.model_copy(update=update)


def keys_beside(path: Path, board: BoardType, build: Build | None) -> tuple[KeyInFile, ...]:
    """Of the folder that a single file lies in, and of its build."""
    beside = [one for one in (path.parent / name for name in _HEX_NAMES) if one.is_file()]
    if build is not None:
        beside += [*build.files.hex_files, *build.files.image_hex_files]
    return keys_of_hex_files([one for one in dict.fromkeys(beside) if one != path], board)


def keys_of_hex_files(paths: Iterable[Path], board: BoardType) -> tuple[KeyInFile, ...]:
    """The public keys in their bootloaders; a file that cannot be read has none."""
    found: list[KeyInFile] = []
    for path in paths:
        try:
            memory = SparseMemory(read_hex(path))
        except PackageError:
            continue
        contents = inspect_memory(memory, board, has_addresses=True, name=path.name)
        found += [KeyInFile(path, key) for key in contents.bootloader_keys]
    return tuple(found)
