"""From reset to the application: NSIB, MCUboot, and the resets that they do themselves."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from pytest_nrf_fota.firmware.description import (
    AppDescription,
    McubootDescription,
    find_description,
)
from pytest_nrf_fota.firmware.mcuboot_image import find_embedded_keys
from pytest_nrf_fota.firmware.mcuboot_strings import describe_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.nsib import run_nsib
from pytest_nrf_fota.sim.boot.stage import BoardReset, Halt, Hardware, Jump, StageEnd
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.profile import Profile

# Application core SRAM, 512 KiB (nRF5340 product specification, memory map).
RAM = range(0x20000000, 0x20080001)
# An update of the bootloader takes one reset; more than a few in one boot never end.
MOST_BOARD_RESETS = 3


@dataclass(frozen=True)
class BootChain:
    """The boot chain of one kit.

    Args:
        hardware: what its stages touch.
        profile: the NCS release that they were built with.
        max_sectors: CONFIG_BOOT_MAX_IMG_SECTORS of its MCUboot.
        before_stage: called before each stage but the first; may raise to end the boot.
    """

    hardware: Hardware
    profile: Profile
    max_sectors: int
    before_stage: Callable[[], None] = lambda: None

    def run(self) -> AppDescription | Halt:
        """Boot once. Flash errors and power cuts of the stages come through."""
        slots = self.hardware.slots
        stack_pointer, reset_vector = struct.unpack("<II", self.hardware.flash.read(0, 8))
        if stack_pointer not in RAM or reset_vector not in range(1, slots.nsib_size_bytes, 2):
            return Halt("no bootloader at address 0: its vector table is not one")
        for _ in range(MOST_BOARD_RESETS + 1):
            end: StageEnd = run_nsib(self.hardware, self.profile)
            while isinstance(end, Jump):
                self.before_stage()
                slot = self._s_slot_at(end.address)
                if slot is None:
                    return self._app_at(end.address)
                area = self.hardware.s_area(slot)
                if not self._is_vector_table(end.address, area):
                    return Halt(f"jump to 0x{end.address:x}, where no firmware for S{slot} lies")
                build = self.mcuboot_build(slot)
                end = run_mcuboot(self.hardware, build, self.profile)
            if not isinstance(end, BoardReset):
                return end
        return Halt(f"the bootloader reset the board more than {MOST_BOARD_RESETS} times in a row")

    def mcuboot_build(self, slot: int) -> McubootBuild:
        """How the MCUboot in an S slot was built, as far as its bytes show it.

        A user's own build has no description: its options show in its log texts.
        """
        area = self.hardware.s_area(slot)
        binary = area.read(0, area.size_bytes)
        description = find_description(binary)
        if not isinstance(description, McubootDescription):
            description = describe_mcuboot(binary) or McubootDescription()
        return McubootBuild(
            description=description,
            keys=find_embedded_keys(binary),
            other_s_slot=self.hardware.s_area(1 - slot),
            max_sectors=self.max_sectors,
        )

    def _app_at(self, address: int) -> AppDescription | Halt:
        area = self.hardware.primary_area()
        if not area.address <= address < area.address + area.size_bytes:
            return Halt(f"jump to 0x{address:x}, where no known firmware lies")
        if not self._is_vector_table(address, area):
            return Halt(f"jump to 0x{address:x}, where firmware for another place lies")
        description = find_description(area.read(0, area.size_bytes))
        return description if isinstance(description, AppDescription) else AppDescription()

    def _is_vector_table(self, address: int, area: FlashArea) -> bool:
        stack_pointer, reset_vector = struct.unpack("<II", self.hardware.flash.read(address, 8))
        return stack_pointer in RAM and area.address <= reset_vector < (
            area.address + area.size_bytes
        )

    def _s_slot_at(self, address: int) -> int | None:
        slots = self.hardware.slots
        for slot, start in enumerate((slots.s0_address, slots.s1_address)):
            if start <= address < start + slots.s_slot_size_bytes:
                return slot
        return None
