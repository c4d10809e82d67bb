"""What the boot stages share: the hardware under them, and how a stage ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_nrf_fota.boards.soc import KIT_SOC
from pytest_nrf_fota.sim.boot.b0n import NetworkCore, NetworkMap
from pytest_nrf_fota.sim.boot.network_core import RAM_FLASH_ADDRESS
from pytest_nrf_fota.sim.flash import Flash, FlashArea

# CONFIG_NRF53_RAM_FLASH_SIZE (nRF5340 product specification, memory map).
RAM_FLASH_SIZE_BYTES = 0x40000


@dataclass(frozen=True)
class Jump:
    """The stage started the firmware whose vector table lies at `address`.

    `missing_options` is how many EXT_APIs it was not given that it can do without.
    """

    address: int
    missing_options: int = 0


@dataclass(frozen=True)
class Halt:
    """The stage gave up, or panicked; the core stands still until the next reset."""

    reason: str
    panicked: bool = False


@dataclass(frozen=True)
class BoardReset:
    """The stage reset the board: everything starts again with the first stage."""


StageEnd: TypeAlias = Jump | Halt | BoardReset


@dataclass(frozen=True)
class Place:
    """Where a slot lies, and how large it is; it need not end with a page."""

    address: int
    size_bytes: int

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.address + self.size_bytes


@dataclass(frozen=True)
class NsibSlots:
    """What NSIB chooses from, and where it reads it.

    S0 and S1 are of one size: NSIB does not build otherwise (sdk-nrf
    subsys/bootloader/bl_validation/bl_validation.c, BUILD_ASSERT on PM_S0_SIZE and PM_S1_SIZE).
    """

    s0: Place
    s1: Place
    provisioning_address: int
    nsib_size_bytes: int = 0x8000

    @property
    def s_slots(self) -> tuple[Place, Place]:
        """S0 and S1."""
        return self.s0, self.s1


@dataclass(frozen=True)
class SlotMap:
    """Where the firmware of a kit lies; each slot has its own size.

    Args:
        primary, secondary: the application's slots, in either flash.
        nsib: None on kits whose MCUboot lies at address 0.
        scratch: the third area that swap using scratch needs, in whole pages; None without one.
        refuses_partial_pages: that of the S0/S1 slots, see `sim.flash.FlashArea`.
        network_secondary: `mcuboot_secondary_1`, on kits whose network core has slots of its own;
            the slot in RAM before it has the same size (sdk-nrf modules/mcuboot/pm.yml.mcuboot:
            both are CONFIG_NRF53_RAM_FLASH_SIZE).
        network: where b0n and its firmware lie; None on kits without that core.
        network_is_in_build: whether the bootloaders were built together with firmware for that
            core: partition manager gives them its place then (PM_CPUNET_APP_ADDRESS).
    """

    primary: Place
    secondary: Place
    nsib: NsibSlots | None = None
    scratch: Place | None = None
    refuses_partial_pages: bool = False
    network_secondary: Place | None = None
    network: NetworkMap | None = field(default_factory=NetworkMap)
    network_is_in_build: bool = False

    @property
    def network_ram_size_bytes(self) -> int:
        """Size of the network core's slot in RAM."""
        slot = self.network_secondary
        return RAM_FLASH_SIZE_BYTES if slot is None else slot.size_bytes

    @property
    def first_bootloader(self) -> Place:
        """What runs after a reset: NSIB, or MCUboot up to the first slot behind it."""
        if self.nsib is not None:
            return Place(0, self.nsib.nsib_size_bytes)
        slots = (self.primary, self.secondary, self.scratch)
        return Place(0, min(slot.address for slot in slots if slot is not None and slot.address))


@dataclass(frozen=True)
class Hardware:
    """What a boot stage can touch: flash, the UART, the network core.

    `print_line` gets one line without its end. `reveals_all` lets builds without a log print, too:
    for a copy of a board, which is looked at and has no reader. `keep_last_line` prints also the
    last line of each stage, which is missing in the logs of a kit with NCS 2.3 (inferred that the
    UART is disabled before it has drained). `ram` is what a stack pointer of the application's core
    may point to, and its end.
    """

    flash: Flash
    slots: SlotMap
    print_line: Callable[[str], None]
    keep_last_line: bool = False
    network: NetworkCore | None = None
    ram: range = KIT_SOC.application.ram
    reveals_all: bool = False

    def is_stack_pointer(self, value: int) -> bool:
        """Whether a vector table may begin with it."""
        return self.ram.start <= value <= self.ram.stop

    def print_last_line(self, text: str) -> None:
        """Print the last line of a stage, where it is not lost."""
        if self.keep_last_line:
            self.print_line(text)

    def s_area(self, slot: int) -> FlashArea:
        """S0 or S1; to be asked with NSIB only."""
        assert self.slots.nsib is not None
        place = self.slots.nsib.s_slots[slot]
        return FlashArea(
            self.flash,
            f"s{slot}",
            place.address,
            place.size_bytes,
            refuses_partial_pages=self.slots.refuses_partial_pages,
        )

    def primary_area(self) -> FlashArea:
        """The application's slot."""
        return self._area("mcuboot_primary", self.slots.primary)

    def secondary_area(self) -> FlashArea:
        """The one update slot, shared by application and bootloader images."""
        return self._area("mcuboot_secondary", self.slots.secondary)

    def network_pair(self) -> tuple[FlashArea, FlashArea] | None:
        """The network core's image slots, primary in RAM, where the kit has them."""
        place = self.slots.network_secondary
        if place is None or self.network is None:
            return None
        size_bytes = self.slots.network_ram_size_bytes
        return (
            FlashArea(self.network.ram, "mcuboot_primary_1", RAM_FLASH_ADDRESS, size_bytes),
            self._area("mcuboot_secondary_1", place),
        )

    def image_pairs(self) -> tuple[tuple[FlashArea, FlashArea], ...]:
        """Primary and secondary slot of each image that the application can see.

        The S0/S1 slots are none of them (Zephyr img_mgmt.c).
        """
        application = (self.primary_area(), self.secondary_area())
        network = self.network_pair()
        return (application,) if network is None else (application, network)

    def scratch_area(self) -> FlashArea | None:
        """What swap using scratch exchanges sectors through, where the kit has it."""
        place = self.slots.scratch
        return None if place is None else self._area("mcuboot_scratch", place)

    def _area(self, name: str, place: Place) -> FlashArea:
        return FlashArea(self.flash, name, place.address, place.size_bytes)
