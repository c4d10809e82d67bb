"""How the DFU packages of a release look: names, manifest keys, format version.

Source: Nordic's sdk-nrf. Up to NCS 2.6 modules/mcuboot/CMakeLists.txt; from 2.7
cmake/sysbuild/zip.cmake for the application and the network core, and
cmake/sysbuild/b0_mcuboot_signing.cmake for MCUboot; in all of them cmake/fw_zip.cmake (`board` is
CONFIG_BOARD, which has no qualifiers since NCS 2.7) and scripts/bootloader/generate_zip.py.
"""

from dataclasses import dataclass

from pydantic import JsonValue
from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.names import board_alone
from pytest_nrf_fota.boards.ncs import PackageStyle

NETWORK_NAME = "ipc_radio"


@dataclass(frozen=True)
class PackageShape:
    """One release's packages.

    Args:
        format_version: of the manifest.
        application_name: of the default image: the folder of the application that is built.
        application_file: the application's name in dfu_application.zip.
        network_file: the network core's name there.
        mcuboot_files: names for S0 and S1 in dfu_mcuboot.zip.
        board, network_board: how the manifest names the cores.
        soc, network_soc: how it names their SoC.
        application_is_always_indexed: whether the application has `image_index` and slot indices
            also where it is the only image.
        mcuboot_package_name: what the manifest of dfu_mcuboot.zip calls the package; that of
            dfu_application.zip has the application's name.
        mcuboot_has_slot: whether the MCUboot images say for which slot they are.
        version_b0_is_of_mcuboot: whether `version_B0` is MCUboot's FW_INFO version; with child
            images it is that of the application, whose build made the package.
    """

    format_version: int
    application_name: str
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


def package_shape_of(board: BoardType) -> PackageShape:
    """How the packages of this board's release look, with the board's own names in them."""
    soc, style = board.soc, board.boot.release.packages
    application, network = soc.application, soc.network
    kit = board_alone(board.manifest_boards[0]) if board.manifest_boards else board.name
    name = f"{soc.name}_fota"
    match style:
        case PackageStyle.CHILD_IMAGES:
            return PackageShape(
                format_version=0,
                application_name=name,
                application_file="app_update.bin",
                network_file="net_core_app_update.bin",
                mcuboot_files=(
                    "signed_by_mcuboot_and_b0_s0_image_update.bin",
                    "signed_by_mcuboot_and_b0_s1_image_update.bin",
                ),
                board=soc.target(kit, application, "_"),
                network_board=soc.target(kit, network, "_") if network else "",
                soc=application.old_name,
                network_soc=network.old_name if network else "",
                application_is_always_indexed=False,
                mcuboot_package_name=name,
                mcuboot_has_slot=False,
                version_b0_is_of_mcuboot=False,
            )
        case PackageStyle.SYSBUILD | PackageStyle.SYSBUILD_WITH_SLOTS:
            return PackageShape(
                format_version=1,
                application_name=name,
                # Public builds of 2.9.0 name it so, those of 2.7.0 *.bin.
                application_file=f"{name}.signed.bin",
                network_file=f"{NETWORK_NAME}.bin",
                mcuboot_files=(
                    "signed_by_mcuboot_and_b0_mcuboot.bin",
                    "signed_by_mcuboot_and_b0_s1_image.bin",
                ),
                board=kit,
                network_board=soc.target(kit, network) if network else "",
                soc=soc.name,
                network_soc=soc.name,
                application_is_always_indexed=True,
                mcuboot_package_name="mcuboot",
                mcuboot_has_slot=style is PackageStyle.SYSBUILD_WITH_SLOTS,
                version_b0_is_of_mcuboot=True,
            )
        case _:
            assert_never(style)
