"""What the boot stages share: the hardware under them, and how a stage ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pytest_nrf_fota.sim.flash import Flash, FlashArea


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
class SlotMap:
    """Where the firmware of a dual-stage kit lies (facts/dual-stage-boot.md, section 1)."""

    s0_address: int
    s1_address: int
    s_slot_size_bytes: int
    primary_address: int
    secondary_address: int
    slot_size_bytes: int
    provisioning_address: int
    nsib_size_bytes: int = 0x8000


@dataclass(frozen=True)
class Hardware:
    """What a boot stage can touch: flash and the UART.

    `print_line` gets one line without its end. `keep_last_line` prints also the last line of each
    stage, which is missing in the thread's logs (facts/dual-stage-boot.md, 0.5: inferred that the
    UART is disabled before it has drained).
    """

    flash: Flash
    slots: SlotMap
    print_line: Callable[[str], None]
    keep_last_line: bool = False

    def print_last_line(self, text: str) -> None:
        """Print the last line of a stage, where it is not lost."""
        if self.keep_last_line:
            self.print_line(text)

    def s_area(self, slot: int) -> FlashArea:
        """S0 or S1."""
        address = (self.slots.s0_address, self.slots.s1_address)[slot]
        return FlashArea(self.flash, f"s{slot}", address, self.slots.s_slot_size_bytes)

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
