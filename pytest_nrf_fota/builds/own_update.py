"""MCUboots beside NSIB whose build leaves them no way to be updated.

Both were built from the sources of NCS 2.5.0 and executed.
"""

from pytest_nrf_fota.boards.ncs import Release, SSlotUpdate
from pytest_nrf_fota.builds.build import Build


def has_no_pair_for_s_slot(build: Build, release: Release | None) -> bool:
    """Whether MCUboot was built for one image, in a release that swaps updates of itself in."""
    if build.mcuboot is None or not _swaps_itself(release):
        return False
    return build.mcuboot.text("UPDATEABLE_IMAGE_NUMBER") == "1"


def is_taken_for_network_core(build: Build, release: Release | None) -> bool:
    """Whether a MCUboot that overwrites wants its own update's code in the network core's flash."""
    if build.mcuboot is None or build.layout is None or not _swaps_itself(release):
        return False
    if build.bootloader_mode != "overwrite_only" or build.layout.find_network("app") is None:
        return False
    return build.mcuboot.is_on("MCUBOOT_VERIFY_IMG_ADDRESS")


def _swaps_itself(release: Release | None) -> bool:
    return release is not None and release.s_slot_update is SSlotUpdate.SWAP
