"""nrf-fota boards."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.farm import list_places, watch_places
from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.doctor.attached import BoardsReport

_LISTEN_S = 2.0
_WATCH_S = 1.0


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
    hardware_map: Annotated[
        Path | None, typer.Option(metavar="FILE", help="twister's hardware map of this host")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="show the kits again and again, until Ctrl-C")
    ] = False,
    farm: Annotated[
        str | None,
        typer.Option(metavar="URL", help="list a farm's kits instead: labgrid://HOST:PORT"),
    ] = None,
    farm_python: Annotated[
        Path | None, typer.Option(metavar="PYTHON", help="Python that has labgrid")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    version: VersionOption = False,
) -> None:
    """List attached kits: who holds each, whether it is set aside, ports, tags, last result."""
    from pytest_nrf_fota.boards.board_file import board_folders, board_names, load_board
    from pytest_nrf_fota.commands.printer import print_through_rich, show_again_and_again
    from pytest_nrf_fota.doctor.attached import look_at_boards
    from pytest_nrf_fota.doctor.attached_text import print_boards
    from pytest_nrf_fota.doctor.host import this_host
    from pytest_nrf_fota.farm.hardware_map import read_hardware_map

    if farm is not None:
        with refusing():
            _require_for_farm(listen=listen, ask_probe=ask_probe, hardware_map=hardware_map)
    if farm is not None and watch:
        with refusing():
            _require_watchable(is_alone=not (as_json or listen or ask_probe))
        watch_places(farm, farm_python, _WATCH_S)
        return
    if farm is not None:
        list_places(farm, farm_python, as_json)
        return
    with refusing():
        folders = tuple(board_dir or ())
        known = [load_board(name, folders) for name in board_names(board_folders(folders))]
        mapped = read_hardware_map(hardware_map) if hardware_map else None

        def look(boards: "Sequence[BoardType]") -> "BoardsReport":
            return look_at_boards(
                boards,
                this_host(),
                baudrate=baudrate,
                listen_s=_LISTEN_S if listen else None,
                asks_probe=ask_probe,
                mapped=mapped,
            )

        if watch:
            _require_watchable(is_alone=not (as_json or listen or ask_probe))
            show_again_and_again(lambda console: print_boards(look(()), console), _WATCH_S)
            return
        report = look(known)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        print_through_rich(lambda console: print_boards(report, console))


def _require_for_farm(*, listen: bool, ask_probe: bool, hardware_map: Path | None) -> None:
    from pytest_nrf_fota.errors import InputError

    given = {
        "--listen": listen,
        "--ask-probe": ask_probe,
        "--hardware-map": hardware_map is not None,
    }
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise InputError(
            f"{', '.join(names)}: for kits on this host; --farm lists what the farm knows.",
            where="--farm",
            next_step="Leave out one or the other.",
        )


def _require_watchable(*, is_alone: bool) -> None:
    from pytest_nrf_fota.errors import InputError

    if not is_alone:
        raise InputError(
            "--watch leaves the kits alone and shows them to people.",
            where="--watch",
            next_step="Leave out --json, --listen and --ask-probe.",
        )
    if not sys.stdout.isatty():
        raise InputError(
            "There is no terminal to show the kits on.",
            where="--watch",
            next_step="Call it once, with --json for a program.",
        )
