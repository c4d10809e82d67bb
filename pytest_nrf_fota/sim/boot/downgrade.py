"""MCUboot's downgrade prevention (loader.c: boot_version_cmp and its callers)."""

from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.held_header import HeldHeader
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Role
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup


def overwrites_with_older(setup: McubootSetup, pair: ImagePair) -> bool:
    """Whether a build that overwrites refuses the update as an older one (boot_validate_slot).

    Raises `NetworkCoreSilentError`.
    """
    if not setup.build.description.downgrade_prevention:
        return False
    if pair.role is Role.NETWORK:
        # Without the question the made-up header's version 0.0.0 prevents nothing.
        return (
            setup.profile.network_update_asks_version
            and setup.network_core().compare_version(pair.secondary) < 0
        )
    if pair.primary_header.is_erased:
        return False
    update = _compared(pair.update_header)
    if update < _compared(pair.primary_header):
        return True
    asks_own = setup.profile.asks_own_version and pair.role is Role.BOOTLOADER
    return asks_own and update < _fields(setup.build.own_version)


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
    if pair.is_nsib_update and setup.profile.leaves_s_slot_downgrades:
        checked = False  # left to NSIB
    return checked and _compared(pair.update_header) < _compared(pair.primary_header)


def _compared(header: HeldHeader) -> tuple[int, int, int]:
    """Major, minor, revision of a header, whatever was read for one.

    An S0/S1 slot that was programmed over SWD has no MCUboot header: its erased bytes are a version
    that nothing exceeds.
    """
    return _fields(header.version)


def _fields(version: ImageVersion) -> tuple[int, int, int]:
    # loader.c (boot_version_cmp) leaves the build number out.
    return version.major, version.minor, version.revision
