"""MCUboot finishes what a cut interrupted, and decides for one pair after the other (loader.c).

boot_prepare_image_for_update of sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5.
"""

from collections.abc import Sequence

from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.decision import decide
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.performing import resume_swap
from pytest_nrf_fota.sim.boot.reading_headers import read_headers
from pytest_nrf_fota.sim.boot.slot_compatibility import slots_are_compatible
from pytest_nrf_fota.sim.boot.slot_validation import secondary_is_valid
from pytest_nrf_fota.sim.boot.swap_source import read_swap_source
from pytest_nrf_fota.sim.boot.unusable_secondary import SecondaryUses


def prepare(
    setup: McubootSetup, pair: ImagePair, earlier: Sequence[ImagePair], uses: SecondaryUses
) -> None:
    """Settle the pair's swap type; the reverts of `earlier` pairs may be withdrawn.

    Raises `NetworkCoreSilentError`.
    """
    read_headers(setup, pair)
    if not slots_are_compatible(setup, pair):
        return
    if setup.build.overwrites:
        pair.swap_type = decide(setup, pair, uses, SwapType.NONE)
        return
    source_type = read_swap_source(setup, pair)
    is_under_way = not pair.unfinished.is_fresh
    if not read_headers(setup, pair, pair.unfinished, source_type, needs_both=is_under_way):
        setup.log(f"W: Failed reading image headers; Image={pair.number}")
        return
    if is_under_way:
        _withdraw_reverts(earlier)
        status = resume_swap(setup, pair, source_type)
        follows_status = setup.profile.resumed_headers_follow_status
        read_headers(setup, pair, status if follows_status else None, source_type)
        return
    if source_type is SwapType.NONE:
        pair.swap_type = decide(setup, pair, uses, source_type)
    elif secondary_is_valid(setup, pair, SwapType.NONE, source_type):
        pair.swap_type = source_type
    else:
        pair.swap_type = SwapType.FAIL
    if pair.swap_type not in (SwapType.NONE, SwapType.REVERT):
        _withdraw_reverts(earlier)


def _withdraw_reverts(pairs: Sequence[ImagePair]) -> None:
    for pair in pairs:
        if pair.swap_type is SwapType.REVERT:
            pair.swap_type = SwapType.NONE
