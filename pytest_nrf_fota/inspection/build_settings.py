"""Values of a build: Kconfig and the partition manager's result."""

import re
from pathlib import Path

from pytest_nrf_fota.inspection.contents import FoundPartition, FoundSetting

LARGEST_TEXT_BYTES = 1024 * 1024
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
_SETTING = re.compile(r'((?:SB_)?CONFIG_\w+)=(?:"(.*)"|(.*))')
_PARTITION_NAME = re.compile(r"(\w+):\s*")
_PARTITION_VALUE = re.compile(r"\s+(\w+):\s*(\S+)\s*")


def read_settings(config: Path, build: Path) -> tuple[FoundSetting, ...]:
    """The shown values of one `zephyr/.config`; the image is named after the folder above."""
    image_folder = config.parent.parent
    top = image_folder == build
    values: dict[str, str] = {}
    for line in _read_text(config).splitlines():
        match = _SETTING.fullmatch(line)
        if match is not None and match[1] in SHOWN_SETTINGS:
            values[match[1]] = match[2] if match[2] is not None else match[3]
    return tuple(
        FoundSetting(
            image=_top_image(name) if top else image_folder.name, name=name, value=values[name]
        )
        for name in SHOWN_SETTINGS
        if name in values
    )


def _top_image(setting: str) -> str:
    # A child-image build has the application's values here, sysbuild its own.
    return "sysbuild" if setting.startswith("SB_") else "application"


def read_partitions(path: Path) -> tuple[FoundPartition, ...]:
    """The partitions of a partitions.yml as the partition manager writes it.

    It is generated, one `key: value` to a line; what does not look like that is left out.
    """
    table: dict[str, dict[str, str]] = {}
    name = ""
    for line in _read_text(path).splitlines():
        heading = _PARTITION_NAME.fullmatch(line)
        value = _PARTITION_VALUE.fullmatch(line)
        if heading is not None:
            name = heading[1]
            table[name] = {}
        elif value is not None and name:
            table[name][value[1]] = value[2]
    found = [_partition(name, values) for name, values in table.items()]
    return tuple(
        sorted((p for p in found if p), key=lambda p: (p.region, p.address, -p.size_bytes))
    )


def _partition(name: str, values: dict[str, str]) -> FoundPartition | None:
    try:
        address, size_bytes = int(values["address"], 0), int(values["size"], 0)
    except (KeyError, ValueError):
        return None
    return FoundPartition(
        name=name, address=address, size_bytes=size_bytes, region=values.get("region", "")
    )


def _read_text(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(LARGEST_TEXT_BYTES).decode("utf-8", errors="replace")
