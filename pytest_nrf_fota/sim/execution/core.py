"""One Cortex-M core: machine code from memories that others share, until it ends or waits.

Unicorn (github.com/unicorn-engine/unicorn, 2.1) executes instructions and nothing else. Where it is
stopped decides whether a run is the same each time: a stop inside an access to memory runs the
instruction again. So it is stopped before instructions alone: behind those that unmask interrupts
and at ISB (hooks there deliver what is pending), at WFI and WFE, at the border of firmware that is
not executed, and by a watchdog where no access came for a while.

No stop takes effect inside of an IT block: an interrupt that is unmasked there comes at the next
such place, and a store whose bits flash does not take reads back right behind the next branch.
"""

import ctypes
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from unicorn import (
    UC_HOOK_CODE,
    UC_HOOK_INTR,
    UC_HOOK_MEM_FETCH_UNMAPPED,
    UC_HOOK_MEM_READ_UNMAPPED,
    UC_HOOK_MEM_WRITE_PROT,
    UC_HOOK_MEM_WRITE_UNMAPPED,
    UC_PROT_EXEC,
    UC_PROT_READ,
    UC_PROT_WRITE,
)
from unicorn import arm_const as arm
from unicorn.unicorn import UcError

from pytest_nrf_fota.sim.execution.cpu import Cpu, make_cpu
from pytest_nrf_fota.sim.execution.ends import (
    Asleep,
    Busy,
    CoreEnd,
    GuestFaultError,
    Jumped,
    NotModelledError,
    Reset,
    Spinning,
)
from pytest_nrf_fota.sim.execution.exception_frame import enter_exception, return_from_exception
from pytest_nrf_fota.sim.execution.peripheral import Peripheral, UnknownRegisterError
from pytest_nrf_fota.sim.execution.system_control import SCS_ADDRESS, SVCALL, SystemControl
from pytest_nrf_fota.sim.execution.watchdog import Watchdog

PAGE_BYTES = 0x1000
# cpsie i, f, if; msr primask, basepri, basepri_max, faultmask (Arm v7-M ARM, A7.7).
_UNMASKS = re.compile(rb"[\x61-\x63]\xb6|[\x80-\x8f]\xf3[\x10-\x13]\x88", re.DOTALL)
_ISB = re.compile(rb"\xbf\xf3\x6f\x8f")
_WFE, _WFI, _SEV = (re.compile(code) for code in (rb"\x20\xbf", rb"\x30\xbf", rb"\x40\xbf"))
_SVC, _EXCEPTION_EXIT = 2, 8
_MOST_STEPS = 512
_MOST_POLLS = 100_000
_NOWHERE = 0xFFFF_FFFE
_SYSTEM_SPACE = range(0xE000_0000, 0xF000_0000)
_PERIPHERAL_SPACE = range(0x4000_0000, 0x6000_0000)


@dataclass(frozen=True)
class SharedMemory:
    """Bytes at an address that this core sees; `on_write` takes stores where they are not RAM's.

    It is called before the store, which then takes place; a value that it returns replaces it.
    """

    address: int
    content: bytearray
    is_executable: bool = True
    on_write: Callable[[int, int, int], int | None] | None = None


@dataclass(frozen=True)
class WordSpace:
    """Words behind functions, for memories smaller than a page, such as UICR."""

    name: str
    address: int
    read: Callable[[int], int]
    write: Callable[[int, int, int], None]


class Core:
    """One core; it is made anew for each reset.

    Args:
        name: for messages.
        model: Unicorn's number of the CPU.
        cpuid: what its CPUID register reads.
        memories: what it sees.
        words: small memories behind functions.
        peripherals: by address; aliases are two addresses of one.
        stops_at: firmware in these ranges is not executed: the run ends there.
        known_gaps: names of blocks that are not modelled.
    """

    def __init__(
        self,
        name: str,
        model: int,
        cpuid: int,
        memories: Sequence[SharedMemory],
        words: Sequence[WordSpace],
        peripherals: Mapping[int, Peripheral],
        stops_at: Iterable[range],
        known_gaps: Mapping[int, str],
    ) -> None:
        self.name = name
        self.control = SystemControl(cpuid, self._lines, self.ask_for_reset)
        self._memories = tuple(memories)
        self._peripherals = peripherals
        # An interrupt's number is that of its peripheral (product specifications, Instantiation).
        self._with_events = {
            address >> 12 & 0xFF: one for address, one in peripherals.items() if one.events
        }
        self._stops_at = tuple(stops_at)
        self._known_gaps = known_gaps
        self._uc = uc = make_cpu(model)
        self._watchdog = Watchdog(uc.emu_stop)
        self._may_be_pending = True
        self._end: CoreEnd | None = None
        self._error: BaseException | None = None
        self._interrupt_number: int | None = None
        # Why it waits: WFI, or WFE, which an event ends.
        self._waits: re.Pattern[bytes] | None = None
        self._is_asleep = self._has_event = False
        # Reads of registers since a store to one, an operation of flash, or a step of time.
        self._polls = 0
        # Stores whose bits flash did not take, by address: where, and what it holds.
        self._corrections: dict[int, tuple[bytearray, slice, bytes]] = {}
        self._corrected_pc: int | None = None
        self._buffers: list[object] = []
        self._map_memories()
        for space in words:
            self._map_registers(space.name, space.address, space.read, space.write)
        for address, peripheral in peripherals.items():
            self._map_peripheral(address, peripheral)
        self._map_registers(
            "system control space", SCS_ADDRESS, self.control.read, self.control.write
        )
        self._add_hooks()

    # --- life ---

    def start(self, vector_table: int) -> None:
        """Begin at a vector table, as after a reset."""
        stack_pointer, reset_vector = struct.unpack("<II", self._uc.mem_read(vector_table, 8))
        self.control.vector_table = vector_table
        self._uc.reg_write(arm.UC_ARM_REG_SP, stack_pointer)
        self._uc.reg_write(arm.UC_ARM_REG_PC, reset_vector | 1)

    def run(self) -> CoreEnd:
        """Execute until the core ends, waits, or has worked for a while.

        To be called again behind all but `Jumped` and `Reset`. Raises `NotModelledError`,
        `GuestFaultError`, and what a memory's or a peripheral's function raises.
        """
        if self._is_asleep:
            if not self.wakes:
                return Asleep(self.pc)
            self._go_on_behind_wait()
        self._end = None
        while self._end is None:
            self._take_exceptions()
            self._emulate()
        return self._end

    def close(self) -> None:
        """End its watchdog."""
        self._watchdog.close()

    def look_for_interrupts(self) -> None:
        """Something outside of this core may have raised an interrupt."""
        self._may_be_pending = True
        self._polls = 0

    def ask_for_reset(self) -> None:
        """Reset the system: the core ends."""
        self._stop(Reset())

    @property
    def wakes(self) -> bool:
        """Whether an interrupt is pending that is taken now, or ends WFI in spite of PRIMASK."""
        ignores_primask = self._is_asleep and (self._waits is _WFI or self.control.pending_is_event)
        return self._first_exception(ignores_primask=ignores_primask) is not None

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return int(self._uc.reg_read(arm.UC_ARM_REG_PC)) & ~1

    # --- the loop ---

    def _emulate(self, *, is_looking: bool = False) -> None:
        self._interrupt_number, self._waits = None, None
        try:
            with self._watchdog.emulation():
                self._uc.emu_start(self.pc | 1, _NOWHERE)
            fault = None
        except UcError as error:
            fault = error
        if self._corrections and self._error is None:
            self._correct_aborted()
        if self._error is not None:
            error_of_callback, self._error = self._error, None
            raise error_of_callback
        if self._end is not None:
            return
        if fault is not None and self._interrupt_number is None:
            raise self._fault(str(fault))
        if self._interrupt_number is not None:
            self._handle_interrupt(self._interrupt_number)
        elif self._waits is not None:
            self._is_asleep = True
            if self.wakes or (self._waits is _WFE and self._has_event):
                self._go_on_behind_wait()
            else:
                self._end = Asleep(self.pc)
        elif self._watchdog.take_bark() and not is_looking:
            # One stop behind the other would show the hook the same instruction twice: a circle.
            self._look_for_circle()

    def _handle_interrupt(self, number: int) -> None:
        if number == _SVC:
            enter_exception(self._uc, self.control, SVCALL)
        elif number == _EXCEPTION_EXIT:
            return_from_exception(self._uc, self.control, self.pc | 1)
            self._has_event = True
        else:
            raise self._fault(f"the CPU took fault {number}")
        self._may_be_pending = True

    def _take_exceptions(self) -> None:
        exception = self._next_exception()
        if exception is not None:
            enter_exception(self._uc, self.control, exception)

    def _next_exception(self) -> int | None:
        if not self._may_be_pending:
            return None
        exception = self._first_exception(ignores_primask=False)
        if exception is None:
            self._may_be_pending = self.control.has_pending
        return exception

    def _first_exception(self, *, ignores_primask: bool) -> int | None:
        return self.control.next_exception(
            0 if ignores_primask else self._uc.reg_read(arm.UC_ARM_REG_PRIMASK),
            self._uc.reg_read(arm.UC_ARM_REG_BASEPRI),
            self._uc.reg_read(arm.UC_ARM_REG_FAULTMASK),
        )

    def _go_on_behind_wait(self) -> None:
        self._is_asleep = False
        self._has_event = self._has_event and self._waits is not _WFE
        self._may_be_pending = True
        self._uc.reg_write(arm.UC_ARM_REG_PC, self.pc + 2 | 1)

    def _look_for_circle(self) -> None:
        """The watchdog barked: a core that comes to the same state twice goes round in a circle."""
        states: set[tuple[int, ...]] = set()
        accesses = self._watchdog.accesses

        def note(_uc: Cpu, _address: int, _size_bytes: int, _data: object) -> None:
            state = self._state()
            if self._watchdog.accesses != accesses or len(states) >= _MOST_STEPS:
                self._stop(Busy(self.pc))
            elif state in states:
                self._stop(Spinning(self.pc))
            states.add(state)

        hook = self._uc.hook_add(UC_HOOK_CODE, note)
        # Code that was translated before does not know the hook.
        self._uc.ctl_flush_tb()
        self._emulate(is_looking=True)
        self._uc.hook_del(hook)
        self._uc.ctl_flush_tb()
        if self._interrupt_number is None and self._waits is None:
            self._end = self._end or Busy(self.pc)

    def _state(self) -> tuple[int, ...]:
        registers = (*range(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R12 + 1), arm.UC_ARM_REG_SP)
        more = (arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC, arm.UC_ARM_REG_XPSR)
        return tuple(self._uc.reg_read(register) for register in (*registers, *more))

    def _lines(self) -> list[int]:
        return [line for line, one in self._with_events.items() if one.raises_interrupt]

    # --- what ends it ---

    def _stop(self, end: CoreEnd) -> None:
        self._end = end
        self._uc.emu_stop()

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, GuestFaultError):
            error = self._fault(str(error))
        self._error = self._error or error
        self._uc.emu_stop()

    def _fault(self, text: str) -> GuestFaultError:
        return GuestFaultError(f"{text} (PC 0x{self.pc:08x}, {self.name} core)")

    # --- memories ---

    def _map_memories(self) -> None:
        for memory in self._memories:
            rights = UC_PROT_READ | (UC_PROT_EXEC if memory.is_executable else 0)
            rights |= UC_PROT_WRITE if memory.on_write is None else 0
            buffer = (ctypes.c_char * len(memory.content)).from_buffer(memory.content)
            self._buffers.append(buffer)
            self._uc.mem_map_ptr(
                memory.address, len(memory.content), rights, ctypes.addressof(buffer)
            )

    def _map_peripheral(self, address: int, peripheral: Peripheral) -> None:
        def write(offset: int, _size_bytes: int, value: int) -> None:
            peripheral.write(offset, value)

        self._map_registers(peripheral.name, address, peripheral.read, write)

    def _map_registers(
        self,
        name: str,
        address: int,
        read: Callable[[int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        """Registers that are read as words, and written by offset, size in bytes, and value."""
        watchdog = self._watchdog

        def on_read(_uc: Cpu, offset: int, size_bytes: int, _data: object) -> int:
            with watchdog.lock:
                watchdog.accesses += 1
                if watchdog.is_stopping:
                    return 0
                try:
                    value = read(offset & ~3) >> 8 * (offset % 4) & (1 << 8 * size_bytes) - 1
                except UnknownRegisterError:
                    self._miss(name, offset, "read")
                    return 0
                except BaseException as error:
                    self._fail(error)
                    return 0
                self._polls += 1
                if self._polls > _MOST_POLLS:
                    self._polls = 0
                    self._stop(Spinning(self.pc))
                if self._may_be_pending and self._next_exception() is not None:
                    self._uc.emu_stop()
                return value

        def on_write(_uc: Cpu, offset: int, size_bytes: int, value: int, _data: object) -> None:
            with watchdog.lock:
                watchdog.accesses += 1
                if watchdog.is_stopping:
                    return
                self.look_for_interrupts()
                try:
                    write(offset, size_bytes, value)
                except UnknownRegisterError:
                    self._miss(name, offset, f"write of 0x{value:x}")
                except BaseException as error:
                    self._fail(error)

        self._uc.mmio_map(address, PAGE_BYTES, on_read, None, on_write, None)

    def _miss(self, block: str, offset: int, access: str) -> None:
        # Inside a callback the instruction's address is known: Unicorn keeps the PC in step there.
        self._fail(
            NotModelledError(block, f"register 0x{offset:03x} ({access})", self.pc, self.name)
        )

    def _memory_at(self, address: int) -> SharedMemory | None:
        for memory in self._memories:
            if memory.address <= address < memory.address + len(memory.content):
                return memory
        return None

    def _store(self, address: int, size_bytes: int, value: int) -> None:
        """A store to memory that is not RAM."""
        memory = self._memory_at(address)
        assert memory is not None and memory.on_write is not None, "Unicorn maps it so"
        value &= (1 << 8 * size_bytes) - 1
        result = memory.on_write(address, size_bytes, value)
        if result is not None and result != value:
            start = address - memory.address
            place = slice(start, start + size_bytes)
            data = result.to_bytes(size_bytes, "little")
            self._corrections[address] = (memory.content, place, data)
            if self._corrected_pc is None:
                self._corrected_pc = self.pc
                self._uc.emu_stop()

    def _correct_aborted(self) -> None:
        """Unicorn left the store's instruction before its end: run it again, without the store."""
        if self.pc == self._corrected_pc:
            # Code that was translated before does not count.
            self._uc.ctl_flush_tb()
            self._uc.emu_start(self.pc | 1, _NOWHERE, count=1)
            self._uc.ctl_flush_tb()
        self._correct()

    def _correct(self) -> None:
        for content, place, data in self._corrections.values():
            content[place] = data
        self._corrections.clear()
        self._corrected_pc = None

    # --- hooks ---

    def _add_hooks(self) -> None:
        uc = self._uc
        uc.hook_add(UC_HOOK_INTR, self._on_interrupt)
        uc.hook_add(UC_HOOK_MEM_WRITE_PROT, self._on_protected_write)
        uc.hook_add(
            UC_HOOK_MEM_READ_UNMAPPED | UC_HOOK_MEM_WRITE_UNMAPPED | UC_HOOK_MEM_FETCH_UNMAPPED,
            self._on_unmapped,
        )
        for stopped in self._stops_at:
            uc.hook_add(UC_HOOK_CODE, self._on_border, begin=stopped.start, end=stopped.stop - 1)
        for memory in self._memories:
            if not memory.is_executable or memory.on_write is None:
                continue
            unmasked = self._found(_UNMASKS, memory, behind=True)
            for hook, addresses in (
                (self._on_unmasked, {*unmasked, *self._found(_ISB, memory)}),
                (partial(self._on_wait, _WFE), self._found(_WFE, memory)),
                (partial(self._on_wait, _WFI), self._found(_WFI, memory)),
                (self._on_event, self._found(_SEV, memory)),
            ):
                for address in addresses:
                    uc.hook_add(UC_HOOK_CODE, hook, begin=address, end=address)

    def _found(
        self, instructions: re.Pattern[bytes], memory: SharedMemory, *, behind: bool = False
    ) -> list[int]:
        addresses = []
        for found in instructions.finditer(memory.content):
            address = memory.address + found.start()
            if address % 2 or any(address in stopped for stopped in self._stops_at):
                continue
            addresses.append(address + (len(found[0]) if behind else 0))
        return addresses

    def _on_interrupt(self, _uc: Cpu, number: int, _data: object) -> None:
        self._interrupt_number = number
        self._uc.emu_stop()

    def _on_protected_write(
        self, _uc: Cpu, _access: int, address: int, size_bytes: int, value: int, _data: object
    ) -> bool:
        with self._watchdog.lock:
            self._watchdog.accesses += 1
            self._polls = 0
            if self._watchdog.is_stopping:
                return True
            if address in self._corrections and self.pc == self._corrected_pc:
                return True
            if self._corrections and self.pc != self._corrected_pc:
                self._correct()
            try:
                self._store(address, size_bytes, value)
            except UnknownRegisterError as error:
                self._miss(str(error), address % PAGE_BYTES, f"write of 0x{value:x}")
            except BaseException as error:
                self._fail(error)
        return True

    def _on_unmapped(
        self, _uc: Cpu, _access: int, address: int, size_bytes: int, _value: int, _data: object
    ) -> bool:
        if address in _PERIPHERAL_SPACE or address in _SYSTEM_SPACE:
            block = self._known_gaps.get(address & ~(PAGE_BYTES - 1), "an unknown peripheral")
            self._fail(NotModelledError(block, f"register 0x{address:08x}", self.pc, self.name))
        else:
            self._fail(GuestFaultError(f"an access to 0x{address:08x}, where no memory is"))
        return False

    def _on_border(self, _uc: Cpu, address: int, _size_bytes: int, _data: object) -> None:
        self._stop(Jumped(address))

    def _on_unmasked(self, _uc: Cpu, _address: int, _size_bytes: int, _data: object) -> None:
        if self._may_be_pending and self._next_exception() is not None:
            self._uc.emu_stop()

    def _on_wait(self, kind: re.Pattern[bytes], *_where: object) -> None:
        self._waits = kind
        self._uc.emu_stop()

    def _on_event(self, *_where: object) -> None:
        self._has_event = True
