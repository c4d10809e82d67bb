"""The Zephyr shell on the console (Zephyr flash_shell.c)."""

import re

from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import Seen, expect
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardError, NotSeenError
from pytest_nrf_fota.record.recorder import FlightRecorder

_ECHO_TIMEOUT_S = 5.0
_REFUSED = LINES["shell_refused"].regex


class ZephyrShell:
    """Types commands and reads their output.

    Args:
        console: the application's console.
        prompt: regular expression of the prompt.
        typing_chunk_bytes: how much to type before waiting for its echo; the shell's receive ring
            loses what does not fit.
        recorder: gets a step per command.
    """

    def __init__(
        self, console: Console, *, prompt: str, typing_chunk_bytes: int, recorder: FlightRecorder
    ) -> None:
        self._console = console
        self._prompt = prompt
        self._typing_chunk_bytes = typing_chunk_bytes
        self._recorder = recorder

    def run(self, command: str, within_s: float) -> tuple[str, ...]:
        """Run a command and return its output lines.

        Raises `BoardError` when the shell refuses it, `NotSeenError` when no prompt comes back.
        """
        deadline = Deadline.after(within_s)
        with self._recorder.step("shell", command):
            since = self._type(command, deadline)
            seen = expect(
                self._console,
                self._prompt,
                since=since,
                deadline=deadline,
                what=f"the prompt after {command!r}",
                partial_lines=True,
            )
            output_chars = seen.start.offset_chars - since.offset_chars
            output = self._console.text_since(since)[:output_chars]
            lines = tuple(line for line in output.splitlines() if line)
            for line in lines:
                if _REFUSED.fullmatch(line):
                    raise self._refused(command, line)
            return lines

    def run_until(self, command: str, success: str, failure: str, within_s: float) -> Seen:
        """Run a command that ends with a line matching `success`.

        Raises `BoardError` with the shell's words where `failure` or a refusal comes instead.
        """
        deadline = Deadline.after(within_s)
        with self._recorder.step("shell", command):
            since = self._type(command, deadline)
            seen = expect(
                self._console,
                [success, failure, _REFUSED.pattern],
                since=since,
                deadline=deadline,
                what=f"the end of {command!r}",
            )
            if seen.index != 0:
                raise self._refused(command, seen[0])
            return seen

    def _type(self, command: str, deadline: Deadline) -> LogPosition:
        """Type the command with its line end; returns the place behind the echo of both."""
        since = self._console.position()
        typed = ""
        for start in range(0, len(command), self._typing_chunk_bytes):
            chunk = command[start : start + self._typing_chunk_bytes]
            self._console.type_text(chunk)
            typed += chunk
            # A log line that interrupts the prompt makes the shell draw everything again, so the
            # whole text typed so far appears in one piece sooner or later.
            self._expect_echo(re.escape(typed), typed, since, deadline)
        self._console.type_text("\r")
        # A prompt that is drawn again between echo and line end is not the end of the command.
        return self._expect_echo(re.escape(command) + r" *\n", command, since, deadline).end

    def _expect_echo(
        self, pattern: str, typed: str, since: LogPosition, deadline: Deadline
    ) -> Seen:
        try:
            return expect(
                self._console,
                pattern,
                since=since,
                deadline=deadline.within(_ECHO_TIMEOUT_S),
                what=f"the shell's echo of {typed!r}",
                partial_lines=True,
            )
        except NotSeenError as error:
            raise NotSeenError(
                error.what,
                where=error.where,
                next_step="Does this application have a shell on this UART "
                "(CONFIG_SHELL=y), and has it booted?",
            ) from error

    def _refused(self, command: str, line: str) -> BoardError:
        return BoardError(
            f"The shell refused {command!r}: {line.strip()}",
            where=f"{self._console.port}, full log: {self._console.raw_log_path}",
            next_step="Check the command and the device name with `device list` in the shell.",
        )
