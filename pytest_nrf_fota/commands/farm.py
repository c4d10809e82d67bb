"""nrf-fota farm."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption
from pytest_nrf_fota.farm.labgrid.broker.farm_values import SHORTEST_WATCH_S, WATCH_S

FARM = "Look at a farm of kits behind a labgrid coordinator, and end leases of the dead."

farm = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FarmUrl = Annotated[
    str, typer.Option("--farm", metavar="URL", help="the farm: labgrid://HOST:PORT")
]
FarmPython = Annotated[
    Path | None,
    typer.Option("--farm-python", help="Python that has labgrid (default: as in pytest)"),
]


@farm.callback(help=FARM)
def _farm(version: VersionOption = False) -> None:
    """See `FARM`, which is what the help shows."""


@farm.command("list")
def list_places(
    url: FarmUrl,
    farm_python: FarmPython = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """List the farm's places: kit, host, who has it, tags, and what this host knows of each."""
    from pydantic import TypeAdapter

    from pytest_nrf_fota.farm.labgrid.address import read_farm_address
    from pytest_nrf_fota.farm.labgrid.farm_python import farm_python as find_python
    from pytest_nrf_fota.farm.labgrid.overview import FarmEntry, farm_overview, overview_lines
    from pytest_nrf_fota.inspection.printable_text import printable_text

    with refusing():
        entries = farm_overview(read_farm_address(url), find_python(farm_python))
    if as_json:
        typer.echo(TypeAdapter(tuple[FarmEntry, ...]).dump_json(entries, indent=2))
    else:
        for line in overview_lines(entries):
            typer.echo(printable_text(line))


def watch_places(url: str, farm_python: Path | None, interval_s: float) -> None:
    """Show the farm's places again and again, until Ctrl-C."""
    from rich.console import Console
    from rich.text import Text

    from pytest_nrf_fota.commands.printer import show_again_and_again
    from pytest_nrf_fota.farm.labgrid.address import read_farm_address
    from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess
    from pytest_nrf_fota.farm.labgrid.farm_python import farm_python as find_python
    from pytest_nrf_fota.farm.labgrid.overview import look_at_farm, overview_lines
    from pytest_nrf_fota.inspection.printable_text import printable_text

    def draw(console: Console) -> None:
        for line in overview_lines(look_at_farm(address, broker)):
            console.print(Text(printable_text(line)))

    with refusing():
        address = read_farm_address(url)
        with BrokerProcess(address, find_python(farm_python)) as broker:
            show_again_and_again(draw, interval_s)


@farm.command("reap")
def reap_leases(
    url: FarmUrl,
    watch: Annotated[
        float,
        typer.Option(min=SHORTEST_WATCH_S, help="seconds in which the living renew their leases"),
    ] = WATCH_S,
    farm_python: FarmPython = None,
) -> None:
    """Release kits whose sessions died without releasing them, as with their host.

    Leases that no session of this plugin took are left alone.
    """
    from pytest_nrf_fota.farm.labgrid.address import read_farm_address
    from pytest_nrf_fota.farm.labgrid.farm_python import farm_python as find_python
    from pytest_nrf_fota.farm.labgrid.reaper import reap, reaped_lines
    from pytest_nrf_fota.inspection.printable_text import printable_text

    typer.echo(f"watching for {watch:g} s whose leases are renewed", err=True)
    with refusing():
        reaped = reap(read_farm_address(url), find_python(farm_python), watch)
    for line in reaped_lines(reaped, watch):
        typer.echo(printable_text(line))
