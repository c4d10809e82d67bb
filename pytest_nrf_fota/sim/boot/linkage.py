"""For whom the image in a secondary slot was linked: NCS's additions to MCUboot's loader.c.

Several image pairs may share one secondary slot, so its content is told apart by the reset vector
(loader.c, boot_validated_swap_type and boot_validate_slot
of sdk-mcuboot v1.9.99-ncs4, v2.0.99-ncs1, v2.1.0-ncs3 and v2.1.0-ncs5).
"""

from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.boards.ncs import Release, SSlotUpdate
from pytest_nrf_fota.sim.boot.b0n import NetworkMap
from pytest_nrf_fota.sim.flash import FlashArea


class Role(Enum):
    """What an image pair updates."""

    APPLICATION = "application"
    NETWORK = "network core"
    BOOTLOADER = "MCUboot itself"


class Belonging(Enum):
    """For whom the image in the secondary slot was linked, seen from one image pair."""

    HERE = "this pair's primary slot"
    OTHER_S_SLOT = "the other S0/S1 slot, which this pair's update goes to instead"
    RUNNING_S_SLOT = "the S0/S1 slot that MCUboot runs from"
    ELSEWHERE = "anything else"


@dataclass(frozen=True)
class Linkage:
    """The addresses that one MCUboot was built with.

    Args:
        profile: the release.
        application: the application's primary slot.
        s_slots: with NSIB, S0 and S1.
        other_s_slot: with NSIB, the one that this MCUboot does not run from.
        network: where the network core's firmware lies, in builds that update it.
        network_in_build: the same, in all builds that have firmware for it.
        has_network_pair: whether the network core has slots of its own.
    """

    profile: Release
    application: FlashArea
    s_slots: tuple[FlashArea, FlashArea] | None
    other_s_slot: FlashArea | None
    network: NetworkMap | None
    network_in_build: NetworkMap | None
    has_network_pair: bool

    @property
    def s_slot_has_its_own_pair(self) -> bool:
        """Whether MCUboot is an image of its own beside a network core's.

        With NCS 2.6 it is not: the application's pair copies into the S0/S1 slot then.
        """
        return not self.has_network_pair or self.profile.s_slot_update is SSlotUpdate.NSIB_COPY

    def is_for_network_core(self, reset_vector: int) -> bool:
        """Whether the NCS patches take an image for one of the network core."""
        if self.network is None:
            return False
        if self.profile.s_slot_update is SSlotUpdate.SWAP:
            return reset_vector >= self.network.b0n_address
        return self.network.app_address <= reset_vector < self.network.end_address

    def belonging(self, role: Role, primary: FlashArea, reset_vector: int) -> Belonging:
        """Whose image it is; to be asked with NSIB only."""
        assert self.s_slots is not None and self.other_s_slot is not None
        is_in_primary = _lies_in(reset_vector, *self._primary_bounds(role, primary))
        if self.profile.s_slot_update is SSlotUpdate.SWAP:
            if (
                role is Role.APPLICATION
                and self.has_network_pair
                and reset_vector < primary.address
            ):
                other = self.other_s_slot
                fits = other.address < reset_vector < other.address + other.size_bytes
                # Whatever else lies below is not refused here.
                return Belonging.OTHER_S_SLOT if fits else Belonging.HERE
            return Belonging.HERE if is_in_primary else Belonging.ELSEWHERE
        if _lies_in(reset_vector, *_bounds(self.other_s_slot)):
            return Belonging.ELSEWHERE if role is Role.APPLICATION else Belonging.HERE
        if any(_lies_in(reset_vector, *_bounds(area)) for area in self.s_slots):
            return Belonging.RUNNING_S_SLOT
        return Belonging.HERE if is_in_primary else Belonging.ELSEWHERE

    def reset_vector_fits(
        self, role: Role, number: int, primary: FlashArea, reset_vector: int
    ) -> bool:
        """CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS, which builds that overwrite have by default."""
        return _lies_in(reset_vector, *self._allowed_bounds(role, number, primary))

    def _allowed_bounds(self, role: Role, number: int, primary: FlashArea) -> tuple[int, int]:
        network_bounds = (
            (self.network_in_build.app_address, self.network_in_build.end_address)
            if self.network_in_build
            else None
        )
        low, high = self._primary_bounds(role, primary)
        if self.profile.s_slot_update is SSlotUpdate.SWAP:
            # Image 1 is taken for the network core's, even where it is MCUboot: so NCS 2.5.0,
            # executed, refuses each update of itself.
            if number == 1 and network_bounds is not None:
                return network_bounds
            if self.profile.allows_s_slots_in_application_pair and network_bounds and self.s_slots:
                return self.s_slots[0].address, high
            return low, high
        match role:
            case Role.NETWORK if network_bounds is not None:
                return network_bounds
            case Role.APPLICATION if self.other_s_slot is not None:
                other_low, other_high = _bounds(self.other_s_slot)
                return min(low, other_low), max(high, other_high)
            case _:
                return low, high

    def _primary_bounds(self, role: Role, primary: FlashArea) -> tuple[int, int]:
        if role is Role.NETWORK:
            # The slot in RAM begins at 0 of its own device.
            return 0, primary.size_bytes
        return _bounds(primary)


def _bounds(area: FlashArea) -> tuple[int, int]:
    return area.address, area.address + area.size_bytes


def _lies_in(address: int, low: int, high: int) -> bool:
    # loader.c counts the address behind the last byte as inside.
    return low <= address <= high
