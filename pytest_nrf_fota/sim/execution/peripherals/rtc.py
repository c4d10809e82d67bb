"""RTC: the counter at 32,768 Hz that Zephyr's clock runs on.

nRF5340 product specification, RTC: 24 bits; COMPARE[n] when COUNTER becomes CC[n].
"""

from pytest_nrf_fota.sim.execution.guest_time import LOOK_S, GuestTime
from pytest_nrf_fota.sim.execution.peripheral import FIRST_EVENT, INTEN, Peripheral

START, STOP, CLEAR, TRIGOVRFLW = 0x000, 0x004, 0x008, 0x00C
TICK, OVRFLW, COMPARE = 0x100, 0x104, 0x140
EVTEN, EVTENSET, EVTENCLR = 0x340, 0x344, 0x348
COUNTER, PRESCALER, CC = 0x504, 0x508, 0x540
_CHANNELS = 4
_FREQUENCY_HZ = 32768
_MODULUS = 1 << 24


class _Counter:
    """What the registers do not show: ticks since START, and up to which they were compared."""

    def __init__(self, time: GuestTime) -> None:
        self._time = time
        self._started_at_s: float | None = None
        self._before = 0
        self.compared = 0
        self.prescaler = 0

    @property
    def ticks(self) -> int:
        """Ticks counted so far, over all turns."""
        if self._started_at_s is None:
            return self._before
        passed_s = self._time.now_s - self._started_at_s
        return self._before + int(passed_s * _FREQUENCY_HZ + 1e-6) // (self.prescaler + 1)

    def due_s(self, ticks: int) -> float | None:
        """When so many ticks are counted; None for a counter that stands still."""
        if self._started_at_s is None:
            return None
        passed_s = (ticks - self._before) * (self.prescaler + 1) / _FREQUENCY_HZ
        return self._started_at_s + passed_s

    def start(self) -> None:
        if self._started_at_s is None:
            self._started_at_s = self._time.now_s

    def stop(self) -> None:
        self._before, self._started_at_s = self.ticks, None

    def clear(self) -> None:
        self._before = self.compared = 0
        if self._started_at_s is not None:
            self._started_at_s = self._time.now_s


def make_rtc(name: str, time: GuestTime) -> Peripheral:
    """An RTC that runs on the chip's time."""
    counter = _Counter(time)

    def read_counter() -> int:
        time.wait(LOOK_S)
        return counter.ticks % _MODULUS

    def next_match(channel: int) -> int:
        distance = (rtc[CC + 4 * channel] - counter.compared) % _MODULUS
        return counter.compared + (distance or _MODULUS)

    def compare() -> None:
        ticks = counter.ticks
        for channel in range(_CHANNELS):
            if next_match(channel) <= ticks:
                rtc[COMPARE + 4 * channel] = 1
        if ticks // _MODULUS > counter.compared // _MODULUS:
            rtc[OVRFLW] = 1
        counter.compared = ticks

    def due_s() -> float | None:
        enabled = rtc[INTEN]
        wanted = [
            next_match(channel)
            for channel in range(_CHANNELS)
            if enabled >> ((COMPARE - FIRST_EVENT) // 4 + channel) & 1
        ]
        if enabled >> (OVRFLW - FIRST_EVENT) // 4 & 1:
            wanted.append((counter.compared // _MODULUS + 1) * _MODULUS)
        return counter.due_s(min(wanted)) if wanted else None

    def set_prescaler(value: int) -> None:
        counter.prescaler = value

    def set_events(value: int) -> None:
        rtc[EVTEN] |= value

    def clear_events(value: int) -> None:
        rtc[EVTEN] &= ~value

    rtc = Peripheral(
        name,
        tasks={
            START: counter.start,
            STOP: counter.stop,
            CLEAR: counter.clear,
            TRIGOVRFLW: lambda: None,
        },
        events=(TICK, OVRFLW, *range(COMPARE, COMPARE + 4 * _CHANNELS, 4)),
        registers={
            EVTEN: 0,
            PRESCALER: 0,
            **dict.fromkeys(range(CC, CC + 4 * _CHANNELS, 4), 0),
        },
        readers={
            COUNTER: read_counter,
            EVTENSET: lambda: rtc[EVTEN],
            EVTENCLR: lambda: rtc[EVTEN],
        },
        writers={PRESCALER: set_prescaler, EVTENSET: set_events, EVTENCLR: clear_events},
    )
    time.call_on_step(compare)
    time.add_timer(due_s)
    return rtc
