"""One pair of slots during one run of MCUboot, and how an image in a pair is read."""

import struct
from dataclasses import dataclass

from pytest_nrf_fota.firmware.mcuboot_image import ImageHeader
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.linkage import Role
from pytest_nrf_fota.sim.boot.swap_move import FRESH, SwapStatus
from pytest_nrf_fota.sim.boot.swap_offset import OFFSET_FRESH, OffsetStatus
from pytest_nrf_fota.sim.boot.swap_scratch import SCRATCH_FRESH, ScratchStatus
from pytest_nrf_fota.sim.flash import FlashArea


@dataclass
class ImagePair:
    """What C keeps per image in `struct boot_loader_state`; it changes while MCUboot runs.

    Args:
        number: the image's number in MCUboot's lines.
        primary, secondary: its slots.
        role: what it updates.
        swap_type: what was decided so far.
        unfinished, unfinished_offset, unfinished_scratch: how far an interrupted swap has come;
            only that of the algorithm built in is ever used.
        trailer_in_primary: whether the primary slot's trailer describes a swap under way.
        is_nsib_update: whether the update is a MCUboot for this pair's S slot.
        is_verified_with_other_header: whether a resumed swap has left the other image's header in
            MCUboot's memory (see `boards.ncs.Release.scratch_resume_mixes_headers`).
        update_offset_bytes: where in the secondary slot the update begins.
        copied_to: the S slot, where the application's pair holds a MCUboot (NCS 2.6 with a network
            core pair).
    """

    number: int
    primary: FlashArea
    secondary: FlashArea
    role: Role
    swap_type: SwapType = SwapType.NONE
    unfinished: SwapStatus = FRESH
    unfinished_offset: OffsetStatus = OFFSET_FRESH
    unfinished_scratch: ScratchStatus = SCRATCH_FRESH
    trailer_in_primary: bool = False
    is_nsib_update: bool = False
    is_verified_with_other_header: bool = False
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

    def update_reset_vector(self, header: ImageHeader) -> int:
        """The second word behind the update's header."""
        (address,) = struct.unpack("<I", self.update.read(header.header_size_bytes + 4, 4))
        return int(address)
