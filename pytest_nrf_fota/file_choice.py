"""Which file of a package a board needs."""

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import BoardError, PackageError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, PackageKind, UpdateFile


def file_to_send(package: DfuPackage, boot: Boot) -> UpdateFile:
    """The application's image, or the bootloader for the S slot that `boot` did not start.

    Raises `PackageError` where the package holds no such file, `BoardError` where the boot does
    not show which slot it started.
    """
    match package.kind:
        case PackageKind.APPLICATION:
            if len(package.files) != 1:
                raise PackageError(
                    f"The package holds {len(package.files)} application images; packages with "
                    "network core images are not supported yet.",
                    where=str(package.path),
                    next_step="Give a package with the application core's image only.",
                )
            return package.files[0]
        case PackageKind.MCUBOOT:
            return _file_for_idle_slot(package, boot)
        case _:
            assert_never(package.kind)


def _file_for_idle_slot(package: DfuPackage, boot: Boot) -> UpdateFile:
    if boot.nsib_slot is None:
        raise BoardError(
            "The boot log does not show which S slot runs, so the right file cannot be chosen.",
            where="last boot: " + boot.summary(),
            next_step="NSIB must log on this UART (`Attempting to boot slot N.`).",
        )
    wanted = 1 - boot.nsib_slot
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
        f"S{boot.nsib_slot} is running, so the update must be for S{wanted}, but the package holds "
        f"images for {present} only.",
        where=str(package.path),
        next_step="Give the dfu_mcuboot.zip of the build: it holds both.",
    )
