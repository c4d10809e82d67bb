"""nrf-fota preflight."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing


def preflight(
    package: Annotated[Path, typer.Argument(help="DFU .zip, or one signed .bin")],
    installed: Annotated[Path, typer.Option(help="merged.hex that the board was flashed with")],
    board_state: Annotated[
        Path | None,
        typer.Option(help="hex file of what was read back from the board since; it wins"),
    ] = None,
    board: Annotated[str, typer.Option(help="board type")] = "nrf5340dk",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    ncs: Annotated[
        str | None,
        typer.Option(help="2.3, 2.6, 2.9 or 3.0 (default: read from the bootloader's banner)"),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="show the predicted UART log too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Say what the board will do with an update, before it is sent.

    The virtual kit's boot code runs on a copy of the board.

    Exit codes: 0 it will upgrade; 1 it will not (or the package is for another
    board); 2 an input cannot be used.
    """
    from pytest_nrf_fota.board_file import load_board
    from pytest_nrf_fota.commands.printer import print_through_rich
    from pytest_nrf_fota.firmware.dfu_package import ForeignPackageError
    from pytest_nrf_fota.preflight.prediction import (
        predict,
        predict_foreign,
        read_installed,
        read_update,
    )
    from pytest_nrf_fota.preflight.text import print_prediction
    from pytest_nrf_fota.sim.profile import PROFILES

    if ncs is not None and ncs not in PROFILES:
        raise typer.BadParameter(f"known releases: {', '.join(PROFILES)}", param_hint="--ncs")
    with refusing():
        board_type = load_board(board, tuple(board_dir or ()))
        memories = read_installed(board_type, installed, board_state)
        try:
            update = read_update(package, board_type)
        except ForeignPackageError as error:
            prediction = predict_foreign(package, error)
        else:
            prediction = predict(board_type, memories, update, ncs)
    if as_json:
        typer.echo(prediction.model_dump_json(indent=2))
    else:
        print_through_rich(lambda console: print_prediction(prediction, console, shows_log=log))
    raise typer.Exit(0 if prediction.will_upgrade else 1)
