"""NVMC: writes and erases of a core's flash and UICR.

nRF5340 product specification, NVMC (Writing to flash: only while CONFIG is Wen; Erasing a page: a
write of 0xFFFFFFFF to it while CONFIG is Een); nRF52832 product specification, NVMC (ERASEPAGE).

The registers are plain memory, because READY is polled for each word. It always reads 1: time of an
operation passes inside it, as on the nRF53, whose CPU stands still meanwhile.
"""

from pytest_nrf_fota.boards.soc import FlashTimes
from pytest_nrf_fota.sim.execution.ends import GuestFaultError
from pytest_nrf_fota.sim.execution.guest_time import GuestTime
from pytest_nrf_fota.sim.execution.peripheral import UnknownRegisterError
from pytest_nrf_fota.sim.flash import Flash, FlashError

READY, READYNEXT, CONFIG, ERASEPAGE, ERASEALL, ERASEUICR = 0x400, 0x408, 0x504, 0x508, 0x50C, 0x514
ICACHECNF, CONFIGNS, WRITEUICRNS = 0x540, 0x584, 0x588
_ACL, _ACL_END = 0x800, 0x880
_HELD = frozenset(
    (CONFIG, ICACHECNF, 0x548, 0x54C, CONFIGNS, WRITEUICRNS, 0x51C, *range(_ACL, _ACL_END, 4))
)
_WRITE, _ERASE = 1, 2
WORD_BYTES = 4


class Nvmc:
    """One core's flash controller.

    Args:
        flash: all memories of the kit.
        times: what its operations take.
        time: the chip's.
    """

    def __init__(self, flash: Flash, times: FlashTimes, time: GuestTime) -> None:
        self.registers = bytearray(0x1000)
        for ready in (READY, READYNEXT):
            self._hold(ready, 1)
        self._flash = flash
        self._times = times
        self._time = time

    def write_register(self, address: int, _size_bytes: int, value: int) -> int | None:
        """A store to its registers. Raises `UnknownRegisterError`."""
        offset = address & 0xFFF
        if offset == ERASEPAGE and self._held(CONFIG) & _ERASE:
            self._erase_page(value)
        elif offset not in _HELD:
            raise UnknownRegisterError("NVMC")
        return None

    def store(self, address: int, size_bytes: int, value: int) -> int:
        """A store to flash or UICR; returns what the place holds afterwards.

        Raises `GuestFaultError` where the hardware answers with a fault, `PowerLostError`.
        """
        config = self._held(CONFIG) | self._held(CONFIGNS)
        if config & _ERASE:
            self._erase_page(address)
        elif not config & _WRITE:
            raise GuestFaultError(f"a store to flash at 0x{address:08x} without NVMC's CONFIG")
        elif size_bytes != WORD_BYTES or address % WORD_BYTES:
            raise GuestFaultError(f"a store of {size_bytes} bytes to flash at 0x{address:08x}")
        else:
            self._flash.write(address, value.to_bytes(WORD_BYTES, "little"))
            self._time.operate(self._times.word_write_s)
        return int.from_bytes(self._flash.read(address, size_bytes), "little")

    def _erase_page(self, address: int) -> None:
        layout = self._flash.layout_at(address)
        page_bytes = layout.page_size_bytes
        page = layout.start + (address - layout.start) // page_bytes * page_bytes
        try:
            self._flash.erase(page, page_bytes)
        except FlashError as error:
            raise GuestFaultError(str(error)) from error
        self._time.operate(self._times.page_erase_s)

    def _held(self, offset: int) -> int:
        return int.from_bytes(self.registers[offset : offset + WORD_BYTES], "little")

    def _hold(self, offset: int, value: int) -> None:
        self.registers[offset : offset + WORD_BYTES] = value.to_bytes(WORD_BYTES, "little")
