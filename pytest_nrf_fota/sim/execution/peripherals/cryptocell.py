"""CRYPTOCELL: what firmware sets at its start; none of the engines.

nRF5340 product specification, CRYPTOCELL (ENABLE) and CC_HOST_RGF (HOST_CRYPTOKEY_SEL, lifecycle).
MCUboots of the nRF Connect SDK that verify in software start the CC312's platform library all the
same. The first access to an engine ends the run.
"""

from pytest_nrf_fota.sim.execution.peripheral import Peripheral

ENABLE = 0x500
_HOST_IMR = 0xA0C


def make_wrapper() -> Peripheral:
    """The block that switches the CryptoCell on."""
    return Peripheral("CRYPTOCELL", registers={ENABLE: 0})


def make_engines() -> Peripheral:
    """The block of the CC312's engines."""
    return Peripheral("CC312 engine", registers={_HOST_IMR: 0})
