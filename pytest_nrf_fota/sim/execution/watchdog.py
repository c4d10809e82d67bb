"""Ends an emulation in which no access to memory behind functions came for a while.

A thread of its own measures the CPU time of the one that emulates, so that a busy host makes no
difference. It never stops inside an access: whoever serves one holds the lock. An access that comes
behind a stop does nothing, because Unicorn runs its instruction again.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

QUIET_S = 0.03
_LOOK_S = 0.015


class Watchdog:
    """Watches the emulations of one core until it is closed.

    Whoever serves an access holds `lock`, counts it in `accesses`, and does nothing where
    `is_stopping`, because the instruction will run again.

    Args:
        stop: ends the emulation; may be called from another thread.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.accesses = 0
        self._stop = stop
        self.lock = threading.RLock()
        self.is_stopping = False
        self._is_emulating = False
        self._emulations = 0
        self._has_barked = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """End its thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    @contextlib.contextmanager
    def emulation(self) -> Iterator[None]:
        """Around one emulation; always by the same thread."""
        if self._thread is None:
            clock = time.pthread_getcpuclockid(threading.get_ident())
            self._thread = threading.Thread(
                target=self._watch, args=(clock,), name="emulation watchdog", daemon=True
            )
            self._thread.start()
        with self.lock:
            self.is_stopping = False
            self._emulations += 1
            self._is_emulating = True
        try:
            yield
        finally:
            with self.lock:
                self._is_emulating = False
                self.is_stopping = False

    def take_bark(self) -> bool:
        """Whether the emulation was ended since the last question."""
        barked, self._has_barked = self._has_barked, False
        return barked

    def _watch(self, clock: int) -> None:
        seen, since_s = (-1, -1), 0.0
        while not self._ended.wait(_LOOK_S):
            now, now_s = (self._emulations, self.accesses), time.clock_gettime(clock)
            if now != seen:
                seen, since_s = now, now_s
            elif now_s - since_s >= QUIET_S:
                self._bark(seen)
                since_s = now_s

    def _bark(self, seen: tuple[int, int]) -> None:
        if not self.lock.acquire(blocking=False):
            return
        try:
            if self._is_emulating and seen == (self._emulations, self.accesses):
                self.is_stopping = True
                self._has_barked = True
                self._stop()
        finally:
            self.lock.release()
