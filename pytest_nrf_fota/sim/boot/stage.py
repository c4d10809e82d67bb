"""What the boot stages share: the hardware under them, and how a stage ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pytest_nrf_fota.sim.boot.b0n import NetworkCore
from pytest_nrf_fota.sim.boot.network_core import RAM_FLASH_ADDRESS
from pytest_nrf_fota.sim.flash import Flash, FlashArea

# CONFIG_NRF53_RAM_FLASH_SIZE (facts/dual-stage-boot.md, section 1).
RAM_FLASH_SIZE_BYTES = 0x40000


@dataclass(frozen=True)
class Jump:
    """The stage started the firmware whose vector table lies at `address`."""

    address: int


@dataclass(frozen=True)
class Halt:
    """The stage gave up; the core stands still until the next reset."""

    reason: str


@dataclass(frozen=True)
class BoardReset:
    """The stage reset the board: everything starts again with the first stage."""


StageEnd: TypeAlias = Jump | Halt | BoardReset


@dataclass(frozen=True)
class ScratchPlace:
    """The third area that swap using scratch needs, in whole pages."""

    address: int
    size_bytes: int


@dataclass(frozen=True)
class SlotMap:
    """Where the firmware of a dual-stage kit lies (facts/dual-stage-boot.md, section 1).

    `scratch` is None on kits whose MCUboot needs none. `refuses_partial_pages` is that of the S
    slots, see `sim.flash.FlashArea`. `network_secondary_address` is None on kits
    whose network core has no slots of its own (`mcuboot_secondary_1`); both of its slots are of
    CONFIG_NRF53_RAM_FLASH_SIZE.
    """

    s0_address: int
    s1_address: int
    s_slot_size_bytes: int
    primary_address: int
    secondary_address: int
    slot_size_bytes: int
    provisioning_address: int
    nsib_size_bytes: int = 0x8000
    scratch: ScratchPlace | None = None
    refuses_partial_pages: bool = False
    network_secondary_address: int | None = None
    network_slot_size_bytes: int = RAM_FLASH_SIZE_BYTES


@dataclass(frozen=True)
class Hardware:
    """What a boot stage can touch: flash, the UART, the network core.

    `print_line` gets one line without its end. `keep_last_line` prints also the last line of each
    stage, which is missing in the thread's logs (facts/dual-stage-boot.md, 0.5: inferred that the
    UART is disabled before it has drained).
    """

    flash: Flash
    slots: SlotMap
    print_line: Callable[[str], None]
    keep_last_line: bool = False
    network: NetworkCore | None = None

    def print_last_line(self, text: str) -> None:
        """Print the last line of a stage, where it is not lost."""
        if self.keep_last_line:
            self.print_line(text)

    def s_area(self, slot: int) -> FlashArea:
        """S0 or S1."""
        address = (self.slots.s0_address, self.slots.s1_address)[slot]
        return FlashArea(
            self.flash,
            f"s{slot}",
            address,
            self.slots.s_slot_size_bytes,
            refuses_partial_pages=self.slots.refuses_partial_pages,
        )

    def primary_area(self) -> FlashArea:
        """The application's slot."""
        return FlashArea(
            self.flash, "mcuboot_primary", self.slots.primary_address, self.slots.slot_size_bytes
        )

    def secondary_area(self) -> FlashArea:
        """The one update slot, shared by application and bootloader images."""
        return FlashArea(
            self.flash,
            "mcuboot_secondary",
            self.slots.secondary_address,
            self.slots.slot_size_bytes,
        )

    def network_pair(self) -> tuple[FlashArea, FlashArea] | None:
        """The network core's image slots, primary in RAM, where the kit has them."""
        address = self.slots.network_secondary_address
        if address is None or self.network is None:
            return None
        size_bytes = self.slots.network_slot_size_bytes
        return (
            FlashArea(self.network.ram, "mcuboot_primary_1", RAM_FLASH_ADDRESS, size_bytes),
            FlashArea(self.flash, "mcuboot_secondary_1", address, size_bytes),
        )

    def image_pairs(self) -> tuple[tuple[FlashArea, FlashArea], ...]:
        """Primary and secondary slot of each image that the application can see.

        The S slots are none of them (facts/dual-stage-boot.md, end of 6.4).
        """
        application = (self.primary_area(), self.secondary_area())
        network = self.network_pair()
        return (application,) if network is None else (application, network)

    def scratch_area(self) -> FlashArea | None:
        """What swap using scratch exchanges sectors through, where the kit has it."""
        place = self.slots.scratch
        if place is None:
            return None
        return FlashArea(self.flash, "mcuboot_scratch", place.address, place.size_bytes)
