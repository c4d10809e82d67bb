"""Wait for patterns on a console, with pexpect on top of the append-only log."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import pexpect
from pexpect.spawnbase import SpawnBase

from pytest_nrf_fota.bounded_regex import BoundedRegex
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError, InputError, LineNotSeenError

if TYPE_CHECKING:
    from pytest_nrf_fota.console.console import Console

# pexpect searches the last characters of each read only, which keeps a flood from being searched
# again and again. So no read may give it more than that, except a single line that is longer.
_SEARCH_WINDOW_CHARS = 8192
_PIECE_CHARS = _SEARCH_WINDOW_CHARS // 2
_SHOWN_LINES = 20
_LONGEST_SHOWN_CHARS = 500
_LEAST_SEARCH_S = 0.2
_Expected: TypeAlias = re.Pattern[str] | type[pexpect.EOF] | type[pexpect.TIMEOUT]


@dataclass(frozen=True)
class Seen:
    """A pattern that matched.

    `index` says which of the patterns; `end` is the place behind the match, to go on from there.
    """

    index: int
    match: re.Match[str]
    end: LogPosition

    @property
    def start(self) -> LogPosition:
        """The place before the match."""
        return LogPosition(self.end.offset_chars - len(self.match[0]))

    def __getitem__(self, group: str | int) -> str:
        """A group of the match."""
        return str(self.match[group])


def expect(
    console: "Console",
    patterns: str | Sequence[str],
    *,
    since: LogPosition,
    deadline: Deadline,
    what: str = "",
    partial_lines: bool = False,
) -> Seen:
    """`Console.expect` for callers that share a deadline; the same arguments and errors."""
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    # What arrived by the deadline is looked at, so there is always some time left for it.
    limit_s = max(_LEAST_SEARCH_S, deadline.remaining_s)
    compiled = [compiled_regex(pattern, re.MULTILINE, limit_s) for pattern in wanted]
    reader = _LogReader(console, since, partial_lines, deadline)
    try:
        # Not `expect`, which takes patterns of `re` alone.
        index = reader.expect_list(
            cast("list[_Expected]", compiled), timeout=None, searchwindowsize=_SEARCH_WINDOW_CHARS
        )
    except TimeoutError:
        raise InputError(
            f"The search for {what or _listed(wanted)} took longer than the {limit_s:.3g} s that "
            "were left: a regular expression tries too many ways to match a line.",
            where=_listed(wanted),
            next_step="Repeat nothing that is repeated within, as (\\S+\\s*)+ does; write .*ready$ "
            "instead.",
        ) from None
    except pexpect.TIMEOUT:
        raise LineNotSeenError(
            _not_seen_message(console, wanted, since, deadline, what),
            where=f"{console.port}, full log: {console.raw_log_path}",
            next_step="Read the log around these lines; is the board running, and is this the "
            "port of its application core?",
        ) from None
    except pexpect.EOF:
        raise ConsoleLostError(
            f"The console vanished while waiting for {what or _listed(wanted)}.",
            where=f"{console.port}, full log: {console.raw_log_path}",
            next_step="The board or its USB connection is gone.",
        ) from None
    match = reader.match
    assert match is not None and not isinstance(match, type)
    return Seen(
        index, cast("re.Match[str]", match), LogPosition(reader.consumed_chars - len(reader.buffer))
    )


def compiled_regex(text: str, flags: int = 0, limit_s: float = 1.0) -> BoundedRegex:
    """A regular expression that a test gave. Raises `InputError` where it is none."""
    try:
        return BoundedRegex(text, flags, limit_s=limit_s)
    except (re.error, TypeError) as error:
        raise InputError(
            f"{text!r} is no regular expression: {error}.",
            next_step="Write \\( for a bracket that is meant literally, or use re.escape.",
        ) from error


class _LogReader(SpawnBase):  # type: ignore[type-arg]  # generic only in its stubs
    """What pexpect reads from: the log from a position on. pexpect's own extension point.

    Keeps the deadline itself, on the monotonic clock; pexpect's time-outs follow the wall clock.
    """

    def __init__(
        self, console: "Console", since: LogPosition, partial_lines: bool, deadline: Deadline
    ) -> None:
        super().__init__(timeout=None, encoding="utf-8")
        self.delayafterread = None
        self._log = console.log
        self._partial_lines = partial_lines
        self._deadline = deadline
        self._pieces: Iterator[str] = iter(())
        self._fetched_chars = since.offset_chars
        self._last_fetch_done = False
        self.consumed_chars = since.offset_chars

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> str:
        """The next text, as soon as there is some."""
        del size, timeout
        while True:
            for piece in self._pieces:
                self.consumed_chars += len(piece)
                return piece
            self._fetch()

    def _fetch(self) -> None:
        if self._last_fetch_done:
            raise pexpect.TIMEOUT("nothing new on the console")
        self._last_fetch_done = self._deadline.expired
        closed = self._log.closed
        size_chars = self._log.size_chars
        since = LogPosition(self._fetched_chars)
        text = (
            self._log.text_since(since)
            if self._partial_lines
            else self._log.complete_text_since(since)
        )
        self._fetched_chars += len(text)
        self._pieces = _pieces(text)
        if text:
            return
        if closed:
            raise pexpect.EOF("the console is closed")
        self._log.wait_for_more(size_chars, self._deadline)


def _pieces(text: str) -> Iterator[str]:
    # Cut between lines only: a number must not be seen without its last digits.
    start = 0
    while start < len(text):
        end = text.rfind("\n", start, start + _PIECE_CHARS) + 1
        if not end:
            end = text.find("\n", start + _PIECE_CHARS) + 1 or len(text)
        yield text[start:end]
        start = end


def _listed(patterns: Sequence[str]) -> str:
    return " or ".join(repr(pattern) for pattern in patterns)


def _shortened(line: str) -> str:
    """A flood without line ends is one line."""
    if len(line) <= _LONGEST_SHOWN_CHARS:
        return line
    return f"{line[:_LONGEST_SHOWN_CHARS]}... ({len(line)} characters)"


def _not_seen_message(
    console: "Console", patterns: Sequence[str], since: LogPosition, deadline: Deadline, what: str
) -> str:
    lines = console.text_since(since).splitlines()
    shown = lines[-_SHOWN_LINES:]
    left_out = len(lines) - len(shown)
    came = (
        "\n".join(f"    | {_shortened(line)}" for line in shown)
        if shown
        else "    (nothing at all)"
    )
    more = f"    ({left_out} earlier lines are in the log)\n" if left_out else ""
    return (
        f"{what or 'A console line'} was not seen within {deadline.allowed_s:g} s.\n"
        f"  waited for: {_listed(patterns)}\n"
        f"  came instead:\n{more}{came}"
    )
