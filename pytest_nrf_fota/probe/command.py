"""Run a probe's command-line tool: within a deadline, with bounded output, nothing left behind."""

import contextlib
import os
import selectors
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pytest_nrf_fota import guard
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.tool_call import FilesOfCall, ToolCall

# The longest honest output is a read of 1 MiB by nrfjprog: about 5 bytes of text per byte.
OUTPUT_LIMIT_BYTES = 8 * 1024 * 1024
# How long the guard may take to end a tool that does not listen.
_ENDING_S = guard.TERMINATE_GRACE_S + 3.0
_READ_BYTES = 64 * 1024
_QUOTED_LINES = 6
# Its version and its list of probes are asked before anybody records.
_EARLY_CALLS = 8
# A shell's and the guard's status of a command that a signal ended: 128 + its number.
_SIGNAL_STATUS = range(129, 160)


@dataclass(frozen=True)
class CommandResult:
    """How a command ended. Bytes that are no UTF-8 appear as U+FFFD."""

    command: str
    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """The last lines of both outputs, for messages."""
        lines = [line.strip() for line in (self.stdout + "\n" + self.stderr).splitlines()]
        return " / ".join([line for line in lines if line][-_QUOTED_LINES:])

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it."""
        return self.exit_code in _SIGNAL_STATUS


RunCommand: TypeAlias = Callable[[Sequence[str], Deadline], CommandResult]


class Tool:
    """One command-line tool; one call at a time, because a probe serves one.

    Args:
        name: for messages.
        prefix: the program and the arguments that begin every call.
        run: runs one command; on another machine, where the kit is there. None runs it here.
    """

    def __init__(self, name: str, prefix: Sequence[str], run: RunCommand | None = None) -> None:
        self.name = name
        self._prefix = tuple(prefix)
        self._run = run or run_command
        self._lock = threading.Lock()
        self._observer: Callable[[ToolCall], None] | None = None
        self._early: list[ToolCall] = []

    def run(self, arguments: Sequence[str], deadline: Deadline) -> CommandResult:
        """Run it to its end, whatever its exit code. Raises as `run_command` does."""
        with self._lock:
            return self._observed((*self._prefix, *arguments), deadline)

    def observe(self, observer: Callable[[ToolCall], None]) -> None:
        """Tell each call to `observer` instead of an earlier one, the first ones included that
        nobody was told.
        """
        with self._lock:
            self._observer = observer
            for call in self._early:
                observer(call)
            self._early.clear()

    def _observed(self, command: tuple[str, ...], deadline: Deadline) -> CommandResult:
        files, started_at_s = FilesOfCall(command[1:]), time.monotonic()
        result: CommandResult | None = None
        fault = ""
        try:
            result = self._run(command, deadline)
        except ProbeFaultError as error:
            fault = error.fault.value
            raise
        finally:
            ended_at_s = time.monotonic()
            call = ToolCall(
                tool=self.name,
                command=command,
                exit_code=result.exit_code if result else None,
                stdout=result.stdout if result else "",
                stderr=result.stderr if result else "",
                fault=fault,
                files=files.now(),
                ended_at_s=ended_at_s,
                duration_s=ended_at_s - started_at_s,
            )
            if self._observer is not None:
                self._observer(call)
            elif len(self._early) < _EARLY_CALLS:
                self._early.append(call)
        return result


def run_command(
    arguments: Sequence[str],
    deadline: Deadline,
    *,
    output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
) -> CommandResult:
    """Run a command without input and collect what it prints.

    It runs under `units/guard.py`: it ends with this process however that ends, and takes the
    processes that it started along (nrfjprog starts a worker).

    Raises:
        ProbeFaultError: it is missing (TOOL_MISSING), too slow (TIMED_OUT), was killed (KILLED) or
            prints more than `output_limit_bytes` (BAD_OUTPUT).
    """
    command = shlex.join(arguments)
    if os.name != "posix":
        return _run_without_guard(arguments, command, deadline)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, "--whole-group", "--", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = _read_to_the_end(process, deadline, output_limit_bytes)
        except _TooSlowError:
            raise ProbeFaultError(
                ProbeFault.TIMED_OUT,
                f"The tool was not done after {deadline.allowed_s:g} s.",
                where=command,
            ) from None
        except _TooMuchError:
            raise ProbeFaultError(
                ProbeFault.BAD_OUTPUT,
                f"The tool printed more than {output_limit_bytes} bytes.",
                where=command,
            ) from None
        finally:
            _end(process)
    return checked_result(
        CommandResult(
            command=command,
            exit_code=process.returncode,
            stdout=stdout.decode("utf-8", errors="replace"),
            stderr=stderr.decode("utf-8", errors="replace"),
        )
    )


def checked_result(result: CommandResult) -> CommandResult:
    """The same, unless it did not start or was killed. Raises `ProbeFaultError`."""
    if result.exit_code == guard.NOT_STARTED and "guard: " in result.stderr:
        raise ProbeFaultError(
            ProbeFault.TOOL_MISSING,
            f"The tool does not start: {result.last_words}",
            where=result.command,
        )
    if result.was_killed:
        raise ProbeFaultError(
            ProbeFault.KILLED,
            f"The tool was ended by signal {result.exit_code - 128}. {result.last_words}".rstrip(),
            where=result.command,
        )
    return result


class _TooSlowError(Exception):
    pass


class _TooMuchError(Exception):
    pass


def _read_to_the_end(
    process: subprocess.Popen[bytes], deadline: Deadline, limit_bytes: int
) -> tuple[bytes, bytes]:
    """Both outputs, up to the end of the process.

    Not up to the end of the pipes: SEGGER's GUI server may keep them open in the background.
    """
    assert process.stdout is not None and process.stderr is not None
    outputs = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr)}
    ended, tell_ended = os.pipe()

    def wait_for_the_end() -> None:
        process.wait()
        os.close(tell_ended)

    threading.Thread(target=wait_for_the_end, name="probe tool", daemon=True).start()
    with selectors.DefaultSelector() as selector:
        for descriptor in (*outputs, ended):
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ)
        try:
            has_ended = False
            while not has_ended:
                ready = [key.fd for key, _ in selector.select(deadline.remaining_s)]
                has_ended = ended in ready
                if not has_ended and deadline.expired:
                    raise _TooSlowError
                for descriptor in outputs if has_ended else ready:
                    if not _take_what_is_there(descriptor, outputs[descriptor], limit_bytes):
                        with contextlib.suppress(KeyError):
                            selector.unregister(descriptor)
                if sum(len(output) for output in outputs.values()) > limit_bytes:
                    raise _TooMuchError
        finally:
            os.close(ended)
    return bytes(outputs[process.stdout.fileno()]), bytes(outputs[process.stderr.fileno()])


def _take_what_is_there(descriptor: int, output: bytearray, limit_bytes: int) -> bool:
    """Whether more may come."""
    while len(output) <= limit_bytes:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        output += data
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _run_without_guard(arguments: Sequence[str], command: str, deadline: Deadline) -> CommandResult:
    """Windows: the tool itself ends at the deadline, processes that it started may not."""
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline.remaining_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeFaultError(
            ProbeFault.TIMED_OUT,
            f"The tool was not done after {deadline.allowed_s:g} s.",
            where=command,
        ) from error
    except OSError as error:
        raise ProbeFaultError(
            ProbeFault.TOOL_MISSING, f"The tool does not start: {error}", where=command
        ) from error
    return CommandResult(
        command=command,
        exit_code=done.returncode,
        stdout=done.stdout.decode("utf-8", errors="replace"),
        stderr=done.stderr.decode("utf-8", errors="replace"),
    )
