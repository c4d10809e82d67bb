"""A port in use names the process that holds it: real ptys, held by real processes."""

import os
import subprocess
import sys
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import serial

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.port_holder import port_holders, require_free
from pytest_nrf_fota.errors import ConsoleLostError
from pytest_nrf_fota.record.recorder import FlightRecorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

_OPEN = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('held', flush=True); "
_LOCK = (
    "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); "
    "print('held', flush=True); "
)
_WAIT = "sys.stdin.read()"


@pytest.fixture
def port() -> Iterator[str]:
    far_end, near_end = os.openpty()
    tty.setraw(near_end)
    name = os.ttyname(near_end)
    # Only the far end stays: nobody holds the port.
    os.close(near_end)
    yield name
    os.close(far_end)


@pytest.fixture
def hold(port: str) -> Iterator[Callable[..., int]]:
    """Start a process that holds the port; returns its id."""
    with ExitStack() as processes:

        def start(how: str, name: str = "terminal") -> int:
            process = subprocess.Popen(
                [sys.executable, "-c", how + _WAIT, port, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            processes.enter_context(process)
            processes.callback(process.terminate)
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            return process.pid

        yield start


def _open(port: str, folder: Path) -> Console:
    raw_log = folder / "raw.log"
    return Console(port, baudrate=115200, raw_log_path=raw_log, recorder=FlightRecorder())


def test_free_port_has_no_holder(port: str) -> None:
    require_free(port)
    assert port_holders(port) == ()


@pytest.mark.parametrize("how", [_OPEN, _LOCK])
def test_port_in_use_is_refused_with_pid_and_command(
    port: str, hold: Callable[..., int], how: str
) -> None:
    """Without a lock opening would succeed, and both programs would lose bytes."""
    pid = hold(how, "minicom")
    with pytest.raises(ConsoleLostError, match=rf"in use by .* minicom \(pid {pid}\)") as refusal:
        require_free(port)
    assert refusal.value.where == port


def test_console_names_who_locked_its_port(
    port: str, hold: Callable[..., int], tmp_path: Path
) -> None:
    """Who only has it open beside is not the reason."""
    hold(_OPEN, "bystander")
    pid = hold(_LOCK, "picocom")
    with pytest.raises(ConsoleLostError, match=rf"held by .* picocom \(pid {pid}\)") as refusal:
        _open(port, tmp_path)
    assert "bystander" not in refusal.value.what
    assert "end it" in refusal.value.next_step


def test_own_process_is_called_so(port: str, tmp_path: Path) -> None:
    with serial.Serial(port, exclusive=True):
        require_free(port)
        with pytest.raises(ConsoleLostError, match=rf"this process itself \(pid {os.getpid()}\)"):
            _open(port, tmp_path)


def test_modem_manager_gets_advice_of_its_own(port: str, hold: Callable[..., int]) -> None:
    hold(_LOCK, "/usr/sbin/ModemManager")
    with pytest.raises(ConsoleLostError) as refusal:
        require_free(port)
    assert "ID_MM_DEVICE_IGNORE" in refusal.value.next_step


def test_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConsoleLostError) as refusal:
        _open(str(tmp_path / "ttyACM7"), tmp_path)
    assert "plugged in" in refusal.value.next_step
    assert port_holders(str(tmp_path / "ttyACM7")) == ()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to be nobody then")
def test_holder_of_another_user_is_found_by_its_lock(port: str, hold: Callable[..., int]) -> None:
    """What other users have open is hidden; who locked it is not."""
    Path(port).chmod(0o666)
    pid = hold(_LOCK, "picocom")
    asked = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from pytest_nrf_fota.console.port_holder import port_holders; "
            "os.setuid(65534); print([holder.pid for holder in port_holders(sys.argv[1])])",
            port,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == f"[{pid}]"
