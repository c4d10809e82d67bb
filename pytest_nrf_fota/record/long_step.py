"""A step that lasts so long that people wonder: what it is, and how far it has come."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

# Long enough for connection intervals and flash erases to even out, short enough to show a stall.
_RATE_OVER_S = 10.0


@dataclass(frozen=True)
class HowFar:
    """One look at a step.

    Args:
        elapsed_s: since it began.
        done_bytes: that the board has; None where that is not known.
        rate_bytes_per_s: of the last seconds; None where nothing has moved yet.
        left_s: what the rest takes at that rate; None where it is not known.
        retries: how often something was sent again.
    """

    elapsed_s: float
    done_bytes: int | None
    rate_bytes_per_s: float | None
    left_s: float | None
    retries: int


class LongStep:
    """One such step; safe to use from any thread.

    Args:
        name: `upload`, `program`, `erase external flash`.
        detail: of what.
        size_bytes: how much there is to move; None where bytes are not counted.
        expected_s: how long it takes as a rule; None where that is not known.
        at_most_s: when it is given up; None where nothing limits it.
        clock: seconds on a monotonic clock.
    """

    def __init__(
        self,
        name: str,
        detail: str = "",
        *,
        size_bytes: int | None = None,
        expected_s: float | None = None,
        at_most_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.detail = detail
        self.size_bytes = size_bytes
        self.expected_s = expected_s
        self.at_most_s = at_most_s
        self._clock = clock
        self._lock = threading.Lock()
        self._began_s = clock()
        self._retries = 0
        self._reached: deque[tuple[float, int]] = deque()

    @property
    def done_bytes(self) -> int | None:
        """How many bytes the board has; None where that was never told."""
        with self._lock:
            return self._reached[-1][1] if self._reached else None

    @property
    def retries(self) -> int:
        """How often something was sent again."""
        with self._lock:
            return self._retries

    def reached(self, done_bytes: int) -> None:
        """The board has so many bytes; a number that does not grow counts as a retry."""
        with self._lock:
            if self._reached and done_bytes <= self._reached[-1][1]:
                self._retries += 1
            if self._reached and done_bytes < self._reached[-1][1]:
                # It began anew: what was before tells nothing of the speed.
                self._reached.clear()
            now_s = self._clock()
            self._reached.append((now_s, done_bytes))
            # The oldest one kept is the last before the window, so that a stall shows.
            while len(self._reached) > 2 and self._reached[1][0] < now_s - _RATE_OVER_S:
                self._reached.popleft()

    def now(self) -> HowFar:
        """How far it has come."""
        with self._lock:
            now_s = self._clock()
            done = self._reached[-1][1] if self._reached else None
            rate = self._rate(now_s)
            left_s = None
            if rate and done is not None and self.size_bytes is not None:
                left_s = max(0, self.size_bytes - done) / rate
            return HowFar(now_s - self._began_s, done, rate, left_s, self._retries)

    def _rate(self, now_s: float) -> float | None:
        # The first number may be where an interrupted upload goes on, which nobody has sent now.
        if len(self._reached) < 2:
            return None
        (since_s, before), (_, done) = self._reached[0], self._reached[-1]
        return (done - before) / (now_s - since_s) if now_s > since_s else None


class StepWatcher(Protocol):
    """Whoever shows long steps. Neither method may raise."""

    def begins(self, step: LongStep) -> None:
        """The step begins, in the thread that does it."""

    def ends(self, step: LongStep) -> None:
        """It is over, however it went. Nothing of it may be on the screen any more."""
