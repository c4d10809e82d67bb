"""What scenarios ask of a boot whose MCUboot may print nothing, as production builds.

What it did is then seen on the other interfaces alone, which the same scenarios look at.
"""

from pytest_nrf_fota import Boot


def swapped_or_silent(boot: Boot) -> bool:
    """Whether MCUboot says that it swapped, or nothing at all."""
    return boot.mcuboot is None or boot.swapped


def reverted_or_silent(boot: Boot) -> bool:
    """Whether MCUboot says that it reverted, or nothing at all."""
    return boot.mcuboot is None or boot.swap_type == "revert"
