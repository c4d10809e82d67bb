"""Whether a board could start what it is to be flashed with, and then update it."""

from collections.abc import Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.hex_choice import ReadHexFile
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, NotAnImageError
from pytest_nrf_fota.firmware.other_soc import sign_of_other_soc

_ERASED_WORD = b"\xff\xff\xff\xff"


def require_same_soc_in(files: Sequence[ReadHexFile], board: BoardType) -> None:
    """Raise `PackageError` for a hex file whose own bytes show that it is for another SoC."""
    for file in files:
        for segment in file.segments:
            sign = sign_of_other_soc(segment.data, board.soc)
            if sign is not None:
                raise PackageError(
                    f"The hex file is for another SoC: {sign}, {board.name} is an "
                    f"{board.soc.title}.",
                    where=str(file.path),
                    next_step="Give a build for this board, or the --board that it is for.",
                )


def require_startable(segments: Sequence[Segment], board: BoardType, paths: Sequence[Path]) -> None:
    """Raise `PackageError` where no bootloader, or no application for one, would be flashed.

    Args:
        segments: the data of all hex files.
        board: whose primary slot counts; of a known SoC, whose vector table lies at 0.
        paths: the hex files, for the message.
    """
    if not board.soc.cores:
        return
    read, slot = memory_reader(segments), board.slots.primary
    where = ", ".join(str(path) for path in paths)
    if read(0, len(_ERASED_WORD)) == _ERASED_WORD:
        raise PackageError(
            "The baseline has nothing at address 0, where the board starts: its bootloader is "
            "missing.",
            where=where,
            next_step="Give the build's merged.hex or the whole build folder; without the "
            "partition manager mcuboot/zephyr/zephyr.hex as well, with a --baseline of its own.",
        )
    try:
        McubootImage.parse(read(slot.address, slot.size))
    except NotAnImageError as error:
        raise PackageError(
            f"The baseline has no application that MCUboot could start: at 0x{slot.address:x}, "
            f"where {board.name} has its primary slot, lies no signed image ({error}). Without "
            "MCUboot an application cannot be updated over the air.",
            where=where,
            next_step="Give merged.hex of a build with MCUboot (sysbuild: "
            "SB_CONFIG_BOOTLOADER_MCUBOOT=y; before NCS 2.7: CONFIG_BOOTLOADER_MCUBOOT=y).",
        ) from error
