"""A chip from reset: its cores on the kit's memories, until the application is to start."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from typing_extensions import assert_never
from unicorn import arm_const as arm

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.sim.execution import factory_registers
from pytest_nrf_fota.sim.execution.chips import CHIPS, Board, CoreTable
from pytest_nrf_fota.sim.execution.core import Core, SharedMemory, WordSpace
from pytest_nrf_fota.sim.execution.ends import (
    Asleep,
    Busy,
    CoreEnd,
    GuestFaultError,
    Jumped,
    Reset,
    Spinning,
)
from pytest_nrf_fota.sim.execution.guest_time import GuestTime
from pytest_nrf_fota.sim.execution.peripheral import Peripheral
from pytest_nrf_fota.sim.execution.peripherals import dwt
from pytest_nrf_fota.sim.execution.peripherals.ipc import receive
from pytest_nrf_fota.sim.execution.peripherals.nvmc import Nvmc
from pytest_nrf_fota.sim.execution.ram import Ram
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout

MOST_IDLE_S = 60.0
"""Firmware whose timers go on for ever, but which did nothing for so long, waits for good."""
MOST_BUSY = 1000
"""Ends of `Busy` in one boot, after 30 ms of CPU each (`watchdog.py`); signatures take a few."""

_HELD_OFF = 1


@dataclass(frozen=True)
class Wires:
    """Each core's UART, and how long it waited (0 s: it computes). What they raise ends the run."""

    application: Callable[[bytes], None]
    network: Callable[[bytes], None]
    on_wait: Callable[[float], None] = lambda step_s: None


class Machine:
    """A chip after a reset; made anew for each.

    Args:
        soc: the chip.
        flash: the kit's memories.
        rams: those of its cores, the application's first.
        wires: where its UARTs go.
        stops_at: firmware there is not executed; per core, the application's first.
    """

    def __init__(
        self,
        soc: Soc,
        flash: Flash,
        rams: Sequence[Ram],
        wires: Wires,
        stops_at: tuple[Iterable[range], Iterable[range]],
    ) -> None:
        self._soc = soc
        self._flash = flash
        self._time = GuestTime(wires.on_wait)
        self._busy = 0
        self._tables = CHIPS[soc.name]
        self._rams = tuple(rams)
        self._stops_at = stops_at
        self._senders = (wires.application, wires.network)
        self._ipcs: dict[int, Peripheral] = {}
        self.application = self._make_core(0)
        self._network: Core | None = None
        self.network_end: CoreEnd | None = None
        self._has_signalled = False
        self.has_run_network = False

    def run(self) -> CoreEnd:
        """Run from reset until the application's core ends, or no core does anything any more.

        Raises `NotModelledError`, `GuestFaultError`, `PowerLostError`.
        """
        self.application.start(self._soc.application.flash.start)
        while True:
            end = self.application.run()
            self._note_busy(end)
            if isinstance(end, (Jumped, Reset)) or self._busy > MOST_BUSY:
                return end
            network_works = self._run_network()
            if self.application.wakes or network_works:
                continue
            if isinstance(end, Busy):
                if self._network is not None:
                    self._time.advance_to_next_timer()
            elif self._time.idle_s > MOST_IDLE_S or not self._time.advance_to_next_timer():
                return end

    def run_network_core(self) -> CoreEnd:
        """Release the network core, as an application does, and run it in the same way."""
        self._release_network()
        while True:
            if self._run_network() and self._busy <= MOST_BUSY:
                continue
            assert self.network_end is not None, "it has run"
            is_over = isinstance(self.network_end, Jumped) or self._busy > MOST_BUSY
            if is_over or self._time.idle_s > MOST_IDLE_S or not self._time.advance_to_next_timer():
                return self.network_end

    def close(self) -> None:
        """End what watches the cores."""
        self.application.close()
        if self._network is not None:
            self._network.close()

    def _run_network(self) -> bool:
        """Let the network core run until it waits; whether it did something, or has more to do."""
        if self._network is None or isinstance(self.network_end, Jumped):
            return False
        before, self._has_signalled = self.network_end, False
        was_idle = before is not None and not self._network.wakes
        self.network_end = self._network.run()
        self._note_busy(self.network_end)
        has_changed = type(before) is not type(self.network_end)
        did_something = not was_idle or self._has_signalled or has_changed
        match self.network_end:
            case Busy():
                return True
            case Reset():
                self._hold_network()
                self._release_network()
                return True
            case Asleep() | Spinning():
                return did_something or self._network.wakes
            case Jumped():
                return True
            case never:
                assert_never(never)

    def _note_busy(self, end: CoreEnd) -> None:
        if isinstance(end, Busy):
            self._busy += 1
            self._time.on_wait(0.0)

    def _set_forceoff(self, value: int) -> None:
        if value & _HELD_OFF:
            self._hold_network()
        elif self._network is None:
            self._release_network()

    def _hold_network(self) -> None:
        if self._network is not None:
            self._network.close()
        self._network, self.network_end = None, None

    def _release_network(self) -> None:
        self.has_run_network = True
        self._network = self._make_core(1)
        self._network.start(self._tables[1].soc_core.flash.start)

    def _make_core(self, number: int) -> Core:
        table = self._tables[number]
        board = Board(
            self._flash,
            next((m for m in self._flash.layouts if self._soc.is_external(m.start)), None)
            if number == 0
            else None,
            self._rams[number],
            self._time,
            self._sender(number),
            lambda channels: self._signal(1 - number, channels),
            self._set_forceoff,
        )
        peripherals = dict(table.peripherals(board))
        ipc = next((one for one in peripherals.values() if one.name == "IPC"), None)
        if ipc is not None:
            self._ipcs[number] = ipc
        for alias in table.aliases:
            peripherals.update({address + alias: one for address, one in peripherals.items()})
        peripherals[dwt.ADDRESS] = dwt.make_dwt(self._time)
        nvmc = Nvmc(self._flash, self._soc.flash_times, self._time)
        core = Core(
            table.soc_core.core.value,
            int(getattr(arm, table.model)),
            table.cpuid,
            tuple(self._memories(table, nvmc, board.external)),
            (self._uicr(table, nvmc),),
            peripherals,
            tuple(self._stops_at[number]),
            table.known_gaps,
        )
        self._time.call_on_step(core.look_for_interrupts)
        return core

    def _sender(self, number: int) -> Callable[[bytes], None]:
        def send(data: bytes) -> None:
            self._time.operate()
            self._senders[number](data)

        return send

    def _memories(
        self, table: CoreTable, nvmc: Nvmc, external: MemoryLayout | None
    ) -> Iterable[SharedMemory]:
        flash = table.soc_core.flash
        yield SharedMemory(flash.start, self._flash.content(flash.name), on_write=nvmc.store)
        for ram in self._rams if table is not self._tables[0] else self._rams[:1]:
            yield SharedMemory(ram.address, ram.content)
        for address in (table.nvmc, *(table.nvmc + alias for alias in table.aliases)):
            yield SharedMemory(
                address, nvmc.registers, is_executable=False, on_write=nvmc.write_register
            )
        for address, words in table.factory.items():
            yield SharedMemory(
                address, factory_registers.page(words), is_executable=False, on_write=_refuse
            )
        if external is not None:
            yield SharedMemory(
                external.start,
                self._flash.content(external.name),
                is_executable=False,
                on_write=_refuse,
            )

    def _uicr(self, table: CoreTable, nvmc: Nvmc) -> WordSpace:
        uicr = table.soc_core.uicr

        def read(offset: int) -> int:
            return int.from_bytes(self._flash.read(uicr.start + offset, 4), "little")

        def write(offset: int, size_bytes: int, value: int) -> None:
            nvmc.store(uicr.start + offset, size_bytes, value)

        return WordSpace(uicr.name, uicr.start, read, write)

    def _signal(self, number: int, channels: int) -> None:
        self._has_signalled = True
        ipc = self._ipcs.get(number)
        if ipc is not None:
            receive(ipc, channels)
        for core in (self.application, self._network):
            if core is not None:
                core.look_for_interrupts()


def _refuse(address: int, _size_bytes: int, value: int) -> int:
    raise GuestFaultError(f"a store of 0x{value:x} to 0x{address:08x}, which is read-only")
