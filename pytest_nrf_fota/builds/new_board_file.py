"""Write a board file, and see that it is one."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pytest_nrf_fota.boards.board_file import board_folders, read_board_file
from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.boards.soc import KIT_SOC, SOCS, Soc
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.fitted_board import release_of
from pytest_nrf_fota.builds.hex_choice import hex_files_of, read_hex_files
from pytest_nrf_fota.errors import BoardFileError, InputError, PackageError
from pytest_nrf_fota.firmware.hex_file import Segment

DEFAULT_NAME = "mykit"
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


def board_name_of(output: Path | None) -> str:
    """The name of the board in this file. Raises `InputError` for a name that cannot be one."""
    if output is None:
        return DEFAULT_NAME
    if output.suffix != ".toml" or not _NAME.fullmatch(output.stem):
        raise InputError(
            f"{output.name!r} is no name of a board file: small letters, digits and underscores, "
            "then .toml.",
            where="--output",
            next_step=f"Give another one: --output={output.parent / (DEFAULT_NAME + '.toml')}",
        )
    return output.stem


def release_shown_by(build: Build, soc: Soc) -> Release | None:
    """The SDK that built the bootloaders, None where nothing in the build tells."""
    segments: list[Segment] = []
    with suppress(PackageError):
        segments = [s for file in read_hex_files(hex_files_of(build)) for s in file.segments]
    return release_of(build, segments, soc)


def kit_for(build: Build) -> str:
    """The packaged board of Nordic's kit with the chip that a build is for."""
    chips = (soc for soc in SOCS.values() if any(image.is_for(soc) for image in build.images))
    return f"{next(chips, KIT_SOC).name}dk"


def write_board_file(output: Path, text: str, folders: Sequence[Path]) -> None:
    """Write a new file and load it once.

    Raises `BoardFileError` where there is a file already, or where it cannot be loaded.
    """
    if output.exists():
        raise BoardFileError(
            "The file is there already.",
            where=str(output),
            next_step="Give another name, or remove it first.",
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    read_board_file(output, board_folders((output.parent, *folders)))
