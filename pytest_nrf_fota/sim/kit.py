"""The virtual kit as a whole: memories, boot chain, application, power and reset."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.boards.execution import Execution
from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.boards.soc import KIT_SOC, SOCS
from pytest_nrf_fota.firmware.description import (
    AppDescription,
    NetworkDescription,
    find_description,
)
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.sim.app.application import AppContext, Application
from pytest_nrf_fota.sim.boot.b0n import B0nEnd, NetworkCore
from pytest_nrf_fota.sim.boot.chain import AssumedFirmware, BootChain
from pytest_nrf_fota.sim.boot.network_core import make_ram_flash
from pytest_nrf_fota.sim.boot.pcd import COMMAND_ADDRESS, COMMAND_SIZE_BYTES, PcdCommand
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, SlotMap
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.control import FlashOperation
from pytest_nrf_fota.sim.faults import FaultInjector
from pytest_nrf_fota.sim.flash import (
    Flash,
    FlashError,
    MemoryLayout,
    Operation,
    PowerLostError,
)
from pytest_nrf_fota.sim.kit_execution import KitExecution
from pytest_nrf_fota.sim.link_timing import LinkTiming
from pytest_nrf_fota.sim.loop_thread import LoopThread
from pytest_nrf_fota.sim.memories import memories_of, program
from pytest_nrf_fota.sim.radio import KitRadio, Radio
from pytest_nrf_fota.sim.uart import Uart

if TYPE_CHECKING:
    from pytest_nrf_fota.sim.execution.machine import Wires

NO_POWER = "no power"
HALTED_BY_READ = "halted: a read over SWD"
CHIP_ERASE_S = 52.0
WORD_BYTES = 4


class _BoardResetError(Exception):
    """A reset in the middle of a boot stage: the stage goes no further."""


class KitError(Exception):
    """The kit's debug port refuses an operation; the message says why."""


class NotModelledByKitError(KitError):
    """A bootloader that is executed came to what is not modelled."""


@dataclass(frozen=True)
class KitSettings:
    """What can differ between two virtual kits.

    `soc` is the chip by its name in `boards.soc`. `external_flash_bytes` is the size of the
    external flash, None for a kit without; `flash_device` is that flash as the application's shell
    names it, None for an application without it. `speed` is the clock's: 1.0 is real time, None
    skips all waiting. `execution` is whether its bootloaders are executed, and not modelled. With
    `reads_halt` a read over SWD halts the core that it goes through.
    """

    slots: SlotMap
    soc: str = KIT_SOC.name
    external_flash_bytes: int | None = 8 * 1024 * 1024
    ncs: str = "2.3"
    rollback_protection: bool | None = None
    identity_address: str = "F2:7C:B6:5D:C3:74"
    flash_device: str | None = "mx25r6435f@0"
    keep_last_line: bool = False
    reads_halt: bool = False
    max_sectors: int = 256
    execution: Execution = Execution.OFF
    speed: float | None = None
    link: LinkTiming = field(default_factory=LinkTiming)
    assumed: AssumedFirmware = field(default_factory=AssumedFirmware)


class Kit:
    """One virtual development kit.

    After power-on its cores are held until the first reset, as after programming over SWD.
    `on_jump` is called with the address of each firmware right before it starts, on both cores.

    Args:
        settings: the kit.
        hci_address: where hosts reach its radio (see `Radio`).
        radio: another radio than one with a Bluetooth stack.
    """

    def __init__(
        self, settings: KitSettings, hci_address: str = "", radio: KitRadio | None = None
    ) -> None:
        self.settings = settings
        self.clock = VirtualClock(settings.speed)
        self.soc = SOCS[settings.soc]
        self.flash = Flash(memories_of(self.soc, settings.external_flash_bytes), self.clock)
        self.app_uart = Uart(self.clock)
        self.net_uart = Uart(self.clock)
        self.smp_uart = Uart(self.clock)
        self.radio: KitRadio = radio or Radio(hci_address, self.clock, settings.link)
        self.on_jump: Callable[[int], None] = lambda address: None
        self.state = "held"
        release = RELEASES[settings.ncs]
        self._profile = release.with_rollback_protection(settings.rollback_protection)
        self._pcd_command = PcdCommand()
        self._application: Application | None = None
        # The application's own resets and the debug port's commands must not overlap.
        self._one_at_a_time = asyncio.Lock()
        self._commands_waiting = 0
        self._reset_wanted = asyncio.Event()
        self._power_lost = asyncio.Event()
        # Bootloaders that are executed run in a thread of their own.
        self._loop_thread = LoopThread()
        in_loop = self._loop_thread.for_any
        self.flash.on_power_lost = in_loop(self._power_lost.set)
        self.faults = FaultInjector(
            self.flash,
            reset=in_loop(self._reset_wanted.set),
            lose_connection=in_loop(self.radio.lose_connection),
            print_noise=in_loop(self.app_uart.write),
        )
        self.app_uart.on_output = self.faults.see_output
        self._is_in_bootloader = False
        see_operation = self.flash.on_operation

        def see_operation_unless_reset(operation: Operation) -> None:
            self._end_stage_if_reset()
            see_operation(operation)

        self.flash.on_operation = see_operation_unless_reset
        self._halted_cores: set[str] = set()
        self._reset_when_resumed = False
        self._servants: tuple[asyncio.Task[None], ...] = ()
        self._is_closing = False
        self._execution = KitExecution(settings.execution, self.soc)

    @property
    def modelled_boots(self) -> tuple[str, ...]:
        """Why, for each boot that a model did although it should have been executed."""
        return self._execution.modelled_boots

    @property
    def has_network_core(self) -> bool:
        """Whether the kit has a second core, with a UART of its own."""
        return self.soc.network is not None

    async def start(self) -> None:
        """Open the wires."""
        self._loop_thread.start()
        self.app_uart.start()
        if self.has_network_core:
            self.net_uart.start()
        self.smp_uart.start()
        await self.radio.start()
        self._servants = (
            asyncio.create_task(self._serve_resets()),
            asyncio.create_task(self._serve_power_losses()),
        )

    async def close(self) -> None:
        """Close the wires and end everything."""
        self._is_closing = True
        for servant in self._servants:
            servant.cancel()
        await asyncio.gather(*self._servants, return_exceptions=True)
        async with self._one_at_a_time:
            await self._hold()
        await self.radio.stop()
        self.app_uart.close()
        self.net_uart.close()
        self.smp_uart.close()

    async def reset(self) -> None:
        """Reset both cores and boot.

        Raises `KitError` without power, and where a bootloader that is executed needs what is not
        modelled.
        """
        async with self._command():
            self._need_power()
            await self._hold()
            await self._start_cores()
            if self._execution.gap:
                raise NotModelledByKitError(self._execution.gap)

    async def set_power(self, *, on: bool, starts: bool = True) -> None:
        """Switch the power. Flash keeps its content.

        Switched on, the kit boots; without `starts` its cores are held until the next reset.
        """
        if on and self.flash.has_power:
            return
        async with self._command():
            if on and self.flash.has_power:
                return
            await self._hold()
            self.flash.power_cut = None
            self.flash.has_power = on
            self._pcd_command = PcdCommand()
            self._execution.lose_power()
            if not on:
                self.state = NO_POWER
            elif starts:
                await self._start_cores()

    def operations_since(self, number: int) -> tuple[FlashOperation, ...]:
        """The flash operations after that number."""
        return tuple(
            FlashOperation.model_validate(
                {
                    "number": operation.number,
                    "kind": operation.kind.value,
                    "memory": operation.memory,
                    "address": operation.address,
                    "size_bytes": operation.size_bytes,
                }
            )
            for operation in self.flash.operations[number:]
        )

    @contextlib.asynccontextmanager
    async def _command(self) -> AsyncGenerator[None, None]:
        """One of the debug port or of the power: it ends a boot that is executed.

        Boots of the models end by themselves, before anything else can be asked for.
        """
        self._commands_waiting += 1
        try:
            await self._one_at_a_time.acquire()
        finally:
            self._commands_waiting -= 1
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def _need_power(self) -> None:
        if not self.flash.has_power:
            raise KitError("the kit has no power")

    async def _hold(self) -> None:
        """Stop both cores until the next reset; a reset that was asked for is forgotten."""
        application, self._application = self._application, None
        if application is not None:
            await application.stop()
        self._reset_wanted.clear()
        self._halted_cores.clear()
        self._reset_when_resumed = False
        self.state = "held"

    async def _start_cores(self) -> None:
        self._is_in_bootloader = True
        try:
            end = await self._execution.boot(self._chain(), self._wires)
            starts_bluetooth = isinstance(end, AppDescription) and end.bluetooth
            has_controller = starts_bluetooth and await self._start_network_core()
        except PowerLostError:
            self.state = NO_POWER
            return
        except _BoardResetError:
            return  # and boots anew, or does what the debug port wants, as soon as the lock is free
        except FlashError as error:
            end = Halt(f"a boot stage faulted: {error}")
            if self.settings.execution is not Execution.OFF:
                print(f"No application was started: {end.reason}.", file=sys.stderr, flush=True)
        finally:
            self._is_in_bootloader = False
        match end:
            case Halt(reason):
                self.state = f"halted: {reason}"
            case AppDescription():
                await self.clock.catch_up()
                self.state = "running"
                context = self._app_context(has_controller=has_controller)
                self._application = Application(context, end)
                with contextlib.suppress(PowerLostError):  # put to rest as soon as the lock is free
                    await self._application.start()

    async def _start_network_core(self) -> bool:
        """What the application does when it starts Bluetooth: let the network core run, if any.

        Returns whether there is a controller that answers it.
        """
        core, memory = self._network_core(), self.soc.network
        if core is None or memory is None:
            # The controller runs beside the application.
            return True
        firmware = core.map.b0n_address
        run = self._execution.run_network_core
        match await run(core, self._profile, self._chain(), self._wires):
            case B0nEnd.STARTED_FIRMWARE:
                firmware = core.map.app_address
            case B0nEnd.GAVE_UP | B0nEnd.WAITS:
                return False
            case B0nEnd.NEVER_RAN:
                # Firmware without b0n lies at the start of the network core's flash.
                if self.flash.is_erased(firmware, memory.flash.page_size_bytes):
                    return False
            case never:
                assert_never(never)
        self.on_jump(firmware)
        core.print_line(self._profile.banner)
        description = find_description(self.flash.read(firmware, memory.flash.end - firmware))
        if isinstance(description, NetworkDescription) and description.marker:
            core.print_line(description.marker)
        return True

    async def recover(self, *, network: bool) -> None:
        """Erase and unlock: the network core's recovery erases both cores' flash.

        External flash keeps its content. Raises `KitError` for a core that the chip has not.
        """
        async with self._command():
            self._need_power()
            if network and not self.has_network_core:
                raise KitError(f"the {self.soc.title} has no network core")
            await self._hold()
            self._erase_core(network=network)

    def _erase_core(self, *, network: bool) -> None:
        application, other = self.soc.application, self.soc.network
        erased = [application.flash, application.uicr]
        if network and other is not None:
            erased = [other.flash, other.uicr, application.flash]
        for memory in erased:
            self.flash.erase_memory(memory.name, self.soc.flash_times.erase_all_s)
        # They lie in the settings partition of the application core's flash (inferred).
        self.radio.forget_bonds()

    async def program(self, segments: tuple[Segment, ...]) -> None:
        """Erase touched pages, write, verify. UICR is written without an erase.

        Raises `KitError` where data lies outside the memories or the verification fails.
        """
        async with self._command():
            self._need_power()
            await self._hold()
            self._program(segments)

    def _program(self, segments: tuple[Segment, ...]) -> None:
        try:
            failed = program(self.flash, segments)
        except (FlashError, PowerLostError) as error:
            raise KitError(str(error)) from error
        if failed is not None:
            raise KitError(
                f"verify failed in 0x{failed.address:x}-0x{failed.end:x}: UICR and OTP are "
                "already written and only a recover clears them"
            )

    async def erase_external(self) -> None:
        """Erase the whole external flash over the debug port. Raises `KitError` without one."""
        async with self._command():
            self._need_power()
            external = self._external_flash()
            if external is None:
                raise KitError("the kit has no external flash")
            await self._hold()
            self.flash.erase_memory(external.name, CHIP_ERASE_S)

    async def read(self, address: int, size_bytes: int) -> bytes:
        """Read memory over SWD. Raises `KitError`.

        Of the SRAM only the command block that both cores share can be read. With
        `KitSettings.reads_halt` the core that it goes through is halted afterwards, and OTP and
        registers take whole words only.
        """
        if not self.settings.reads_halt:
            return self._read(address, size_bytes)
        if (address % WORD_BYTES or size_bytes % WORD_BYTES) and self._is_uicr(address):
            raise KitError(f"UICR at 0x{address:x} is read by words")
        async with self._one_at_a_time:
            self._need_power()
            data = self._read(address, size_bytes)
            self._halt(self.soc.core_of(address).value)
            return data

    async def resume(self, *, network: bool) -> None:
        """Let a core go on that a read has halted. Raises `KitError` for one that there is not."""
        async with self._one_at_a_time:
            self._need_power()
            if network and not self.has_network_core:
                raise KitError(f"the {self.soc.title} has no network core")
            self._halted_cores.discard("network" if network else "application")
            if self._application is None or self._halted_cores:
                return
            self._application.resume()
            self.state = "running"
            if self._reset_when_resumed:
                self._reset_when_resumed = False
                self._reset_wanted.set()

    def _halt(self, core: str) -> None:
        """Halt a core; here the other one stands still as well."""
        if self._application is None:
            return
        self._halted_cores.add(core)
        self.state = HALTED_BY_READ
        self._application.halt()

    def _is_uicr(self, address: int) -> bool:
        return any(address in core.uicr for core in self.soc.cores)

    def _ask_for_reset(self) -> None:
        """The application resets the board: where it is halted, not before it goes on."""
        if self._halted_cores:
            self._reset_when_resumed = True
        else:
            self._reset_wanted.set()

    def _read(self, address: int, size_bytes: int) -> bytes:
        offset = address - COMMAND_ADDRESS
        if offset >= 0 and offset + size_bytes <= COMMAND_SIZE_BYTES:
            return self._pcd_command.pack()[offset : offset + size_bytes]
        try:
            return self.flash.read(address, size_bytes)
        except (FlashError, PowerLostError) as error:
            raise KitError(str(error)) from error

    def _end_stage_if_reset(self) -> None:
        # What is under way is finished: a flash operation that was begun, a line in the UART.
        is_executed = self.settings.execution is not Execution.OFF
        is_wanted = self._reset_wanted.is_set() or self._is_closing
        is_wanted = is_wanted or (is_executed and self._commands_waiting > 0)
        if self._is_in_bootloader and is_wanted:
            raise _BoardResetError

    def _print_in_bootloader(self, text: str) -> None:
        self._end_stage_if_reset()
        self.app_uart.write(f"{text}\r\n".encode())

    def _wires(self) -> "Wires":
        from pytest_nrf_fota.sim.execution.machine import Wires

        def print_application(data: bytes) -> None:
            self._end_stage_if_reset()
            self.app_uart.write(data)

        def wait(step_s: float) -> None:
            self._end_stage_if_reset()
            self.clock.advance(step_s)

        in_loop = self._loop_thread.for_any
        return Wires(in_loop(print_application), in_loop(self.net_uart.write), wait)

    def _chain(self) -> BootChain:
        return BootChain(
            self._hardware(),
            self._profile,
            self.settings.max_sectors,
            before_stage=self._end_stage_if_reset,
            on_jump=self.on_jump,
            assumed=self.settings.assumed,
        )

    def _hardware(self) -> Hardware:
        return Hardware(
            flash=self.flash,
            slots=self.settings.slots,
            print_line=self._print_in_bootloader,
            keep_last_line=self.settings.keep_last_line,
            network=self._network_core(),
            ram=self.soc.application.ram,
        )

    def _network_core(self) -> NetworkCore | None:
        if self.settings.slots.network is None:
            return None
        return NetworkCore(
            flash=self.flash,
            ram=make_ram_flash(self.settings.slots.network_ram_size_bytes, self.clock),
            command=self._pcd_command,
            print_line=lambda text: self.net_uart.write(f"{text}\r\n".encode()),
            clock=self.clock,
            map=self.settings.slots.network,
        )

    def _app_context(self, *, has_controller: bool) -> AppContext:
        return AppContext(
            hardware=self._hardware(),
            uart=self.app_uart,
            smp_uart=self.smp_uart,
            radio=self.radio,
            clock=self.clock,
            wording=self._profile,
            identity_address=self.settings.identity_address,
            has_controller=has_controller,
            flash_devices=self._flash_devices(),
            soc=self.soc,
            on_reset=self._ask_for_reset,
        )

    def _flash_devices(self) -> dict[str, MemoryLayout]:
        name, external = self.settings.flash_device, self._external_flash()
        internal = self.flash.layout_at(self.soc.application.flash.start)
        return {self.soc.flash_controller: internal} | (
            {} if name is None or external is None else {name: external}
        )

    def _external_flash(self) -> MemoryLayout | None:
        return next((m for m in self.flash.layouts if self.soc.is_external(m.start)), None)

    async def _serve_power_losses(self) -> None:
        # What was running lost its power inside a flash operation; here it is put to rest.
        while True:
            await self._power_lost.wait()
            async with self._one_at_a_time:
                self._power_lost.clear()
                if not self.flash.has_power:
                    await self._hold()
                    self.state = NO_POWER

    async def _serve_resets(self) -> None:
        # A reset that the application asks for must not run inside the application's own task.
        while True:
            await self._reset_wanted.wait()
            async with self._one_at_a_time:
                # The debug port may have reset or held the kit meanwhile.
                if self._reset_wanted.is_set() and self.flash.has_power:
                    await self._hold()
                    await self._start_cores()
