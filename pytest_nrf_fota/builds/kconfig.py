"""The `.config` of an image: which image it is, and how it was built."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pytest_nrf_fota.boards.soc import SOCS, Soc, SocCore
from pytest_nrf_fota.builds.text_file import read_text

# sdk-nrf, modules/mcuboot/CMakeLists.txt and subsys/bootloader/cmake/sign.cmake.
_S1_VARIANT = "s1_image"
_SETTING = re.compile(r'((?:SB_)?CONFIG_\w+)=(?:"(.*)"|(.*))')


class ImageKind(Enum):
    """What an image of a build is, by its own settings."""

    SYSBUILD = "sysbuild"
    NSIB = "NSIB"
    MCUBOOT = "MCUboot"
    NETWORK_BOOTLOADER = "network core's bootloader"
    NETWORK = "network core"
    APPLICATION = "application"
    VARIANT = "variant for another slot"


@dataclass(frozen=True)
class Kconfig:
    """The values of one `.config`; those that are off are not there.

    `image` is the name of the image's folder, which the build gave it.
    """

    path: Path
    image: str
    values: Mapping[str, str]

    def is_on(self, *names: str) -> bool:
        """Whether one of these options is `y`; names without `CONFIG_`."""
        return any(self.values.get(f"CONFIG_{name}") == "y" for name in names)

    def text(self, name: str) -> str:
        """The value of a string option, empty where it is not set."""
        return self.values.get(f"CONFIG_{name}", "")

    @property
    def kind(self) -> ImageKind:
        """Which image it is.

        The names are those of Zephyr's and sdk-nrf's Kconfig files: MCUBOOT is set in MCUboot's own
        build, IS_SECURE_BOOTLOADER in NSIB's and b0n's. The copy of MCUboot for S1 has its settings
        and another folder (seen in a build of NCS 2.5.0): sdk-nrf's multi_image.cmake names it, and
        hands NCS_IS_VARIANT_IMAGE to the compiler alone.
        """
        if any(name.startswith("SB_CONFIG_") for name in self.values):
            return ImageKind.SYSBUILD
        is_network = self.is_for_network_core
        if self.image == _S1_VARIANT or self.is_on("NCS_IS_VARIANT_IMAGE"):
            return ImageKind.VARIANT
        if self.is_on("IS_SECURE_BOOTLOADER"):
            return ImageKind.NETWORK_BOOTLOADER if is_network else ImageKind.NSIB
        if self.is_on("MCUBOOT"):
            return ImageKind.MCUBOOT
        return ImageKind.NETWORK if is_network else ImageKind.APPLICATION

    @property
    def is_for_network_core(self) -> bool:
        """Whether the image runs on a network core."""
        return any(soc.network and self._is_of(soc, soc.network) for soc in SOCS.values())

    def is_for(self, soc: Soc) -> bool:
        """Whether the image runs on this chip, whichever core."""
        return any(self._is_of(soc, core) for core in soc.cores)

    def _is_of(self, soc: Soc, core: SocCore) -> bool:
        # Zephyr soc/nordic, Kconfig: SOC_NRF52840; with the chip's package, SOC_NRF52840_QIAA.
        name = soc.target("SOC", core, "_")
        return self.is_on(name.upper(), f"SOC_{core.old_name}".upper())


def read_kconfig(path: Path) -> Kconfig:
    """One `IMAGE/zephyr/.config`. Raises `PackageError` where it cannot be read."""
    values: dict[str, str] = {}
    for line in read_text(path).splitlines():
        match = _SETTING.fullmatch(line)
        if match is not None:
            values[match[1]] = match[2] if match[2] is not None else match[3]
    return Kconfig(path, path.parent.parent.name, values)
