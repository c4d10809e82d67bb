"""What the trailers tell MCUboot: the swap under way, or the one that is asked for.

swap_misc.c and swap_scratch.c (swap_status_source), bootutil_public.c (boot_swap_type_multi) of
sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5.
"""

from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType, decide_swap
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.swap_move import read_status
from pytest_nrf_fota.sim.boot.swap_offset import read_offset_status
from pytest_nrf_fota.sim.boot.swap_scratch import (
    read_scratch_source,
    read_scratch_status,
    read_scratch_swap_type,
)
from pytest_nrf_fota.sim.trailer_area import read_trailer


def read_swap_source(setup: McubootSetup, pair: ImagePair) -> SwapType:
    """The swap type of the swap that a trailer describes, NONE without one.

    Notes in the pair how far that swap has come.
    """
    if setup.build.uses_scratch:
        scratch_job = setup.scratch_job(pair)
        source = read_scratch_source(scratch_job)
        pair.unfinished_scratch = read_scratch_status(scratch_job, source)
        return read_scratch_swap_type(scratch_job, source)
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
        if setup.build.uses_offset:
            pair.unfinished_offset = read_offset_status(setup.swap_job(pair))
        else:
            pair.unfinished = read_status(setup.swap_job(pair))
        return SwapType(primary.swap_type) if primary.swap_type else SwapType.NONE
    setup.log("I: Boot source: none")
    return SwapType.NONE


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
