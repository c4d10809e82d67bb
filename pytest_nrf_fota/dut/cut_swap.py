"""Whether MCUboot was interrupted while it swapped, before somebody erases what it needs."""

from collections.abc import Callable
from typing import TypeAlias

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType, decode_trailer

Read: TypeAlias = Callable[[int, int], bytes]
"""Reads a board's memory: address, size in bytes."""


class SwapUnderWayWarning(UserWarning):
    """The external flash was erased although MCUboot had not ended a swap."""


def swap_is_under_way(read: Read, board: BoardType) -> bool:
    """Whether the trailers say that a swap was begun and not ended.

    From the first step on the primary slot's trailer has magic and swap type, and `copy_done` at
    the end (sdk-mcuboot, swap_misc.c: swap_status_init, swap_set_copy_done). Swap using scratch
    keeps them in the scratch area while it exchanges the slots' last sectors. Both images then lie
    in parts in both slots: without the secondary slot none of them is left.
    """
    if board.boot.bootloader_mode not in ("swap_move", "swap_offset", "swap_scratch"):
        return False
    areas = (board.slots.primary, board.slots.scratch)
    return any(_is_begun(read, area.address + area.size) for area in areas if area is not None)


def _is_begun(read: Read, end_address: int) -> bool:
    state = decode_trailer(lambda from_end, size_bytes: read(end_address - from_end, size_bytes))
    names_swap = state.swap_type not in (0, SwapType.NONE)
    # MCUboot confirms the old image so where it gives up a trial that it could not begin.
    is_given_up = state.swap_type == SwapType.TEST and state.image_ok is Flag.SET
    is_under_way = state.copy_done is Flag.UNSET and not is_given_up
    return state.magic is Magic.GOOD and names_swap and is_under_way
