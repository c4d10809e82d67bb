"""Bluetooth up to bluetoothd; a real D-Bus where the machine has its daemon."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.doctor.bluetooth_checks import bluetooth_checks, hci_controller
from pytest_nrf_fota.doctor.check import Look, Outcome
from pytest_nrf_fota.doctor.host import BluezState, ask_bluez

from .machine import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds a Linux tree")

# A stand-in for bluetoothd: one adapter without power.
_BLUETOOTHD = """
import asyncio
from dbus_fast import BusType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool
from dbus_fast.service import PropertyAccess, ServiceInterface, dbus_property

class Adapter(ServiceInterface):
    @dbus_property(access=PropertyAccess.READ)
    def Powered(self) -> DBusBool:
        return False

async def main():
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    bus.export("/org/bluez/hci0", Adapter("org.bluez.Adapter1"))
    await bus.request_name("org.bluez")
    print("ready", flush=True)
    await bus.wait_for_disconnect()

asyncio.run(main())
"""


def look(machine: Machine, name: str, adapter: str | None = None) -> Look:
    full_name = name if adapter is None else f"{name} {adapter}"
    checks = bluetooth_checks(adapter)
    return next(check for check in checks if check.name == full_name).look(machine.host())


def test_adapters(machine: Machine) -> None:
    """Connections are listed beside adapters, and are none."""
    assert look(machine, "Bluetooth adapter").outcome is Outcome.MISSING
    machine.path("/sys/class/bluetooth/hci0:64").mkdir(parents=True)
    assert look(machine, "Bluetooth adapter").outcome is Outcome.MISSING
    machine.path("/sys/class/bluetooth/hci1").mkdir()
    assert look(machine, "Bluetooth adapter").found == "hci1"


def test_rfkill(machine: Machine) -> None:
    """Switches of other radios do not count; a hard switch is no matter of a command."""
    machine.write("/sys/class/rfkill/rfkill0/type", "wlan\n")
    machine.write("/sys/class/rfkill/rfkill0/soft", "1\n")
    assert look(machine, "rfkill").outcome is Outcome.NOT_LOOKED
    machine.write("/sys/class/rfkill/rfkill1/type", "bluetooth\n")
    machine.write("/sys/class/rfkill/rfkill1/soft", "0\n")
    machine.write("/sys/class/rfkill/rfkill1/hard", "0\n")
    assert look(machine, "rfkill").outcome is Outcome.OK
    machine.write("/sys/class/rfkill/rfkill1/soft", "1\n")
    assert look(machine, "rfkill").command == "sudo rfkill unblock bluetooth"
    machine.write("/sys/class/rfkill/rfkill1/hard", "1\n")
    blocked = look(machine, "rfkill")
    assert blocked.outcome is Outcome.MISSING and blocked.command == ""


def test_bluez(machine: Machine) -> None:
    """Not there, without adapter, without power, ready."""
    machine.bluez = BluezState(error="The system's D-Bus is not there.")
    assert "D-Bus is not there" in look(machine, "BlueZ").found
    machine.bluez = BluezState()
    assert look(machine, "BlueZ").command == "sudo systemctl restart bluetooth"
    machine.bluez = BluezState({"hci0": False})
    assert look(machine, "BlueZ").command == "bluetoothctl power on"
    machine.bluez = BluezState({"hci0": False, "hci1": True})
    assert look(machine, "BlueZ").found == "answers, hci1 is on"


def test_chosen_adapter(machine: Machine) -> None:
    """Another one that is there, on and not blocked does not do instead."""
    machine.path("/sys/class/bluetooth/hci0").mkdir(parents=True)
    machine.bluez = BluezState({"hci0": True})
    for name in ("Bluetooth adapter", "BlueZ"):
        seen = look(machine, name, "hci1")
        assert (seen.outcome, "hci0" in seen.found) == (Outcome.MISSING, True)
    machine.path("/sys/class/bluetooth/hci1").mkdir()
    assert look(machine, "Bluetooth adapter", "hci1").found == "hci1"
    machine.bluez = BluezState({"hci0": True, "hci1": False})
    assert look(machine, "BlueZ", "hci1").command == "sudo btmgmt --index 1 power on"
    machine.bluez = BluezState({"hci0": False, "hci1": True})
    assert look(machine, "BlueZ", "hci1").found == "answers, hci1 is on"
    machine.bluez = BluezState()
    assert look(machine, "BlueZ", "hci1").found == "bluetoothd has no adapter"


@pytest.mark.parametrize(
    ("switch", "blocked"), [("hci0", False), ("hci1", True), ("tpacpi_bluetooth_sw", True)]
)
def test_switch_of_another_adapter(machine: Machine, switch: str, blocked: bool) -> None:
    """A machine's own switch is for all of them."""
    machine.write("/sys/class/rfkill/rfkill0/type", "bluetooth\n")
    machine.write("/sys/class/rfkill/rfkill0/name", f"{switch}\n")
    machine.write("/sys/class/rfkill/rfkill0/soft", "1\n")
    assert (look(machine, "rfkill", "hci1").outcome is Outcome.MISSING) == blocked
    assert look(machine, "rfkill").outcome is Outcome.MISSING


def test_bluez_that_is_not_installed(machine: Machine) -> None:
    machine.bluez = BluezState(error="The system's D-Bus is not there.")
    assert "apt install bluez" in look(machine, "BlueZ").command


@pytest.mark.parametrize("folder", ["/usr/libexec", "/usr/lib"])
@pytest.mark.parametrize("dbus_runs", [False, True])
def test_bluez_that_is_installed_is_to_be_started(
    machine: Machine, folder: str, dbus_runs: bool
) -> None:
    """D-Bus first, where that does not run either."""
    program = f"{folder}/bluetooth/bluetoothd"
    machine.write(program, "")
    if dbus_runs:
        machine.write("/run/dbus/system_bus_socket", "")
    machine.bluez = BluezState(error="It said no.")
    seen = look(machine, "BlueZ")
    assert seen.outcome is Outcome.MISSING
    assert program in seen.found and "It said no" in seen.found
    assert ("D-Bus does not run" in seen.found) is not dbus_runs
    assert ("start dbus" in seen.command) is not dbus_runs
    assert "--now bluetooth" in seen.command
    assert "install" not in seen.command


def test_hci_controller(machine: Machine) -> None:
    """A serial controller's port is looked at; others show only when they are opened."""
    check = hci_controller("serial:/dev/ttyACM7,1000000,rtscts")
    assert "/dev/ttyACM7 is not there" in check.look(machine.host()).found
    machine.write("/dev/ttyACM7", "", mode=0o660)
    assert "no permission" in check.look(machine.host()).found
    machine.path("/dev/ttyACM7").chmod(0o666)
    assert check.look(machine.host()).outcome is Outcome.OK
    assert hci_controller("usb:0").look(machine.host()).outcome is Outcome.NOT_LOOKED


@pytest.fixture
def system_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A D-Bus of our own in the place of the system's."""
    if sys.platform != "linux" or shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon (apt install dbus)")
    address = f"unix:path={tmp_path}/bus"
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address", "--address", address],
        stdout=subprocess.PIPE,
    )
    with daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline().startswith(b"unix:")
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield
        daemon.terminate()


@pytest.mark.usefixtures("system_bus")
def test_asks_over_dbus() -> None:
    """No bluetoothd on the bus is an error in words; an adapter tells whether it has power."""
    assert ask_bluez().error
    bluetoothd = subprocess.Popen([sys.executable, "-c", _BLUETOOTHD], stdout=subprocess.PIPE)
    with bluetoothd:
        assert bluetoothd.stdout is not None
        assert bluetoothd.stdout.readline() == b"ready\n"
        state = ask_bluez()
        bluetoothd.terminate()
    assert (dict(state.adapters), state.error) == ({"hci0": False}, "")


def test_no_dbus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the system's D-Bus."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    assert ask_bluez().error
