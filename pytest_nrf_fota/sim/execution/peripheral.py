"""Peripherals as tables: tasks, events, interrupts, and registers that hold what was written.

All peripherals of Nordic's chips have the same plan (nRF5340 product specification, Peripheral
interface): tasks from 0x000, events from 0x100, SHORTS 0x200, INTEN 0x300, INTENSET 0x304,
INTENCLR 0x308, INTPEND 0x30C; on chips with DPPI SUBSCRIBE from 0x080 and PUBLISH from 0x180.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

SIZE_BYTES = 0x1000
FIRST_EVENT, EVENTS_END = 0x100, 0x180
SUBSCRIBE, SUBSCRIBE_END = 0x080, 0x100
PUBLISH, PUBLISH_END = 0x180, 0x200
SHORTS = 0x200
INTEN, INTENSET, INTENCLR, INTPEND = 0x300, 0x304, 0x308, 0x30C
WORD_BITS = 0xFFFF_FFFF


class UnknownRegisterError(Exception):
    """An access to a register that the table does not have."""


@dataclass
class Peripheral:
    """One block of registers, 4 KiB.

    Args:
        name: as the product specification has it.
        tasks: what a task does; called when 1 is written.
        events: offsets of the events.
        registers: those that hold what was written, with their values after a reset.
        ranges: more of these, all 0 after a reset.
        readers: registers that are worked out on each read.
        writers: what a write does beyond being held.
    """

    name: str
    tasks: Mapping[int, Callable[[], None]] = field(default_factory=dict)
    events: Iterable[int] = ()
    registers: Mapping[int, int] = field(default_factory=dict)
    ranges: Iterable[range] = ()
    readers: Mapping[int, Callable[[], int]] = field(default_factory=dict)
    writers: Mapping[int, Callable[[int], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._values = dict(self.registers)
        self._values.update(dict.fromkeys(self.events, 0))
        self._values[INTEN] = 0
        self._events = frozenset(self.events)
        self._kept = (
            range(SUBSCRIBE, SUBSCRIBE_END),
            range(PUBLISH, PUBLISH_END),
            range(SHORTS, SHORTS + 4),
            *self.ranges,
        )

    def __getitem__(self, offset: int) -> int:
        """What a register holds."""
        return self._values.get(offset, 0)

    def __setitem__(self, offset: int, value: int) -> None:
        self._values[offset] = value

    @property
    def raises_interrupt(self) -> bool:
        """Whether an event is set whose interrupt is enabled."""
        enabled = self._values[INTEN]
        return enabled != 0 and any(
            self._values[event] and enabled >> ((event - FIRST_EVENT) // 4) & 1
            for event in self._events
        )

    def read(self, offset: int) -> int:
        """Read one register. Raises `UnknownRegisterError`."""
        reader = self.readers.get(offset)
        if reader is not None:
            return reader()
        value = self._values.get(offset)
        if value is not None:
            return value
        if offset in (INTENSET, INTENCLR):
            return self._values[INTEN]
        if offset == INTPEND:
            return self._pending_events()
        if offset in self.tasks or self._is_kept(offset):
            return 0
        raise UnknownRegisterError

    def write(self, offset: int, value: int) -> None:
        """Write one register. Raises `UnknownRegisterError`."""
        task = self.tasks.get(offset)
        if task is not None:
            if value & 1:
                task()
            return
        if offset == INTENSET:
            self._values[INTEN] |= value
        elif offset == INTENCLR:
            self._values[INTEN] &= ~value
        elif offset in self._values or self._is_kept(offset):
            self._values[offset] = value
        elif offset not in self.writers:
            raise UnknownRegisterError
        writer = self.writers.get(offset)
        if writer is not None:
            writer(value)

    def _pending_events(self) -> int:
        return sum(1 << (event - FIRST_EVENT) // 4 for event in self._events if self._values[event])

    def _is_kept(self, offset: int) -> bool:
        return any(offset in kept for kept in self._kept)
