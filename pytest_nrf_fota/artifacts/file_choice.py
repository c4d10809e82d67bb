"""Which files of a package a board needs."""

from collections.abc import Sequence

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import BoardError, PackageError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.package_kind import PackageKind


def files_to_send(
    package: DfuPackage, boot: Boot, s_slot_in_flash: int | None = None
) -> tuple[UpdateFile, ...]:
    """All files to send, in the order in which they become pending; see `main_file`.

    Of an application package all images, the network core's first: activated after the
    application, MCUboot may skip it. Of a MCUboot package the bootloader for
    the S0/S1 slot that `boot` did not start; where NSIB prints nothing, the one that it does not
    start by its own rule, `s_slot_in_flash` being the one that it starts.

    Raises `PackageError` where the package holds no such file, `BoardError` where the boot does
    not show which slot it started.
    """
    match package.kind:
        case PackageKind.APPLICATION:
            numbers = [file.image_index for file in package.files]
            if len(set(numbers)) != len(numbers):
                raise PackageError(
                    f"The package holds {len(numbers)} application images, of which some have the "
                    f"same image number: {', '.join(map(str, numbers))}.",
                    where=str(package.path),
                    next_step="Give a package with one image per core, as the build makes it.",
                )
            return tuple(sorted(package.files, key=is_for_network_core, reverse=True))
        case PackageKind.MCUBOOT:
            running = boot.nsib_slot if boot.nsib_slot is not None else s_slot_in_flash
            return (_file_for_idle_slot(package, boot, running),)
        case _:
            assert_never(package.kind)


def require_slots_for(package: DfuPackage, board: BoardType) -> None:
    """Raise `PackageError` where images of both cores would land in one slot.

    A board that has one pair of slots stores whatever it is sent there, the last image over the
    one before (Zephyr img_mgmt.c).
    """
    for_network = [file.name for file in package.files if is_for_network_core(file)]
    if for_network and len(package.files) > 1 and board.slots.secondary_network is None:
        raise PackageError(
            f"The package holds {for_network[0]!r} for the network core next to the application, "
            f"and {board.name} has slots for one image.",
            where=str(package.path),
            next_step="Where your build has slots for the network core (mcuboot_secondary_1), name "
            "them in a board file: slots.secondary_network. Else send the application alone.",
        )


def main_file(files: Sequence[UpdateFile]) -> UpdateFile:
    """Of several files the application, also where the network core's is set pending before it."""
    return files[-1]


def _file_for_idle_slot(package: DfuPackage, boot: Boot, running: int | None) -> UpdateFile:
    if running is None:
        raise BoardError(
            "The boot log does not show whether S0 or S1 runs, so the right file cannot be chosen.",
            where="last boot: " + boot.summary(),
            next_step="NSIB must log on this UART (`Attempting to boot slot N.`), or SWD must find "
            "its firmware in S0 or S1.",
        )
    wanted = 1 - running
    for file in package.files:
        if file.s_slot == wanted:
            if file.fw_info is None:
                raise PackageError(
                    f"{file.name!r} has no fw_info: NSIB would never start it.",
                    where=str(package.path),
                    next_step="Build MCUboot with NSIB (CONFIG_SECURE_BOOT=y).",
                )
            return file
    present = ", ".join(f"S{file.s_slot}" for file in package.files)
    raise PackageError(
        f"S{running} is running, so the update must be for S{wanted}, but the package holds "
        f"images for {present} only.",
        where=str(package.path),
        next_step="Give the dfu_mcuboot.zip of the build: it holds both.",
    )
