"""Variants that the user built: `--firmware-variant app_hangs_in_boot=FILE`."""

from collections.abc import Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.firmware.board_memories import check_against_map
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.variant import Variant

_WHERE = "--firmware-variant"


def read_given_variants(given: Sequence[str], board: BoardType) -> dict[Variant, Path]:
    """Read the options and check the files: a hex file for a baseline, a DFU package for the rest.

    Raises `InputError` where an option names no variant or one twice, `PackageError` where a file
    does not fit the board. Whether it is what its name says only the board can tell.
    """
    found: dict[Variant, Path] = {}
    for text in given:
        name, _, file = text.partition("=")
        variant, path = _variant_named(name), Path(file)
        if not file:
            raise InputError(f"No file is given for {name!r}.", where=_WHERE, next_step=_form(name))
        if variant in found:
            raise InputError(
                f"Two files are given for {name!r}: {found[variant]} and {path}.",
                where=_WHERE,
                next_step="Give one.",
            )
        if variant.is_baseline:
            check_against_map(path, read_hex(path), board)
        else:
            read_package(path, package_target(board))
        found[variant] = path
    return found


def _variant_named(name: str) -> Variant:
    try:
        return Variant(name)
    except ValueError:
        known = ", ".join(variant.value for variant in Variant)
        raise InputError(
            f"There is no firmware variant {name!r}; known: {known}.",
            where=_WHERE,
            next_step=_form("app_hangs_in_boot"),
        ) from None


def _form(name: str) -> str:
    return f"{_WHERE}={name}=build/zephyr/dfu_application.zip"
