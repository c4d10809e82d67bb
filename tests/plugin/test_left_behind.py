"""Nothing is left behind, however a run ends; nothing is paid for a board that is not used."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_nrf_fota.deadline import Deadline

STOPS_IN_THE_MIDDLE = """
import pathlib, time

def test_it(dut, firmware, unit):
    dut.prepare(firmware.baseline)
    pathlib.Path("kit.pid").write_text(f"{unit.pid} {unit.control_address}")
    time.sleep(60)
"""

LEAVES_ALL_OPEN = """
import sys
from pathlib import Path
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.providers.sim import SimUnit

board, recorder = load_board("nrf5340dk_sim"), FlightRecorder()
unit = SimUnit(board, "left open", Path("unit"))
dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
print(unit.pid, flush=True)
sys.exit("gives up")
"""


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.long_proof),
        pytest.param(signal.SIGTERM, marks=pytest.mark.long_proof),
        signal.SIGKILL,
    ],
)
def test_kit_ends_with_pytest(user_folder: pytest.Pytester, number: signal.Signals) -> None:
    """Ctrl-C, a polite and an impolite kill of pytest all end the kit's process."""
    user_folder.makepyfile(test_mine=STOPS_IN_THE_MIDDLE)
    pid_file = user_folder.path / "kit.pid"
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "--board", "nrf5340dk_sim"],
        cwd=user_folder.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A run in the background of a script inherits SIGINT ignored, and would never see it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        text = _wait_for_text(pid_file, run)
        kit_pid, control_address = text.split()
        run.send_signal(number)
        run.wait(30)
    finally:
        run.kill()
        run.wait()
    _wait_for_end(int(kit_pid))
    assert not Path(control_address).parent.exists()
    (log,) = user_folder.path.glob("nrf_fota_runs/*/test_mine*/uart.log")
    assert "Starting bootloader 14" in log.read_text()


def test_interrupted_test_is_named_and_its_log_kept(user_folder: pytest.Pytester) -> None:
    """Ctrl-C, as the signal that it is."""
    user_folder.makepyfile(
        test_mine="""
        import os, signal

        def test_it(dut, firmware):
            dut.prepare(firmware.baseline)
            os.kill(os.getpid(), signal.SIGINT)
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["interrupted in: test_mine.py::test_it"])
    (log,) = user_folder.path.glob("nrf_fota_runs/*/test_mine*/uart.log")
    assert "Starting bootloader 14" in log.read_text()


@pytest.mark.long_proof
def test_script_that_closes_nothing_ends(tmp_path: Path) -> None:
    """As one does that an exception ends; its kit ends, too."""
    ended = subprocess.run(
        [sys.executable, "-c", LEAVES_ALL_OPEN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (1, "gives up\n")
    _wait_for_end(int(ended.stdout))


def test_run_without_board_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    """A project that only has the plugin installed pays nothing, nor for what its tests import."""
    pytester.makeconftest(
        """
        import sys

        HEAVY = ("bleak", "bumble", "smpclient", "pydantic", "serial", "imgtool", "pynrfjprog")

        def pytest_unconfigure():
            # Behind the summary: it is the last that the plugin does.
            print("heavy:", [name for name in HEAVY if name in sys.modules])
        """
    )
    pytester.makepyfile(
        """
        from pytest_nrf_fota import FirmwareSource, Outcome, Variant, assert_upgraded

        def test_it():
            pass
        """
    )
    # Other installed plugins may import some of these themselves. And a Python of its own: others
    # are forked from one that has them all.
    result = pytester.run(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
        *("-p", "no:hypothesispytest", "-p", "no:anyio"),
    )
    result.assert_outcomes(passed=1)
    assert "heavy: []" in result.outlines


def _wait_for_text(path: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = Deadline.after(60)
    while not deadline.expired:
        if path.is_file() and (text := path.read_text()):
            return text
        assert process.poll() is None, "pytest ended before its test began"
        _pause()
    pytest.fail("the test did not begin")


def _wait_for_end(pid: int) -> None:
    deadline = Deadline.after(30)
    while not deadline.expired:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        _pause()
    pytest.fail(f"process {pid} is still there")


def _pause() -> None:
    # A process of another parent cannot be waited for, only looked at again.
    time.sleep(0.02)
