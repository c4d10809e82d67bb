"""nrf-fota hci-dongle."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from typing_extensions import assert_never

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption
from pytest_nrf_fota.probe.hci_target import HciTarget

_FLASH_TIMEOUT_S = 300.0


def hci_dongle(
    target: Annotated[HciTarget, typer.Argument(help="what becomes an HCI controller")],
    variant: Annotated[
        str, typer.Option(help="which packaged firmware: default, acl_502, legacy")
    ] = "default",
    hex_file: Annotated[
        Path | None, typer.Option("--hex", help="your own build instead of a packaged one")
    ] = None,
    device_id: Annotated[
        str | None, typer.Option(help="J-Link serial number of the kit; not for a dongle")
    ] = None,
    runner: Annotated[
        str | None,
        typer.Option(help="tool for the kit's probe, as for pytest --runner (default: auto)"),
    ] = None,
    port: Annotated[
        str | None, typer.Option(help="serial port of the dongle's USB bootloader")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show which firmware, and do not flash it")
    ] = False,
    version: VersionOption = False,
) -> None:
    """Flash HCI firmware onto a second kit or a dongle, for --radio bumble:...

    Everything that is on the kit is erased.
    """
    from pytest_nrf_fota.boards.traits import ANY_TOOL
    from pytest_nrf_fota.farm.one_kit import kit_alone
    from pytest_nrf_fota.probe.choose import given_tool
    from pytest_nrf_fota.probe.hci_dongle import (
        HciFirmware,
        packaged_firmware,
        require_dongle_layout,
        require_runner,
    )

    with refusing():
        tool = given_tool(runner) or ANY_TOOL
        require_runner(target, tool)
        firmware = (
            HciFirmware(hex_file, "your own build")
            if hex_file is not None
            else packaged_firmware(target, variant)
        )
        if target is HciTarget.NRF52840DONGLE:
            require_dongle_layout(firmware.path)
        typer.echo(f"{firmware.title}: {firmware.path}")
        if not dry_run:
            # A dongle has no J-Link.
            is_kit = target is not HciTarget.NRF52840DONGLE
            with kit_alone(device_id) if is_kit else nullcontext():
                _flash(target, firmware.path, tool, device_id, port)
            typer.echo(f"Done. Use it: --radio {target.radio}")
    if target is not HciTarget.NRF52DK:
        typer.echo("Its USB connector is the chip's own (on a kit: nRF USB), not the debugger's.")


def _flash(
    target: HciTarget,
    hex_file: Path,
    runner: str,
    device_id: str | None,
    port: str | None,
) -> None:
    from tempfile import TemporaryDirectory

    from pytest_nrf_fota.boards.soc import NRF5340
    from pytest_nrf_fota.deadline import Deadline
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.probe import hci_dongle
    from pytest_nrf_fota.probe.choose import choose_tool, open_probe, pick_probe
    from pytest_nrf_fota.probe.command import Tool
    from pytest_nrf_fota.probe.nrfutil import listed_probes

    deadline = Deadline.after(_FLASH_TIMEOUT_S)
    with TemporaryDirectory(prefix="nrf_fota_hci_") as folder:
        match target:
            case HciTarget.NRF5340DK:
                chosen = choose_tool(runner, deadline)
                probe = open_probe(chosen, device_id, Path(folder), NRF5340, deadline)
                hci_dongle.flash_nrf5340(probe, hex_file, deadline)
            case HciTarget.NRF52840DK | HciTarget.NRF52DK:
                nrfutil = hci_dongle.nrfutil_for_nrf52(deadline)
                listed = listed_probes(nrfutil, deadline)
                serial_number = pick_probe(listed, device_id, where="J-Links that nrfutil lists")
                hci_dongle.flash_nrf52(nrfutil, serial_number, hex_file, deadline)
            case HciTarget.NRF52840DONGLE:
                program = shutil.which("nrfutil")
                if port is None or program is None:
                    raise InputError(
                        "A dongle needs --port, and nrfutil with its command nrf5sdk-tools."
                        if program
                        else "nrfutil is not on the PATH.",
                        where=target.value,
                        next_step="Press the dongle's reset button (its red LED pulses), give "
                        "--port /dev/ttyACM0, and run `nrfutil install nrf5sdk-tools` once.",
                    )
                tool = Tool("nrfutil", (program, "nrf5sdk-tools"))
                hci_dongle.flash_dongle(tool, port, hex_file, Path(folder), deadline)
            case _:
                assert_never(target)
