"""The guard: a command never outlives the process that wanted it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota import guard

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the guard is POSIX only")

_GUARD = (sys.executable, "-I", "-S", guard.__file__)
_TIME_LIMIT_S = 20.0

# Tells that it runs, then keeps the life line open until it ends.
_COMMAND = """
import os, sys, time
os.write(int(sys.argv[1]), b"r")
time.sleep(1000)
"""
_STUBBORN_COMMAND = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _COMMAND
# Stands for pytest: starts the guard with a pipe as its standard input, and waits.
_PARENT = """
import subprocess, sys, time
life_line = int(sys.argv[1])
subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, pass_fds=[life_line], start_new_session=True)
time.sleep(1000)
"""


class LifeLine:
    """A pipe whose write end is held by the processes under test only."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()

    def next_byte(self) -> bytes:
        """One byte, or nothing when every process that held the line is gone."""
        readable, _, _ = select.select([self._read_end], [], [], _TIME_LIMIT_S)
        assert readable, "the processes neither wrote nor ended"
        return os.read(self._read_end, 1)

    def hand_over(self) -> None:
        """Keep only the read end in this process."""
        os.close(self.write_end)

    def close(self) -> None:
        os.close(self._read_end)


@pytest.fixture
def life_line() -> Iterator[LifeLine]:
    line = LifeLine()
    yield line
    line.close()


def _start_guard(
    life_line: LifeLine, command: str, scratch_directory: Path
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [
            *(*_GUARD, "--scratch-directory", str(scratch_directory), "--"),
            *(sys.executable, "-c", command, str(life_line.write_end)),
        ],
        stdin=subprocess.PIPE,
        pass_fds=[life_line.write_end],
    )
    life_line.hand_over()
    return process


def test_sigkill_of_the_parent_leaves_neither_child_nor_directory(
    life_line: LifeLine, tmp_path: Path
) -> None:
    scratch_directory = tmp_path / "scratch"
    write_end = str(life_line.write_end)
    parent = subprocess.Popen(
        [
            *(sys.executable, "-c", _PARENT, write_end),
            *(*_GUARD, "--scratch-directory", str(scratch_directory), "--"),
            *(sys.executable, "-c", _COMMAND, write_end),
        ],
        pass_fds=[life_line.write_end],
    )
    life_line.hand_over()
    assert life_line.next_byte() == b"r"
    assert scratch_directory.is_dir()

    parent.send_signal(signal.SIGKILL)
    parent.wait(_TIME_LIMIT_S)

    assert life_line.next_byte() == b"", "the guard or its command outlived the parent"
    assert not scratch_directory.exists()


def test_a_command_that_ignores_sigterm_is_killed(life_line: LifeLine, tmp_path: Path) -> None:
    process = _start_guard(life_line, _STUBBORN_COMMAND, tmp_path / "scratch")
    assert process.stdin is not None
    assert life_line.next_byte() == b"r"
    process.stdin.close()
    assert life_line.next_byte() == b""
    assert process.wait(_TIME_LIMIT_S) == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_guard_ends_the_command(
    number: signal.Signals, life_line: LifeLine, tmp_path: Path
) -> None:
    process = _start_guard(life_line, _COMMAND, tmp_path / "scratch")
    assert process.stdin is not None
    assert life_line.next_byte() == b"r"
    process.send_signal(number)
    assert life_line.next_byte() == b""
    assert process.wait(_TIME_LIMIT_S) == 128 + signal.SIGTERM
    assert not (tmp_path / "scratch").exists()
    process.stdin.close()


def test_the_guard_ends_with_its_command_and_passes_its_status_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_nrf_fota.guard", "--", "sh", "-c", "exit 7"],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(guard.__file__).parents[2])},
    ) as process:
        assert process.wait(_TIME_LIMIT_S) == 7


def test_a_missing_command_is_named() -> None:
    finished = subprocess.run(
        [*_GUARD, "--", "no-such-command-here"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIME_LIMIT_S,
        check=False,
    )
    assert finished.returncode == 127
    assert "no-such-command-here" in finished.stderr
