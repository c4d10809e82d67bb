"""From reset to the application: NSIB where there is one, MCUboot, and the resets they do."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.firmware.description import (
    AppDescription,
    McubootDescription,
    NsibDescription,
    find_description,
)
from pytest_nrf_fota.firmware.mcuboot_image import find_embedded_keys
from pytest_nrf_fota.firmware.mcuboot_strings import describe_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.nsib import run_nsib
from pytest_nrf_fota.sim.boot.stage import BoardReset, Halt, Hardware, Jump, Place, StageEnd
from pytest_nrf_fota.sim.flash import FlashArea

# An update of the bootloader takes one reset; more than a few in one boot never end.
MOST_BOARD_RESETS = 3


@dataclass(frozen=True)
class AssumedFirmware:
    """What is taken for granted of firmware whose bytes do not tell how it was built.

    A MCUboot without log output has none of the texts that show its options; an application is
    never looked into.
    """

    mcuboot: McubootDescription = field(default_factory=McubootDescription)
    app: AppDescription = field(default_factory=AppDescription)


@dataclass(frozen=True)
class BootChain:
    """The boot chain of one kit.

    Args:
        hardware: what its stages touch.
        profile: the NCS release that they were built with.
        max_sectors: CONFIG_BOOT_MAX_IMG_SECTORS of its MCUboot.
        before_stage: called before each stage but the first; may raise to end the boot.
        assumed: for firmware that does not tell.
        on_jump: called with the address of each firmware right before it is started.
    """

    hardware: Hardware
    profile: Release
    max_sectors: int
    before_stage: Callable[[], None] = lambda: None
    assumed: AssumedFirmware = field(default_factory=AssumedFirmware)
    on_jump: Callable[[int], None] = lambda address: None

    def run(self) -> AppDescription | Halt:
        """Boot once. Flash errors and power cuts of the stages come through."""
        missing = self.missing_bootloader()
        if missing is not None:
            return missing
        for _ in range(MOST_BOARD_RESETS + 1):
            end = self._first_stage()
            while isinstance(end, Jump):
                self.before_stage()
                self.on_jump(end.address)
                slot = self._s_slot_at(end.address)
                if slot is None:
                    return self._app_at(end.address)
                area = self.hardware.s_area(slot)
                if not self._is_vector_table(end.address, area):
                    return Halt(f"jump to 0x{end.address:x}, where no firmware for S{slot} lies")
                for _ in range(end.missing_options):
                    # fw_info.c of the firmware itself, before its banner.
                    self.hardware.print_line("WARNING: Optional EXT_API request not fulfilled.")
                end = run_mcuboot(self.hardware, self.mcuboot_build(slot), self.profile)
            if not isinstance(end, BoardReset):
                return end
        return Halt(f"the bootloader reset the board more than {MOST_BOARD_RESETS} times in a row")

    @property
    def is_demonstration(self) -> bool:
        """Whether the first bootloader is this project's own, a description in place of code."""
        place = self.hardware.slots.first_bootloader
        binary = self.hardware.flash.read(place.address, place.size_bytes)
        return find_description(binary) is not None

    @property
    def application(self) -> AppDescription:
        """The application in the primary slot, as its bytes show it."""
        area = self.hardware.primary_area()
        description = find_description(area.read(0, area.size_bytes))
        return description if isinstance(description, AppDescription) else self.assumed.app

    def mcuboot_build(self, slot: int | None) -> McubootBuild:
        """How the MCUboot in an S0/S1 slot was built, as its bytes show it; None for address 0.

        A user's own build has no description: its options show in its log texts.
        """
        place = self._mcuboot_place(slot)
        binary = self.hardware.flash.read(place.address, place.size_bytes)
        description = find_description(binary)
        if not isinstance(description, McubootDescription):
            description = describe_mcuboot(binary) or self.assumed.mcuboot
        if not self.assumed.mcuboot.updates_itself:
            # No text in the binary shows that.
            description = description.model_copy(update={"updates_itself": False})
        return McubootBuild(
            description=description,
            keys=find_embedded_keys(binary),
            other_s_slot=None if slot is None else self.hardware.s_area(1 - slot),
            max_sectors=self.max_sectors,
        )

    def missing_bootloader(self) -> Halt | None:
        """Why what lies at address 0 is no bootloader of such a board; None where it is one."""
        place = self.hardware.slots.first_bootloader
        stack_pointer, reset_vector = struct.unpack("<II", self.hardware.flash.read(0, 8))
        is_code = reset_vector in range(1, place.size_bytes, 2)
        if not self.hardware.is_stack_pointer(stack_pointer) or not is_code:
            return Halt("no bootloader at address 0: its vector table is not one")
        binary = self.hardware.flash.read(place.address, place.size_bytes)
        description = find_description(binary) or describe_mcuboot(binary)
        has_nsib = self.hardware.slots.nsib is not None
        if has_nsib and isinstance(description, McubootDescription):
            return Halt(
                "there is no NSIB: MCUboot lies at address 0, as on the board nrf5340dk_mcuboot"
            )
        if not has_nsib and isinstance(description, NsibDescription):
            return Halt("NSIB lies at address 0, as on the board nrf5340dk")
        return None

    def _first_stage(self) -> StageEnd:
        self.on_jump(self.hardware.slots.first_bootloader.address)
        if self.hardware.slots.nsib is not None:
            return run_nsib(self.hardware, self.profile)
        return run_mcuboot(self.hardware, self.mcuboot_build(None), self.profile)

    def _mcuboot_place(self, slot: int | None) -> Place:
        slots = self.hardware.slots
        if slot is None or slots.nsib is None:
            return slots.first_bootloader
        return slots.nsib.s_slots[slot]

    def _app_at(self, address: int) -> AppDescription | Halt:
        area = self.hardware.primary_area()
        if not area.address <= address < area.address + area.size_bytes:
            return Halt(f"jump to 0x{address:x}, where no known firmware lies")
        if not self._is_vector_table(address, area):
            return Halt(f"jump to 0x{address:x}, where firmware for another place lies")
        return self.application

    def _is_vector_table(self, address: int, area: FlashArea) -> bool:
        stack_pointer, reset_vector = struct.unpack("<II", self.hardware.flash.read(address, 8))
        is_inside = area.address <= reset_vector < area.address + area.size_bytes
        return self.hardware.is_stack_pointer(stack_pointer) and is_inside

    def _s_slot_at(self, address: int) -> int | None:
        nsib = self.hardware.slots.nsib
        for slot, place in enumerate(() if nsib is None else nsib.s_slots):
            if place.address <= address < place.end:
                return slot
        return None
