"""Whether MCUboot was interrupted while it swapped, before somebody erases what it needs."""

from collections.abc import Callable
from typing import TypeAlias

from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, NotAnImageError
from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType, TrailerState, decode_trailer

Read: TypeAlias = Callable[[int, int], bytes]
"""Reads a board's memory: address, size in bytes."""


class SwapUnderWayWarning(UserWarning):
    """The external flash was erased although MCUboot had not ended a swap."""


def swap_is_under_way(read: Read, board: BoardType) -> bool:
    """Whether a swap, or the copying of an update, was begun and not ended.

    From the first step on the primary slot's trailer has magic and swap type, and `copy_done` at
    the end (sdk-mcuboot, swap_misc.c: swap_status_init, swap_set_copy_done). Swap using scratch
    keeps them in the scratch area while it exchanges the slots' last sectors. Both images then lie
    in parts in both slots: without the secondary slot none of them is left. A MCUboot that
    overwrites notes nothing: there an update is pending, and the primary slot holds no whole image.
    """
    if board.boot.bootloader_mode == "overwrite_only":
        # The external flash, which the application may be using, is looked at last.
        return not _holds_whole_image(read, board.slots.primary) and _is_pending(read, board)
    if board.boot.bootloader_mode not in ("swap_move", "swap_offset", "swap_scratch"):
        return False
    areas = (board.slots.primary, board.slots.scratch)
    begun = any(_is_begun(read, area.address + area.size) for area in areas if area is not None)
    # A status outlives the swap where the external flash was erased in it: nothing is left to lose.
    secondary = board.slots.secondary
    return begun and not _is_erased(read(secondary.address, secondary.size))


def _is_pending(read: Read, board: BoardType) -> bool:
    slot = board.slots.secondary
    return _trailer(read, slot.address + slot.size).magic is Magic.GOOD


def _holds_whole_image(read: Read, slot: Slot) -> bool:
    try:
        return McubootImage.parse(read(slot.address, slot.size)).hash_is_right
    except NotAnImageError:
        return False


def _is_erased(data: bytes) -> bool:
    return data.count(0xFF) == len(data)


def _is_begun(read: Read, end_address: int) -> bool:
    state = _trailer(read, end_address)
    names_swap = state.swap_type not in (0, SwapType.NONE)
    # MCUboot confirms the old image so where it gives up a trial that it could not begin.
    is_given_up = state.swap_type == SwapType.TEST and state.image_ok is Flag.SET
    is_under_way = state.copy_done is Flag.UNSET and not is_given_up
    return state.magic is Magic.GOOD and names_swap and is_under_way


def _trailer(read: Read, end_address: int) -> TrailerState:
    return decode_trailer(lambda from_end, size_bytes: read(end_address - from_end, size_bytes))
