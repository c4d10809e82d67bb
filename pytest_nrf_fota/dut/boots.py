"""The boots that a console sees, read as its lines come."""

import threading
from collections.abc import Sequence

from pytest_nrf_fota.bootlog.facts.boot import BoardPatterns
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.log import ConsoleLog, LogPosition


class BootsOfConsole:
    """Reads each line of a console's log once, so that asking costs the same however long it is.

    Safe to use from any thread.
    """

    def __init__(self, log: ConsoleLog, patterns: BoardPatterns) -> None:
        self._log = log
        self._reader = BootReader(patterns)
        self._lock = threading.Lock()
        log.follow(self._take)

    @property
    def lines_read(self) -> int:
        """How many lines were read so far."""
        with self._lock:
            return self._reader.line_count

    @property
    def count(self) -> int:
        """How many boots were seen to begin."""
        with self._lock:
            boots = self._reader.boots()
        return boots[-1].number if boots else 0

    def since(self, position: LogPosition) -> tuple[Boot, ...]:
        """The boots that began after it; not the one that was going on when the log began."""
        first_line = self._log.lines_before(position) + 1
        with self._lock:
            boots = self._reader.boots(since_line=first_line)
        return tuple(boot for boot in boots if not boot.start_is_missing)

    def _take(self, lines: Sequence[LogLine]) -> None:
        with self._lock:
            self._reader.feed_lines(lines)
