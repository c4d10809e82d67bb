"""MCUboot finishes what a cut interrupted, and decides for one pair after the other (loader.c).

boot_prepare_image_for_update of sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5, for every algorithm but
swap using offset.
"""

from collections.abc import Sequence

from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.decision import decide
from pytest_nrf_fota.sim.boot.image_check import read_header
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.performing import resume_swap
from pytest_nrf_fota.sim.boot.slot_compatibility import slots_are_compatible
from pytest_nrf_fota.sim.boot.slot_validation import secondary_is_valid
from pytest_nrf_fota.sim.boot.swap_move import finds_headers
from pytest_nrf_fota.sim.boot.swap_scratch import read_scratch_swap_size
from pytest_nrf_fota.sim.boot.swap_source import read_swap_source
from pytest_nrf_fota.sim.boot.unusable_secondary import SecondaryUses
from pytest_nrf_fota.sim.trailer_area import read_swap_size


def prepare(
    setup: McubootSetup, pair: ImagePair, earlier: Sequence[ImagePair], uses: SecondaryUses
) -> None:
    """Settle the pair's swap type; the reverts of `earlier` pairs may be withdrawn.

    Raises `NetworkCoreSilentError`.
    """
    if not slots_are_compatible(setup, pair):
        return
    if setup.build.overwrites:
        pair.swap_type = decide(setup, pair, uses)
        return
    swap_type = read_swap_source(setup, pair)
    if not (pair.unfinished.is_fresh and pair.unfinished_scratch.is_fresh):
        _resume(setup, pair, earlier, swap_type)
        return
    if pair.number == 0 and not setup.build.uses_scratch and read_header(pair.primary) is None:
        setup.log("W: Failed reading image headers; Image=0")
        return
    if swap_type is SwapType.NONE:
        pair.swap_type = decide(setup, pair, uses)
    elif secondary_is_valid(setup, pair, swap_type):
        pair.swap_type = swap_type
    else:
        pair.swap_type = SwapType.FAIL
    if pair.swap_type not in (SwapType.NONE, SwapType.REVERT):
        _withdraw_reverts(earlier)


def _resume(
    setup: McubootSetup, pair: ImagePair, earlier: Sequence[ImagePair], swap_type: SwapType
) -> None:
    if setup.build.uses_scratch:
        size_bytes = read_scratch_swap_size(setup.scratch_job(pair))
    else:
        size_bytes = read_swap_size(pair.primary)
        if not finds_headers(
            setup.swap_job(pair),
            pair.unfinished,
            size_bytes,
            knows_moved_header=setup.profile.resumes_cut_swap_of_first_sector,
        ):
            setup.log(f"W: Failed reading image headers; Image={pair.number}")
            return
    _withdraw_reverts(earlier)
    resume_swap(setup, pair, swap_type, size_bytes)
    pair.is_verified_with_other_header = (
        setup.build.uses_scratch and setup.profile.scratch_resume_mixes_headers
    )
    pair.swap_type = SwapType.NONE


def _withdraw_reverts(pairs: Sequence[ImagePair]) -> None:
    for pair in pairs:
        if pair.swap_type is SwapType.REVERT:
            pair.swap_type = SwapType.NONE
