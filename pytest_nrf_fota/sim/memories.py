"""The memories of the nRF5340 DK, and how a debug port programs them."""

from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout

# NVMC: 87.5 ms per page, 43 us per word; external flash 86.5 ms per
# 4 KiB as measured in the thread, 4 bytes at 8 MHz quad about 2 us.
APP_FLASH = MemoryLayout("application flash", 0x0, 0x100000, 0x1000, 4, 0.0875, 43e-6)
APP_UICR = MemoryLayout("application UICR", 0xFF8000, 0x800, 0x800, 4, 0.0875, 43e-6, False, True)
NET_FLASH = MemoryLayout("network flash", 0x01000000, 0x40000, 0x800, 4, 0.0875, 43e-6)
NET_UICR = MemoryLayout("network UICR", 0x01FF8000, 0x800, 0x800, 4, 0.0875, 43e-6, False, True)
EXTERNAL_FLASH = MemoryLayout("external flash", 0x10000000, 0x800000, 0x1000, 4, 0.0865, 2e-6)
MEMORIES = (APP_FLASH, APP_UICR, NET_FLASH, NET_UICR, EXTERNAL_FLASH)


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
