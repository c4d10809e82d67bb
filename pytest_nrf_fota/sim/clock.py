"""The kit's time: what really passed, plus what the simulated hardware would have taken."""

import time


class VirtualClock:
    """Seconds since the kit was made.

    Flash operations do not sleep: they move this clock forward, so that time stamps on the UART
    look like the board's while a test does not wait for them.
    """

    def __init__(self) -> None:
        self._started_at_s = time.monotonic()
        self._skipped_s = 0.0

    @property
    def now_s(self) -> float:
        """Seconds of the kit's time."""
        return time.monotonic() - self._started_at_s + self._skipped_s

    def advance(self, duration_s: float) -> None:
        """Let `duration_s` seconds of hardware time pass at once."""
        self._skipped_s += duration_s
