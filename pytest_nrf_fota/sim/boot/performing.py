"""MCUboot brings an update into its primary slot, or finishes a swap (loader.c).

boot_perform_update and boot_swap_image of sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5.
"""

from typing_extensions import assert_never

from pytest_nrf_fota.boards.ncs import SSlotReset, SSlotUpdate
from pytest_nrf_fota.firmware.trailer import Flag, SwapType
from pytest_nrf_fota.sim.boot.downgrade import swaps_with_older
from pytest_nrf_fota.sim.boot.image_check import image_size_bytes
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Role
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.nsib_copy import copy_into_s_slot
from pytest_nrf_fota.sim.boot.overwrite import overwrite_primary
from pytest_nrf_fota.sim.boot.reading_headers import Status
from pytest_nrf_fota.sim.boot.stage import BoardReset, Halt
from pytest_nrf_fota.sim.boot.swap_move import FRESH, SwapStatus, last_index, run_swap
from pytest_nrf_fota.sim.boot.swap_offset import (
    OFFSET_FRESH,
    OffsetStatus,
    exchange,
    has_room,
    prepare_offset_swap,
)
from pytest_nrf_fota.sim.boot.swap_scratch import (
    SCRATCH_FRESH,
    ScratchStatus,
    read_scratch_swap_size,
    run_scratch_swap,
)
from pytest_nrf_fota.sim.boot.swap_source import ask_swap_type
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.trailer_area import (
    read_swap_size,
    read_trailer,
    write_copy_done,
    write_image_ok,
)


def perform(setup: McubootSetup, pair: ImagePair) -> BoardReset | Halt | None:
    """Do what was decided for the pair. Raises `NetworkCoreSilentError`."""
    setup.memory.status = FRESH
    match pair.swap_type:
        case SwapType.NONE:
            return None
        case SwapType.TEST | SwapType.PERM | SwapType.REVERT if setup.build.overwrites:
            overwrite_primary(
                setup.swap_job(pair),
                image_size_bytes(pair.secondary, pair.update_header),
                names_image=setup.profile.overwrite_names_image,
                after_copy=lambda: _after_copy(setup, pair),
            )
            return _reset_for_nsib(setup, pair)
        case SwapType.TEST | SwapType.PERM | SwapType.REVERT:
            return _perform_swap(setup, pair)
        case SwapType.FAIL:
            if not setup.build.overwrites:
                _set_image_ok(pair.primary)
            return None
        case SwapType.PANIC:
            setup.log("E: panic!")
            return Halt("MCUboot panicked: the trailer names no swap that it knows", panicked=True)


def resume_swap(setup: McubootSetup, pair: ImagePair, swap_type: SwapType) -> Status:
    """Finish the swap that the pair's status describes; returns the status behind it."""
    if setup.build.uses_scratch:
        size_bytes = read_scratch_swap_size(setup.scratch_job(pair))
    else:
        size_bytes = read_swap_size(pair.primary)
    return _swap(setup, pair, swap_type, size_bytes, resumed=True)


def _perform_swap(setup: McubootSetup, pair: ImagePair) -> BoardReset | None:
    if swaps_with_older(setup, pair):
        setup.log(f"I: {setup.profile.downgrade_line(pair.number)}")
        pair.secondary.erase_all()
        pair.swap_type = SwapType.NONE
        return None
    if pair.is_nsib_update and setup.profile.s_slot_update is SSlotUpdate.NSIB_COPY:
        copy_into_s_slot(setup.swap_job(pair))
        return BoardReset()
    size_bytes = max(
        image_size_bytes(pair.primary, pair.primary_header),
        image_size_bytes(pair.update, pair.update_header),
    )
    status = _swap(setup, pair, pair.swap_type, size_bytes, resumed=False)
    if isinstance(status, SwapStatus):
        setup.memory.status = status
    _after_copy(setup, pair)
    return _reset_for_nsib(setup, pair)


def _reset_for_nsib(setup: McubootSetup, pair: ImagePair) -> BoardReset | None:
    wrote_s_slot = pair.is_nsib_update or pair.copied_to is not None
    resets = setup.profile.s_slot_reset is SSlotReset.EACH_UPDATE
    return BoardReset() if wrote_s_slot and resets else None


def _after_copy(setup: McubootSetup, pair: ImagePair) -> bool:
    # nrf53_hooks.c, boot_copy_region_post_hook; after a swap its result is not looked at.
    if pair.role is not Role.NETWORK:
        return True
    return setup.network_core().copy_from_ram_slot(pair.primary)


def _swap(
    setup: McubootSetup, pair: ImagePair, swap_type: SwapType, size_bytes: int, *, resumed: bool
) -> Status:
    after: Status
    # With several images the status, its source included, is reset before each swap.
    trailer_in_primary = resumed or (setup.number_of_images == 1 and pair.trailer_in_primary)
    match setup.build.description.swap:
        case "offset":
            begun = pair.unfinished if resumed else OFFSET_FRESH
            assert isinstance(begun, OffsetStatus)
            _run_offset_swap(
                setup, pair, begun, size_bytes, swap_type, trailer_in_primary=trailer_in_primary
            )
            after = OFFSET_FRESH
        case "scratch":
            reached = pair.unfinished if resumed else SCRATCH_FRESH
            assert isinstance(reached, ScratchStatus)
            after = run_scratch_swap(setup.scratch_job(pair), reached, size_bytes, swap_type)
        case "move":
            moved = pair.unfinished if resumed else FRESH
            assert isinstance(moved, SwapStatus)
            job = setup.swap_job(pair)
            setup.memory.last_swapped_index = last_index(job, size_bytes)
            after = run_swap(
                job, moved, size_bytes, swap_type, trailer_in_primary=trailer_in_primary
            )
        case "overwrite":
            raise AssertionError("a build that overwrites knows no swap")
        case never:
            assert_never(never)
    if swap_type in (SwapType.REVERT, SwapType.PERM):
        _set_image_ok(pair.primary)
    if swap_type.is_upgrade:
        write_copy_done(pair.primary)
    return after


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
    headers = (pair.primary_header, pair.update_header)
    exchange(job, status, size_bytes, headers, reverting=reverting)


def _set_image_ok(area: FlashArea) -> None:
    if read_trailer(area).image_ok is Flag.UNSET:
        write_image_ok(area)
