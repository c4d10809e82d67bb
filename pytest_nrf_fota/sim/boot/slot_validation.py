"""Whether MCUboot takes what a slot holds, and what becomes of a secondary slot that it refuses.

loader.c (boot_validate_slot) of sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5.
"""

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.trailer import SWAP_INFO_FROM_END_BYTES, SwapType
from pytest_nrf_fota.sim.boot.downgrade import overwrites_with_older
from pytest_nrf_fota.sim.boot.image_check import SlotCheck, SlotContent, check_slot, read_header
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.swap_offset import STATES
from pytest_nrf_fota.sim.boot.swap_source import ask_swap_type
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    largest_image_bytes,
    largest_scratch_image_bytes,
)


def check_primary(setup: McubootSetup, pair: ImagePair) -> SlotCheck:
    """Whether the image in the primary slot may be started."""
    if pair.is_verified_with_other_header:
        right, used = read_header(pair.primary), read_header(pair.secondary)
        if used is None:
            return SlotCheck(SlotContent.NO_IMAGE, "the header read after the swap is erased")
        if right is None or right.hashed_size_bytes != used.hashed_size_bytes:
            return SlotCheck(SlotContent.INVALID, "verified with the old image's header")
    return _check(setup, pair.primary)


def secondary_is_valid(setup: McubootSetup, pair: ImagePair, swap_type: SwapType) -> bool:
    """Whether the update may be brought into the primary slot; what is refused is erased.

    Raises `NetworkCoreSilentError`.
    """
    if setup.build.overwrites and overwrites_with_older(setup, pair):
        setup.log("E: insufficient version in secondary slot")
        pair.secondary.erase_all()
        return False
    check = _check(setup, pair.update)
    if (
        setup.build.uses_offset
        and check.content is not SlotContent.NO_IMAGE
        and swap_type in (SwapType.TEST, SwapType.PERM)
        and read_header(pair.secondary) is not None
    ):
        setup.log("E: Secondary header magic detected in first sector, wrong upload address?")
        check = SlotCheck(SlotContent.INVALID, "the update does not begin at sector 1")
    match check.content:
        case SlotContent.VALID:
            return _is_for_this_slot(setup, pair)
        case SlotContent.NO_IMAGE:
            _forget_trailer_without_image(setup, pair)
            return False
        case SlotContent.INVALID:
            pair.secondary.erase_all()
            setup.log("E: Image in the secondary slot is not valid!")
            return False


def _check(setup: McubootSetup, area: FlashArea) -> SlotCheck:
    max_sectors = setup.build.max_sectors
    match setup.build.description.swap:
        case "overwrite":
            limit_bytes = area.size_bytes - SWAP_INFO_FROM_END_BYTES
        case "offset":
            limit_bytes = largest_image_bytes(area, max_sectors, STATES)
        case "scratch":
            limit_bytes = largest_scratch_image_bytes(
                area,
                max_sectors,
                leaves_room_in_scratch=setup.profile.scratch_swap_clears_whole_trailer,
            )
        case "move":
            limit_bytes = largest_image_bytes(area, max_sectors)
        case never:
            assert_never(never)
    return check_slot(area, setup.build.keys, limit_bytes)


def _is_for_this_slot(setup: McubootSetup, pair: ImagePair) -> bool:
    header = read_header(pair.update)
    if not setup.build.overwrites or setup.number_of_images == 1 or header is None:
        return True
    reset_vector = pair.update_reset_vector(header)
    if setup.linkage.reset_vector_fits(pair.role, pair.number, pair.primary, reset_vector):
        return True
    setup.log("E: Reset address of image in secondary slot is not in the primary slot")
    setup.log("E: Erasing image from secondary slot")
    pair.secondary.erase_all()
    return False


def _forget_trailer_without_image(setup: McubootSetup, pair: ImagePair) -> None:
    # It would block later uploads, except where MCUboot overwrites.
    max_sectors = setup.build.max_sectors
    match setup.build.description.swap:
        case "overwrite":
            pass
        case "offset":
            erase_trailer_sectors(pair.secondary, max_sectors, STATES)
        case "move" | "scratch":
            erase_trailer_sectors(pair.secondary, max_sectors)
            if setup.profile.clears_stuck_revert:
                _clear_stuck_revert(setup, pair)
        case never:
            assert_never(never)


def _clear_stuck_revert(setup: McubootSetup, pair: ImagePair) -> None:
    # Asking for the swap type prints its line once more.
    if ask_swap_type(setup, pair) is SwapType.REVERT:
        erase_trailer_sectors(pair.primary, setup.build.max_sectors)
        setup.log(f"I: Cleared image {pair.number} primary slot trailer due to stuck revert")
