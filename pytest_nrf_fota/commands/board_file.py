"""nrf-fota board-file."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption


def board_file(
    build: Annotated[Path, typer.Argument(help="west build folder")],
    output: Annotated[
        Path | None,
        typer.Option(help="where to write it: NAME.toml (default: print it)"),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="board to start from, such as nrf5340dk_sim for a virtual kit (default: Nordic's "
            "kit with the build's chip)"
        ),
    ] = None,
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    version: VersionOption = False,
) -> None:
    """Write a board file for your own build: slots, names, bootloader mode, radio, shell.

    Nothing is guessed without saying so in a comment.
    """
    from pytest_nrf_fota.boards.board_file import load_board
    from pytest_nrf_fota.builds.board_text import board_file_text
    from pytest_nrf_fota.builds.build import read_build
    from pytest_nrf_fota.builds.fitted_board import require_same_soc
    from pytest_nrf_fota.builds.new_board_file import (
        board_name_of,
        kit_for,
        release_shown_by,
        write_board_file,
    )
    from pytest_nrf_fota.builds.one_build import require_updatable

    with refusing():
        found = read_build(build)
        folders = tuple(board_dir or ())
        name = board_name_of(output)
        base_board = load_board(base or kit_for(found), folders)
        require_same_soc(base_board, found)
        require_updatable(found)
        text = board_file_text(found, base_board, name, release_shown_by(found, base_board.soc))
        if output is None:
            typer.echo(text, nl=False)
            return
        write_board_file(output, text, folders)
        typer.echo(f"{output}\nUse it: pytest --board {name} --board-dir={output.parent}")
