"""MCUboot's downgrade prevention (loader.c: boot_version_cmp and its callers)."""

import struct

from pytest_nrf_fota.boards.ncs import SSlotUpdate
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.image_check import header_is_erased
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Role
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.flash import FlashArea

# Where the version lies in an image header (MCUboot bootutil/image.h).
VERSION_OFFSET_BYTES = 20


def overwrites_with_older(setup: McubootSetup, pair: ImagePair) -> bool:
    """Whether a build that overwrites refuses the update as an older one (boot_validate_slot).

    Raises `NetworkCoreSilentError`.
    """
    if not setup.build.description.downgrade_prevention or header_is_erased(pair.secondary):
        return False
    if pair.role is Role.NETWORK:
        # Without the question the made-up header's version 0.0.0 prevents nothing.
        return (
            setup.profile.network_update_asks_version
            and setup.network_core().compare_version(pair.secondary) < 0
        )
    return not header_is_erased(pair.primary) and _version_fields(pair.secondary) < _version_fields(
        pair.primary
    )


def swaps_with_older(setup: McubootSetup, pair: ImagePair) -> bool:
    """Whether a build that swaps refuses what was decided as a downgrade (context_boot_go)."""
    if not setup.build.description.downgrade_prevention or pair.role is Role.NETWORK:
        return False
    match pair.swap_type:
        case SwapType.TEST:
            checked = True
        case SwapType.PERM:
            checked = setup.profile.downgrade_checks_permanent
        case _:
            checked = False
    if pair.is_nsib_update and setup.profile.s_slot_update is SSlotUpdate.NSIB_COPY:
        checked = False  # left to NSIB
    return checked and _version_fields(pair.update) < _version_fields(pair.primary)


def _version_fields(area: FlashArea) -> tuple[int, int, int]:
    """Major, minor, revision where a header has them, whatever lies there.

    loader.c (boot_version_cmp) leaves the build number out. An S slot that was programmed over
    SWD has no MCUboot header: its erased bytes are a version that nothing exceeds.
    """
    major, minor, revision = struct.unpack("<BBH", area.read(VERSION_OFFSET_BYTES, 4))
    return major, minor, revision
