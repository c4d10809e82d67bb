"""CLOCK, POWER and RESET, which share one block of addresses.

nRF5340 and nRF52832 product specifications, CLOCK, POWER, RESET. A clock that
is started runs at once.
"""

from collections.abc import Callable

from pytest_nrf_fota.sim.execution.peripheral import Peripheral

HFCLKSTART, HFCLKSTOP, LFCLKSTART, LFCLKSTOP, CAL = 0x000, 0x004, 0x008, 0x00C, 0x010
AUDIOSTART, AUDIOSTOP, HF192START, HF192STOP = 0x018, 0x01C, 0x020, 0x024
CONSTLAT, LOWPWR = 0x078, 0x07C
HFCLKSTARTED, LFCLKSTARTED, AUDIOSTARTED, HF192STARTED = 0x100, 0x104, 0x120, 0x124
POFWARN, CALIBRATED, CALIBRATION_TIMEOUT, SLEEPENTER, SLEEPEXIT, DONE = (
    *(0x108, 0x10C, 0x110, 0x114, 0x118, 0x11C),
)
RESETREAS, HFCLKRUN, HFCLKSTAT, LFCLKRUN, LFCLKSTAT, LFCLKSRCCOPY = (
    *(0x400, 0x408, 0x40C, 0x414, 0x418, 0x41C),
)
AUDIORUN, AUDIOSTAT, HF192RUN, HF192STAT = 0x450, 0x454, 0x458, 0x45C
HFCLKSRC, LFCLKSRC, GPREGRET, GPREGRET2 = 0x514, 0x518, 0x51C, 0x520
HFCLKCTRL, HF192CTRL, FORCEOFF = 0x558, 0x5B8, 0x614
_RUNNING = 1 << 16
_CRYSTAL = 1


def make_clock(
    name: str,
    set_forceoff: Callable[[int], None] | None = None,
    protection: range = range(0),
) -> Peripheral:
    """The block of one core.

    Args:
        name: for messages.
        set_forceoff: takes NETWORK.FORCEOFF, where it holds another core.
        protection: BPROT's registers, which lie in the same block on the nRF52832; not enforced.
    """

    def start(event: int, run: int, status: int, source: int | None = None) -> Callable[[], None]:
        def started() -> None:
            clock[run] = 1
            clock[status] = _RUNNING | (_CRYSTAL if source is None else clock[source] & 3)
            clock[event] = 1
            if source is not None:
                clock[LFCLKSRCCOPY] = clock[source]

        return started

    def stop(run: int, status: int) -> Callable[[], None]:
        def stopped() -> None:
            clock[run] = clock[status] = 0

        return stopped

    def calibrate() -> None:
        clock[DONE] = clock[CALIBRATED] = 1

    def clear_reasons(value: int) -> None:
        clock[RESETREAS] = 0

    plain = (
        *(RESETREAS, HFCLKRUN, HFCLKSTAT, LFCLKRUN, LFCLKSTAT, LFCLKSRCCOPY, AUDIORUN, AUDIOSTAT),
        *(HF192RUN, HF192STAT, HFCLKSRC, LFCLKSRC, GPREGRET, GPREGRET2),
    )
    clock = Peripheral(
        name,
        tasks={
            HFCLKSTART: start(HFCLKSTARTED, HFCLKRUN, HFCLKSTAT),
            HFCLKSTOP: stop(HFCLKRUN, HFCLKSTAT),
            LFCLKSTART: start(LFCLKSTARTED, LFCLKRUN, LFCLKSTAT, LFCLKSRC),
            LFCLKSTOP: stop(LFCLKRUN, LFCLKSTAT),
            CAL: calibrate,
            AUDIOSTART: start(AUDIOSTARTED, AUDIORUN, AUDIOSTAT),
            AUDIOSTOP: stop(AUDIORUN, AUDIOSTAT),
            HF192START: start(HF192STARTED, HF192RUN, HF192STAT),
            HF192STOP: stop(HF192RUN, HF192STAT),
            CONSTLAT: lambda: None,
            LOWPWR: lambda: None,
        },
        events=(
            *(HFCLKSTARTED, LFCLKSTARTED, AUDIOSTARTED, HF192STARTED, POFWARN, CALIBRATED),
            *(CALIBRATION_TIMEOUT, SLEEPENTER, SLEEPEXIT, DONE),
        ),
        registers={
            **dict.fromkeys(plain, 0),
            HFCLKCTRL: 1,
            HF192CTRL: 2,
            **({} if set_forceoff is None else {FORCEOFF: 1}),
        },
        # Calibration interval, always-run bits, DC/DC and RAM power: nothing here depends on them.
        ranges=(
            *(range(0x420, 0x43C, 4), range(0x500, 0x514, 4), range(0x524, 0x558, 4)),
            *(range(0x55C, 0x5B8, 4), range(0x5BC, 0x5D0, 4), range(0x638, 0x644, 4)),
            range(0x900, 0xA00, 4),
            protection,
            # Errata workarounds of nrfx (mdk/system_nrf52.c).
            range(0xEE0, 0xEF0, 4),
        ),
        writers={
            RESETREAS: clear_reasons,
            **({} if set_forceoff is None else {FORCEOFF: set_forceoff}),
        },
    )
    return clock
