"""One west build: its files, and what its own settings say of the board."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.boards.board import BootloaderMode
from pytest_nrf_fota.builds.files import (
    BuildFiles,
    find_build_files,
    folder_around,
    require_single_build,
)
from pytest_nrf_fota.builds.kconfig import ImageKind, Kconfig, read_kconfig
from pytest_nrf_fota.builds.partitions import (
    Partition,
    read_devicetree_partitions,
    read_partitions_yml,
)
from pytest_nrf_fota.builds.sdk_release import sdk_version_in_path, sdk_version_of
from pytest_nrf_fota.errors import PackageError

# MCUboot's Kconfig (boot/zephyr/Kconfig), in the order in which its code asks.
_MODES: tuple[tuple[str, BootloaderMode], ...] = (
    ("BOOT_UPGRADE_ONLY", "overwrite_only"),
    ("BOOT_SWAP_USING_SCRATCH", "swap_scratch"),
    ("BOOT_SWAP_USING_OFFSET", "swap_offset"),
    ("BOOT_SWAP_USING_MOVE", "swap_move"),
    ("BOOT_RAM_LOAD", "ram_load"),
)
# What makes the application a Bluetooth host whose controller runs on the network core
# (zephyr drivers/bluetooth/hci/Kconfig; BT_RPMSG until Zephyr 3.7).
_HOST_OVER_IPC = ("BT_HCI_IPC", "BT_RPMSG")


@dataclass(frozen=True)
class Layout:
    """Where a build puts things, and the file that says so.

    `network` are the network core's partitions, from a file of their own.
    """

    source: Path
    partitions: tuple[Partition, ...]
    network: tuple[Partition, ...] = ()

    def find(self, name: str) -> Partition | None:
        """The partition of that name."""
        return next((p for p in self.partitions if p.name == name), None)

    def find_network(self, name: str) -> Partition | None:
        """The network core's partition of that name."""
        return next((p for p in self.network if p.name == name), None)


@dataclass(frozen=True)
class Build:
    """What a build folder holds.

    `layout` and `sdk_version` (major, minor) are None where no file of it tells; `sdk_in_path` is
    the version in the SDK's path, which somebody may have named otherwise.
    """

    files: BuildFiles
    images: tuple[Kconfig, ...]
    layout: Layout | None
    sdk_version: tuple[int, int] | None = None
    sdk_in_path: tuple[int, int] | None = None

    def image(self, kind: ImageKind) -> Kconfig | None:
        """The settings of the image of this kind; None where there is none, or more than one."""
        found = [image for image in self.images if image.kind is kind]
        return found[0] if len(found) == 1 else None

    @property
    def application(self) -> Kconfig | None:
        """The application's settings."""
        return self.image(ImageKind.APPLICATION)

    @property
    def mcuboot(self) -> Kconfig | None:
        """MCUboot's settings."""
        return self.image(ImageKind.MCUBOOT)

    @property
    def nsib(self) -> Kconfig | None:
        """NSIB's settings."""
        return self.image(ImageKind.NSIB)

    @property
    def rollback_protection(self) -> bool | None:
        """Whether NSIB counts versions; None where the build does not say, as before NCS 3.2."""
        if self.nsib is None or self.sdk_version is None or self.sdk_version < (3, 2):
            return None
        return self.nsib.is_on("SB_MONOTONIC_COUNTER_ROLLBACK_PROTECTION")

    @property
    def board_name(self) -> str:
        """CONFIG_BOARD of the application, empty where it is not known."""
        return self.application.text("BOARD") if self.application else ""

    @property
    def bootloader_mode(self) -> BootloaderMode | None:
        """How MCUboot updates; None where the build does not say, or in a way not known here."""
        if self.mcuboot is None:
            return None
        return next((mode for option, mode in _MODES if self.mcuboot.is_on(option)), None)

    @property
    def has_no_mcuboot(self) -> bool:
        """Whether the build is known to have no MCUboot, by its settings or its partitions."""
        applications = [one for one in self.images if one.kind is ImageKind.APPLICATION]
        if any(one.kind is ImageKind.MCUBOOT for one in self.images):
            return False
        if applications:
            return not any(one.is_on("BOOTLOADER_MCUBOOT") for one in applications)
        return self.layout is not None and self.layout.find("mcuboot_primary") is None

    @property
    def has_no_smp_server(self) -> bool:
        """Whether the application is known, and built without MCUmgr."""
        return self.application is not None and not self.application.is_on("MCUMGR")

    @property
    def hosts_bluetooth_over_ipc(self) -> bool:
        """Whether the application's Bluetooth needs a firmware on the network core."""
        return self.application is not None and self.application.is_on(*_HOST_OVER_IPC)


def read_build(folder: Path) -> Build:
    """Read a build folder.

    Raises `PackageError` where it is none, or holds several, or a file of it is damaged.
    """
    require_single_build(folder)
    files = find_build_files(folder)
    images = tuple(read_kconfig(path) for path in files.configs)
    return Build(
        files,
        images,
        _layout(files),
        sdk_version_of([image.path.parent.parent for image in images]),
        sdk_version_in_path(folder),
    )


def build_around(path: Path) -> Build | None:
    """The build to which a single file belongs; None where it lies in none that can be read."""
    folder = folder_around(path)
    if folder is None:
        return None
    try:
        return read_build(folder)
    except PackageError:
        return None


def _layout(files: BuildFiles) -> Layout | None:
    main = files.main_partitions
    if main is not None:
        network = next((p for p in files.partitions if p.name == "partitions_CPUNET.yml"), None)
        return Layout(
            main, read_partitions_yml(main), read_partitions_yml(network) if network else ()
        )
    return _devicetree_layout(files.devicetrees)


def _devicetree_layout(devicetrees: Iterable[Path]) -> Layout | None:
    # The network core's image has a devicetree of its own, without the application's slots; those
    # of MCUboot and of the application agree.
    for path in devicetrees:
        partitions = read_devicetree_partitions(path)
        if {"mcuboot_primary", "mcuboot_secondary"} <= {p.name for p in partitions}:
            return Layout(path, partitions)
    return None
