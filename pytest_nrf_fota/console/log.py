"""The append-only log of one UART. Nothing in it is ever cleared."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO

from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.deadline import Deadline


@dataclass(frozen=True)
class LogPosition:
    """A place in the log: everything before `offset_chars` had been seen when it was made."""

    offset_chars: int


class ConsoleLog:
    """Clean text of one UART with the arrival time of each line; safe to use from any thread."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._lines: list[LogLine] = []
        self._line_ends: list[int] = []
        self._open_line = StringIO()
        self._closed = False
        self._followers: list[Callable[[Sequence[LogLine]], None]] = []

    def follow(self, take: Callable[[Sequence[LogLine]], None]) -> None:
        """Give all complete lines to `take`: those that are here now, the others as they come.

        It has each line before anybody else sees it, and must not call this log.
        """
        with self._arrived:
            take(self._lines)
            self._followers.append(take)

    def append(self, text: str, time_s: float) -> tuple[LogLine, ...]:
        """Add text that arrived at `time_s`; returns the lines that it completed."""
        with self._arrived:
            *finished, rest = text.split("\n")
            completed: list[LogLine] = []
            for piece in finished:
                self._open_line.write(piece)
                line = LogLine(time_s, self._open_line.getvalue())
                self._open_line = StringIO()
                self._line_ends.append(self._complete_chars() + len(line.text) + 1)
                self._lines.append(line)
                completed.append(line)
            self._open_line.write(rest)
            if completed:
                for take in self._followers:
                    take(completed)
            self._arrived.notify_all()
            return tuple(completed)

    def close(self) -> None:
        """No more text will come; wakes everyone who waits."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the port behind this log is gone."""
        with self._arrived:
            return self._closed

    @property
    def size_chars(self) -> int:
        """Characters in the log, the unfinished line included."""
        with self._arrived:
            return self._complete_chars() + self._open_line.tell()

    def position(self) -> LogPosition:
        """The end of the log as it is now, in the middle of a line where need be."""
        return LogPosition(self.size_chars)

    def text_since(self, since: LogPosition) -> str:
        """Everything after `since`, the unfinished line included."""
        with self._arrived:
            return self._complete_text_after(since) + self._open_text_after(since)

    def complete_text_since(self, since: LogPosition) -> str:
        """Everything after `since` up to the end of the last complete line."""
        with self._arrived:
            return self._complete_text_after(since)

    def lines_since(self, since: LogPosition) -> tuple[LogLine, ...]:
        """The complete lines that ended after `since`."""
        with self._arrived:
            return tuple(self._lines[self.lines_before(since) :])

    def lines_before(self, since: LogPosition) -> int:
        """How many lines had ended at `since`."""
        with self._arrived:
            return bisect_right(self._line_ends, since.offset_chars)

    def wait_for_more(self, seen_chars: int, deadline: Deadline) -> bool:
        """Wait until the log is longer than `seen_chars`.

        Returns False when the deadline expired or the log was closed without anything new.
        """
        with self._arrived:
            self._arrived.wait_for(
                lambda: self.size_chars > seen_chars or self._closed, deadline.remaining_s
            )
            return self.size_chars > seen_chars

    def _complete_chars(self) -> int:
        return self._line_ends[-1] if self._line_ends else 0

    def _complete_text_after(self, since: LogPosition) -> str:
        first = bisect_right(self._line_ends, since.offset_chars)
        start = self._line_ends[first - 1] if first else 0
        text = "".join(line.text + "\n" for line in self._lines[first:])
        return text[since.offset_chars - start :]

    def _open_text_after(self, since: LogPosition) -> str:
        # Only the wanted rest is copied: a board without line ends makes this line very long.
        # Reading leaves the position at the end, where `append` goes on.
        self._open_line.seek(max(0, since.offset_chars - self._complete_chars()))
        return self._open_line.read()
