"""The host's Bluetooth through bleak, where it does not work. Where it does: tests/bluez.

The D-Bus daemon is real. BlueZ's service is bluezoo: it keeps adapters and their power, and has no
radio.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.record.events import RadioState
from pytest_nrf_fota.record.recorder import read_recording

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="BlueZ exists on Linux only")

PEER = "F2:7C:B6:5D:C3:74"
# A process of its own: bleak keeps one D-Bus connection for each event loop and address.
_CONNECT = """
import sys
from pathlib import Path
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import BleakRadio
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts

recorder = FlightRecorder()
recorder.open(Path(sys.argv[1]), "bleak")
try:
    with Mcumgr(BleakRadio(), recorder, SmpTimeouts(2.0, 2.0)) as mcumgr:
        mcumgr.connect(sys.argv[2], float(sys.argv[3]))
except FotaError as error:
    print(type(error).__name__, error)
recorder.close()
"""


class Host:
    """A host with a D-Bus of its own."""

    def __init__(self, folder: Path) -> None:
        self._recording = folder / "recorder.jsonl"
        self._processes = ExitStack()
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/none"}
        self.environment.pop("PYTEST_XDIST_WORKER", None)

    def start_dbus(self) -> None:
        """Start a D-Bus daemon."""
        daemon = shutil.which("dbus-daemon")
        if daemon is None:
            pytest.skip("dbus-daemon is not installed")
        line = self._start([daemon, "--session", "--nofork", "--print-address=1"])
        self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = line

    def start_bluez(self, *arguments: str) -> None:
        """Start what answers as BlueZ, with one adapter."""
        pytest.importorskip("bluezoo")
        code = (
            "import asyncio, sys; from bluezoo.bluezoo import startup; "
            "loop = asyncio.new_event_loop(); "
            "loop.run_until_complete(startup(adapters=['00:11:22:33:44:55'], "
            "auto_enable='on' in sys.argv)); print('ready', flush=True); loop.run_forever()"
        )
        assert self._start([sys.executable, "-c", code, *arguments]) == "ready"

    def connect(self, timeout_s: float) -> str:
        """Try to connect; what was printed about the failure."""
        command = [sys.executable, "-c", _CONNECT, str(self._recording), PEER, str(timeout_s)]
        ended = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return ended.stdout

    @property
    def states(self) -> list[tuple[str, str]]:
        """The radio's states in the flight recorder."""
        events = [line.event for line in read_recording(self._recording)]
        return [(e.state, e.detail) for e in events if isinstance(e, RadioState)]

    def close(self) -> None:
        """End what was started."""
        self._processes.close()

    def _start(self, command: list[str]) -> str:
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        self._processes.enter_context(process)
        self._processes.callback(process.terminate)
        assert process.stdout is not None
        return process.stdout.readline().strip()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.close()


def test_host_without_dbus_is_a_broken_rig(host: Host) -> None:
    assert "RadioLostError" in host.connect(5.0)


def test_host_without_bluez_is_a_broken_rig(host: Host) -> None:
    host.start_dbus()
    printed = host.connect(5.0)
    assert "RadioLostError" in printed
    assert "org.bluez" in printed


def test_adapter_without_power_is_switched_on(host: Host) -> None:
    """The reset is in the flight recorder; the board is then looked for until the deadline."""
    host.start_dbus()
    host.start_bluez("off")
    printed = host.connect(3.0)
    assert "NotSeenError" in printed
    assert PEER in printed
    assert ("reset", "hci0") in host.states
    assert [state for state, _ in host.states] == ["connecting", "retrying", "reset", "failed"]
    assert "No powered Bluetooth adapters" in host.states[1][1]


def test_adapter_is_not_reset_under_other_workers(host: Host) -> None:
    host.environment["PYTEST_XDIST_WORKER"] = "gw1"
    host.start_dbus()
    host.start_bluez("off")
    assert "RadioLostError" in host.connect(3.0)
    assert any("other xdist workers use it" in detail for _, detail in host.states)
    assert "reset" not in [state for state, _ in host.states]


@pytest.mark.long_proof
def test_silence_of_all_is_looked_into_once(host: Host) -> None:
    """An adapter that hears nobody may be hung; after its reset the silence is the board's."""
    host.start_dbus()
    host.start_bluez("on")
    printed = host.connect(14.0)
    assert "NotSeenError" in printed
    assert "advertising: nobody" in printed
    assert [state for state, _ in host.states] == ["connecting", "retrying", "reset", "failed"]
    assert "heard nobody at all" in host.states[1][1]
