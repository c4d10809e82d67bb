"""Room for logs, the cache, and what kind of machine this is."""

import os
from pathlib import Path

from pytest_nrf_fota.doctor.check import Check, Look, Outcome, ok
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.firmware.smpclient_dist import ARCHIVE_NAME

_ENOUGH_BYTES = 500_000_000
_MEGABYTE = 1_000_000


def _look_at_run_folder(host: Host) -> Look:
    folder = _existing(host.run_folder)
    if not _is_writable_folder(folder):
        return Look(
            Outcome.MISSING,
            f"{folder} cannot be written, where logs go",
            remedy="Run from another folder, or name one.",
            command="pytest --run-dir=/tmp/nrf_fota_runs",
        )
    free = host.free_bytes(folder)
    if free < _ENOUGH_BYTES:
        return Look(
            Outcome.WARNING,
            f"{free // _MEGABYTE:,} MB free below {folder}",
            remedy="Run folders are never deleted by themselves; delete old ones.",
            command="rm -r nrf_fota_runs",
        )
    return ok(f"{free // _MEGABYTE:,} MB free below {folder}")


def _look_at_cache(host: Host) -> Look:
    folder = _existing(host.cache_folder)
    if not _is_writable_folder(folder):
        return Look(
            Outcome.MISSING,
            f"the cache folder cannot be written: {folder}",
            remedy="Make it yours, or put the cache elsewhere.",
            command="export XDG_CACHE_HOME=/tmp/cache",
        )
    archive = host.cache_folder / ARCHIVE_NAME.removesuffix(".tar.gz") / ARCHIVE_NAME
    there = "holds the firmware" if archive.is_file() else "the first test downloads the firmware"
    return ok(f"{host.cache_folder}; {there}")


def _look_at_kernel(host: Host) -> Look:
    return ok(f"{host.kernel}, {host.machine}")


def _look_at_system(host: Host) -> Look:
    if host.system == "win32":
        return Look(
            Outcome.MISSING,
            "Windows has no ptys and Unix sockets",
            remedy="Use WSL, a Linux machine or a Mac.",
            command="wsl --install",
        )
    return ok("it has ptys and Unix sockets")


def _existing(path: Path) -> Path:
    return next((folder for folder in (path, *path.parents) if folder.exists()), path)


def _is_writable_folder(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


RUN_FOLDER = Check(
    name="run folder",
    looks_at="the present folder, and the free space on its disk",
    prevents="logs and flight recorders, so no run begins",
    look=_look_at_run_folder,
)
CACHE = Check(
    name="cache folder",
    looks_at="the user's cache folder, which keeps the firmware for QEMU and native_sim",
    prevents="the firmware of boards in QEMU and of native_sim",
    look=_look_at_cache,
)
KERNEL = Check(
    name="kernel",
    looks_at="the operating system",
    prevents="nothing",
    look=_look_at_kernel,
)
POSIX = Check(
    name="ptys",
    looks_at="the operating system",
    prevents="boards without hardware",
    look=_look_at_system,
)
