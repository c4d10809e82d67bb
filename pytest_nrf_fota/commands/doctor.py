"""nrf-fota doctor."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption


def doctor(
    board: Annotated[
        list[str] | None,
        typer.Option(help="board to be tested on (repeatable; default: every known board)"),
    ] = None,
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    device_id: Annotated[
        str | None, typer.Option(metavar="SERIAL", help="the kit, by its J-Link serial number")
    ] = None,
    runner: Annotated[
        str | None, typer.Option(help="tool for a kit's probe, as for pytest --runner")
    ] = None,
    radio: Annotated[
        str | None, typer.Option(help="this host's radio, as for pytest --radio")
    ] = None,
    console_port: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="the kit's console, as for pytest --console-port"),
    ] = None,
    console_baudrate: Annotated[
        int | None, typer.Option(metavar="BAUD", help="its baud rate, which is not tried")
    ] = None,
    ask_probe: Annotated[
        bool, typer.Option("--ask-probe", help="ask the kit's probe for its firmware and its chip")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    version: VersionOption = False,
) -> None:
    """Show whether this machine is ready for tests: what is missing, what for, and how to get it.

    Exit codes: 0 ready for every board that is named (without --board: for at least one); 1 not
    ready; 2 bad input.
    """
    from pytest_nrf_fota.boards.board_file import board_folders, board_names, load_board
    from pytest_nrf_fota.commands.printer import print_through_rich
    from pytest_nrf_fota.doctor.host import this_host
    from pytest_nrf_fota.doctor.report import examine
    from pytest_nrf_fota.doctor.requirements import Options, require_fitting
    from pytest_nrf_fota.doctor.text import print_report
    from pytest_nrf_fota.probe.choose import given_tool
    from pytest_nrf_fota.smp.host_radio import host_radio

    with refusing():
        folders = tuple(board_dir or ())
        names = board or board_names(board_folders(folders))
        boards = [load_board(name, folders) for name in names]
        options = Options(
            device_id,
            given_tool(runner),
            host_radio(radio) if radio else None,
            ask_probe,
            console_port,
            console_baudrate,
        )
        for one in boards:
            one.with_console(port=console_port, baudrate=console_baudrate)
            if board:
                require_fitting(one, options)
        report = examine(boards, options, this_host(), all_must_start=bool(board))
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        print_through_rich(lambda console: print_report(report, console))
    raise typer.Exit(0 if report.would_start else 1)
