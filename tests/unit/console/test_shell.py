"""The Zephyr shell, against a small one on a pty that does what Zephyr's shell does.

It echoes, draws its prompt in colours, redraws it around log lines, and has a receive ring of 64
bytes that loses what does not fit.
"""

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.shell import ZephyrShell
from pytest_nrf_fota.errors import BoardError, NotSeenError
from pytest_nrf_fota.record.events import StepEnded, StepStarted
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ptys are POSIX only")

_PROMPT = "\x1b[1;32muart:~$ \x1b[m"
_PROMPT_CHARS = len("uart:~$ ")
_RING_BYTES = 64
_LOG_LINE = "[00:00:01.000,000] \x1b[0m<inf> bt: connected\x1b[0m"
_LONG_S = 30.0
_SHORT_S = 0.3


@dataclass
class Script:
    """What the shell does.

    Args:
        answers: output of each command; others are not found.
        answer_s: the command takes so long.
        logs_after: typed so far -> a log line comes now.
        log_before_enter: a log line comes between the last echo and the line end.
        is_silent: nothing is ever printed.
        keeps_prompt: no prompt comes back after a command.
    """

    answers: dict[str, str] = field(default_factory=dict)
    answer_s: float = 0.0
    logs_after: frozenset[str] = frozenset()
    log_before_enter: bool = False
    is_silent: bool = False
    keeps_prompt: bool = False


class Shell:
    """The board's side, on a thread of its own."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._far_end, self._near_end = os.openpty()
        tty.setraw(self._near_end)
        self.port = os.ttyname(self._near_end)
        self.executed: list[str] = []
        self._typed = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shell")

    def start(self) -> None:
        self._send(_PROMPT)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._far_end)
        os.close(self._near_end)

    def _run(self) -> None:
        while not self._stop.is_set():
            readable, _, _ = select.select([self._far_end], [], [], 0.02)
            if readable:
                for byte in os.read(self._far_end, 4096)[:_RING_BYTES]:
                    self._take(chr(byte))

    def _take(self, char: str) -> None:
        if char == "\r":
            if self._script.log_before_enter:
                self._log()
            self._enter()
            return
        self._typed += char
        self._send(char)
        if self._typed in self._script.logs_after:
            self._log()

    def _log(self) -> None:
        width = _PROMPT_CHARS + len(self._typed)
        self._send(f"\x1b[{width}D\x1b[J{_LOG_LINE}\r\n{_PROMPT}{self._typed}")

    def _enter(self) -> None:
        command, self._typed = self._typed, ""
        self.executed.append(command)
        self._send("\r\n")
        self._stop.wait(self._script.answer_s)
        name = command.split(" ")[0]
        answer = self._script.answers.get(command, f"\x1b[1;31m{name}: command not found\x1b[m\r\n")
        self._send(answer)
        if not self._script.keeps_prompt:
            self._send(_PROMPT)

    def _send(self, text: str) -> None:
        if not self._script.is_silent:
            os.write(self._far_end, text.encode())


@dataclass(frozen=True)
class Bench:
    """Both sides of the wire."""

    board: Shell
    console: Console
    recorder: FlightRecorder

    def shell(self, typing_chunk_bytes: int = 24) -> ZephyrShell:
        return ZephyrShell(
            self.console,
            prompt=r"uart:~\$ ",
            typing_chunk_bytes=typing_chunk_bytes,
            recorder=self.recorder,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[[Script], Bench]]:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "shell")
    benches: list[Bench] = []

    def make(script: Script) -> Bench:
        board = Shell(script)
        console = Console(
            board.port, baudrate=115200, raw_log_path=tmp_path / "raw.log", recorder=recorder
        )
        benches.append(Bench(board, console, recorder))
        board.start()
        return benches[-1]

    yield make
    for made in benches:
        made.board.stop()
        made.console.close()
    recorder.close()


_ERASE = "flash erase mx25r6435f@0 0 800000"
_SUCCESS = r"Erase success\."
_FAILURE = r"Erase Failed, code (?P<code>-\d+)\."


def test_a_command_gives_its_output_lines(bench: Callable[[Script], Bench]) -> None:
    output = "devices:\r\n- mx25r6435f@0 (READY)\r\n\r\n- rtc@15000 (READY)\r\n"
    made = bench(Script({"device list": output}))
    assert made.shell().run("device list", _LONG_S) == (
        "devices:",
        "- mx25r6435f@0 (READY)",
        "- rtc@15000 (READY)",
    )


def test_commands_follow_each_other(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({"one": "1\r\n", "two": "2\r\n", "nothing": ""}))
    shell = made.shell()
    for command, lines in [("one", ("1",)), ("two", ("2",)), ("nothing", ()), ("one", ("1",))]:
        assert shell.run(command, _LONG_S) == lines
    assert made.board.executed == ["one", "two", "nothing", "one"]


def test_long_output_is_complete(bench: Callable[[Script], Bench]) -> None:
    lines = [f"{offset:08X}: {'ff ' * 16}|................|" for offset in range(0, 16000, 16)]
    made = bench(Script({"flash read": "\r\n".join([*lines, ""])}))
    assert list(made.shell().run("flash read", _LONG_S)) == lines


def test_typing_in_chunks_survives_the_receive_ring(bench: Callable[[Script], Bench]) -> None:
    command = "flash write mx25r6435f@0 0 " + " ".join(f"{word:08x}" for word in range(10))
    made = bench(Script({command: "Write OK.\r\n"}))
    assert len(command) > _RING_BYTES
    assert made.shell().run(command, _LONG_S) == ("Write OK.",)
    assert made.board.executed == [command]


def test_a_command_that_the_ring_cuts_is_not_entered(bench: Callable[[Script], Bench]) -> None:
    command = "flash write " + "0" * 100
    made = bench(Script({command: "Write OK.\r\n"}))
    with pytest.raises(NotSeenError, match="echo of 'flash write 000"):
        made.shell(typing_chunk_bytes=200).run(command, _SHORT_S)
    assert made.board.executed == []


@pytest.mark.parametrize("typed", ["f", _ERASE[:24], _ERASE[:30], _ERASE])
def test_log_lines_may_interrupt_the_typing(typed: str, bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({_ERASE: "Erase success.\r\n"}, logs_after=frozenset({typed})))
    assert made.shell().run_until(_ERASE, _SUCCESS, _FAILURE, _LONG_S)[0] == "Erase success."
    assert made.board.executed == [_ERASE]


@pytest.mark.parametrize("log_before_enter", [False, True])
def test_a_prompt_that_is_drawn_again_does_not_end_the_command(
    log_before_enter: bool, bench: Callable[[Script], Bench]
) -> None:
    made = bench(
        Script(
            {"device list": "devices:\r\n"},
            answer_s=0.1,
            logs_after=frozenset({"device list"}),
            log_before_enter=log_before_enter,
        )
    )
    assert made.shell().run("device list", _LONG_S) == ("devices:",)


def test_a_success_line_may_come_late(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({_ERASE: "Erase success.\r\n"}, answer_s=0.3))
    seen = made.shell().run_until(_ERASE, _SUCCESS, _FAILURE, _LONG_S)
    assert seen[0] == "Erase success."
    assert made.console.text_since(seen.end).startswith("\n")


def test_the_success_of_an_earlier_command_does_not_count(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({_ERASE: "Erase success.\r\n", "again": "Erase Failed, code -5.\r\n"}))
    made.shell().run_until(_ERASE, _SUCCESS, _FAILURE, _LONG_S)
    with pytest.raises(BoardError, match=r"code -5\."):
        made.shell().run_until("again", _SUCCESS, _FAILURE, _LONG_S)


def test_a_failure_line_is_the_boards_no(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({_ERASE: "\x1b[1;31mErase Failed, code -22.\x1b[m\r\n"}))
    with pytest.raises(BoardError) as caught:
        made.shell().run_until(_ERASE, _SUCCESS, _FAILURE, _LONG_S)
    assert caught.value.what == f"The shell refused {_ERASE!r}: Erase Failed, code -22."
    assert str(made.console.raw_log_path) in caught.value.where
    assert "device list" in caught.value.next_step


@pytest.mark.parametrize(
    "refusal",
    [
        "erase: command not found",
        "erase: wrong parameter count",
        "Please specify a subcommand.",
        "Too many arguments in the command.",
    ],
)
def test_a_refusal_of_the_shell_is_an_error(refusal: str, bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({"flash erase": f"\x1b[1;31m{refusal}\x1b[m\r\n"}))
    with pytest.raises(BoardError, match=refusal):
        made.shell().run("flash erase", _LONG_S)
    with pytest.raises(BoardError, match=refusal):
        made.shell().run_until("flash erase", _SUCCESS, _FAILURE, _LONG_S)


def test_an_unknown_command_is_named(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script())
    with pytest.raises(BoardError, match="'mcuboot': mcuboot: command not found"):
        made.shell().run("mcuboot", _LONG_S)


def test_a_shell_that_never_answers_is_reported_as_such(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script(is_silent=True))
    with pytest.raises(NotSeenError) as caught:
        made.shell().run("device list", _SHORT_S)
    assert "the shell's echo of 'device list'" in caught.value.what
    assert "CONFIG_SHELL=y" in caught.value.next_step


def test_a_prompt_that_does_not_come_back_is_reported(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({"device list": "devices:\r\n"}, keeps_prompt=True))
    with pytest.raises(NotSeenError, match="the prompt after 'device list'") as caught:
        # The echo comes within it, on a busy host as well.
        made.shell().run("device list", 10 * _SHORT_S)
    assert "| devices:" in caught.value.what


def test_every_command_is_a_step_in_the_recorder(bench: Callable[[Script], Bench]) -> None:
    made = bench(Script({_ERASE: "Erase success.\r\n"}))
    made.shell().run_until(_ERASE, _SUCCESS, _FAILURE, _LONG_S)
    with pytest.raises(BoardError):
        made.shell().run("nonsense", _LONG_S)
    assert made.recorder.path is not None
    events = [recorded.event for recorded in read_recording(made.recorder.path)]
    assert [e.detail for e in events if isinstance(e, StepStarted)] == [_ERASE, "nonsense"]
    errors = [e.error for e in events if isinstance(e, StepEnded)]
    assert errors[0] == ""
    assert "command not found" in errors[1]
