"""The nrf-fota command: registers the commands of `commands/`."""

from typing import Annotated

import typer

from pytest_nrf_fota.commands.board_file import board_file
from pytest_nrf_fota.commands.boards import boards
from pytest_nrf_fota.commands.demo_firmware import demo_firmware
from pytest_nrf_fota.commands.doctor import doctor
from pytest_nrf_fota.commands.explain import explain
from pytest_nrf_fota.commands.hci_dongle import hci_dongle
from pytest_nrf_fota.commands.inspect import inspect
from pytest_nrf_fota.commands.preflight import preflight
from pytest_nrf_fota.commands.resign import resign
from pytest_nrf_fota.commands.scenarios import scenarios
from pytest_nrf_fota.commands.sim import sim
from pytest_nrf_fota.commands.version import print_version

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="and exit")
    ] = False,
) -> None:
    """Firmware upgrades on Nordic kits."""


app.command()(sim)
app.command()(inspect)
app.command()(preflight)
app.command()(explain)
app.command()(resign)
app.command()(demo_firmware)
app.command("hci-dongle")(hci_dongle)
app.command("board-file")(board_file)
app.command()(doctor)
app.command()(boards)
app.command()(scenarios)
