"""What the checks look at: one machine, or a tree of files that looks like one."""

import asyncio
import getpass
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from platformdirs import user_cache_path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RadioLostError
from pytest_nrf_fota.probe.command import CommandResult, run_command

if TYPE_CHECKING:
    from dbus_fast.signature import Variant

_ADAPTER = "org.bluez.Adapter1"


@dataclass(frozen=True)
class BluezState:
    """What bluetoothd says: each adapter, and whether it is powered; or why it does not answer."""

    adapters: Mapping[str, bool] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Host:
    """A machine as the checks see it.

    Files of the system are looked up below `root`. `system` is named as in `sys.platform`,
    `machine` as in `platform.machine()`. `may_open` tells whether this user can read from and write
    to a file, `free_bytes` how much room the disk of a folder has.
    """

    root: Path
    environment: Mapping[str, str]
    system: str
    machine: str
    kernel: str
    python: Path
    python_version: tuple[int, int, int]
    site_folders: tuple[str, ...]
    user: str
    user_id: int
    group_ids: frozenset[int]
    run_folder: Path
    cache_folder: Path
    may_open: Callable[[Path], bool]
    free_bytes: Callable[[Path], int]
    bluez: Callable[[], BluezState]

    def path(self, absolute: str) -> Path:
        """Where a file of the system is, such as `/etc/group`."""
        return self.root / PurePosixPath(absolute).relative_to("/")

    def which(self, program: str) -> Path | None:
        """The program that a shell would start."""
        found = shutil.which(program, path=self.environment.get("PATH", ""))
        return Path(found) if found else None

    def text(self, absolute: str) -> str:
        """The text of a file without white space around it; empty where it cannot be read."""
        return read_text(self.path(absolute))

    def distribution(self, name: str) -> Distribution | None:
        """An installed Python package."""
        return next(iter(Distribution.discover(name=name, path=list(self.site_folders))), None)

    def run(self, arguments: Sequence[str], deadline: Deadline) -> CommandResult:
        """Run a program of it, to its end. Raises `ProbeFaultError` as `run_command` does."""
        return run_command(arguments, deadline)

    def package_version(self, name: str) -> str | None:
        """The version of an installed Python package; None where there is none."""
        found = self.distribution(name)
        return found.version if found else None

    def group_name(self, group_id: int) -> str:
        """The group's name, or its number where it has none."""
        for line in self.text("/etc/group").splitlines():
            fields = line.split(":")
            if len(fields) == 4 and fields[2] == str(group_id):
                return fields[0]
        return str(group_id)

    def group(self, name: str) -> tuple[int, tuple[str, ...]] | None:
        """Number and members of a group; None where there is no such group."""
        for line in self.text("/etc/group").splitlines():
            fields = line.split(":")
            if len(fields) == 4 and fields[0] == name and fields[2].isdigit():
                return int(fields[2]), tuple(filter(None, fields[3].split(",")))
        return None


def read_text(path: Path) -> str:
    """The text of a file without white space around it; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def this_host() -> Host:
    """The machine and the Python environment that this process runs on."""
    return Host(
        root=Path(Path.cwd().anchor),
        environment=os.environ,
        system=sys.platform,
        machine=platform.machine(),
        kernel=f"{platform.system()} {platform.release()}",
        python=Path(sys.executable),
        python_version=sys.version_info[:3],
        site_folders=tuple(sys.path),
        user=_user(),
        user_id=-1 if sys.platform == "win32" else os.geteuid(),
        group_ids=frozenset() if sys.platform == "win32" else frozenset(os.getgroups()),
        run_folder=Path.cwd(),
        cache_folder=user_cache_path("pytest-nrf-fota"),
        may_open=lambda path: os.access(path, os.R_OK | os.W_OK),
        free_bytes=lambda folder: shutil.disk_usage(folder).free,
        bluez=ask_bluez,
    )


def ask_bluez() -> BluezState:
    """Ask bluetoothd over the system's D-Bus for its adapters. Linux only."""
    try:
        return BluezState(asyncio.run(_adapters()))
    except RadioLostError as error:
        return BluezState(error=error.what)


async def _adapters() -> dict[str, bool]:
    from pytest_nrf_fota.smp.bluez_bus import bluez_bus, call

    async with bluez_bus() as bus:
        (answer,) = await call(bus, "/", "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
    objects = cast("dict[str, dict[str, dict[str, Variant]]]", answer)
    return {
        path.rpartition("/")[2]: bool(interfaces[_ADAPTER]["Powered"].value)
        for path, interfaces in objects.items()
        if _ADAPTER in interfaces
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user often has a number only.
        return ""
