"""All lines of a log that the catalogues know, by the name of their pattern."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.bootlog.captured_text import CapturedText
from pytest_nrf_fota.bootlog.catalogue import CATALOGUE, LogPattern
from pytest_nrf_fota.bootlog.matching import LineMatcher, WatchedLines
from pytest_nrf_fota.bootlog.repair import LineRepair
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.bootlog.stamps import split_stamps
from pytest_nrf_fota.explain.host_lines import HOST_LINES

# Of each pattern the first and the last lines are kept, so memory is bounded.
KEPT_FIRST = 60
KEPT_LAST = 60
# From here on only lines are matched that hold a pattern's anchor: a long capture is mostly the
# output of a running application.
_EVERY_LINE_UP_TO = 50_000
_LEAST_ANCHOR_CHARS = 5
# What a client printed is read as a whole; a board's long log is not.
_MOST_TEXT_CHARS = 4 * 1024 * 1024
_NOISE_BYTES = 1024 * 1024
_NOISE_PART = 0.3
_PATTERNS: tuple[LogPattern, ...] = (*CATALOGUE, *HOST_LINES)


class Origin(Enum):
    """Which input a line comes from."""

    LOG = "log"
    CLIENT = "smp"
    PACKAGE = "package"


@dataclass(frozen=True)
class Known:
    """One line that a pattern matches, and the pattern's groups."""

    name: str
    groups: dict[str, str | None]
    seen: Seen
    origin: Origin = Origin.LOG

    def text(self, group: str) -> str:
        """A group; empty where the line does not hold it."""
        return self.groups.get(group) or ""

    def number(self, group: str, base: int = 10) -> int | None:
        """A group as a number; None where the line does not hold one."""
        try:
            return int(self.groups.get(group) or "", base)
        except ValueError:
            return None


@dataclass(frozen=True)
class KnownLines:
    """Known lines by pattern name, each tuple in the order of the log."""

    by_name: dict[str, tuple[Known, ...]]

    def find(self, *names: str) -> tuple[Known, ...]:
        """The lines of these patterns, in the order of the log."""
        found = [known for name in names for known in self.by_name.get(name, ())]
        return tuple(sorted(found, key=lambda known: known.seen.line_number))


class KnownLinesReader:
    """Collects known lines from the bytes of a log, block by block, in bounded memory.

    `texts` are the first lines of the log as they are, up to 4 MiB.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._cleaner = CapturedText()
        self._matcher = LineMatcher()
        self._host_matcher = LineMatcher(HOST_LINES)
        self._words: tuple[str, ...] = ()
        self._first: dict[str, list[Known]] = {}
        self._last: dict[str, deque[Known]] = {}
        self._line_number = 0
        self._size_bytes = 0
        self._text_chars = 0
        self.texts: list[Seen] = []

    def feed(self, block: bytes) -> None:
        """The next bytes of the log."""
        self._size_bytes += len(block)
        self._take(self._cleaner.feed(block))

    @property
    def is_noise(self) -> bool:
        """Whether so much was read, and so little of it is text, that no log will come."""
        unreadable = self._cleaner.unreadable_bytes
        return self._size_bytes > _NOISE_BYTES and unreadable > _NOISE_PART * self._size_bytes

    def finish(self, repaired: Iterable[Seen] = ()) -> KnownLines:
        """All known lines; `repaired` are damaged lines that the boot report could read."""
        self._take(self._cleaner.finish())
        damaged = list(repaired)
        if damaged:
            repair = LineRepair(self._matcher)
            for seen in damaged:
                for hit in repair.facts(split_stamps(seen.text).body).hits:
                    self._keep(Known(hit.pattern.name, hit.groups, seen, self._origin))
        names = {
            name: tuple(
                sorted(
                    (*first, *self._last.get(name, ())), key=lambda known: known.seen.line_number
                )
            )
            for name, first in self._first.items()
        }
        return KnownLines(names)

    def _take(self, text: str) -> None:
        if not text:
            return
        if self._line_number < _EVERY_LINE_UP_TO:
            for line in text.split("\n")[:-1]:
                self._line_number += 1
                self._match(line, self._line_number)
            return
        self._words = self._words or _watch_words()
        watched = WatchedLines(text, self._words)
        place = counted_to = 0
        number = self._line_number
        while (start := watched.next_line_start(place)) < len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            number += text.count("\n", counted_to, start)
            counted_to = start
            self._match(text[start:end], number + 1)
            place = end + 1
        self._line_number += text.count("\n")

    def _match(self, line: str, number: int) -> None:
        if not line.strip():
            return
        stamped = split_stamps(line)
        if self._text_chars < _MOST_TEXT_CHARS:
            self._text_chars += len(line)
            self.texts.append(Seen(number, line))
        board, host = self._matcher.facts(stamped.body), self._host_matcher.facts(stamped.body)
        for hit in (*board.hits, *host.hits):
            seen = Seen(number, stamped.text, stamped.time_s, stamped.uptime_s)
            self._keep(Known(hit.pattern.name, hit.groups, seen, self._origin))

    def _keep(self, known: Known) -> None:
        first = self._first.setdefault(known.name, [])
        if len(first) < KEPT_FIRST:
            first.append(known)
        else:
            self._last.setdefault(known.name, deque(maxlen=KEPT_LAST)).append(known)


def merge(*parts: KnownLines) -> KnownLines:
    """Several logs' lines together, those of the first log first."""
    names = dict.fromkeys(name for part in parts for name in part.by_name)
    return KnownLines({name: tuple(_all_of(name, parts)) for name in names})


def _all_of(name: str, parts: Sequence[KnownLines]) -> Iterator[Known]:
    for part in parts:
        yield from part.by_name.get(name, ())


def _watch_words() -> tuple[str, ...]:
    anchors = {anchor.strip() for pattern in _PATTERNS for anchor in pattern.anchors}
    words = {anchor for anchor in anchors if len(anchor) >= _LEAST_ANCHOR_CHARS}
    return tuple(sorted(word for word in words if not any(o in word for o in words if o != word)))
