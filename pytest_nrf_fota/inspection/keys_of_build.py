"""Keys that lie beside a file: in the MCUboot of a hex file in its folder."""

from collections.abc import Iterable
from pathlib import Path

from pytest_nrf_fota.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.inspection.known_keys import KeyInFile
from pytest_nrf_fota.inspection.memory_contents import inspect_memory
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory

# What a build calls the hex file that holds MCUboot, in the order of preference.
_HEX_NAMES = ("merged.hex", "merged_domains.hex", "mcuboot.hex")


def keys_beside(path: Path, board: BoardType) -> tuple[KeyInFile, ...]:
    """Of the build that a single file lies in."""
    beside = [path.parent / name for name in _HEX_NAMES]
    return keys_of_hex_files([one for one in beside if one != path and one.is_file()], board)


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
