"""NOR flash: erase to 0xFF page by page, write only clears bits, every operation is logged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from pytest_nrf_fota.sim.clock import VirtualClock

ERASED_BYTE = 0xFF


class FlashError(Exception):
    """An access that the hardware or its driver refuses (-EINVAL)."""


class PowerLostError(Exception):
    """The kit has no power: nothing runs, flash cannot be reached."""


class CutMoment(Enum):
    """When power is cut, seen from a flash operation.

    DURING leaves half of the operation done: the first half of the data written, or the first half
    of a page erased and the rest with bits that float (inferred: data sheets promise nothing).
    """

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True)
class PowerCut:
    """Cut the power at one operation: the one of that number, or the first at that address."""

    operation: int | None
    moment: CutMoment
    address: int | None = None


class OperationKind(Enum):
    """What changes flash."""

    ERASE = "erase"
    WRITE = "write"


@dataclass(frozen=True)
class Operation:
    """One change of flash: `number` counts from 1 over the life of the kit."""

    number: int
    kind: OperationKind
    memory: str
    address: int
    size_bytes: int

    def touches(self, address: int | None) -> bool:
        """Whether the byte at `address` is part of it."""
        return address is not None and self.address <= address < self.address + self.size_bytes


@dataclass(frozen=True)
class MemoryLayout:
    """Geometry, rules and operation times of one memory.

    OTP takes a halfword only where it reads 0xFFFF (nRF5340 product specification, UICR).
    """

    name: str
    start: int
    size_bytes: int
    page_size_bytes: int
    write_size_bytes: int
    page_erase_s: float
    word_write_s: float
    pages_can_be_erased: bool = True
    halfwords_are_written_once: bool = False

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.start + self.size_bytes


class Flash:
    """All memories of a kit in one address space.

    Without power every access raises `PowerLostError`, the first one after `on_power_lost` was
    called. Content survives.
    """

    def __init__(self, layouts: Sequence[MemoryLayout], clock: VirtualClock) -> None:
        self.layouts = tuple(layouts)
        self.operations: list[Operation] = []
        self.power_cut: PowerCut | None = None
        self.has_power = True
        self.on_power_lost: Callable[[], None] = lambda: None
        self.on_operation: Callable[[Operation], None] = lambda operation: None
        self._clock = clock
        self._content = {
            layout.name: bytearray([ERASED_BYTE]) * layout.size_bytes for layout in layouts
        }

    def layout_at(self, address: int, size_bytes: int = 1) -> MemoryLayout:
        """The memory that holds the whole range. Raises `FlashError`."""
        for layout in self.layouts:
            if layout.start <= address and address + size_bytes <= layout.end:
                return layout
        raise FlashError(f"no memory at 0x{address:x}..0x{address + size_bytes:x}")

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read bytes of one memory."""
        self._need_power()
        layout = self.layout_at(address, size_bytes)
        start = address - layout.start
        return bytes(self._content[layout.name][start : start + size_bytes])

    def content(self, name: str) -> bytearray:
        """The bytes of one memory themselves, for a CPU that executes them; only to be read."""
        return self._content[name]

    def load(self, address: int, data: bytes) -> None:
        """Put content into a memory as it was read from a board: no operation, no NOR rule."""
        layout = self.layout_at(address, len(data))
        start = address - layout.start
        self._content[layout.name][start : start + len(data)] = data

    def write(self, address: int, data: bytes) -> None:
        """Clear bits. Address and size must be multiples of the memory's write size."""
        layout = self.layout_at(address, len(data))
        if address % layout.write_size_bytes or len(data) % layout.write_size_bytes:
            raise FlashError(f"write of {len(data)} bytes at 0x{address:x} is not aligned")
        operation = self._begin(OperationKind.WRITE, layout, address, len(data))
        if self._is_cut(operation, CutMoment.DURING):
            self._clear_bits(layout, address, data[: len(data) // 2])
            self.lose_power()
        self._clear_bits(layout, address, data)
        self._clock.advance(layout.word_write_s * (len(data) / 4))
        self._end(operation)

    def erase(self, address: int, size_bytes: int) -> None:
        """Erase whole pages, one operation each. Range must be page aligned."""
        layout = self.layout_at(address, size_bytes)
        page = layout.page_size_bytes
        if (address - layout.start) % page or size_bytes % page:
            raise FlashError(f"erase of {size_bytes} bytes at 0x{address:x} is not page aligned")
        if not layout.pages_can_be_erased:
            raise FlashError(f"{layout.name} is erased only with a full erase of its core")
        for page_address in range(address, address + size_bytes, page):
            operation = self._begin(OperationKind.ERASE, layout, page_address, page)
            self._erase_range(operation, layout, page_address, page)
            self._clock.advance(layout.page_erase_s)
            self._end(operation)

    def erase_memory(self, name: str, duration_s: float) -> None:
        """Erase one memory completely: ERASEALL, or a chip erase."""
        layout = next(layout for layout in self.layouts if layout.name == name)
        operation = self._begin(OperationKind.ERASE, layout, layout.start, layout.size_bytes)
        self._erase_range(operation, layout, layout.start, layout.size_bytes)
        self._clock.advance(duration_s)
        self._end(operation)

    def is_erased(self, address: int, size_bytes: int) -> bool:
        """Whether every byte of the range reads 0xFF."""
        data = self.read(address, size_bytes)
        return data.count(ERASED_BYTE) == len(data)

    def _begin(
        self, kind: OperationKind, layout: MemoryLayout, address: int, size_bytes: int
    ) -> Operation:
        self._need_power()
        number = len(self.operations) + 1
        operation = Operation(number, kind, layout.name, address, size_bytes)
        self.operations.append(operation)
        self.on_operation(operation)
        if self._is_cut(operation, CutMoment.BEFORE):
            self.lose_power()
        return operation

    def _end(self, operation: Operation) -> None:
        if self._is_cut(operation, CutMoment.AFTER):
            self.lose_power()

    def _is_cut(self, operation: Operation, moment: CutMoment) -> bool:
        cut = self.power_cut
        if cut is None or cut.moment is not moment:
            return False
        return cut.operation == operation.number or operation.touches(cut.address)

    def lose_power(self) -> NoReturn:
        """Lose power now, in the middle of whatever runs. Always raises `PowerLostError`."""
        self.power_cut = None
        self.has_power = False
        self.on_power_lost()
        raise PowerLostError("power was cut at a flash operation")

    def _need_power(self) -> None:
        if not self.has_power:
            raise PowerLostError("the kit has no power")

    def _clear_bits(self, layout: MemoryLayout, address: int, data: bytes) -> None:
        start = address - layout.start
        content = self._content[layout.name]
        if layout.halfwords_are_written_once:
            for offset in range(0, len(data) - 1, 2):
                place = slice(start + offset, start + offset + 2)
                if content[place] == b"\xff\xff":
                    content[place] = data[offset : offset + 2]
            return
        old = int.from_bytes(content[start : start + len(data)], "little")
        new = old & int.from_bytes(data, "little")
        content[start : start + len(data)] = new.to_bytes(len(data), "little")

    def _erase_range(
        self, operation: Operation, layout: MemoryLayout, address: int, size_bytes: int
    ) -> None:
        start = address - layout.start
        content = self._content[layout.name]
        if not self._is_cut(operation, CutMoment.DURING):
            content[start : start + size_bytes] = bytes([ERASED_BYTE]) * size_bytes
            return
        middle = start + size_bytes // 2
        content[start:middle] = bytes([ERASED_BYTE]) * (middle - start)
        for offset in range(middle, start + size_bytes):
            # Bits rise towards 1 in a pattern that is the same in every run.
            content[offset] |= (offset * 0x9E) & 0xFF
        self.lose_power()


@dataclass(frozen=True)
class FlashArea:
    """A slot: part of a memory, addressed from its own start, as Zephyr's flash map gives it.

    Accesses beyond the slot raise `FlashError` (flash_map.c: -EINVAL).

    Args:
        flash: the memories.
        name: for messages.
        address: of its first byte.
        size_bytes: its size, which need not be a multiple of the page.
        refuses_partial_pages: what becomes of an erase that ends within a page. False: the whole
            page is erased (inferred). True: nothing is erased,
            as Zephyr's sources have it: flash_area_erase() refuses what ends behind the area, the
            drivers refuse sizes that are no multiple of the page, and MCUboot asserts the result in
            builds without assertions.
    """

    flash: Flash
    name: str
    address: int
    size_bytes: int
    refuses_partial_pages: bool = False

    @property
    def page_size_bytes(self) -> int:
        """Erase unit of the memory below."""
        return self.flash.layout_at(self.address).page_size_bytes

    @property
    def write_size_bytes(self) -> int:
        """Write unit of the memory below."""
        return self.flash.layout_at(self.address).write_size_bytes

    @property
    def num_sectors(self) -> int:
        """Pages that begin in the area; a partial last page counts (flash_area_get_sectors())."""
        return -(-self.size_bytes // self.page_size_bytes)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Read relative to the area's start."""
        self._check(offset_bytes, size_bytes)
        return self.flash.read(self.address + offset_bytes, size_bytes)

    def read_from_end(self, distance_bytes: int, size_bytes: int) -> bytes:
        """Read at a distance from the area's end, as trailers are laid out."""
        return self.read(self.size_bytes - distance_bytes, size_bytes)

    def write(self, offset_bytes: int, data: bytes) -> None:
        """Write relative to the area's start."""
        self._check(offset_bytes, len(data))
        self.flash.write(self.address + offset_bytes, data)

    def erase_sector(self, index: int) -> None:
        """Erase one sector; for a partial last one see `refuses_partial_pages`."""
        if not 0 <= index < self.num_sectors:
            raise FlashError(f"{self.name} has no sector {index}")
        page = self.page_size_bytes
        if self.refuses_partial_pages and (index + 1) * page > self.size_bytes:
            return
        self.flash.erase(self.address + index * page, page)

    def erase(self, offset_bytes: int, size_bytes: int) -> None:
        """Erase the sectors that the range touches, see `refuses_partial_pages`."""
        self._check(offset_bytes, size_bytes)
        page = self.page_size_bytes
        if self.refuses_partial_pages and (offset_bytes % page or size_bytes % page):
            return
        for index in range(offset_bytes // page, -(-(offset_bytes + size_bytes) // page)):
            self.erase_sector(index)

    def erase_all(self) -> None:
        """Erase the whole area."""
        self.erase(0, self.size_bytes)

    def is_erased(self, offset_bytes: int, size_bytes: int) -> bool:
        """Whether the range reads 0xFF."""
        self._check(offset_bytes, size_bytes)
        return self.flash.is_erased(self.address + offset_bytes, size_bytes)

    def _check(self, offset_bytes: int, size_bytes: int) -> None:
        if offset_bytes < 0 or offset_bytes + size_bytes > self.size_bytes:
            raise FlashError(
                f"0x{size_bytes:x} bytes at 0x{offset_bytes:x} do not lie in {self.name} of "
                f"0x{self.size_bytes:x} bytes"
            )
