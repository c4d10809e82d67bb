"""DWT: the cycle counter that drivers measure short delays with.

Arm v7-M Architecture Reference Manual, Data Watchpoint and Trace unit.
"""

from pytest_nrf_fota.sim.execution.guest_time import LOOK_S, GuestTime
from pytest_nrf_fota.sim.execution.peripheral import Peripheral

ADDRESS = 0xE000_1000
CTRL, CYCCNT, LAR, LSR = 0x000, 0x004, 0xFB0, 0xFB4
_HZ = 64_000_000


def make_dwt(time: GuestTime) -> Peripheral:
    """A DWT whose cycles follow the chip's time."""

    def count() -> int:
        time.wait(LOOK_S)
        return int(time.now_s * _HZ) & 0xFFFF_FFFF

    return Peripheral(
        "DWT",
        registers={CTRL: 0x4000_0000, LAR: 0, LSR: 0},
        ranges=(range(0x008, 0x060, 4),),
        readers={CYCCNT: count},
        writers={CYCCNT: lambda value: None},
    )
