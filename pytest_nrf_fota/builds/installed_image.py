"""The images that a hex file installs, compared with those that are to replace them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, package_target, read_package
from pytest_nrf_fota.firmware.fw_info import find_fw_info
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader
from pytest_nrf_fota.firmware.image_words import GIVE_ANOTHER_BUILD, installed_already
from pytest_nrf_fota.firmware.mcuboot_image import (
    HEADER,
    ImageHeader,
    ImageVersion,
    McubootImage,
    NotAnImageError,
)
from pytest_nrf_fota.firmware.package_kind import PackageKind


def image_in_primary(segments: Sequence[Segment], board: BoardType, folder: Path) -> Path | None:
    """The application that a hex file installs, as a signed image; None where it holds none."""
    slot = board.slots.primary
    try:
        image = McubootImage.parse(memory_reader(segments)(slot.address, slot.size))
    except NotAnImageError:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "app_update.bin"
    path.write_bytes(image.data)
    return path


def require_newer(
    segments: Sequence[Segment], board: BoardType, packages: Mapping[Path, Path]
) -> None:
    """Raise `PackageError` for an update that is older than what the baseline holds.

    Args:
        segments: the baseline.
        board: whose slots count.
        packages: the updates, each with the file by which the user knows it.
    """
    for package_path, path in packages.items():
        package = read_package(package_path, package_target(board))
        match package.kind:
            case PackageKind.APPLICATION:
                installed = _installed_version(segments, board)
                offered = max(
                    (f.image.version for f in package.files if f.image_index == 0), default=None
                )
                if installed is not None and offered is not None and offered < installed:
                    raise _older("application", str(installed), str(offered), path)
                _require_another_image(segments, board, package, path)
            case PackageKind.MCUBOOT:
                running = _installed_fw_info_version(segments, board)
                numbers = [f.fw_info.version for f in package.files if f.fw_info is not None]
                if running is not None and numbers and max(numbers) < running:
                    raise _older("MCUboot", f"FW_INFO {running}", f"FW_INFO {max(numbers)}", path)


def _require_another_image(
    segments: Sequence[Segment], board: BoardType, package: DfuPackage, path: Path
) -> None:
    slot = board.slots.primary
    try:
        installed = McubootImage.parse(memory_reader(segments)(slot.address, slot.size))
    except NotAnImageError:
        return
    for file in package.files:
        if file.image.hash is not None and file.image.hash == installed.hash:
            raise PackageError(
                f"{installed_already(file.name, installed.version, installed.hash)}.",
                where=str(path),
                next_step=f"{GIVE_ANOTHER_BUILD} pytest makes it by itself where no --update is "
                "given and the keys are available.",
            )


def _older(what: str, installed: str, offered: str, path: Path) -> PackageError:
    return PackageError(
        f"The baseline is newer than the update: its {what} is {installed}, "
        f"the update's {offered}.",
        where=str(path),
        next_step="Are --baseline and --update the wrong way round? To test that a downgrade is "
        "refused, use firmware.variant(Variant.APP_OLDER), or give the file to dut.upgrade().",
    )


def _installed_version(segments: Sequence[Segment], board: BoardType) -> ImageVersion | None:
    data = memory_reader(segments)(board.slots.primary.address, HEADER.size)
    try:
        return ImageHeader.parse(data).version
    except NotAnImageError:
        return None


def _installed_fw_info_version(segments: Sequence[Segment], board: BoardType) -> int | None:
    read = memory_reader(segments)
    slots = (board.slots.s0, board.slots.s1)
    infos = [find_fw_info(read, slot.address) for slot in slots if slot is not None]
    return max((info.version for info in infos if info is not None), default=None)
