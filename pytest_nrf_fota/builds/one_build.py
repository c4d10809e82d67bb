"""Whether the files of a build folder come from one build, and from one that can be updated."""

from collections.abc import Sequence

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.hex_choice import only_one
from pytest_nrf_fota.builds.update_choice import PACKAGE_NAMES
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, NotAnImageError
from pytest_nrf_fota.firmware.package_kind import PackageKind


def require_updatable(build: Build) -> None:
    """Raise `PackageError` for a build without MCUboot, or with slots that are not known here."""
    application = build.application
    if application is None:
        return
    if not application.is_on("BOOTLOADER_MCUBOOT"):
        raise PackageError(
            "The build has no MCUboot, so its application cannot be updated over the air: "
            "CONFIG_BOOTLOADER_MCUBOOT is off.",
            where=str(application.path),
            next_step="Build with MCUboot (sysbuild: SB_CONFIG_BOOTLOADER_MCUBOOT=y; before NCS "
            "2.7: CONFIG_BOOTLOADER_MCUBOOT=y).",
        )
    if application.is_on("BUILD_WITH_TFM") and build.files.main_partitions is None:
        raise PackageError(
            "The build has TF-M and no partitions.yml: its slots are made of a secure and a "
            "non-secure part, which this tool does not know.",
            where=str(build.files.folder),
            next_step="Give a build with the partition manager, or one without TF-M "
            "(nrf5340dk/nrf5340/cpuapp instead of .../cpuapp/ns).",
        )


def require_one_build(build: Build, segments: Sequence[Segment], board: BoardType) -> None:
    """Raise `PackageError` where the packed application is not the one of the hex files.

    Args:
        build: the folder.
        segments: the data of its hex files.
        board: whose slots count.
    """
    name = PACKAGE_NAMES[PackageKind.APPLICATION]
    if not any(path.name == name for path in build.files.packages):
        return
    path = only_one(build, build.files.packages, name)
    packed = read_package(path, package_target(board)).files[0].image
    slot = board.slots.primary
    try:
        flashed = McubootImage.parse(memory_reader(segments)(slot.address, slot.size))
    except NotAnImageError:
        return
    # A package may hold the image encrypted or compressed; then the hashes say nothing.
    is_alike = packed.header.flags == flashed.header.flags
    if is_alike and packed.hash != flashed.hash:
        raise PackageError(
            f"The folder holds files of two builds: {build.files.name_of(path)} has application "
            f"{packed.version} ({_short(packed)}), the hex file {flashed.version} "
            f"({_short(flashed)}).",
            where=str(build.files.folder),
            next_step="Was west interrupted? Build again, with --pristine.",
        )


def _short(image: McubootImage) -> str:
    return f"{(image.hash or b'').hex()[:8]}..."
