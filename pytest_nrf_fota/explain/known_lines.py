"""All lines of a log that the catalogues know, by the name of their pattern."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pytest_nrf_fota.bootlog.catalogue import log_patterns
from pytest_nrf_fota.bootlog.catalogue.error_lines import ERROR_LINES
from pytest_nrf_fota.bootlog.catalogue.host import HOST_LINES
from pytest_nrf_fota.bootlog.matching import Hit, LineMatcher
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.bootlog.segments import RawLine
from pytest_nrf_fota.findings.finding import Origin

# Of each pattern the first and the last lines are kept, so memory is bounded.
KEPT_FIRST = 60
KEPT_LAST = 60
_LEAST_ANCHOR_CHARS = 5
# What a client printed is read as a whole; a board's long log is not.
_MOST_TEXT_CHARS = 4 * 1024 * 1024
_TOOL_OUTPUT_LINES = 40
_TOOL_FAILED = "flash_tool_failed"

_ERRORS = frozenset(pattern.name for pattern in ERROR_LINES)
# Kept as it came: of most nobody asks for more.
_Match: TypeAlias = tuple[Hit, RawLine]


@dataclass(frozen=True)
class Known:
    """What matched, and the line that it matched in."""

    hit: Hit
    seen: Seen
    origin: Origin = Origin.LOG

    @property
    def name(self) -> str:
        """The pattern's name."""
        return self.hit.pattern.name

    def text(self, group: str) -> str:
        """A group; empty where the line does not hold it."""
        return self.hit.text(group) or ""

    def number(self, group: str, base: int = 10) -> int | None:
        """A group as a number; None where the line does not hold one."""
        return self.hit.number(group, base)


@dataclass(frozen=True)
class KnownLines:
    """Known lines by pattern name, each tuple in the order of the log.

    `tool_output` is what stands before the last failure of a flash tool, known lines or not, the
    last 40 of them.
    """

    by_name: dict[str, tuple[Known, ...]]
    tool_output: tuple[Seen, ...] = ()

    def find(self, *names: str) -> tuple[Known, ...]:
        """The lines of these patterns, in the order of the log."""
        found = [known for name in names for known in self.by_name.get(name, ())]
        return tuple(sorted(found, key=lambda known: known.seen.line_number))


class KnownLinesCollector:
    """Collects known lines from those that a `BootReader` looks at, in bounded memory.

    `texts` are the first lines of the log as they are, up to 4 MiB.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._matcher = LineMatcher((*HOST_LINES, *ERROR_LINES))
        self._first: dict[str, list[_Match]] = {}
        self._last: dict[str, deque[_Match]] = {}
        self._text_chars = 0
        self._recent: deque[RawLine] = deque(maxlen=_TOOL_OUTPUT_LINES)
        self._tool_output: tuple[Seen, ...] = ()
        self.texts: list[Seen] = []

    def take(self, line: RawLine) -> None:
        """The next line."""
        if not line.body.strip():
            return
        if self._text_chars < _MOST_TEXT_CHARS:
            self._text_chars += len(line.text)
            self.texts.append(Seen(line.number, line.text))
        hits = line.facts.hits
        more = self._matcher.facts(line.body).hits
        if more:
            # An error that another line of the catalogue explains is no unknown one.
            others = tuple(hit for hit in more if hit.pattern.name not in _ERRORS)
            hits = (*hits, *others) or more
        for hit in hits:
            self._keep(hit, line)
        if any(hit.pattern.name == _TOOL_FAILED for hit in hits):
            self._tool_output = tuple(recent.seen() for recent in self._recent)
            self._recent.clear()
        else:
            self._recent.append(line)

    @property
    def lines(self) -> KnownLines:
        """All known lines so far."""
        return KnownLines(
            {
                name: tuple(
                    Known(hit, line.seen(), self._origin)
                    for hit, line in (*first, *self._last.get(name, ()))
                )
                for name, first in self._first.items()
            },
            self._tool_output,
        )

    def _keep(self, hit: Hit, line: RawLine) -> None:
        name = hit.pattern.name
        first = self._first.get(name)
        if first is None:
            self._first[name] = [(hit, line)]
        elif len(first) < KEPT_FIRST:
            first.append((hit, line))
        else:
            last = self._last.get(name)
            if last is None:
                last = self._last[name] = deque(maxlen=KEPT_LAST)
            last.append((hit, line))


def merge(*parts: KnownLines) -> KnownLines:
    """Several logs' lines together, those of the first log first."""
    names = dict.fromkeys(name for part in parts for name in part.by_name)
    outputs = [part.tool_output for part in parts if part.tool_output]
    by_name = {name: tuple(_all_of(name, parts)) for name in names}
    return KnownLines(by_name, outputs[-1] if outputs else ())


def _all_of(name: str, parts: Sequence[KnownLines]) -> Iterator[Known]:
    for part in parts:
        yield from part.by_name.get(name, ())


def watched_anchors() -> tuple[str, ...]:
    """Lines of a long log that hold one of these are of interest here."""
    return tuple(
        anchor.strip()
        for pattern in log_patterns()
        for anchor in pattern.anchors
        if len(anchor.strip()) >= _LEAST_ANCHOR_CHARS
    )
