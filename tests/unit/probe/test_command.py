"""Running a tool: ended at its deadline with all it started, whatever it prints."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.command import run_command
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError

from .fake_tool import LONG_S, FakeTool, Replay, deadline, is_alive

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the guard is POSIX only")

# Starts a worker as nrfjprog does (one that does not listen to SIGTERM), tells both process ids
# through a named pipe, and hangs.
_HANG = """
import signal
pid = os.fork()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if pid:
    with open({fifo!r}, "w") as fifo:
        fifo.write(f"{{os.getpid()}} {{pid}}")
time.sleep(1000)
"""


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    yield path


def _pids(fifo: Path) -> list[int]:
    return [int(word) for word in fifo.read_text().split()]


def _fault(tool: FakeTool, limit: Deadline, **options: int) -> ProbeFaultError:
    with pytest.raises(ProbeFaultError) as raised:
        run_command([str(tool.path)], limit, **options)
    return raised.value


def test_output_and_exit_code(tmp_path: Path) -> None:
    """Both outputs apart, and the exit code as it is: backends judge it."""
    tool = FakeTool(tmp_path, "tool", Replay(stdout="out\n", stderr="err\n", exit_code=55))
    result = run_command([str(tool.path), "--verify", "a b"], deadline())
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 55)
    assert tool.calls == [["--verify", "a b"]]
    assert result.command.endswith("--verify 'a b'")


def test_it_gets_no_input(tmp_path: Path) -> None:
    """nrfjprog asks which of several probes is meant; nobody could answer."""
    then = "print('input:', repr(sys.stdin.read()))"
    tool = FakeTool(tmp_path, "tool", Replay(then=then))
    assert run_command([str(tool.path)], deadline()).stdout == "input: ''\n"


def test_output_that_is_no_text(tmp_path: Path) -> None:
    """Bytes in another encoding are no reason to fail."""
    tool = FakeTool(tmp_path, "tool", Replay(stdout=b"Fehler \xfcber\xff\n"))
    assert run_command([str(tool.path)], deadline()).stdout == "Fehler \ufffdber\ufffd\n"


def test_hung_tool_is_ended_with_its_worker(tmp_path: Path, fifo: Path) -> None:
    """At the deadline nothing of it is left, though both ignore SIGTERM."""
    tool = FakeTool(tmp_path, "tool", Replay(stdout="busy\n", then=_HANG.format(fifo=str(fifo))))
    reader = subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE, text=True)
    error = _fault(tool, Deadline.after(2.0))
    pids = [int(word) for word in reader.communicate(timeout=LONG_S)[0].split()]
    assert error.fault is ProbeFault.TIMED_OUT
    assert "--flash-timeout" in str(error)
    assert len(pids) == 2 and not any(is_alive(pid) for pid in pids)


def test_background_process_does_not_delay_the_result(tmp_path: Path) -> None:
    """A process that keeps the pipes open (SEGGER's GUI server) ends with the tool."""
    then = """
if os.fork() == 0:
    time.sleep(1000)
print("done", os.getpid())
"""
    tool = FakeTool(tmp_path, "tool", Replay(then=then))
    assert run_command([str(tool.path)], deadline()).stdout.startswith("done")


def test_process_in_a_session_of_its_own_does_not_delay_the_result(tmp_path: Path) -> None:
    """Not even one that has left the group."""
    then = """
pid = os.fork()
if pid == 0:
    os.setsid()
    time.sleep(1000)
print(pid)
"""
    tool = FakeTool(tmp_path, "tool", Replay(then=then))
    result = run_command([str(tool.path)], deadline())
    os.kill(int(result.stdout), signal.SIGKILL)
    assert result.exit_code == 0


def test_flood_is_stopped(tmp_path: Path) -> None:
    """Output without end takes no memory without end."""
    tool = FakeTool(tmp_path, "tool", Replay(then="while True: os.write(1, b'x' * 65536)"))
    error = _fault(tool, deadline(), output_limit_bytes=1_000_000)
    assert error.fault is ProbeFault.BAD_OUTPUT
    assert "1000000 bytes" in str(error)


def test_killed_tool(tmp_path: Path) -> None:
    """A tool that the system ends has not failed by itself."""
    tool = FakeTool(tmp_path, "tool", Replay(then="os.kill(os.getpid(), 9)"))
    error = _fault(tool, deadline())
    assert error.fault is ProbeFault.KILLED
    assert "signal 9" in str(error)


def test_missing_and_unusable_programs(tmp_path: Path) -> None:
    """Said plainly, with what to install."""
    script = tmp_path / "not_executable"
    script.write_text("")
    for program in (tmp_path / "missing", script):
        with pytest.raises(ProbeFaultError) as raised:
            run_command([str(program)], deadline())
        assert raised.value.fault is ProbeFault.TOOL_MISSING
        assert "nrfutil install device" in raised.value.next_step


def test_nothing_is_left_when_the_caller_is_killed(tmp_path: Path, fifo: Path) -> None:
    """SIGKILL of pytest ends the tool and its worker."""
    tool = FakeTool(tmp_path, "tool", Replay(then=_HANG.format(fifo=str(fifo))))
    caller = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from pytest_nrf_fota.deadline import Deadline\n"
            "from pytest_nrf_fota.probe.command import run_command\n"
            "run_command(sys.argv[1:], Deadline.after(1000))",
            str(tool.path),
        ]
    )
    pids = _pids(fifo)
    watched = [os.pidfd_open(pid) for pid in pids] if hasattr(os, "pidfd_open") else []
    caller.kill()
    caller.wait()
    assert watched, "this test needs Linux"
    for descriptor in watched:
        assert select.select([descriptor], [], [], LONG_S)[0], "still running"
        os.close(descriptor)
