"""The console on real ptys: what the board prints is kept, found, or missed with a good message."""

import contextlib
import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import Seen, expect
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError, InputError, NotSeenError
from pytest_nrf_fota.record.events import ConsoleState, Recorded, UartLine, UartWrite
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ptys are POSIX only")

_START = LogPosition(0)
_LONG_S = 30.0
_SHORT_S = 0.2
_VERSION = r"^Firmware version (?P<version>\d+)$"


class Board:
    """The far end of a pty: what the harness sees is its near end."""

    def __init__(self) -> None:
        self._far_end, self._near_end = os.openpty()
        tty.setraw(self._near_end)
        os.set_blocking(self._far_end, False)
        self.port = os.ttyname(self._near_end)
        self._stop_flood = threading.Event()
        self._flood: threading.Thread | None = None
        self._between_floods: SimpleQueue[bytes] = SimpleQueue()

    def print(self, data: bytes) -> None:
        """Send all bytes, as fast as the near end takes them."""
        if self._flood is None:
            self._send(data)
        else:
            self._between_floods.put(data)

    def _send(self, data: bytes) -> None:
        while data and not self._stop_flood.is_set():
            _, writable, _ = select.select([], [self._far_end], [], 0.1)
            if writable:
                data = data[os.write(self._far_end, data) :]

    def flood(self, line: bytes) -> None:
        """Print a line for ever, from a thread."""

        def print_for_ever() -> None:
            while not self._stop_flood.is_set():
                self._send(line)
                with contextlib.suppress(Empty):
                    self._send(self._between_floods.get_nowait())

        self._flood = threading.Thread(target=print_for_ever, name="flood")
        self._flood.start()

    def received(self, size_bytes: int) -> bytes:
        """The next bytes that the harness sent."""
        data = b""
        while len(data) < size_bytes:
            readable, _, _ = select.select([self._far_end], [], [], _LONG_S)
            assert readable, f"the harness sent {data!r} only"
            data += os.read(self._far_end, size_bytes - len(data))
        return data

    def unplug(self) -> None:
        """Both ends vanish, as a port does whose cable is pulled."""
        self._stop_flood.set()
        if self._flood is not None:
            self._flood.join()
            self._flood = None
        for end in (self._far_end, self._near_end):
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board()
    yield board
    board.unplug()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[FlightRecorder]:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "console")
    yield recorder
    recorder.close()


@pytest.fixture
def console(board: Board, recorder: FlightRecorder, tmp_path: Path) -> Iterator[Console]:
    console = _open(board.port, recorder, tmp_path)
    yield console
    console.close()


def _open(
    port: str,
    recorder: FlightRecorder,
    folder: Path,
    on_smp_frame: Callable[[bytes], None] | None = None,
) -> Console:
    return Console(
        port,
        baudrate=115200,
        raw_log_path=folder / "unit" / "raw.log",
        recorder=recorder,
        on_smp_frame=on_smp_frame,
    )


def _seen(
    console: Console,
    patterns: str | list[str],
    since: LogPosition = _START,
    *,
    partial_lines: bool = False,
) -> Seen:
    deadline = Deadline.after(_LONG_S)
    return expect(console, patterns, since=since, deadline=deadline, partial_lines=partial_lines)


def _not_seen(console: Console, pattern: str, since: LogPosition = _START) -> NotSeenError:
    with pytest.raises(NotSeenError) as caught:
        expect(console, pattern, since=since, deadline=Deadline.after(_SHORT_S))
    return caught.value


def _wait_for_size(console: Console, size_chars: int) -> None:
    deadline = Deadline.after(_LONG_S)
    # Asked once per turn: text that comes between two questions would be waited for again.
    while (seen_chars := console.log.size_chars) < size_chars:
        assert console.log.wait_for_more(seen_chars, deadline)


def test_the_first_byte_after_opening_is_there(
    board: Board, recorder: FlightRecorder, tmp_path: Path
) -> None:
    for _ in range(20):
        console = _open(board.port, recorder, tmp_path)
        try:
            board.print(b"*** Booting\r\n")
            assert _seen(console, "Booting").match.string == "*** Booting\n"
        finally:
            console.close()


def test_everything_since_opening_is_kept_whoever_looks(board: Board, console: Console) -> None:
    board.print(b"one\r\ntwo\r\n")
    _wait_for_size(console, 8)
    since = console.position()
    board.print(b"\x1b[1;32mthree\x1b[m\r\nfour")
    _wait_for_size(console, 18)
    assert console.text_since(since) == "three\nfour"
    assert [line.text for line in console.lines_since(since)] == ["three"]
    assert console.text_since(_START) == "one\ntwo\nthree\nfour"


def test_the_raw_log_holds_every_byte(board: Board, console: Console) -> None:
    sent = bytes(range(256)) * 40 + b"\nend of the bytes\n"
    board.print(sent)
    _seen(console, "^end of the bytes$")
    assert console.raw_log_path.read_bytes() == sent


def test_a_raw_log_goes_on_where_an_earlier_console_ended(
    board: Board, recorder: FlightRecorder, tmp_path: Path
) -> None:
    for text in (b"first\n", b"second\n"):
        console = _open(board.port, recorder, tmp_path)
        board.print(text)
        _seen(console, "first|second")
        console.close()
    assert console.raw_log_path.read_bytes() == b"first\nsecond\n"


def test_a_number_is_read_only_when_its_line_is_complete(board: Board, console: Console) -> None:
    board.print(b"Firmware version 1")
    _wait_for_size(console, len("Firmware version 1"))
    _not_seen(console, r"Firmware version (?P<version>\d+)")
    board.print(b"5\r\n")
    assert _seen(console, r"Firmware version (?P<version>\d+)")["version"] == "15"


def test_a_number_is_whole_however_the_port_cuts_it(board: Board, console: Console) -> None:
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(_seen, console, r"Firmware version (?P<version>\d+)")
        for byte in b"Firmware version 15":
            size_chars = console.log.size_chars
            board.print(bytes([byte]))
            _wait_for_size(console, size_chars + 1)
        board.print(b"\n")
        assert seen.result(_LONG_S)["version"] == "15"


def test_a_prompt_is_found_though_its_line_never_ends(board: Board, console: Console) -> None:
    board.print(b"\x1b[1;32muart:~$ \x1b[m")
    seen = _seen(console, r"uart:~\$ ", partial_lines=True)
    assert (seen.start, seen.end) == (LogPosition(0), LogPosition(8))


def test_the_first_of_several_patterns_wins(board: Board, console: Console) -> None:
    board.print(b"Erase Failed, code -22.\r\nErase success.\r\n")
    seen = _seen(console, [r"Erase success\.", r"Erase Failed, code (?P<code>-\d+)\."])
    assert (seen.index, seen["code"], seen[0]) == (1, "-22", "Erase Failed, code -22.")


def test_expectations_go_on_behind_the_last_match(board: Board, console: Console) -> None:
    board.print(b"Firmware version 11\r\nmore\r\nFirmware version 14\r\n")
    first = _seen(console, _VERSION)
    second = _seen(console, _VERSION, since=first.end)
    assert (first["version"], second["version"]) == ("11", "14")
    assert console.text_since(second.start).startswith("Firmware version 14")
    assert console.text_since(second.end) == "\n"


def test_text_before_the_mark_is_not_looked_at(board: Board, console: Console) -> None:
    board.print(b"Advertising successfully started\r\n")
    _seen(console, "Advertising")
    since = console.position()
    error = _not_seen(console, "Advertising", since=since)
    assert "(nothing at all)" in error.what
    board.print(b"Advertising again\r\n")
    assert _seen(console, "Advertising .*", since=since)[0] == "Advertising again"


def test_what_came_before_the_deadline_counts_though_the_deadline_is_over(
    board: Board, console: Console
) -> None:
    board.print(b"ready\r\n" + b"chatter\r\n" * 5000)
    _wait_for_size(console, 6 + 8 * 5000)
    expect(console, "ready", since=_START, deadline=Deadline.after(0.0))


@pytest.mark.parametrize("lines_before", [0, 700, 5000])
def test_a_long_log_is_searched_from_its_begin(
    lines_before: int, board: Board, console: Console
) -> None:
    board.print(b"chatter\r\n" * lines_before + b"Firmware version 15\r\n" + b"chatter\r\n" * 5000)
    _wait_for_size(console, 8 * lines_before + 20 + 8 * 5000)
    seen = _seen(console, _VERSION)
    assert seen["version"] == "15"
    assert seen.start == LogPosition(8 * lines_before)


def test_a_miss_tells_what_was_wanted_what_came_and_where_the_log_is(
    board: Board, console: Console
) -> None:
    board.print(b"".join(b"line %d\r\n" % number for number in range(30)) + b"half a li")
    _wait_for_size(console, 10 * 7 + 20 * 8 + 9)
    with pytest.raises(NotSeenError) as caught:
        expect(
            console,
            [r"Advertising", r"started$"],
            since=_START,
            deadline=Deadline.after(_SHORT_S),
            what="the application's ready line",
        )
    message = str(caught.value)
    assert "the application's ready line was not seen within 0.2 s" in message
    assert "'Advertising' or 'started$'" in message
    assert "| line 29\n    | half a li" in message
    assert "line 10\n" not in message
    assert "(11 earlier lines are in the log)" in message
    assert str(console.raw_log_path) in message
    assert board.port in message


def test_a_flood_neither_hides_the_line_nor_stops_the_clock(board: Board, console: Console) -> None:
    board.flood(b"<wrn> app: buffer full\r\n" * 50)
    assert _seen(console, "buffer full")
    with ThreadPoolExecutor(1) as pool:
        missed = pool.submit(_not_seen, console, "Advertising")
        assert "buffer full" in missed.result(_LONG_S).what
    board.print(b"\r\nAdvertising successfully started\r\n")
    assert _seen(console, "Advertising")[0] == "Advertising"


def test_a_port_that_vanishes_while_waiting_is_a_broken_rig(
    board: Board, console: Console, recorder: FlightRecorder
) -> None:
    board.print(b"last words\r\n")
    _seen(console, "last words")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_seen, console, "Advertising")
        board.unplug()
        error = waiting.exception(_LONG_S)
    assert isinstance(error, ConsoleLostError)
    assert "'Advertising'" in error.what
    assert board.port in error.where
    assert error.next_step
    assert console.text_since(_START) == "last words\n"
    console.close()
    assert _port_states(recorder) == ["opened", "lost", "closed"]


def test_what_came_before_the_port_vanished_is_still_found(board: Board, console: Console) -> None:
    board.print(b"Firmware version 15\r\n")
    _wait_for_size(console, 20)
    board.unplug()
    while not console.log.closed:
        console.log.wait_for_more(20, Deadline.after(_LONG_S))
    assert _seen(console, _VERSION)["version"] == "15"


def test_a_port_that_does_not_exist_is_a_broken_rig(
    recorder: FlightRecorder, tmp_path: Path
) -> None:
    port = str(tmp_path / "ttyACM9")
    with pytest.raises(ConsoleLostError) as caught:
        _open(port, recorder, tmp_path)
    assert caught.value.where == port
    assert "plugged in" in caught.value.next_step
    assert _port_states(recorder) == []


def test_what_is_typed_reaches_the_board_and_the_recorder(
    board: Board, console: Console, recorder: FlightRecorder
) -> None:
    console.type_text("kernel reboot\r")
    console.write(b"\x00\xff")
    assert board.received(16) == b"kernel reboot\r\x00\xff"
    console.close()
    typed = [e.event.text for e in _recorded(recorder) if isinstance(e.event, UartWrite)]
    assert typed == ["kernel reboot\r"]


def test_every_line_is_recorded_in_order(
    board: Board, console: Console, recorder: FlightRecorder
) -> None:
    board.print(b"".join(b"\x1b[0mline %d\r\n" % number for number in range(200)))
    _seen(console, "line 199")
    console.close()
    lines = [e.event.text for e in _recorded(recorder) if isinstance(e.event, UartLine)]
    assert lines == [f"line {number}" for number in range(200)]
    assert _port_states(recorder) == ["opened", "closed"]


def test_writing_to_a_port_that_is_gone_is_a_broken_rig(board: Board, console: Console) -> None:
    board.unplug()
    with pytest.raises(ConsoleLostError, match="does not take data") as caught:
        console.write(b"hello")
    assert caught.value.where == board.port


def test_writing_after_close_is_a_broken_rig(console: Console) -> None:
    console.close()
    with pytest.raises(ConsoleLostError):
        console.write(b"hello")


def test_close_ends_the_thread_frees_the_port_and_may_be_repeated(
    board: Board, recorder: FlightRecorder, tmp_path: Path
) -> None:
    threads_before = set(threading.enumerate())
    open_before = _open_descriptors()
    console = _open(board.port, recorder, tmp_path)
    board.flood(b"chatter\r\n")
    _seen(console, "chatter")
    assert set(threading.enumerate()) - threads_before
    console.close()
    console.close()
    board.unplug()
    assert set(threading.enumerate()) - threads_before == set()
    assert _open_descriptors() <= open_before
    assert console.log.closed
    assert _port_states(recorder) == ["opened", "closed"]


def test_smp_frames_stay_out_of_the_log_but_not_out_of_the_raw_log(
    board: Board, recorder: FlightRecorder, tmp_path: Path
) -> None:
    frames: list[bytes] = []
    console = _open(board.port, recorder, tmp_path, frames.append)
    try:
        board.print(b"one\r\n\x06\x09QUJD\n\x04\x14REVG\ntwo\r\n")
        _seen(console, "two")
        assert console.text_since(_START) == "one\ntwo\n"
        assert frames == [b"\x06\x09QUJD\n", b"\x04\x14REVG\n"]
        assert console.raw_log_path.read_bytes().count(b"\x06\x09") == 1
    finally:
        console.close()


def _recorded(recorder: FlightRecorder) -> tuple[Recorded, ...]:
    assert recorder.path is not None
    return read_recording(recorder.path)


def _port_states(recorder: FlightRecorder) -> list[str]:
    return [e.event.state for e in _recorded(recorder) if isinstance(e.event, ConsoleState)]


def _open_descriptors() -> set[int]:
    # Not from /dev/fd: reading that folder opens a descriptor itself.
    def is_open(descriptor: int) -> bool:
        with contextlib.suppress(OSError):
            os.fstat(descriptor)
            return True
        return False

    return {descriptor for descriptor in range(256) if is_open(descriptor)}


def test_second_program_on_the_port_is_refused(
    console: Console, recorder: FlightRecorder, tmp_path: Path
) -> None:
    with pytest.raises(ConsoleLostError, match="cannot be opened"):
        _open(console.port, recorder, tmp_path)


def test_reader_that_cannot_go_on_wakes_who_waits(
    board: Board, recorder: FlightRecorder, tmp_path: Path
) -> None:
    def fail(frame: bytes) -> None:
        raise ValueError(f"cannot take {frame!r}")

    console = _open(board.port, recorder, tmp_path, on_smp_frame=fail)
    board.print(b"\x06\x09AAAA\n")
    with pytest.raises(ConsoleLostError):
        expect(console, "never", since=_START, deadline=Deadline.after(_LONG_S))
    console.close()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "5", None])
def test_seconds_that_are_none_are_refused_at_once(console: Console, seconds: float) -> None:
    """A test without a type checker may pass anything."""
    with pytest.raises(InputError, match="is no time in seconds"):
        console.expect("ready", since=_START, within_s=seconds)


def test_pattern_that_is_no_regular_expression_is_refused_at_once(console: Console) -> None:
    with pytest.raises(InputError, match=r"'\(' is no regular expression"):
        console.expect(["ready", "("], since=_START, within_s=_LONG_S)


def test_console_finds_a_line_within_the_seconds_that_a_test_allows(
    board: Board, console: Console
) -> None:
    since = console.position()
    board.print(b"Firmware version 15\r\n")

    assert console.expect(_VERSION, since=since, within_s=_LONG_S)["version"] == "15"
