"""How the DFU packages of a release look: names, manifest keys, format version.

Source: Nordic's sdk-nrf. Up to NCS 2.6 modules/mcuboot/CMakeLists.txt; from 2.7
cmake/sysbuild/zip.cmake for the application and the network core, and
cmake/sysbuild/b0_mcuboot_signing.cmake for MCUboot; in all of them cmake/fw_zip.cmake (`board` is
CONFIG_BOARD, which has no qualifiers since NCS 2.7) and scripts/bootloader/generate_zip.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from pytest_nrf_fota.boards.ncs import PackageStyle

# The name of the default image: the folder of the application that is built.
APPLICATION_NAME = "nrf5340_fota"
NETWORK_NAME = "ipc_radio"


@dataclass(frozen=True)
class PackageShape:
    """One release's packages.

    Args:
        format_version: of the manifest.
        application_file: the application's name in dfu_application.zip.
        network_file: the network core's name there.
        mcuboot_files: names for S0 and S1 in dfu_mcuboot.zip.
        board, network_board: how the manifest names the cores.
        soc, network_soc: likewise.
        application_is_always_indexed: whether the application has `image_index` and slot indices
            also where it is the only image.
        mcuboot_package_name: what the manifest of dfu_mcuboot.zip calls the package; that of
            dfu_application.zip has the application's name.
        mcuboot_has_slot: whether the MCUboot images say for which slot they are.
        version_b0_is_of_mcuboot: whether `version_B0` is MCUboot's FW_INFO version; with child
            images it is that of the application, whose build made the package.
    """

    format_version: int
    application_file: str
    network_file: str
    mcuboot_files: tuple[str, str]
    board: str
    network_board: str
    soc: str
    network_soc: str
    application_is_always_indexed: bool
    mcuboot_package_name: str
    mcuboot_has_slot: bool
    version_b0_is_of_mcuboot: bool

    def application_keys(self, *, has_network_core: bool) -> dict[str, JsonValue]:
        """What tells the application's entry apart."""
        common: dict[str, JsonValue] = {
            "type": "application",
            "board": self.board,
            "soc": self.soc,
        }
        if has_network_core or self.application_is_always_indexed:
            common |= _indices(0)
        return common

    def network_keys(self) -> dict[str, JsonValue]:
        """What tells the network core's entry apart."""
        return {
            "type": "application",
            "board": self.network_board,
            "soc": self.network_soc,
            **_indices(1),
        }

    def mcuboot_keys(self, slot: int, fw_info_version: int) -> dict[str, JsonValue]:
        """What tells the entry for S0 or S1 apart."""
        # The application is built with the default of CONFIG_FW_INFO_FIRMWARE_VERSION.
        version_b0 = fw_info_version if self.version_b0_is_of_mcuboot else 1
        keys: dict[str, JsonValue] = {
            "type": "mcuboot",
            "board": self.board,
            "soc": self.soc,
            "version_B0": str(version_b0),
        }
        return keys | {"slot": str(slot)} if self.mcuboot_has_slot else keys


def _indices(image: int) -> dict[str, JsonValue]:
    # Nordic's script writes numbers that are given in decimal as strings.
    return {
        "image_index": str(image),
        "slot_index_primary": str(2 * image + 1),
        "slot_index_secondary": str(2 * image + 2),
    }


_CHILD_IMAGES = PackageShape(
    format_version=0,
    application_file="app_update.bin",
    network_file="net_core_app_update.bin",
    mcuboot_files=(
        "signed_by_mcuboot_and_b0_s0_image_update.bin",
        "signed_by_mcuboot_and_b0_s1_image_update.bin",
    ),
    board="nrf5340dk_nrf5340_cpuapp",
    network_board="nrf5340dk_nrf5340_cpunet",
    soc="nRF5340_CPUAPP_QKAA",
    network_soc="nRF5340_CPUNET_QKAA",
    application_is_always_indexed=False,
    mcuboot_package_name=APPLICATION_NAME,
    mcuboot_has_slot=False,
    version_b0_is_of_mcuboot=False,
)
_SYSBUILD_MCUBOOT_FILES = (
    "signed_by_mcuboot_and_b0_mcuboot.bin",
    "signed_by_mcuboot_and_b0_s1_image.bin",
)
# Public builds of 2.9.0 name the application's file *.signed.bin, those of 2.7.0 *.bin.
_SYSBUILD = PackageShape(
    format_version=1,
    application_file=f"{APPLICATION_NAME}.signed.bin",
    network_file=f"{NETWORK_NAME}.bin",
    mcuboot_files=_SYSBUILD_MCUBOOT_FILES,
    board="nrf5340dk",
    network_board="nrf5340dk/nrf5340/cpunet",
    soc="nrf5340",
    network_soc="nrf5340",
    application_is_always_indexed=True,
    mcuboot_package_name="mcuboot",
    mcuboot_has_slot=False,
    version_b0_is_of_mcuboot=True,
)
PACKAGE_SHAPES: Mapping[PackageStyle, PackageShape] = {
    PackageStyle.CHILD_IMAGES: _CHILD_IMAGES,
    PackageStyle.SYSBUILD: _SYSBUILD,
    PackageStyle.SYSBUILD_WITH_SLOTS: replace(_SYSBUILD, mcuboot_has_slot=True),
}
