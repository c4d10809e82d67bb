"""What a preflight needs to know of a board that is running, read over SWD."""

from collections.abc import Iterator, Sequence

from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.mcuboot_image import (
    HEADER,
    TLV_INFO,
    ImageHeader,
    NotAnImageError,
)
from pytest_nrf_fota.firmware.provisioning import OTP_SIZE_BYTES
from pytest_nrf_fota.sim.flash import MemoryLayout
from pytest_nrf_fota.sim.memories import memories_of_board
from pytest_nrf_fota.sim.slot_map import slot_map_of

PAGE_SIZE_BYTES = 0x1000
# Trailers of up to 512 sectors (CONFIG_BOOT_MAX_IMG_SECTORS) fit in; so does a sector swapped last.
TRAILER_PAGES = 3
# Magic, image_ok, copy_done, swap type and size, each at most 16 bytes apart.
TRAILER_FLAGS_BYTES = 128


def has_preflight(board: BoardType) -> bool:
    """Whether boards of this type boot as the copy does: a kit's MCUboot, with pending images."""
    if not board.provided_by.is_kit or not board.boot.takes_pending_images:
        return False
    slots = board.slots
    named = (slots.primary, slots.secondary, slots.s0, slots.s1, slots.secondary_network)
    memories = memories_of_board(board)
    return all(_lies_in(memories, slot) for slot in named if slot is not None)


def _lies_in(memories: Sequence[MemoryLayout], slot: Slot) -> bool:
    return any(
        memory.start <= slot.address and slot.address + slot.size <= memory.end
        for memory in memories
    )


def ranges_to_read(board: BoardType) -> tuple[tuple[int, int], ...]:
    """Where all that `read_board_state` needs of the internal memories lies: start and end.

    Whole slots, so that it is one read and not one for each piece.
    """
    slots, places = board.slots, slot_map_of(board)
    nsib = places.nsib
    ranges = [(0, PAGE_SIZE_BYTES)]
    if nsib is None:
        alone = places.first_bootloader
        ranges = [(alone.address, alone.address + alone.size_bytes)]
    else:
        ranges += [(place.address, place.address + place.size_bytes) for place in nsib.s_slots]
        otp = nsib.provisioning_address
        ranges.append((otp, otp + OTP_SIZE_BYTES))
    named = (slots.primary, slots.secondary, slots.scratch, slots.secondary_network)
    ranges += [
        (slot.address, slot.address + slot.size)
        for slot in named
        if slot is not None and not board.soc.is_external(slot.address)
    ]
    network = board.soc.network
    if slots.secondary_network is not None and network is not None:
        ranges.append((network.flash.start, network.flash.end))
    return tuple(ranges)


def has_external_slots(board: BoardType) -> bool:
    """Whether an update slot lies in the external flash."""
    slots = (board.slots.secondary, board.slots.secondary_network)
    return any(slot is not None and board.soc.is_external(slot.address) for slot in slots)


def read_board_state(
    read: ReadMemory, board: BoardType, read_external: ReadMemory | None
) -> tuple[Segment, ...]:
    """Bootloaders, OTP, the application, the update slots' headers and trailers.

    What lies in the external flash is read with `read_external`, and as little as possible of it;
    None stands for an erased one.

    Of NSIB the vector table is enough. MCUboot alone is read up to the first slot behind it.

    Of an image in an update slot only header and TLVs are read: the next upload erases it. Erased
    memory is left out. Errors of `read` come through.
    """
    return tuple(
        segment
        for segment in _read(read, board, read_external)
        if segment.data.count(0xFF) != len(segment.data)
    )


def _read(
    read: ReadMemory, board: BoardType, read_external: ReadMemory | None
) -> Iterator[Segment]:
    slots = board.slots
    places = slot_map_of(board)
    nsib = places.nsib
    if nsib is None:
        alone = places.first_bootloader
        yield _segment(read, alone.address, alone.size_bytes)
    else:
        yield _segment(read, 0, PAGE_SIZE_BYTES)
        for place in nsib.s_slots:
            yield _segment(read, place.address, place.size_bytes)
        yield _segment(read, nsib.provisioning_address, OTP_SIZE_BYTES)
    yield from _running_image(read, slots.primary)
    yield from _trailer(read, slots.primary)
    for slot in (slots.secondary, slots.secondary_network):
        if slot is None:
            continue
        if not board.soc.is_external(slot.address):
            yield from _update_slot(read, slot)
        elif read_external is not None:
            yield from _external_update_slot(read_external, slot)
    if slots.scratch is not None and not board.soc.is_external(slots.scratch.address):
        yield _segment(read, slots.scratch.address, slots.scratch.size)
    network = board.soc.network
    if slots.secondary_network is not None and network is not None:
        yield _segment(read, network.flash.start, network.flash.size_bytes)


def _running_image(read: ReadMemory, slot: Slot) -> Iterator[Segment]:
    header = _header(read, slot.address)
    if header is None:
        yield _segment(read, slot.address, PAGE_SIZE_BYTES)
        return
    yield _segment(read, slot.address, min(header.hashed_size_bytes, slot.size))
    yield from _tlvs(read, slot, slot.address, header)


def _update_slot(read: ReadMemory, slot: Slot) -> Iterator[Segment]:
    # Swap using offset stores an update from the second sector on.
    yield _segment(read, slot.address, 2 * PAGE_SIZE_BYTES)
    for address in (slot.address, slot.address + PAGE_SIZE_BYTES):
        header = _header(read, address)
        if header is not None:
            yield from _tlvs(read, slot, address, header)
    yield from _trailer(read, slot)


def _external_update_slot(read: ReadMemory, slot: Slot) -> Iterator[Segment]:
    """Headers, TLVs and the trailer's last bytes: a shell prints slowly."""
    for address in (slot.address, slot.address + PAGE_SIZE_BYTES):
        yield _segment(read, address, HEADER.size)
        header = _header(read, address)
        if header is not None:
            yield from _tlvs(read, slot, address, header)
    yield _segment(read, slot.address + slot.size - TRAILER_FLAGS_BYTES, TRAILER_FLAGS_BYTES)


def _header(read: ReadMemory, address: int) -> ImageHeader | None:
    try:
        return ImageHeader.parse(read(address, HEADER.size))
    except NotAnImageError:
        return None


def _tlvs(
    read: ReadMemory, slot: Slot, image_address: int, header: ImageHeader
) -> Iterator[Segment]:
    """Both TLV areas, where they lie inside the slot."""
    start = image_address + header.header_size_bytes + header.image_size_bytes
    last_area = start + header.protected_tlv_size_bytes
    slot_end = slot.address + slot.size
    if last_area + TLV_INFO.size > slot_end:
        return
    _, last_size_bytes = TLV_INFO.unpack(read(last_area, TLV_INFO.size))
    end = min(last_area + last_size_bytes, slot_end)
    # Flash is written by words.
    first = start - start % 4
    yield _segment(read, first, end - first)


def _trailer(read: ReadMemory, slot: Slot) -> Iterator[Segment]:
    size_bytes = TRAILER_PAGES * PAGE_SIZE_BYTES
    yield _segment(read, slot.address + slot.size - size_bytes, size_bytes)


def _segment(read: ReadMemory, address: int, size_bytes: int) -> Segment:
    return Segment(address, read(address, size_bytes))
