"""What MCUboot does with a pair that no swap is under way in (loader.c, boot_validated_swap_type).

sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5 with NCS's additions for S0/S1 slots and the network core.
"""

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Belonging, Role
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.slot_validation import secondary_is_valid
from pytest_nrf_fota.sim.boot.swap_source import ask_swap_type
from pytest_nrf_fota.sim.boot.unusable_secondary import SecondaryUses, say_cleaned_up
from pytest_nrf_fota.sim.flash import FlashError
from pytest_nrf_fota.sim.trailer_area import erase_trailer_sectors


def decide(
    setup: McubootSetup, pair: ImagePair, uses: SecondaryUses, source_type: SwapType
) -> SwapType:
    """The swap type to perform; an update for the network core alone is performed at once.

    Raises `NetworkCoreSilentError`.
    """
    has_image = pair.update_header.is_image
    try:
        reset_vector = pair.update_reset_vector() if has_image else 0
    except FlashError:
        return SwapType.FAIL
    is_for_network_core = setup.linkage.is_for_network_core(reset_vector)
    if has_image and setup.build.other_s_slot is not None:
        uses.see(pair.secondary)
        belonging = (
            Belonging.HERE
            if is_for_network_core
            else setup.linkage.belonging(pair.role, pair.primary, reset_vector)
        )
        match belonging:
            case Belonging.ELSEWHERE:
                # NCS patch: the image belongs to the other image pair; no line is printed.
                return SwapType.NONE
            case Belonging.RUNNING_S_SLOT:
                _refuse_wrong_variant(setup, pair, uses)
                return SwapType.FAIL
            case Belonging.HERE:
                uses.take(pair.secondary)
                pair.is_nsib_update = pair.role is Role.BOOTLOADER
            case Belonging.OTHER_S_SLOT:
                uses.take(pair.secondary)
                pair.copied_to = setup.build.other_s_slot
            case never:
                assert_never(never)
    swap_type = ask_swap_type(setup, pair)
    if not swap_type.is_upgrade:
        return swap_type
    if not secondary_is_valid(setup, pair, swap_type, source_type):
        return SwapType.NONE
    if is_for_network_core and not setup.linkage.has_network_pair:
        return _update_network_core_from(setup, pair)
    return swap_type


def _refuse_wrong_variant(setup: McubootSetup, pair: ImagePair, uses: SecondaryUses) -> None:
    setup.log("E: Image in slot is for wrong s0/s1 image")
    pair.secondary.erase_all()
    if setup.profile.wrong_variant_is_cleaned_up_at_once:
        uses.forget(pair.secondary)
        say_cleaned_up(setup, pair)


def _update_network_core_from(setup: McubootSetup, pair: ImagePair) -> SwapType:
    if not setup.network_core().copy_from_shared_slot(pair.secondary):
        return SwapType.FAIL
    if not setup.build.overwrites:
        erase_trailer_sectors(pair.secondary, setup.build.max_sectors)
    return SwapType.NONE
