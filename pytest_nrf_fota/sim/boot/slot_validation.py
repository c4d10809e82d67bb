"""Whether MCUboot takes what a slot holds, and what becomes of a secondary slot that it refuses.

loader.c (boot_validate_slot) of sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5.
"""

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.mcuboot_image import FLAG_NON_BOOTABLE
from pytest_nrf_fota.firmware.trailer import SWAP_INFO_FROM_END_BYTES, SwapType
from pytest_nrf_fota.sim.boot.downgrade import overwrites_with_older
from pytest_nrf_fota.sim.boot.image_check import (
    Acceptance,
    SlotCheck,
    SlotContent,
    check_slot,
    read_header,
)
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
    return check_slot(pair.primary, pair.primary_header, _acceptance(setup, pair.primary))


def secondary_is_valid(
    setup: McubootSetup, pair: ImagePair, swap_type: SwapType, source_type: SwapType
) -> bool:
    """Whether the update may be brought into the primary slot; what is refused is erased.

    Args:
        setup: this MCUboot.
        pair: the pair.
        swap_type: what the trailers ask for; NONE where they were not asked.
        source_type: the type of the swap that a trailer describes as under way.

    Raises `NetworkCoreSilentError`.
    """
    header = pair.update_header
    if header.is_erased or header.flags & FLAG_NON_BOOTABLE:
        _forget_trailer_without_image(setup, pair, source_type)
        return False
    # The first sector may hold the old image while a swap is under way, but not otherwise.
    is_new = setup.build.uses_offset and swap_type in (SwapType.TEST, SwapType.PERM)
    if is_new and read_header(pair.secondary) is not None:
        setup.log("E: Secondary header magic detected in first sector, wrong upload address?")
        return _refuse(setup, pair)
    if setup.build.overwrites and overwrites_with_older(setup, pair):
        setup.log("E: insufficient version in secondary slot")
        pair.secondary.erase_all()
        return False
    check = check_slot(pair.update, header, _acceptance(setup, pair.update))
    if check.content is not SlotContent.VALID:
        return _refuse(setup, pair)
    return _is_for_this_slot(setup, pair)


def _refuse(setup: McubootSetup, pair: ImagePair) -> bool:
    pair.secondary.erase_all()
    setup.log("E: Image in the secondary slot is not valid!")
    return False


def _acceptance(setup: McubootSetup, area: FlashArea) -> Acceptance:
    return Acceptance(
        setup.build.keys,
        _limit_bytes(setup, area),
        refuses_flags=setup.profile.refuses_by_flags,
        refuses_rogue_tlvs=setup.profile.refuses_rogue_tlvs,
    )


def _limit_bytes(setup: McubootSetup, area: FlashArea) -> int:
    max_sectors = setup.build.max_sectors
    match setup.build.description.swap:
        case "overwrite":
            return area.size_bytes - SWAP_INFO_FROM_END_BYTES
        case "offset":
            return largest_image_bytes(area, max_sectors, STATES)
        case "scratch":
            return largest_scratch_image_bytes(
                area,
                max_sectors,
                leaves_room_in_scratch=setup.profile.scratch_swap_clears_whole_trailer,
            )
        case "move":
            return largest_image_bytes(area, max_sectors)
        case never:
            assert_never(never)


def _is_for_this_slot(setup: McubootSetup, pair: ImagePair) -> bool:
    if not setup.build.overwrites or setup.number_of_images == 1:
        return True
    if not setup.build.description.verifies_address:
        return True
    reset_vector = pair.update_reset_vector()
    if setup.linkage.reset_vector_fits(pair.role, pair.number, pair.primary, reset_vector):
        return True
    setup.log("E: Reset address of image in secondary slot is not in the primary slot")
    setup.log("E: Erasing image from secondary slot")
    pair.secondary.erase_all()
    return False


def _forget_trailer_without_image(
    setup: McubootSetup, pair: ImagePair, source_type: SwapType
) -> None:
    # It would block later uploads, except where MCUboot overwrites.
    max_sectors = setup.build.max_sectors
    match setup.build.description.swap:
        case "overwrite":
            pass
        case "offset":
            erase_trailer_sectors(pair.secondary, max_sectors, STATES)
        case "scratch":
            erase_trailer_sectors(pair.secondary, max_sectors)
        case "move":
            erase_trailer_sectors(pair.secondary, max_sectors)
            if setup.profile.clears_stuck_revert:
                _clear_stuck_revert(setup, pair, source_type)
        case never:
            assert_never(never)


def _clear_stuck_revert(setup: McubootSetup, pair: ImagePair, source_type: SwapType) -> None:
    # Asking for the swap type prints its line once more.
    if source_type is SwapType.REVERT or ask_swap_type(setup, pair) is SwapType.REVERT:
        erase_trailer_sectors(pair.primary, setup.build.max_sectors)
        setup.log(f"I: Cleared image {pair.number} primary slot trailer due to stuck revert")
