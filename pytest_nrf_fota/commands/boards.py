"""nrf-fota boards."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

_LISTEN_S = 2.0


def boards(
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    listen: Annotated[
        bool, typer.Option("--listen", help="read the kits' ports for 2 s; nothing is sent")
    ] = False,
    baudrate: Annotated[int, typer.Option(min=1, help="of the kits' UARTs")] = 115200,
    ask_probe: Annotated[
        bool, typer.Option("--ask-probe", help="ask nrfutil which boards the kits are")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    version: VersionOption = False,
) -> None:
    """List attached kits with serial numbers and ports, and the boards without hardware."""
    from pytest_nrf_fota.boards.board_file import board_folders, board_names, load_board
    from pytest_nrf_fota.commands.printer import print_through_rich
    from pytest_nrf_fota.doctor.attached import look_at_boards
    from pytest_nrf_fota.doctor.attached_text import print_boards
    from pytest_nrf_fota.doctor.host import this_host

    with refusing():
        folders = tuple(board_dir or ())
        known = [load_board(name, folders) for name in board_names(board_folders(folders))]
        report = look_at_boards(
            known,
            this_host(),
            baudrate=baudrate,
            listen_s=_LISTEN_S if listen else None,
            asks_probe=ask_probe,
        )
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        print_through_rich(lambda console: print_boards(report, console))
