"""The virtual kit as a whole: memories, boot chain, application, power and reset."""

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field

from pytest_nrf_fota.firmware.description import (
    AppDescription,
    Description,
    McubootDescription,
    find_description,
)
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.mcuboot_image import find_embedded_keys
from pytest_nrf_fota.sim.app.application import AppContext, Application
from pytest_nrf_fota.sim.boot.mcuboot import McubootBuild, run_mcuboot
from pytest_nrf_fota.sim.boot.nsib import run_nsib
from pytest_nrf_fota.sim.boot.stage import BoardReset, Halt, Hardware, Jump, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.control import FlashOperation
from pytest_nrf_fota.sim.faults import FaultInjector
from pytest_nrf_fota.sim.flash import Flash, FlashArea, FlashError, MemoryLayout, PowerLostError
from pytest_nrf_fota.sim.link_timing import LinkTiming
from pytest_nrf_fota.sim.profile import PROFILES
from pytest_nrf_fota.sim.radio import Radio
from pytest_nrf_fota.sim.uart import Uart

# NVMC: 87.5 ms per page, 43 us per word (facts/smp-over-ble-speed.md); external flash 86.5 ms per
# 4 KiB as measured in the thread (facts/dual-stage-boot.md, 7), 4 bytes at 8 MHz quad about 2 us.
APP_FLASH = MemoryLayout("application flash", 0x0, 0x100000, 0x1000, 4, 0.0875, 43e-6)
APP_UICR = MemoryLayout("application UICR", 0xFF8000, 0x800, 0x800, 4, 0.0875, 43e-6, False, True)
NET_FLASH = MemoryLayout("network flash", 0x01000000, 0x40000, 0x800, 4, 0.0875, 43e-6)
NET_UICR = MemoryLayout("network UICR", 0x01FF8000, 0x800, 0x800, 4, 0.0875, 43e-6, False, True)
EXTERNAL_FLASH = MemoryLayout("external flash", 0x10000000, 0x800000, 0x1000, 4, 0.0865, 2e-6)
MEMORIES = (APP_FLASH, APP_UICR, NET_FLASH, NET_UICR, EXTERNAL_FLASH)
# Application core SRAM, 512 KiB (nRF5340 product specification, memory map).
RAM = range(0x20000000, 0x20080001)
NO_POWER = "no power"
ERASE_ALL_S = 0.175
CHIP_ERASE_S = 52.0
# An update of the bootloader takes one reset; more than a few in one boot never end.
MOST_BOARD_RESETS = 3


class KitError(Exception):
    """The kit's debug port refuses an operation; the message says why."""


@dataclass(frozen=True)
class KitSettings:
    """What can differ between two virtual kits.

    `speed` is the clock's: 1.0 is real time, None skips all waiting.
    """

    slots: SlotMap
    ncs: str = "2.3"
    identity_address: str = "F2:7C:B6:5D:C3:74"
    flash_device: str = "mx25r6435f@0"
    keep_last_line: bool = False
    max_sectors: int = 256
    speed: float | None = None
    link: LinkTiming = field(default_factory=LinkTiming)


class Kit:
    """One virtual nRF5340 DK.

    After power-on its cores are held until the first reset, as after programming over SWD.
    """

    def __init__(self, settings: KitSettings, hci_address: str) -> None:
        self.settings = settings
        self.clock = VirtualClock(settings.speed)
        self.flash = Flash(MEMORIES, self.clock)
        self.app_uart = Uart(self.clock)
        self.net_uart = Uart(self.clock)
        self.radio = Radio(hci_address, self.clock, settings.link)
        self.state = "held"
        self._profile = PROFILES[settings.ncs]
        self._application: Application | None = None
        # The application's own resets and the debug port's commands must not overlap.
        self._one_at_a_time = asyncio.Lock()
        self._reset_wanted = asyncio.Event()
        self._power_lost = asyncio.Event()
        self.flash.on_power_lost = self._power_lost.set
        self.faults = FaultInjector(
            self.flash,
            reset=self._reset_wanted.set,
            lose_connection=self.radio.lose_connection,
            print_noise=self.app_uart.write,
        )
        self.app_uart.on_output = self.faults.see_output
        self._servants: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Open the wires."""
        self.app_uart.start()
        self.net_uart.start()
        await self.radio.start()
        self._servants = (
            asyncio.create_task(self._serve_resets()),
            asyncio.create_task(self._serve_power_losses()),
        )

    async def close(self) -> None:
        """Close the wires and end everything."""
        for servant in self._servants:
            servant.cancel()
        await asyncio.gather(*self._servants, return_exceptions=True)
        async with self._one_at_a_time:
            await self._hold()
        await self.radio.stop()
        self.app_uart.close()
        self.net_uart.close()

    async def reset(self) -> None:
        """Reset both cores and boot. Raises `KitError` without power."""
        async with self._one_at_a_time:
            self._need_power()
            await self._hold()
            await self._start_cores()

    async def set_power(self, *, on: bool) -> None:
        """Switch the power; switched on, the kit boots. Flash keeps its content."""
        async with self._one_at_a_time:
            if on and self.flash.has_power:
                return
            await self._hold()
            self.flash.power_cut = None
            self.flash.has_power = on
            self.state = NO_POWER
            if on:
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

    def _need_power(self) -> None:
        if not self.flash.has_power:
            raise KitError("the kit has no power")

    async def _hold(self) -> None:
        """Stop both cores until the next reset; a reset that was asked for is forgotten."""
        application, self._application = self._application, None
        if application is not None:
            await application.stop()
        self._reset_wanted.clear()
        self.state = "held"

    async def _start_cores(self) -> None:
        if not self.flash.is_erased(NET_FLASH.start, NET_FLASH.page_size_bytes):
            self.net_uart.write(f"{self._profile.banner}\r\n".encode())
        try:
            end = self._boot()
        except PowerLostError:
            self.state = NO_POWER
            return
        except FlashError as error:
            end = Halt(f"a boot stage faulted: {error}")
        match end:
            case Halt(reason):
                self.state = f"halted: {reason}"
            case AppDescription():
                await self.clock.catch_up()
                self.state = "running"
                self._application = Application(self._app_context(), end)
                with contextlib.suppress(PowerLostError):  # put to rest as soon as the lock is free
                    await self._application.start()

    async def recover(self, *, network: bool) -> None:
        """Erase and unlock: the network core's recovery erases both cores' flash.

        External flash keeps its content (facts/dual-stage-boot.md, section 8).
        """
        async with self._one_at_a_time:
            self._need_power()
            await self._hold()
            self._erase_core(network=network)

    def _erase_core(self, *, network: bool) -> None:
        erased = (NET_FLASH, NET_UICR, APP_FLASH) if network else (APP_FLASH, APP_UICR)
        for layout in erased:
            self.flash.erase_memory(layout.name, ERASE_ALL_S)

    async def program(self, segments: tuple[Segment, ...]) -> None:
        """Erase touched pages, write, verify. UICR is written without an erase.

        Raises `KitError` where data lies outside the memories or the verification fails.
        """
        async with self._one_at_a_time:
            self._need_power()
            await self._hold()
            self._program(segments)

    def _program(self, segments: tuple[Segment, ...]) -> None:
        try:
            for segment in segments:
                self._erase_pages(segment)
            for segment in segments:
                self._write(segment)
        except (FlashError, PowerLostError) as error:
            raise KitError(str(error)) from error
        for segment in segments:
            if self.flash.read(segment.address, len(segment.data)) != segment.data:
                raise KitError(
                    f"verify failed in 0x{segment.address:x}-0x{segment.end:x}: UICR and OTP are "
                    "already written and only a recover clears them"
                )

    async def erase_external(self) -> None:
        """Erase the whole external flash over the debug port."""
        async with self._one_at_a_time:
            self._need_power()
            await self._hold()
            self.flash.erase_memory(EXTERNAL_FLASH.name, CHIP_ERASE_S)

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read memory while the firmware runs. Raises `KitError`."""
        try:
            return self.flash.read(address, size_bytes)
        except (FlashError, PowerLostError) as error:
            raise KitError(str(error)) from error

    def _erase_pages(self, segment: Segment) -> None:
        layout = self.flash.layout_at(segment.address, len(segment.data))
        if not layout.pages_can_be_erased:
            return
        page = layout.page_size_bytes
        first = segment.address // page * page
        for address in range(first, segment.end, page):
            if not self.flash.is_erased(address, page):
                self.flash.erase(address, page)

    def _write(self, segment: Segment) -> None:
        unit = self.flash.layout_at(segment.address).write_size_bytes
        front = segment.address % unit
        data = b"\xff" * front + segment.data
        data += b"\xff" * (-len(data) % unit)
        self.flash.write(segment.address - front, data)

    def _boot(self) -> AppDescription | Halt:
        hardware = self._hardware()
        slots = self.settings.slots
        stack_pointer, reset_vector = struct.unpack("<II", self.flash.read(APP_FLASH.start, 8))
        if stack_pointer not in RAM or reset_vector not in range(1, slots.nsib_size_bytes, 2):
            return Halt("no bootloader at address 0: its vector table is not one")
        for _ in range(MOST_BOARD_RESETS + 1):
            end: StageEnd = run_nsib(hardware, self._profile)
            while isinstance(end, Jump):
                slot = self._s_slot_at(end.address)
                if slot is None:
                    return self._app_at(end.address)
                end = self._run_mcuboot(hardware, slot)
            if not isinstance(end, BoardReset):
                return end
        return Halt(f"the bootloader reset the board more than {MOST_BOARD_RESETS} times in a row")

    def _run_mcuboot(self, hardware: Hardware, slot: int) -> StageEnd:
        area = hardware.s_area(slot)
        binary = area.read(0, area.size_bytes)
        description = find_description(binary)
        build = McubootBuild(
            description=description
            if isinstance(description, McubootDescription)
            else McubootDescription(),
            keys=find_embedded_keys(binary),
            other_s_slot=hardware.s_area(1 - slot),
            max_sectors=self.settings.max_sectors,
        )
        return run_mcuboot(hardware, build, self._profile)

    def _app_at(self, address: int) -> AppDescription | Halt:
        primary = self.settings.slots.primary_address
        if not primary <= address < primary + self.settings.slots.slot_size_bytes:
            return Halt(f"jump to 0x{address:x}, where no known firmware lies")
        area = FlashArea(self.flash, "app", primary, self.settings.slots.slot_size_bytes)
        description: Description | None = find_description(area.read(0, area.size_bytes))
        return description if isinstance(description, AppDescription) else AppDescription()

    def _s_slot_at(self, address: int) -> int | None:
        slots = self.settings.slots
        for slot, start in enumerate((slots.s0_address, slots.s1_address)):
            if start <= address < start + slots.s_slot_size_bytes:
                return slot
        return None

    def _hardware(self) -> Hardware:
        return Hardware(
            flash=self.flash,
            slots=self.settings.slots,
            print_line=lambda text: self.app_uart.write(f"{text}\r\n".encode()),
            keep_last_line=self.settings.keep_last_line,
        )

    def _app_context(self) -> AppContext:
        return AppContext(
            hardware=self._hardware(),
            uart=self.app_uart,
            radio=self.radio,
            clock=self.clock,
            wording=self._profile,
            identity_address=self.settings.identity_address,
            flash_devices={self.settings.flash_device: EXTERNAL_FLASH},
            max_sectors=self.settings.max_sectors,
            on_reset=self._reset_wanted.set,
        )

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
