"""The append-only log: nothing is lost, positions hold, waiters wake."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.console.log import ConsoleLog, LogPosition
from pytest_nrf_fota.deadline import Deadline

_START = LogPosition(0)
_LONG_S = 20.0
_PARTS = st.lists(st.text(st.sampled_from("ab\n"), max_size=6), max_size=12)


@given(parts=_PARTS, data=st.data())
def test_every_view_agrees_with_the_text_that_was_appended(
    parts: list[str], data: st.DataObject
) -> None:
    log = ConsoleLog()
    completed: list[LogLine] = []
    for number, part in enumerate(parts):
        completed += log.append(part, float(number))
    whole = "".join(parts)
    complete = whole[: whole.rfind("\n") + 1]
    offset = data.draw(st.integers(0, len(whole)))
    since = LogPosition(offset)

    assert log.size_chars == len(whole)
    assert log.position() == LogPosition(len(whole))
    assert log.text_since(since) == whole[offset:]
    assert log.complete_text_since(since) == complete[offset:]
    assert log.lines_since(_START) == tuple(completed)
    assert [line.text for line in completed] == complete.split("\n")[:-1]
    begun_before = complete[:offset].count("\n")
    assert log.lines_since(since) == tuple(completed[begun_before:])


def test_a_line_has_the_time_at_which_its_end_arrived() -> None:
    log = ConsoleLog()
    assert log.append("Firmware ver", 1.0) == ()
    assert log.append("sion 11\nnext", 2.0) == (LogLine(2.0, "Firmware version 11"),)
    assert log.append("\n", 3.0) == (LogLine(3.0, "next"),)


def test_a_mark_in_the_middle_of_a_line_keeps_the_whole_line() -> None:
    log = ConsoleLog()
    log.append("old\nFirmware ver", 0.0)
    since = log.position()
    log.append("sion 11\nrest", 0.0)
    assert log.text_since(since) == "sion 11\nrest"
    assert log.complete_text_since(since) == "sion 11\n"
    assert [line.text for line in log.lines_since(since)] == ["Firmware version 11"]


def test_a_mark_survives_everything_that_comes_after_it() -> None:
    log = ConsoleLog()
    log.append("before\n", 0.0)
    since = log.position()
    for number in range(1000):
        log.append(f"line {number}\n", 0.0)
    assert [line.text for line in log.lines_since(since)][::999] == ["line 0", "line 999"]


def test_waiting_ends_at_once_where_more_is_there_already() -> None:
    log = ConsoleLog()
    log.append("x", 0.0)
    assert log.wait_for_more(0, Deadline.after(0.0))


def test_waiting_ends_at_the_deadline() -> None:
    log = ConsoleLog()
    log.append("x", 0.0)
    assert not log.wait_for_more(1, Deadline.after(0.05))


def test_a_closed_log_does_not_wait_and_still_gives_its_text() -> None:
    log = ConsoleLog()
    log.append("last words\n", 0.0)
    log.close()
    assert log.closed
    assert not log.wait_for_more(log.size_chars, Deadline.after(_LONG_S))
    assert log.wait_for_more(0, Deadline.after(_LONG_S))
    assert log.text_since(_START) == "last words\n"


class TellingDeadline(Deadline):
    """Tells when it is asked, which the log does last before it waits, with its lock held."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(time.monotonic() + timeout_s, timeout_s)
        object.__setattr__(self, "asked", threading.Event())

    asked: threading.Event

    @property
    def remaining_s(self) -> float:
        self.asked.set()
        return super().remaining_s


@pytest.mark.parametrize(
    ("wake", "grew"),
    [(lambda log: log.append("x", 0.0), True), (lambda log: log.close(), False)],
    ids=["append", "close"],
)
def test_every_waiter_wakes(wake: Callable[[ConsoleLog], object], grew: bool) -> None:
    log = ConsoleLog()
    deadlines = [TellingDeadline(_LONG_S) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        waiters = [pool.submit(log.wait_for_more, 0, deadline) for deadline in deadlines]
        for deadline in deadlines:
            assert deadline.asked.wait(_LONG_S)
        wake(log)
        assert [waiter.result(_LONG_S / 2) for waiter in waiters] == [grew] * 3


def test_appends_from_several_threads_are_all_there() -> None:
    log = ConsoleLog()
    begin = threading.Barrier(5)

    def write(name: str) -> None:
        begin.wait()
        for number in range(500):
            log.append(f"{name}{number}\n", 0.0)

    def read() -> int:
        begin.wait()
        seen_chars = 0
        while len(log.lines_since(_START)) < 2000:
            assert log.wait_for_more(seen_chars, Deadline.after(_LONG_S))
            seen_chars = log.size_chars
            assert log.text_since(_START)[:seen_chars].count("\n") <= 2000
        return seen_chars

    with ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(write, name) for name in "abcd"]
        reader = pool.submit(read)
        for writer in writers:
            writer.result(_LONG_S)
        assert reader.result(_LONG_S) == log.size_chars

    texts = [line.text for line in log.lines_since(_START)]
    for name in "abcd":
        own = [text for text in texts if text.startswith(name)]
        assert own == [f"{name}{number}" for number in range(500)]


@pytest.mark.parametrize(
    "chunk", ["x" * 63 + "\n", "x" * 64], ids=["in lines", "without any line end"]
)
def test_a_flood_is_kept_whole(chunk: str) -> None:
    """20 MB in 4 KiB pieces, read along; takes minutes where any step copies the whole log."""
    log = ConsoleLog()
    piece = chunk * 64
    read_chars = 0
    for _ in range(20_000_000 // len(piece)):
        log.append(piece, 0.0)
        read_chars += len(log.text_since(LogPosition(read_chars)))
    assert read_chars == log.size_chars == 20_000_000 // len(piece) * len(piece)
