"""Values of a build: Kconfig and the partition manager's result."""

from pathlib import Path

from pytest_nrf_fota.builds.kconfig import Kconfig, read_kconfig
from pytest_nrf_fota.builds.partitions import Partition
from pytest_nrf_fota.inspection.contents import FoundPartition, FoundSetting

# What decides about an upgrade, of the hundreds of values of a build.
SHOWN_SETTINGS = (
    "CONFIG_BOARD",
    "CONFIG_BT_DEVICE_NAME",
    "CONFIG_FW_INFO_FIRMWARE_VERSION",
    "CONFIG_FW_INFO_VALID_VAL",
    "SB_CONFIG_SECURE_BOOT_SIGNING_KEY_FILE",
    "SB_CONFIG_BOOT_SIGNATURE_KEY_FILE",
    "CONFIG_SB_SIGNING_KEY_FILE",
    "CONFIG_SB_PUBLIC_KEY_FILES",
    "CONFIG_SECURE_BOOT",
    "CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION",
    "CONFIG_MCUBOOT_SIGNATURE_KEY_FILE",
    "CONFIG_MCUBOOT_IMAGE_VERSION",
    "CONFIG_BOOT_SIGNATURE_KEY_FILE",
    "CONFIG_BOOT_SWAP_USING_MOVE",
    "CONFIG_BOOT_UPGRADE_ONLY",
    "CONFIG_BOOT_MAX_IMG_SECTORS",
    "CONFIG_MCUBOOT_DOWNGRADE_PREVENTION",
    "CONFIG_MCUBOOT_HW_DOWNGRADE_PREVENTION",
)


def read_settings(config: Path, build: Path) -> tuple[FoundSetting, ...]:
    """The shown values of one `zephyr/.config`; the image is named after the folder above."""
    kconfig = read_kconfig(config)
    return tuple(
        FoundSetting(
            image=image_name(kconfig, name, build),
            name=name,
            value=kconfig.values[name],
        )
        for name in SHOWN_SETTINGS
        if name in kconfig.values
    )


def image_name(kconfig: Kconfig, setting: str, build: Path) -> str:
    """What the image is called that has this setting."""
    if kconfig.path.parent.parent != build:
        return kconfig.image
    # A child-image build has the application's values here, sysbuild its own.
    return "sysbuild" if setting.startswith("SB_") else "application"


def found_partition(partition: Partition) -> FoundPartition:
    """A partition as it is printed."""
    return FoundPartition(
        name=partition.name,
        address=partition.address,
        size_bytes=partition.size_bytes,
        region=partition.region,
    )
