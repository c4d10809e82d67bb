"""nrf-fota resign."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
    from pytest_nrf_fota.firmware.resign import Raise, ResignedImage

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\+(\d+))?")
_LARGEST = (0xFF, 0xFF, 0xFFFF, 0xFFFFFFFF)


def resign(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="dfu_mcuboot.zip, dfu_application.zip, a signed .bin, or a build folder",
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="where to write: the same kind of file; for a build a folder")
    ],
    fw_version: Annotated[
        str | None,
        typer.Option(
            help="fw_info version, which NSIB compares: a number, +1, or keep "
            "(default: +1 for MCUboot in S0 and S1)",
        ),
    ] = None,
    version: Annotated[
        str, typer.Option(help="version in the MCUboot header: X.Y.Z[+B], +1, or keep")
    ] = "+1",
    nsib_key: Annotated[
        Path | None, typer.Option(help="PEM file with NSIB's private key", metavar="PEM")
    ] = None,
    mcuboot_key: Annotated[
        Path | None, typer.Option(help="PEM file with MCUboot's private key", metavar="PEM")
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="sign with keys other than the old ones")
    ] = False,
    board: Annotated[
        str, typer.Option(help="board type: the result must fit its slots")
    ] = "nrf5340dk",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
) -> None:
    """Make the next version of your own build without building: raise versions, sign again."""
    from pytest_nrf_fota.boards.board_file import load_board, own_settings
    from pytest_nrf_fota.builds.given import board_of_build
    from pytest_nrf_fota.builds.resign_file import resign_path
    from pytest_nrf_fota.firmware.keys import read_signing_key
    from pytest_nrf_fota.firmware.resign import MARKER_NOTE, NewNumbers, SigningKeys

    with refusing():
        folders = tuple(board_dir or ())
        done = resign_path(
            source,
            output,
            NewNumbers(fw_info=_fw_info_number(fw_version), image=_image_version(version)),
            SigningKeys(
                nsib=read_signing_key(nsib_key) if nsib_key else None,
                mcuboot=read_signing_key(mcuboot_key) if mcuboot_key else None,
                may_differ=new_key,
            ),
            board_of_build(load_board(board, folders), own_settings(board, folders), source),
        )
        for file in done:
            typer.echo(f"{file.path}")
            for image in file.images:
                typer.echo(f"  {image.name}: {_changes(image)}")
                for note in image.notes:
                    typer.echo(f"    note: {note}")
        typer.echo("Read again and verified: hashes, signatures, versions; imgtool verify: OK.")
        if any(image.runs_from_s_slot and _raised(image) for file in done for image in file.images):
            typer.echo(MARKER_NOTE)


def _changes(image: "ResignedImage") -> str:
    parts: list[str] = []
    if image.new_version != image.old_version:
        parts.append(f"version {image.old_version} -> {image.new_version}")
    if _raised(image):
        parts.append(f"fw_info {image.old_fw_info} -> {image.new_fw_info}")
    return ", ".join(parts) or f"version {image.old_version} as before, signed again"


def _raised(image: "ResignedImage") -> bool:
    return image.new_fw_info != image.old_fw_info


def _fw_info_number(text: str | None) -> "int | Raise | None":
    from pytest_nrf_fota.errors import InputError

    match text:
        case None | "keep" | "+1":
            return text
        case _ if text.isascii() and text.isdigit() and len(text) < 10:
            return int(text)
        case _:
            raise InputError(
                f"{text!r} is no fw_info version.",
                where="--fw-version",
                next_step="Give a number, +1 or keep.",
            )


def _image_version(text: str) -> "ImageVersion | Raise":
    match text:
        case "keep" | "+1":
            return text
        case _:
            return _explicit_version(text)


def _explicit_version(text: str) -> "ImageVersion":
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion

    match = _VERSION.fullmatch(text)
    numbers = [int(part or "0") for part in match.groups()] if match and len(text) < 40 else []
    if not numbers or any(n > most for n, most in zip(numbers, _LARGEST, strict=True)):
        raise InputError(
            f"{text!r} is no version that fits an MCUboot header.",
            where="--version",
            next_step="Give X.Y.Z or X.Y.Z+B (255.255.65535+4294967295 at most), +1 or keep.",
        )
    return ImageVersion(*numbers)
