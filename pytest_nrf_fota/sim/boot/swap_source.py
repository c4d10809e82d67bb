"""What the trailers tell MCUboot: the swap under way, or the one that is asked for.

swap_misc.c and swap_scratch.c (swap_status_source), bootutil_public.c (boot_swap_type_multi) of
sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5.
"""

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.trailer import (
    ERASED,
    SWAP_INFO_FROM_END_BYTES,
    Flag,
    Magic,
    SwapType,
    decide_swap,
)
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.swap_move import FRESH, read_status
from pytest_nrf_fota.sim.boot.swap_offset import OFFSET_FRESH, read_offset_status
from pytest_nrf_fota.sim.boot.swap_scratch import (
    StatusSource,
    read_scratch_source,
    read_scratch_status,
)
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.trailer_area import read_trailer


def read_swap_source(setup: McubootSetup, pair: ImagePair) -> SwapType:
    """The swap type of the swap that a trailer describes, NONE without one.

    Notes in the pair how far that swap has come.
    """
    if setup.build.uses_scratch:
        scratch_job = setup.scratch_job(pair)
        source = read_scratch_source(scratch_job)
        pair.unfinished = read_scratch_status(scratch_job, source)
        match source:
            case StatusSource.NONE:
                return SwapType.NONE
            case StatusSource.PRIMARY:
                return _stored_swap_type(pair.primary)
            case StatusSource.SCRATCH:
                return _stored_swap_type(scratch_job.scratch)
            case never:
                assert_never(never)
    pair.unfinished = OFFSET_FRESH if setup.build.uses_offset else FRESH
    primary = read_trailer(pair.primary)
    secondary = read_trailer(pair.secondary)
    setup.log(f"I: Primary image: {primary.log_text}")
    setup.log(f"I: Secondary image: {secondary.log_text}")
    if (
        primary.magic is Magic.GOOD
        and primary.copy_done is Flag.UNSET
        and secondary.magic is not Magic.GOOD
    ):
        setup.log("I: Boot source: primary slot")
        pair.trailer_in_primary = True
        read = read_offset_status if setup.build.uses_offset else read_status
        pair.unfinished = read(setup.swap_job(pair))
        return _stored_swap_type(pair.primary)
    setup.log("I: Boot source: none")
    return SwapType.NONE


def _stored_swap_type(area: FlashArea) -> SwapType:
    """The type in a trailer's swap_info, which swap_read_status takes as it is: a type that does
    not exist ends in a panic.
    """
    (info,) = area.read_from_end(SWAP_INFO_FROM_END_BYTES, 1)
    if info == ERASED:
        return SwapType.NONE
    low = info & 0x0F
    return SwapType(low) if SwapType.NONE <= low <= SwapType.FAIL else SwapType.PANIC


def ask_swap_type(setup: McubootSetup, pair: ImagePair) -> SwapType:
    """The swap type that both trailers ask for; each call prints its line."""
    swap_type = decide_swap(
        read_trailer(pair.primary),
        read_trailer(pair.secondary),
        reverts_over_any_magic=setup.profile.reverts_over_any_magic,
        uses_offset=setup.build.uses_offset,
    )
    setup.log(f"I: {setup.profile.swap_type_line(pair.number, swap_type.log_word)}")
    return swap_type
