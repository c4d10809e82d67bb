"""A console that was named: an adapter's port, or one on another machine."""

import socket
import sys
from collections.abc import Callable

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from pytest_nrf_fota.doctor.check import Look, Outcome
from pytest_nrf_fota.doctor.console_checks import console_port

from .machine import Machine, Port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds a Linux tree")


def look(machine: Machine, port: str) -> Look:
    return console_port(port).look(machine.host())


def test_adapter(machine: Machine) -> None:
    """Not there, not for this user, ready."""
    assert "/dev/ttyUSB0 is not there" in look(machine, "/dev/ttyUSB0").found
    adapter = machine.write("/dev/ttyUSB0", "", mode=0o660)
    seen = look(machine, "/dev/ttyUSB0")
    assert "no permission for /dev/ttyUSB0" in seen.found
    assert seen.command == "newgrp dialout"
    adapter.chmod(0o666)
    assert look(machine, "/dev/ttyUSB0").outcome is Outcome.OK


def test_adapter_in_use(machine: Machine, port: Port, hold: Callable[[str], int]) -> None:
    """Who holds it, by the name that was given."""
    machine.path("/dev").mkdir()
    machine.path("/dev/ttyUSB0").symlink_to(port.name)
    assert look(machine, "/dev/ttyUSB0").outcome is Outcome.OK
    pid = hold(port.name)
    seen = look(machine, "/dev/ttyUSB0")
    if sys.platform == "linux":
        assert (seen.outcome, seen.command) == (Outcome.MISSING, f"kill {pid}")
        assert "/dev/ttyUSB0 is held by minicom" in seen.found


def test_adapter_by_what_it_is(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that matches is looked at as if it had been named."""
    adapter = ListPortInfo("/dev/ttyUSB3")
    adapter.hwid = "USB VID:PID=0403:6001 SER=FT1"
    monkeypatch.setattr(list_ports, "comports", lambda include_links=False: [adapter])
    assert "no ports found" in look(machine, "hwgrep://10c4:ea60").found
    assert "/dev/ttyUSB3 is not there" in look(machine, "hwgrep://0403:6001").found
    machine.write("/dev/ttyUSB3", "", mode=0o666)
    assert look(machine, "hwgrep://0403:6001").found == "hwgrep://0403:6001 is /dev/ttyUSB3"


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_port_of_another_machine(machine: Machine, scheme: str) -> None:
    """A server that takes connections, and none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        url = f"{scheme}://127.0.0.1:{number}?logging=debug"
        assert look(machine, url).outcome is Outcome.OK
    seen = look(machine, url)
    assert (seen.outcome, seen.command) == (Outcome.MISSING, f"nc -vz 127.0.0.1 {number}")
    assert "nobody takes connections" in look(machine, f"{scheme}://127.0.0.1:99999").found


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_port_of_another_machine_by_ipv6(machine: Machine) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        seen = look(machine, f"socket://[::1]:{server.getsockname()[1]}")
        assert seen.outcome is Outcome.OK, seen.found


def test_what_shows_only_when_it_is_opened(machine: Machine) -> None:
    assert look(machine, "alt:///dev/ttyUSB0").outcome is Outcome.NOT_LOOKED
    machine.system = "win32"
    assert look(machine, "COM7").outcome is Outcome.NOT_LOOKED
