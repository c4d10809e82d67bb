"""One pair of slots during one run of MCUboot, and how an image in a pair is read."""

import struct
from dataclasses import dataclass, field

from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.held_header import NOTHING_READ, HeldHeader
from pytest_nrf_fota.sim.boot.linkage import Role
from pytest_nrf_fota.sim.boot.swap_move import FRESH, SwapStatus
from pytest_nrf_fota.sim.boot.swap_offset import OffsetStatus
from pytest_nrf_fota.sim.boot.swap_scratch import ScratchStatus
from pytest_nrf_fota.sim.flash import FlashArea


@dataclass
class ImagePair:
    """What C keeps per image in `struct boot_loader_state`; it changes while MCUboot runs.

    Args:
        number: the image's number in MCUboot's lines.
        primary, secondary: its slots.
        role: what it updates.
        swap_type: what was decided so far.
        unfinished: how far an interrupted swap has come, as the algorithm that is built in counts.
        trailer_in_primary: whether the primary slot's trailer describes a swap under way.
        is_nsib_update: whether the update is a MCUboot for this pair's S0/S1 slot.
        held: headers of the image in the primary slot and of that in the secondary one, as they
            were read last.
        update_offset_bytes: where in the secondary slot the update begins.
        copied_to: the S0/S1 slot, where the application's pair holds a MCUboot (NCS 2.6 with a
            network core pair).
    """

    number: int
    primary: FlashArea
    secondary: FlashArea
    role: Role
    swap_type: SwapType = SwapType.NONE
    unfinished: SwapStatus | OffsetStatus | ScratchStatus = FRESH
    trailer_in_primary: bool = False
    is_nsib_update: bool = False
    held: list[HeldHeader] = field(default_factory=lambda: [NOTHING_READ, NOTHING_READ])
    update_offset_bytes: int = 0
    copied_to: FlashArea | None = None

    @property
    def update(self) -> FlashArea:
        """The secondary slot from where the update begins."""
        start = self.update_offset_bytes
        return FlashArea(
            self.secondary.flash,
            self.secondary.name,
            self.secondary.address + start,
            self.secondary.size_bytes - start,
        )

    @property
    def primary_header(self) -> HeldHeader:
        """Header of the image in the primary slot, as it was read last."""
        return self.held[0]

    @property
    def update_header(self) -> HeldHeader:
        """Header of the image in the secondary slot, as it was read last."""
        return self.held[1]

    def update_reset_vector(self) -> int:
        """The second word behind the update's header. Raises `FlashError`."""
        offset_bytes = self.update_header.header_size_bytes + 4
        (address,) = struct.unpack("<I", self.update.read(offset_bytes, 4))
        return int(address)
