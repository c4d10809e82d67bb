"""What scenarios ask of a boot whose MCUboot may print little or nothing, as production builds.

What it did is then seen on the other interfaces alone, which the same scenarios look at.
"""

from pytest_nrf_fota import Boot


def swapped_or_silent(boot: Boot) -> bool:
    """Whether MCUboot says that it swapped, or nothing at all.

    That of NCS 1.5 says what it decided, or where the rest of a swap lies, and no more.
    """
    mcuboot = boot.mcuboot
    if not boot.mcuboot_speaks or mcuboot is None:
        return True
    if boot.swapped or boot.wanted_swap:
        return True
    return any(opened.is_resume for opened in mcuboot.rounds)


def reverted_or_silent(boot: Boot) -> bool:
    """Whether MCUboot says that it reverted or decided to, or nothing at all."""
    decisions = boot.mcuboot.decisions if boot.mcuboot is not None else ()
    is_revert = [one.swap_type for one in decisions][:1] == ["revert"]
    return is_revert or not boot.mcuboot_speaks
