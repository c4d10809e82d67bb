"""Write the fields of a trailer into a flash area, field by field as bootutil does."""

from pytest_nrf_fota.firmware.trailer import (
    COPY_DONE_FROM_END_BYTES,
    ERASED,
    FLAG_SET_BYTE,
    IMAGE_OK_FROM_END_BYTES,
    MAGIC,
    MAGIC_FROM_END_BYTES,
    STATUS_STATES,
    SWAP_INFO_FROM_END_BYTES,
    SWAP_SIZE_FROM_END_BYTES,
    Magic,
    SwapType,
    TrailerState,
    decode_trailer,
    trailer_size_bytes,
)
from pytest_nrf_fota.sim.flash import FlashArea


def read_trailer(area: FlashArea) -> TrailerState:
    """Decode the area's trailer."""
    return decode_trailer(area.read_from_end)


def write_magic(area: FlashArea) -> None:
    """Write the 16 magic bytes."""
    area.write(area.size_bytes - MAGIC_FROM_END_BYTES, MAGIC)


def write_image_ok(area: FlashArea) -> None:
    """Set image_ok."""
    _write_byte(area, IMAGE_OK_FROM_END_BYTES, FLAG_SET_BYTE)


def write_copy_done(area: FlashArea) -> None:
    """Set copy_done."""
    _write_byte(area, COPY_DONE_FROM_END_BYTES, FLAG_SET_BYTE)


def write_swap_info(area: FlashArea, swap_type: SwapType, image_number: int) -> None:
    """Write the swap type (low nibble) with the image number (high nibble)."""
    _write_byte(area, SWAP_INFO_FROM_END_BYTES, (image_number << 4) | swap_type)


def write_swap_size(area: FlashArea, size_bytes: int) -> None:
    """Write how many bytes are swapped."""
    area.write(area.size_bytes - SWAP_SIZE_FROM_END_BYTES, size_bytes.to_bytes(4, "little"))


def read_swap_size(area: FlashArea) -> int:
    """How many bytes the swap under way moves."""
    return int.from_bytes(area.read_from_end(SWAP_SIZE_FROM_END_BYTES, 4), "little")


def status_offset_bytes(area: FlashArea, max_sectors: int, states: int = STATUS_STATES) -> int:
    """Where the status bytes begin."""
    return area.size_bytes - trailer_size_bytes(max_sectors, area.write_size_bytes, states)


def largest_image_bytes(area: FlashArea, max_sectors: int, states: int = STATUS_STATES) -> int:
    """Up to where an image may reach: the start of the sector in which the status bytes begin.

    bootutil_misc.c, bootutil_max_image_size, for swap using move or offset.
    """
    page = area.page_size_bytes
    return status_offset_bytes(area, max_sectors, states) // page * page


def largest_scratch_image_bytes(
    area: FlashArea, max_sectors: int, *, leaves_room_in_scratch: bool
) -> int:
    """Up to where an image may reach with swap using scratch: the start of the status bytes.

    bootutil_misc.c, bootutil_max_image_size. From v2.1.0-ncs5 on (`leaves_room_in_scratch`) the
    part of the trailer in the sector where it begins is at least as large as the scratch area's
    own trailer, which has status bytes for one exchange.
    """
    start = status_offset_bytes(area, max_sectors)
    if not leaves_room_in_scratch:
        return start
    page = area.page_size_bytes
    trailer_bytes = trailer_size_bytes(max_sectors, area.write_size_bytes)
    first_sector = area.num_sectors - -(-trailer_bytes // page)
    in_first_sector = (first_sector + 1) * page - start
    return start - max(0, trailer_size_bytes(1, area.write_size_bytes) - in_first_sector)


def erase_trailer_sectors(area: FlashArea, max_sectors: int, states: int = STATUS_STATES) -> None:
    """Erase from the last sector down until a trailer's size is covered.

    As swap_misc.c counts: whole sectors, even where the last one is partial.
    """
    wanted_bytes = trailer_size_bytes(max_sectors, area.write_size_bytes, states)
    erased_bytes = 0
    sector = area.num_sectors - 1
    while erased_bytes < wanted_bytes:
        area.erase_sector(sector)
        erased_bytes += area.page_size_bytes
        sector -= 1


def schedule_swap(area: FlashArea, *, permanent: bool) -> bool:
    """Mark the image in this secondary slot (bootutil_public.c, boot_set_pending_multi).

    Returns False where the trailer was bad: the slot is then erased.
    """
    magic = read_trailer(area).magic
    if magic is Magic.GOOD:
        return True
    if magic is Magic.BAD:
        area.erase_all()
        return False
    write_magic(area)
    if permanent:
        write_image_ok(area)
    write_swap_info(area, SwapType.PERM if permanent else SwapType.TEST, 0)
    return True


def _write_byte(area: FlashArea, distance_bytes: int, value: int) -> None:
    padding = bytes([ERASED]) * (area.write_size_bytes - 1)
    area.write(area.size_bytes - distance_bytes, bytes([value]) + padding)
