"""Peripherals whose registers hold what was written, and do nothing else.

They connect what boot code never waits for: pins, DPPI, caches, regulators, debug access, and
protection by SPU and ACL, of which nothing is enforced.
"""

from pytest_nrf_fota.sim.execution.peripheral import SIZE_BYTES, Peripheral


def make_held(name: str) -> Peripheral:
    """A peripheral all of whose registers are held; 0 after a reset."""
    return Peripheral(name, ranges=(range(SIZE_BYTES),))
