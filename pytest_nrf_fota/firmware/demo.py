"""Demonstration firmware of the dual-stage nRF5340 DK, made without any compiler.

Official formats, signed by imgtool and by this project's own NSIB signer, with keys that are the
same on every machine: the same call gives the same bytes.
"""

from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from pytest_nrf_fota.board import BoardType, Slot
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.damage import lose_end_of_payload
from pytest_nrf_fota.firmware.description import (
    AppDescription,
    B0nDescription,
    McubootDescription,
    NetworkDescription,
    NsibDescription,
)
from pytest_nrf_fota.firmware.dfu_package_writer import PackageEntry, write_package
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.package_shape import PACKAGE_SHAPES
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.provisioning import ADDRESSES_OFFSET_BYTES, build_provisioning
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.validation_info import (
    provisioned_key_hash,
    raw_public_key,
    sign_for_nsib,
)

MCUBOOT_PAD_BYTES = 0x200
NSIB_SIZE_BYTES = 0x4000
# Gives an update file of 0x9001 to 0xa000 bytes, as in the thread's `Erased 0xa000 bytes`.
MCUBOOT_SIZE_BYTES = 0x9800
APP_SIZE_BYTES = 0x18000
# The network core's flash under NCS 2.x (sim/boot/b0n.py, NetworkMap).
B0N_ADDRESS = 0x01000000
B0N_SIZE_BYTES = 0x2000
NETWORK_PROVISIONING_ADDRESS = 0x01008580
NETWORK_APP_ADDRESS = 0x01008800
NETWORK_APP_SIZE_BYTES = 0x6000
# CONFIG_NRF53_RAM_FLASH_SIZE, its default.
NETWORK_SLOT_SIZE_BYTES = 0x40000
ERASED_WORD = 0xFFFFFFFF

BASELINE_BOOTLOADER = 14
BASELINE_APP = ImageVersion(1, 0, 0)
UPDATE_APP = ImageVersion(1, 1, 0)
BASELINE_NETWORK_VERSION = 1
UPDATE_NETWORK_VERSION = 2
BASELINE_BUILD_TIME = "May  7 2024 a 09:26:26"
UPDATE_BUILD_TIME = "May  8 2024 a 10:11:12"


class DemoSource:
    """Makes artifacts in `folder` when they are first asked for.

    Args:
        board: where the slots lie.
        folder: for the files.
        app: how the application behaves; its build time is set per version.
        mcuboot: how MCUboot behaves; its marker is set per version. By default as NCS builds it:
            swap using move, or, for boards whose network core has image slots, overwriting.
        baseline_bootloader: FW_INFO version of the bootloader in `baseline`; the one in
            `mcuboot_update` has the next.
        baseline_build_time: what the application in `baseline` prints.
    """

    def __init__(
        self,
        board: BoardType,
        folder: Path,
        app: AppDescription | None = None,
        mcuboot: McubootDescription | None = None,
        *,
        baseline_bootloader: int = BASELINE_BOOTLOADER,
        baseline_build_time: str = BASELINE_BUILD_TIME,
    ) -> None:
        if board.slots.s0 is None or board.slots.s1 is None:
            raise BoardFileError(
                "Demonstration firmware needs a board with slots s0 and s1.",
                where=board.name,
                next_step='Use source = "files" in [firmware].',
            )
        if board.slots.provisioning_address is None:
            raise BoardFileError(
                "Demonstration firmware needs slots.provisioning_address.",
                where=board.name,
                next_step='Use source = "files" in [firmware].',
            )
        self._provisioning_address = board.slots.provisioning_address
        self._s_slots = (board.slots.s0, board.slots.s1)
        self._primary = board.slots.primary
        self._folder = folder
        self._app_description = app or AppDescription()
        network = board.slots.secondary_network
        self._network_slot_size_bytes = network.size if network else NETWORK_SLOT_SIZE_BYTES
        self._mcuboot_description = mcuboot or (
            McubootDescription(swap="overwrite", network_core="multi")
            if network
            else McubootDescription()
        )
        self._shape = PACKAGE_SHAPES[board.sim.ncs if board.sim else "2.3"]
        self._baseline_bootloader = baseline_bootloader
        self._baseline_build_time = baseline_build_time
        self._nsib_key = signing_key_for_tests("nsib")
        self._mcuboot_key = signing_key_for_tests("mcuboot")

    @cached_property
    def baseline(self) -> Path:
        """`merged.hex`: NSIB, provisioning data, MCUboot 14 in S0, application 1.0.0; for the
        network core b0n and firmware 1.
        """
        key_hash = provisioned_key_hash(raw_public_key(self._nsib_key.public_key()))
        provisioning = build_provisioning(
            self._s_slots[0].address, self._s_slots[1].address, (key_hash,)
        )
        segments = (
            Segment(0, build_payload(0, NSIB_SIZE_BYTES, NsibDescription())),
            Segment(
                self._s_slots[0].address + MCUBOOT_PAD_BYTES,
                self._bootloader(0, self._baseline_bootloader),
            ),
            Segment(self._primary.address, self._app(BASELINE_APP, self._baseline_build_time)),
            Segment(self._provisioning_address + ADDRESSES_OFFSET_BYTES, provisioning),
            *self._network_core(),
        )
        path = self._folder / "merged.hex"
        write_hex(path, segments)
        return path

    @cached_property
    def app_update(self) -> Path:
        """`dfu_application.zip` with application 1.1.0."""
        return self._app_package("dfu_application.zip", self._app(UPDATE_APP, UPDATE_BUILD_TIME))

    @cached_property
    def app_and_network_update(self) -> Path:
        """A `dfu_application.zip` with application 1.1.0 and the network core's firmware 2."""
        return self._app_package(
            "dfu_application_and_network.zip",
            self._app(UPDATE_APP, UPDATE_BUILD_TIME),
            self.network_image(UPDATE_NETWORK_VERSION),
        )

    def network_image(self, version: int) -> bytes:
        """An update file for the network core; `version` is also its FW_INFO version."""
        return sign_for_mcuboot(
            self._network_firmware(version),
            ImageVersion(version, 0, 0),
            SlotLayout(self._network_slot_size_bytes),
            self._mcuboot_key,
        )

    @cached_property
    def app_truncated(self) -> Path:
        """An application 1.1.0 that lost the end of its payload."""
        complete = self._app(UPDATE_APP, UPDATE_BUILD_TIME)
        return self._app_package("dfu_application_truncated.zip", lose_end_of_payload(complete))

    @cached_property
    def mcuboot_update(self) -> Path:
        """`dfu_mcuboot.zip` with MCUboot 15 for S0 and S1."""
        return self.mcuboot_package("dfu_mcuboot.zip", self._baseline_bootloader + 1)

    @cached_property
    def mcuboot_same_version(self) -> Path:
        """A MCUboot package whose FW_INFO version was not raised, though its marker says 15."""
        return self.mcuboot_package(
            "dfu_mcuboot_same_version.zip",
            self._baseline_bootloader,
            marker=self._baseline_bootloader + 1,
        )

    def mcuboot_package(self, name: str, fw_info_version: int, marker: int | None = None) -> Path:
        """A MCUboot package with any FW_INFO version.

        Its package version (imgtool) rises with the marker.
        """
        marker = fw_info_version if marker is None else marker
        entries = [
            PackageEntry(
                self._shape.mcuboot_files[slot],
                sign_for_mcuboot(
                    self._bootloader(slot, fw_info_version, marker),
                    ImageVersion(0, 0, marker),
                    SlotLayout(self._primary.size),
                    self._mcuboot_key,
                ),
                self._shape.mcuboot_keys(slot, fw_info_version)
                | {
                    "load_address": self._s_slots[slot].address,
                    "version_MCUBOOT": f"0.0.{marker}+0",
                },
            )
            for slot in (0, 1)
        ]
        return self._package(name, entries)

    def _app_package(self, name: str, image: bytes, network_image: bytes | None = None) -> Path:
        keys: dict[str, JsonValue] = self._shape.application_keys(
            has_network_core=network_image is not None
        ) | {
            "load_address": self._primary.address + MCUBOOT_PAD_BYTES,
            "version_MCUBOOT": f"{UPDATE_APP}+0",
        }
        entries = [PackageEntry(self._shape.application_file, image, keys)]
        if network_image is not None:
            network_keys: dict[str, JsonValue] = self._shape.network_keys() | {
                "load_address": NETWORK_APP_ADDRESS,
                "version": str(UPDATE_NETWORK_VERSION),
            }
            entries.append(PackageEntry(self._shape.network_file, network_image, network_keys))
        return self._package(name, entries)

    def _package(self, name: str, entries: list[PackageEntry]) -> Path:
        path = self._folder / name
        write_package(
            path,
            entries,
            name="nrf5340dk demonstration",
            format_version=self._shape.format_version,
        )
        return path

    def _network_core(self) -> tuple[Segment, ...]:
        provisioning = build_provisioning(NETWORK_APP_ADDRESS, ERASED_WORD, (), counter_slots=0)
        return (
            Segment(B0N_ADDRESS, build_payload(B0N_ADDRESS, B0N_SIZE_BYTES, B0nDescription())),
            Segment(NETWORK_PROVISIONING_ADDRESS + ADDRESSES_OFFSET_BYTES, provisioning),
            Segment(NETWORK_APP_ADDRESS, self._network_firmware(BASELINE_NETWORK_VERSION)),
        )

    def _network_firmware(self, version: int) -> bytes:
        firmware = build_payload(
            NETWORK_APP_ADDRESS,
            NETWORK_APP_SIZE_BYTES,
            NetworkDescription(marker=f"Network core firmware {version}"),
            fw_info_version=version,
        )
        return firmware + sign_for_nsib(firmware, NETWORK_APP_ADDRESS, self._nsib_key).pack()

    def _bootloader(self, slot: int, fw_info_version: int, marker: int | None = None) -> bytes:
        address = _firmware_address(self._s_slots[slot])
        firmware = build_payload(
            address,
            MCUBOOT_SIZE_BYTES,
            self._mcuboot_description.model_copy(
                update={"marker": str(fw_info_version if marker is None else marker)}
            ),
            keys=(self._mcuboot_key.public_key(),),
            fw_info_version=fw_info_version,
        )
        return firmware + sign_for_nsib(firmware, address, self._nsib_key).pack()

    def _app(self, version: ImageVersion, build_time: str) -> bytes:
        payload = build_payload(
            _firmware_address(self._primary),
            APP_SIZE_BYTES,
            self._app_description.model_copy(update={"build_time": build_time}),
        )
        return sign_for_mcuboot(payload, version, SlotLayout(self._primary.size), self._mcuboot_key)


def _firmware_address(slot: Slot) -> int:
    return slot.address + MCUBOOT_PAD_BYTES
