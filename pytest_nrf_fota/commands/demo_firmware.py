"""nrf-fota demo-firmware."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing


def demo_firmware(
    folder: Annotated[Path, typer.Argument(help="folder to write to")],
    board: Annotated[str, typer.Option(help="board file")] = "nrf5340dk_sim",
) -> None:
    """Write the demonstration firmware: merged.hex, dfu_application.zip, dfu_mcuboot.zip."""
    from pytest_nrf_fota.board_file import load_board
    from pytest_nrf_fota.firmware.demo import DemoSource

    with refusing():
        source = DemoSource(load_board(board), folder)
        for path in (source.baseline, source.app_update, source.mcuboot_update):
            typer.echo(str(path))
