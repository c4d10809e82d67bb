"""The kit's time: what really passed, plus what the simulated hardware would have taken."""

import asyncio
import time


class VirtualClock:
    """Seconds since the kit was made.

    Hardware operations do not sleep: they move this clock forward, so that time stamps on the UART
    look like the board's. With a speed, whatever leaves the kit (UART, radio, answers of the debug
    port) is held back until real time has caught up; without one nothing waits. What happens is
    the same in both cases, because the kit itself never waits.

    Args:
        speed: of the kit's clock: 1.0 is real time, 60.0 a minute per second; None skips
            all waiting.
    """

    def __init__(self, speed: float | None = None) -> None:
        self._speed = speed
        self._started_at_s = time.monotonic()
        # With a speed: the moment up to which the kit is busy. Without: the time that was skipped.
        self._busy_until_s = 0.0
        self._skipped_s = 0.0

    @property
    def speed(self) -> float | None:
        """Seconds of the kit's time per real second; None where all waiting is skipped."""
        return self._speed

    @property
    def now_s(self) -> float:
        """Seconds of the kit's time."""
        if self._speed is None:
            return self._passed_s + self._skipped_s
        return max(self._passed_s * self._speed, self._busy_until_s)

    @property
    def behind_s(self) -> float:
        """Real seconds until real time has caught up with the kit; 0 without a speed."""
        if self._speed is None:
            return 0.0
        return max(0.0, self._busy_until_s / self._speed - self._passed_s)

    def advance(self, duration_s: float) -> None:
        """Let `duration_s` seconds of hardware time pass at once."""
        if self._speed is None:
            self._skipped_s += duration_s
        else:
            self._busy_until_s = self.now_s + duration_s

    async def catch_up(self) -> None:
        """Wait until real time has caught up with the kit."""
        while self.behind_s > 0:
            await asyncio.sleep(self.behind_s)

    async def sleep(self, duration_s: float) -> None:
        """Wait until `duration_s` seconds of the kit's time have passed."""
        until_s = self.now_s + duration_s
        while (left_s := until_s - self.now_s) > 0:
            await asyncio.sleep(left_s / (self._speed or 1.0))

    @property
    def _passed_s(self) -> float:
        return time.monotonic() - self._started_at_s
