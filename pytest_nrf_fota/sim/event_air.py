"""Plays `ConnectionEvents` on an asyncio loop: in real time, faster, or in virtual time."""

import asyncio
from collections.abc import Callable

from pytest_nrf_fota.sim.connection_events import ConnectionEvents, Side


class EventAir:
    """One connection whose packets go out and arrive by the loop's clock.

    Its time is the loop's and nothing else: what a simulated CPU or flash is busy with delays what
    it sends, never the air.

    Args:
        events: the connection.
        speed: seconds of the connection per second of the loop.
    """

    def __init__(self, events: ConnectionEvents, speed: float = 1.0) -> None:
        self._events = events
        self._speed = speed
        self._loop = asyncio.get_running_loop()
        self._started_at_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._is_running = False
        self._open: set[asyncio.Event] = set()

    @property
    def now_s(self) -> float:
        """Seconds since the connection was made, in its own time."""
        return (self._loop.time() - self._started_at_s) * self._speed

    def send(self, side: Side, size_bytes: int, on_arrival: Callable[[], None]) -> asyncio.Event:
        """Send a message of L2CAP; returns what is set when it is acknowledged, or never can be."""
        acknowledged = asyncio.Event()
        self._open.add(acknowledged)

        def acknowledge() -> None:
            self._open.discard(acknowledged)
            acknowledged.set()

        self._events.queue(side, size_bytes, self.now_s, on_arrival, acknowledge)
        if not self._is_running:
            self._set_timer()
        return acknowledged

    def close(self) -> None:
        """The connection is gone: nothing arrives any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._is_running = True
        for acknowledged in self._open:
            acknowledged.set()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at_s = self._events.next_at_s
        if at_s is not None:
            real_s = self._started_at_s + at_s / self._speed
            self._timer = self._loop.call_at(real_s, self._run)

    def _run(self) -> None:
        # What arrives may answer at once; the timer is set behind all of it.
        self._is_running = True
        self._events.run_until(self.now_s)
        self._is_running = False
        self._set_timer()
