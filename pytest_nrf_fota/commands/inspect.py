"""nrf-fota inspect."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption


def inspect(
    file: Annotated[Path, typer.Argument(help=".bin, .hex, DFU .zip or build folder")],
    board: Annotated[
        str, typer.Option(help="board type: its slots and addresses are used")
    ] = "nrf5340dk",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="PEM file to recognise and to check signatures with (repeatable)"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs: one JSON object")] = (
        False
    ),
    version: VersionOption = False,
) -> None:
    """Show what a firmware file holds: images, versions, slots, keys, what is wrong with it.

    Exit codes: 0 the file was read, whatever is wrong with what it holds; 2 bad input.
    """
    from pytest_nrf_fota.boards.board_file import load_board
    from pytest_nrf_fota.commands.printer import print_through_rich
    from pytest_nrf_fota.inspection.inspect_path import inspect_path
    from pytest_nrf_fota.inspection.known_keys import read_given_keys
    from pytest_nrf_fota.inspection.table import print_contents

    with refusing():
        board_type = load_board(board, tuple(board_dir or ()))
        contents = inspect_path(file, board_type, read_given_keys(key or ()))
        if as_json:
            typer.echo(contents.model_dump_json(indent=2))
        else:
            print_through_rich(lambda console: print_contents(contents, console))
