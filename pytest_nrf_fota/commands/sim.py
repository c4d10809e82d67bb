"""nrf-fota sim."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

if TYPE_CHECKING:
    from pytest_nrf_fota.sim.control import Addresses


def sim(
    firmware: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BUILD]...",
            help="west build folder or hex files to program and boot; without it the "
            "demonstration firmware",
        ),
    ] = None,
    board: Annotated[str, typer.Option(help="board file of the kit")] = "nrf5340dk_sim",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    hci: Annotated[
        str | None,
        typer.Option(
            help="where to offer HCI: tcp:127.0.0.1:0 or unix:PATH (default: Unix socket)"
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="max|N",
            help="speed of the kit: 1.0 = real time, max does not wait at all (default: the "
            "board file's)",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the addresses as JSON")] = False,
    version: VersionOption = False,
) -> None:
    """Run a virtual kit until Ctrl-C; print where its UART, HCI and control are."""
    import asyncio

    from pydantic import TypeAdapter

    from pytest_nrf_fota.artifacts.demo import DemoSource
    from pytest_nrf_fota.boards.board_file import load_board, own_settings
    from pytest_nrf_fota.builds.given import read_baseline
    from pytest_nrf_fota.providers.sim import kit_settings_json
    from pytest_nrf_fota.sim.kit import KitError, KitSettings
    from pytest_nrf_fota.sim.process import run_kit, temporary_folder

    with refusing(), temporary_folder() as folder:
        folders = tuple(board_dir or ())
        board_type, own = load_board(board, folders), own_settings(board, folders)
        given = firmware or [DemoSource(board_type, folder).baseline]
        baseline = read_baseline(board_type, own, given, folder)
        settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(baseline.board))
        if speed is not None:
            settings = replace(settings, speed=_given_speed(speed))
        try:
            asyncio.run(
                run_kit(
                    settings,
                    announce=_print_json if as_json else _print_addresses,
                    hex_file=baseline.hex_file,
                    hci=hci,
                )
            )
        except KitError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error


def _given_speed(text: str) -> float | None:
    from pytest_nrf_fota.errors import InputError

    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < math.inf:
        raise InputError(
            f"{text!r} is no speed.", where="--speed", next_step="Give max, or a number such as 1."
        )
    return speed


def _print_json(addresses: "Addresses") -> None:
    typer.echo(addresses.model_dump_json())


def _print_addresses(addresses: "Addresses") -> None:
    typer.echo(f"A virtual kit, {addresses.state}. Ctrl-C ends it.")
    typer.echo(f"  UART, application core  {addresses.app_uart}   (Enter shows the prompt)")
    if addresses.net_uart:
        typer.echo(f"  UART, network core      {addresses.net_uart}")
    typer.echo(f"  UART, SMP alone         {addresses.smp_uart}")
    typer.echo(f"  Bluetooth HCI           {addresses.hci}   (bumble's open_transport)")
    typer.echo(f"  control                 {addresses.control}   (JSON lines)")
