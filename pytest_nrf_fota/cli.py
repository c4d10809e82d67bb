"""The nrf-fota command: registers the commands of `commands/`."""

from collections.abc import Callable, Mapping

import typer

from pytest_nrf_fota.commands.board_file import board_file
from pytest_nrf_fota.commands.boards import boards
from pytest_nrf_fota.commands.campaign import CAMPAIGN, campaign
from pytest_nrf_fota.commands.demo_firmware import demo_firmware
from pytest_nrf_fota.commands.doctor import doctor
from pytest_nrf_fota.commands.explain import explain
from pytest_nrf_fota.commands.farm import FARM, farm
from pytest_nrf_fota.commands.first_contact import first_contact
from pytest_nrf_fota.commands.hci_dongle import hci_dongle
from pytest_nrf_fota.commands.inspect import inspect
from pytest_nrf_fota.commands.preflight import preflight
from pytest_nrf_fota.commands.quarantine import QUARANTINE, quarantine
from pytest_nrf_fota.commands.recording import recording
from pytest_nrf_fota.commands.report import report
from pytest_nrf_fota.commands.resign import resign
from pytest_nrf_fota.commands.scenarios import scenarios
from pytest_nrf_fota.commands.sim import sim
from pytest_nrf_fota.commands.timeline import timeline
from pytest_nrf_fota.commands.upgrade import upgrade
from pytest_nrf_fota.commands.version import VersionOption

_COMMANDS: Mapping[str, Callable[..., None]] = {
    "sim": sim,
    "inspect": inspect,
    "preflight": preflight,
    "upgrade": upgrade,
    "explain": explain,
    "timeline": timeline,
    "recording": recording,
    "report": report,
    "resign": resign,
    "demo-firmware": demo_firmware,
    "hci-dongle": hci_dongle,
    "board-file": board_file,
    "doctor": doctor,
    "first-contact": first_contact,
    "boards": boards,
    "scenarios": scenarios,
}

app = typer.Typer(
    # Values may be keys; typer before 0.23 shows them.
    pretty_exceptions_show_locals=False,
    no_args_is_help=True,
    add_completion=False,
    # rich's import and its boxes cost the help more than all the rest of it.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _main(version: VersionOption = False) -> None:
    """Firmware upgrades on Nordic kits."""


for _name, _command in _COMMANDS.items():
    # typer would cut it after 45 characters.
    _first_line = (_command.__doc__ or "").partition("\n")[0]
    app.command(_name, short_help=_first_line)(_command)

app.add_typer(farm, name="farm", short_help=FARM)
app.add_typer(quarantine, name="quarantine", short_help=QUARANTINE)
app.add_typer(campaign, name="campaign", short_help=CAMPAIGN)
