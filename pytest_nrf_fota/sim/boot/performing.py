"""MCUboot brings an update into its primary slot, or finishes a swap (loader.c).

boot_perform_update and boot_swap_image of sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5.
"""

from typing_extensions import assert_never

from pytest_nrf_fota.boards.ncs import SSlotUpdate
from pytest_nrf_fota.firmware.trailer import Flag, SwapType
from pytest_nrf_fota.sim.boot.downgrade import swaps_with_older
from pytest_nrf_fota.sim.boot.image_check import image_size_bytes
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Role
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.nsib_copy import copy_into_s_slot
from pytest_nrf_fota.sim.boot.overwrite import overwrite_primary
from pytest_nrf_fota.sim.boot.stage import BoardReset
from pytest_nrf_fota.sim.boot.swap_move import FRESH, run_swap
from pytest_nrf_fota.sim.boot.swap_offset import (
    OFFSET_FRESH,
    OffsetStatus,
    exchange,
    has_room,
    prepare_offset_swap,
)
from pytest_nrf_fota.sim.boot.swap_scratch import SCRATCH_FRESH, run_scratch_swap
from pytest_nrf_fota.sim.boot.swap_source import ask_swap_type
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.trailer_area import read_trailer, write_copy_done, write_image_ok


def perform(setup: McubootSetup, pair: ImagePair) -> BoardReset | None:
    """Do what was decided for the pair. Raises `NetworkCoreSilentError`."""
    match pair.swap_type:
        case SwapType.NONE:
            return None
        case SwapType.TEST | SwapType.PERM | SwapType.REVERT if setup.build.overwrites:
            overwrite_primary(
                setup.swap_job(pair),
                image_size_bytes(pair.secondary),
                names_image=setup.profile.overwrite_names_image,
                after_copy=lambda: _after_copy(setup, pair),
            )
            return None
        case SwapType.TEST | SwapType.PERM | SwapType.REVERT:
            return _perform_swap(setup, pair)
        case SwapType.FAIL | SwapType.PANIC:
            if not setup.build.overwrites:
                _set_image_ok(pair.primary)
            return None


def resume_swap(setup: McubootSetup, pair: ImagePair, swap_type: SwapType, size_bytes: int) -> None:
    """Finish the swap of `size_bytes` that the pair's status describes."""
    _swap(setup, pair, swap_type, size_bytes, resumed=True)


def _perform_swap(setup: McubootSetup, pair: ImagePair) -> BoardReset | None:
    if swaps_with_older(setup, pair):
        pair.secondary.erase_all()
        setup.log(f"I: {setup.profile.downgrade_line(pair.number)}")
        pair.swap_type = SwapType.NONE
        return None
    if pair.is_nsib_update and setup.profile.s_slot_update is SSlotUpdate.NSIB_COPY:
        copy_into_s_slot(setup.swap_job(pair))
        return BoardReset()
    size_bytes = max(image_size_bytes(pair.primary), image_size_bytes(pair.update))
    _swap(setup, pair, pair.swap_type, size_bytes, resumed=False)
    _after_copy(setup, pair)
    return None


def _after_copy(setup: McubootSetup, pair: ImagePair) -> bool:
    # nrf53_hooks.c, boot_copy_region_post_hook; after a swap its result is not looked at.
    if pair.role is not Role.NETWORK:
        return True
    return setup.network_core().copy_from_ram_slot(pair.primary)


def _swap(
    setup: McubootSetup, pair: ImagePair, swap_type: SwapType, size_bytes: int, *, resumed: bool
) -> None:
    # With several images the status, its source included, is reset before each swap.
    trailer_in_primary = resumed or (setup.number_of_images == 1 and pair.trailer_in_primary)
    match setup.build.description.swap:
        case "offset":
            _run_offset_swap(
                setup,
                pair,
                pair.unfinished_offset if resumed else OFFSET_FRESH,
                size_bytes,
                swap_type,
                trailer_in_primary=trailer_in_primary,
            )
        case "scratch":
            status = pair.unfinished_scratch if resumed else SCRATCH_FRESH
            run_scratch_swap(setup.scratch_job(pair), status, size_bytes, swap_type)
        case "move":
            run_swap(
                setup.swap_job(pair),
                pair.unfinished if resumed else FRESH,
                size_bytes,
                swap_type,
                trailer_in_primary=trailer_in_primary,
            )
        case "overwrite":
            raise AssertionError("a build that overwrites knows no swap")
        case never:
            assert_never(never)
    if swap_type in (SwapType.REVERT, SwapType.PERM):
        _set_image_ok(pair.primary)
    if swap_type.is_upgrade:
        write_copy_done(pair.primary)


def _run_offset_swap(
    setup: McubootSetup,
    pair: ImagePair,
    status: OffsetStatus,
    size_bytes: int,
    swap_type: SwapType,
    *,
    trailer_in_primary: bool,
) -> None:
    job = setup.swap_job(pair)
    setup.log("I: Starting swap using offset algorithm.")
    if status.is_fresh and not has_room(job, size_bytes):
        return
    if status.done_sectors == 0:
        prepare_offset_swap(job, size_bytes, swap_type, trailer_in_primary=trailer_in_primary)
    reverting = swap_type is SwapType.REVERT or ask_swap_type(setup, pair) is SwapType.REVERT
    exchange(job, status, size_bytes, reverting=reverting)


def _set_image_ok(area: FlashArea) -> None:
    if read_trailer(area).image_ok is Flag.UNSET:
        write_image_ok(area)
