"""The memories of a kit, and how a debug port programs them."""

from collections.abc import Iterator

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.soc import Memory, Soc
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout

# The MX25R6435F takes 48 ms typical for 4 KiB by its data sheet, 86.5 ms as measured on the support
# case's kit; 4 bytes at 8 MHz quad take about 2 us.
_EXTERNAL_PAGE_ERASE_S = 0.0865
_EXTERNAL_WORD_WRITE_S = 2e-6


def memories_of(soc: Soc, external_flash_bytes: int | None) -> tuple[MemoryLayout, ...]:
    """All memories of a kit with this chip, and an external flash of this size or none."""
    return tuple(_layouts(soc, external_flash_bytes))


def memories_of_board(board: BoardType) -> tuple[MemoryLayout, ...]:
    """All memories of a kit of this board type."""
    return memories_of(board.soc, board.external_flash_bytes)


def _layouts(soc: Soc, external_flash_bytes: int | None) -> Iterator[MemoryLayout]:
    uicrs = [core.uicr for core in soc.cores]
    with_otp = [core.uicr for core in soc.cores if core.otp]
    for memory in soc.memories(external_flash_bytes):
        if soc.is_external(memory.start):
            yield _layout(memory, _EXTERNAL_PAGE_ERASE_S, _EXTERNAL_WORD_WRITE_S)
            continue
        times = soc.flash_times
        yield _layout(
            memory,
            times.page_erase_s,
            times.word_write_s,
            pages_can_be_erased=memory not in uicrs,
            halfwords_are_written_once=memory in with_otp,
        )


def _layout(
    memory: Memory,
    page_erase_s: float,
    word_write_s: float,
    *,
    pages_can_be_erased: bool = True,
    halfwords_are_written_once: bool = False,
) -> MemoryLayout:
    return MemoryLayout(
        memory.name,
        memory.start,
        memory.size_bytes,
        memory.page_size_bytes,
        write_size_bytes=4,
        page_erase_s=page_erase_s,
        word_write_s=word_write_s,
        pages_can_be_erased=pages_can_be_erased,
        halfwords_are_written_once=halfwords_are_written_once,
    )


def program(flash: Flash, segments: tuple[Segment, ...]) -> Segment | None:
    """Erase touched pages and write, as over SWD; UICR is written without an erase.

    Returns the first segment that does not read back as written, None where all do. Raises
    `FlashError` for data outside all memories, `PowerLostError`.
    """
    for segment in segments:
        _erase_pages(flash, segment)
    for segment in segments:
        _write(flash, segment)
    for segment in segments:
        if flash.read(segment.address, len(segment.data)) != segment.data:
            return segment
    return None


def _erase_pages(flash: Flash, segment: Segment) -> None:
    layout = flash.layout_at(segment.address, len(segment.data))
    if not layout.pages_can_be_erased:
        return
    page = layout.page_size_bytes
    first = segment.address // page * page
    for address in range(first, segment.end, page):
        if not flash.is_erased(address, page):
            flash.erase(address, page)


def _write(flash: Flash, segment: Segment) -> None:
    unit = flash.layout_at(segment.address).write_size_bytes
    front = segment.address % unit
    data = b"\xff" * front + segment.data
    data += b"\xff" * (-len(data) % unit)
    flash.write(segment.address - front, data)
