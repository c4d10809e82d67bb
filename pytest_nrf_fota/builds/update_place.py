"""Whether an update's application was built for the board's primary slot."""

from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    ManifestFile,
    UpdateFile,
    is_for_network_core,
)
from pytest_nrf_fota.firmware.package_kind import PackageKind


def require_same_place(package: DfuPackage, board: BoardType, given: Path) -> None:
    """Raise `BoardFileError` for an application that was linked for another address.

    Its reset vector tells, or the manifest's `load_address`, which is where the partition manager
    put the application (PM_APP_ADDRESS: sdk-nrf modules/mcuboot/CMakeLists.txt,
    cmake/sysbuild/zip.cmake).

    Args:
        package: what is to be sent.
        board: as the baseline's build made it; of a known SoC, whose code runs where it lies.
        given: the file as the user knows it.
    """
    if package.kind is not PackageKind.APPLICATION or not board.soc.cores:
        return
    for file, entry in zip(package.files, package.manifest.files, strict=True):
        if is_for_network_core(file) or not file.image.shows_its_code:
            continue
        shown = _shown_elsewhere(file, entry, board)
        if shown is not None:
            raise BoardFileError(
                f"The update was built for another layout: {shown}, the primary slot of "
                f"{board.name} lies at 0x{board.slots.primary.address:x}.",
                where=f"{given}, {file.name}",
                next_step="Give updates of builds with the baseline's layout (pm_static.yml keeps "
                "it), or another baseline: an image runs only in the slot that it was built for.",
            )


def _shown_elsewhere(file: UpdateFile, entry: ManifestFile, board: BoardType) -> str | None:
    slot, image = board.slots.primary, file.image
    start = slot.address + image.header.header_size_bytes
    reset = image.reset_vector & ~1
    if not slot.address <= reset < slot.address + slot.size:
        return f"its code starts at 0x{reset:x}"
    linked = entry.load_address
    # With TF-M the application comes behind it, and the image's reset vector is TF-M's.
    is_behind_tf_m = linked is not None and linked > reset
    if linked is None or linked == start or is_behind_tf_m:
        return None
    header = f"a header of 0x{image.header.header_size_bytes:x} bytes"
    return f"its manifest's load_address is 0x{linked:x}, behind {header}"
