"""Where MCUboot looks for the two images' headers (boot_read_image_headers).

In the middle of a swap they lie elsewhere: the algorithm's boot_read_image_header knows where,
by what the swap's status says. Of a header without magic the fields are kept all the same.
Sources: swap_move.c, swap_scratch.c and swap_offset.c of sdk-mcuboot v1.9.99-ncs4, v2.0.99-ncs1,
v2.1.0-ncs3 and v2.1.0-ncs5.
"""

from dataclasses import dataclass
from enum import Enum

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.mcuboot_image import HEADER, IMAGE_MAGIC
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.held_header import HeldHeader
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Role
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.swap_move import Phase, SwapStatus, last_index
from pytest_nrf_fota.sim.boot.swap_offset import OffsetStatus, last_sector_index
from pytest_nrf_fota.sim.boot.swap_scratch import ScratchStatus, exchange_count, status_area
from pytest_nrf_fota.sim.boot.swap_source import ask_swap_type
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.trailer_area import read_swap_size

Status = SwapStatus | OffsetStatus | ScratchStatus


class Slot(Enum):
    """Whose image a header is meant to be."""

    PRIMARY = 0
    SECONDARY = 1


@dataclass(frozen=True)
class _Place:
    """Where a header is looked for."""

    area: FlashArea
    offset_bytes: int = 0


class _NotFoundError(Exception):
    """No header where the status says that there must be one."""


def read_headers(
    setup: McubootSetup,
    pair: ImagePair,
    status: Status | None = None,
    swap_type: SwapType = SwapType.NONE,
    *,
    needs_both: bool = False,
) -> bool:
    """Read both headers into the pair; False where the pair cannot be gone on with.

    Args:
        setup: this MCUboot.
        pair: the pair.
        status: how far a swap has come, where the caller hands it on.
        swap_type: the type of that swap.
        needs_both: whether the update's header must be found, too.
    """
    for slot in Slot:
        try:
            pair.held[slot.value] = _read(setup, pair, slot, status, swap_type)
        except _NotFoundError:
            if slot is Slot.PRIMARY and pair.role is Role.BOOTLOADER:
                # An S0/S1 slot has no header before its first update.
                continue
            return slot is Slot.SECONDARY and not needs_both
    return True


def _read(
    setup: McubootSetup,
    pair: ImagePair,
    slot: Slot,
    status: Status | None,
    swap_type: SwapType,
) -> HeldHeader:
    if slot is Slot.PRIMARY and pair.role is Role.NETWORK:
        # nrf53_hooks.c makes up a header for the slot in RAM.
        return HeldHeader(magic=IMAGE_MAGIC)
    match setup.build.description.swap:
        case "overwrite":
            return _at(_own(pair, slot))
        case "move":
            assert status is None or isinstance(status, SwapStatus)
            return _read_moved(setup, pair, slot, status)
        case "scratch":
            assert status is None or isinstance(status, ScratchStatus)
            return _at(_scratch_place(setup, pair, slot, status))
        case "offset":
            assert status is None or isinstance(status, OffsetStatus)
            return _read_with_offset(setup, pair, slot, status, swap_type)
        case never:
            assert_never(never)


def _own(pair: ImagePair, slot: Slot, offset_bytes: int = 0) -> _Place:
    return _Place(pair.primary if slot is Slot.PRIMARY else pair.secondary, offset_bytes)


def _other(slot: Slot) -> Slot:
    return Slot.SECONDARY if slot is Slot.PRIMARY else Slot.PRIMARY


def _at(place: _Place) -> HeldHeader:
    return HeldHeader.unpack(place.area.read(place.offset_bytes, HEADER.size))


def _read_moved(
    setup: McubootSetup, pair: ImagePair, slot: Slot, status: SwapStatus | None
) -> HeldHeader:
    place = _own(pair, slot) if status is None else _moved_place(setup, pair, slot, status)
    header = _at(place)
    if status is not None and not header.is_image:
        pair.held[slot.value] = header
        raise _NotFoundError
    return header


def _moved_place(setup: McubootSetup, pair: ImagePair, slot: Slot, status: SwapStatus) -> _Place:
    second_sector = pair.primary.page_size_bytes
    if setup.profile.resumes_cut_swap_of_first_sector:
        if status.is_fresh:
            return _own(pair, slot)
        last = last_index(setup.swap_job(pair), read_swap_size(pair.primary))
    else:
        # A variable that only a swap sets, which has not begun yet where one is resumed.
        last = setup.memory.last_swapped_index
    match status.phase:
        case Phase.MOVE if slot is Slot.PRIMARY and status.index > last:
            return _own(pair, slot, second_sector)
        case Phase.SWAP if 1 < status.index <= last:
            return _own(pair, _other(slot))
        case Phase.SWAP if status.index == 1 and slot is Slot.PRIMARY:
            return _own(pair, slot, second_sector)
        case Phase.SWAP if status.index == 1 and status.state == 2:
            return _own(pair, Slot.PRIMARY)
        case _:
            return _own(pair, slot)


def _scratch_place(
    setup: McubootSetup, pair: ImagePair, slot: Slot, status: ScratchStatus | None
) -> _Place:
    if status is None or status.is_fresh or not setup.profile.scratch_headers_move:
        return _own(pair, slot)
    job = setup.scratch_job(pair)
    area = status_area(job)
    if area is None:
        if setup.profile.finds_status_without_magic:
            area = job.primary
        else:
            raise _NotFoundError
    count, done = exchange_count(job, read_swap_size(area)), status.index - 1
    if done >= count:
        return _own(pair, _other(slot))
    if done == count - 1 and slot is Slot.SECONDARY and status.state >= 2:
        return _Place(job.scratch)
    if done == count - 1 and slot is Slot.PRIMARY and status.state >= 3:
        return _own(pair, Slot.SECONDARY)
    return _own(pair, slot)


def _read_with_offset(
    setup: McubootSetup,
    pair: ImagePair,
    slot: Slot,
    status: OffsetStatus | None,
    swap_type: SwapType,
) -> HeldHeader:
    second_sector = pair.secondary.page_size_bytes
    is_known_revert = swap_type is SwapType.REVERT
    asked, offset_bytes = slot, 0
    is_under_way = status is not None and not status.is_fresh
    if status is None:
        if slot is Slot.SECONDARY and not _is_revert(setup, pair):
            offset_bytes = second_sector
    elif not status.is_fresh:
        last = last_sector_index(setup.swap_job(pair), read_swap_size(pair.primary))
        reverting = is_known_revert or _is_revert(setup, pair)
        slot, offset_bytes = _offset_place(status, slot, last, second_sector, reverting=reverting)
    elif not (is_known_revert or _is_revert(setup, pair)) and slot is Slot.SECONDARY:
        offset_bytes = second_sector
    header = _at(_own(pair, slot, offset_bytes))
    if not is_under_way and not header.is_image and slot is Slot.SECONDARY:
        offset_bytes = second_sector if _is_revert(setup, pair) else 0
        header = _at(_own(pair, slot, offset_bytes))
    if status is None:
        return header
    if not header.is_image:
        pair.held[asked.value] = header
        raise _NotFoundError
    if slot is Slot.SECONDARY:
        pair.update_offset_bytes = offset_bytes
    return header


def _offset_place(
    status: OffsetStatus, slot: Slot, last: int, second_sector: int, *, reverting: bool
) -> tuple[Slot, int]:
    # It mixes sectors counted from 0 (`last`) and from 1; kept as it is.
    done, half_done = status.done_sectors, status.half_done
    if reverting:
        if slot is Slot.PRIMARY:
            is_away = done > last or (done == last and half_done)
            return (Slot.SECONDARY, second_sector) if is_away else (Slot.PRIMARY, 0)
        return (Slot.PRIMARY, 0) if done > last else (Slot.SECONDARY, 0)
    if slot is Slot.PRIMARY:
        is_away = (done > 0 or half_done) and done + 1 <= last
        return (Slot.SECONDARY, 0) if is_away else (Slot.PRIMARY, 0)
    return (Slot.PRIMARY, 0) if done > 0 else (Slot.SECONDARY, second_sector)


def _is_revert(setup: McubootSetup, pair: ImagePair) -> bool:
    return ask_swap_type(setup, pair) is SwapType.REVERT
