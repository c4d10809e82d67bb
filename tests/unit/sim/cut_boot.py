"""A boot whose power is cut, on any board of these tests."""

from collections.abc import Callable

from pytest_nrf_fota.sim.flash import CutMoment, Flash, PowerCut, PowerLostError


def boot_is_cut(
    flash: Flash,
    boot: Callable[[], object],
    operations: int,
    moment: CutMoment = CutMoment.BEFORE,
) -> bool:
    """Cut at the operation behind so many; False where the boot needs no more than that.

    The board has power again afterwards.
    """
    flash.power_cut = PowerCut(len(flash.operations) + operations + 1, moment)
    try:
        boot()
    except PowerLostError:
        return True
    else:
        return False
    finally:
        flash.power_cut = None
        flash.has_power = True
