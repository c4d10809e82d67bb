"""nrf-fota preflight."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

if TYPE_CHECKING:
    from pytest_nrf_fota.preflight.prediction import Prediction


def preflight(
    update: Annotated[
        list[Path], typer.Argument(help="west build folder, DFU .zip, or signed .bin files")
    ],
    installed: Annotated[
        list[Path],
        typer.Option(help="what the board was flashed with: build folder, or hex files"),
    ],
    board_state: Annotated[
        Path | None,
        typer.Option(
            help="hex file of what was read back from the board since; it overrides --installed"
        ),
    ] = None,
    board: Annotated[str, typer.Option(help="board type")] = "nrf5340dk",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    ncs: Annotated[
        str | None,
        typer.Option(
            help="release of the nRF Connect SDK, such as 2.9 (default: read from the bootloader)"
        ),
    ] = None,
    execute: Annotated[
        bool | None,
        typer.Option(
            "--exec/--no-exec",
            help="execute the bootloaders' machine code, or run their model (default: execute, "
            'where the extra "exec" is installed and the build can be executed)',
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="show the predicted UART log too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    version: VersionOption = False,
) -> None:
    """Predict what the board will do with an update, before it is sent.

    The board's own bootloaders, or the virtual kit's models of them, boot a
    copy of the board.

    Exit codes: 0 it will upgrade; 1 it will not (or the update is for another
    board); 2 an input cannot be used.
    """
    from pytest_nrf_fota.boards.board_file import load_board, own_settings
    from pytest_nrf_fota.boards.execution import Execution
    from pytest_nrf_fota.boards.ncs import RELEASES_LIST, release_named
    from pytest_nrf_fota.builds.given import read_baseline, read_updates, what_application_lacks
    from pytest_nrf_fota.builds.network_core import file_for_network_core
    from pytest_nrf_fota.commands.printer import print_through_rich
    from pytest_nrf_fota.firmware.dfu_package import ForeignPackageError
    from pytest_nrf_fota.preflight.executing import Installation, predict_by
    from pytest_nrf_fota.preflight.prediction import (
        predict_foreign,
        read_update,
        with_board_state,
    )
    from pytest_nrf_fota.preflight.text import print_prediction
    from pytest_nrf_fota.sim.process import temporary_folder

    wish = {None: Execution.ELSE_MODEL, True: Execution.ON, False: Execution.OFF}
    release = None if ncs is None else release_named(ncs)
    if ncs is not None and release is None:
        raise typer.BadParameter(
            f"is no release of the nRF Connect SDK from 2.0 on, such as {RELEASES_LIST}",
            param_hint="--ncs",
        )
    with refusing(), temporary_folder() as folder:
        folders = tuple(board_dir or ())
        board_type, own = load_board(board, folders), own_settings(board, folders)
        asks_for_it = board_type.sim is not None and board_type.sim.execution is Execution.ON
        execution = wish[True if execute is None and asks_for_it else execute]
        baseline = read_baseline(board_type, own, installed, folder)
        memories = with_board_state(baseline.segments, baseline.board, board_state)
        hex_files = [file.path for file in baseline.picked]
        installation = Installation(
            baseline.board,
            memories,
            None if release is None else release.ncs,
            network_core_file=file_for_network_core(
                baseline.build, hex_files, baseline.board, "--installed"
            ),
            application_lacks=what_application_lacks(baseline),
            ncs_is_guess=ncs is None and not baseline.tells_release,
        )
        predictions: list[Prediction] = []
        given = update[0]
        try:
            updates = read_updates(baseline.board, update, folder / "given")
            for path, given in updates.given.items():
                package = read_update(path, baseline.board, given)
                predictions.append(predict_by(execution, installation, package, Path()))
        except ForeignPackageError as error:
            predictions.append(predict_foreign(given, error))
    for prediction in predictions:
        if as_json:
            typer.echo(prediction.model_dump_json(indent=2))
        else:
            print_through_rich(partial(print_prediction, prediction, shows_log=log))
    raise typer.Exit(0 if all(p.will_upgrade for p in predictions) else 1)
