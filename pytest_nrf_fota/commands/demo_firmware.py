"""nrf-fota demo-firmware."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption


def demo_firmware(
    folder: Annotated[Path, typer.Argument(help="folder to write to")],
    board: Annotated[str, typer.Option(help="board file")] = "nrf5340dk_sim",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    version: VersionOption = False,
) -> None:
    """Write the demonstration firmware: merged.hex, dfu_application.zip, dfu_mcuboot.zip.

    The last one only for boards with NSIB: nothing else replaces MCUboot over the air.
    """
    from pytest_nrf_fota.artifacts.demo import DemoSource
    from pytest_nrf_fota.boards.board_file import load_board

    with refusing():
        board_type = load_board(board, tuple(board_dir or ()))
        source = DemoSource(board_type, folder)
        typer.echo(str(source.baseline))
        typer.echo(str(source.app_update))
        if board_type.slots.s0 is not None:
            typer.echo(str(source.mcuboot_update))
