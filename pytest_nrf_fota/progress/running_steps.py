"""The thread that looks at the long steps that run, and draws or prints them."""

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from pytest_nrf_fota.record.long_step import LongStep

_END_S = 2.0


class Screen(Protocol):
    """Where steps are shown. Its methods are called one at a time, and may not raise."""

    def show(self, steps: Sequence[LongStep]) -> None:
        """Show these, in the order in which they began."""

    def clear(self) -> None:
        """Take away what was shown; nothing runs any more."""


class RunningSteps:
    """A `StepWatcher` that shows what runs longer than a moment, again and again.

    Its thread begins with the first step and ends with `close`.

    Args:
        screen: where.
        first_after_s: a step that is over sooner is never shown.
        interval_s: how often it is shown.
    """

    def __init__(self, screen: Screen, *, first_after_s: float, interval_s: float) -> None:
        self._screen = screen
        self._first_after_s = first_after_s
        self._interval_s = interval_s
        self._changed = threading.Condition()
        self._steps: list[LongStep] = []
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._next_at_s = 0.0

    def begins(self, step: LongStep) -> None:
        """Show it from now on."""
        with self._changed:
            if self._is_closed:
                return
            self._steps.append(step)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="long steps", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def ends(self, step: LongStep) -> None:
        """Show it no longer; when this returns it is off the screen."""
        with self._changed:
            if step in self._steps:
                self._steps.remove(step)
            if not self._steps:
                self._screen.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Show nothing more, and end the thread. Never raises."""
        with self._changed:
            self._is_closed = True
            self._steps.clear()
            self._screen.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                self._changed.wait(self._show())

    def _show(self) -> float | None:
        """Show what is due; returns when to look again, None for not before something changes."""
        if not self._steps:
            return None
        ages_s = [step.now().elapsed_s for step in self._steps]
        due = [s for s, age in zip(self._steps, ages_s, strict=True) if age >= self._first_after_s]
        if not due:
            return max(0.0, self._first_after_s - max(ages_s))
        # A step that begins or ends beside another one is no reason to show that one sooner.
        wait_s = self._next_at_s - time.monotonic()
        if wait_s > 0:
            return wait_s
        self._screen.show(due)
        self._next_at_s = time.monotonic() + self._interval_s
        return self._interval_s
