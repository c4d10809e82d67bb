"""Demonstration firmware of Nordic's kits, made without any compiler.

With NSIB, or with MCUboot alone. Official formats, signed by imgtool and by this project's own NSIB
signer, with keys that are the same on every machine: the same call gives the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import JsonValue
from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError
from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.nsib_release import NSIB_2_3, KeyWords
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.damage import damaged_app
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
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion, PublicKey
from pytest_nrf_fota.firmware.mcuboot_mode import app_for, mcuboot_of
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.firmware.package_shape import package_shape_of
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.provisioning import (
    ADDRESSES_OFFSET_BYTES,
    build_provisioning,
)
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.validation_info import (
    provisioned_key_hash,
    raw_public_key,
    sign_for_nsib,
)
from pytest_nrf_fota.firmware.variant import Variant

MCUBOOT_PAD_BYTES = 0x200
NSIB_SIZE_BYTES = 0x4000
# Gives an update file of 0x9001 to 0xa000 bytes, as in the support case's `Erased 0xa000 bytes`.
MCUBOOT_SIZE_BYTES = 0x9800
APP_SIZE_BYTES = 0x18000
B0N_SIZE_BYTES = 0x2000
NETWORK_APP_SIZE_BYTES = 0x6000
# CONFIG_NRF53_RAM_FLASH_SIZE, its default.
NETWORK_SLOT_SIZE_BYTES = 0x40000

BASELINE_BOOTLOADER = 14
BASELINE_APP = ImageVersion(1, 0, 0)
UPDATE_APP = ImageVersion(1, 1, 0)
OLDER_APP = ImageVersion(0, 9, 0)
NEXT_KEY_APP = ImageVersion(1, 2, 0)
LOW_PACKAGE_VERSION = ImageVersion(0, 0, 1)
BASELINE_NETWORK_VERSION = 1
UPDATE_NETWORK_VERSION = 2
BASELINE_BUILD_TIME = "May  7 2024 a 09:26:26"
UPDATE_BUILD_TIME = "May  8 2024 a 10:11:12"
OTHER_BUILD_TIME = "May  9 2024 a 11:12:13"
_BEHAVIOURS: Mapping[Variant, Mapping[str, object]] = {
    Variant.APP_NEVER_ADVERTISES: {"advertises": False},
    Variant.APP_HANGS_IN_BOOT: {"hangs_after": "HCI: version"},
    Variant.APP_FAULTS_IN_BOOT: {"mpu_fault_after": "HCI: version"},
    Variant.APP_NEEDS_PAIRING: {"smp_permission": "authenticated"},
    Variant.APP_CHANGES_ADDRESS: {"address": "new_at_each_boot"},
}

_NEED_NSIB = frozenset(
    {
        Variant.MCUBOOT_SAME_VERSION,
        Variant.MCUBOOT_LOW_PACKAGE_VERSION,
        Variant.MCUBOOT_UNPROVISIONED_KEY,
        Variant.MCUBOOT_TAMPERED,
        Variant.MCUBOOT_TWO_APP_KEYS,
        Variant.MCUBOOT_NEXT_APP_KEY,
        Variant.MCUBOOT_NEXT_NSIB_KEY,
        Variant.BASELINE_TWO_NSIB_KEYS,
        Variant.BASELINE_OLDER_PROVISIONING,
        Variant.BASELINE_SILENT_BOOTLOADERS,
    }
)
_NEED_NETWORK_CORE = frozenset(
    {Variant.APP_AND_NETWORK, Variant.APP_AND_BAD_NETWORK, Variant.NETWORK_ONLY}
)


@dataclass(frozen=True)
class _NsibPlaces:
    """S0 and S1, and where NSIB's provisioning data lies."""

    s_slots: tuple[Slot, Slot]
    provisioning_address: int


@dataclass(frozen=True)
class _NetworkPlaces:
    """Where the network core's bootloader, its provisioning data and its firmware lie."""

    b0n_address: int
    firmware: Slot
    provisioning_address: int


class DemoSource:
    """Makes artifacts in `folder` when they are first asked for.

    Args:
        board: where the slots lie.
        folder: for the files.
        app: how the application behaves; its build time is set per version.
        mcuboot: how MCUboot behaves; its marker is set per version. By default it brings updates
            into place as `boot.bootloader_mode` says, and those of the network core, too, where
            the board has slots for them.
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
        self._board_name = board.name
        self._nsib = _nsib_places(board)
        self._key_words = board.boot.release.nsib.key_words
        self._has_empty_counters = board.boot.release.nsib.provisions_empty_counters
        self._primary = board.slots.primary
        self._network = _network_places(board)
        self._folder = folder
        network = board.slots.secondary_network
        self._network_slot_size_bytes = network.size if network else NETWORK_SLOT_SIZE_BYTES
        self._mcuboot_description = mcuboot or mcuboot_of(board)
        self._app_description = app or app_for(
            self._mcuboot_description,
            board.soc,
            private_address=board.radio.private_address is True,
        )
        self._shape = package_shape_of(board)
        self._baseline_bootloader = baseline_bootloader
        self._baseline_build_time = baseline_build_time
        self._nsib_key = signing_key_for_tests("nsib")
        self._next_nsib_key = signing_key_for_tests("next nsib")
        self._mcuboot_key = signing_key_for_tests("mcuboot")
        self._next_mcuboot_key = signing_key_for_tests("next mcuboot")

    @cached_property
    def baseline(self) -> Path:
        """`merged.hex`: NSIB, provisioning data, MCUboot 14 in S0, application 1.0.0, or MCUboot
        alone at address 0 and application 1.0.0; for a network core b0n and firmware 1.
        """
        return self._baseline("merged.hex", (self._nsib_key,), self._mcuboot_description)

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

    def network_image(self, version: int, *, is_tampered: bool = False) -> bytes:
        """An update file for the network core; `version` is also its FW_INFO version.

        With `is_tampered` MCUboot's signature fits, and b0n's hash does not.
        """
        firmware = self._network_firmware(self._need_network(), version)
        return sign_for_mcuboot(
            _with_one_bit_changed(firmware, NETWORK_APP_SIZE_BYTES // 2)
            if is_tampered
            else firmware,
            ImageVersion(version, 0, 0),
            SlotLayout(self._network_slot_size_bytes),
            self._mcuboot_key,
        )

    @cached_property
    def app_truncated(self) -> Path:
        """An application 1.1.0 that lost the end of its payload."""
        return self.variant(Variant.APP_TRUNCATED)

    @cached_property
    def mcuboot_update(self) -> Path:
        """`dfu_mcuboot.zip` with MCUboot 15 for S0 and S1."""
        return self.mcuboot_package("dfu_mcuboot.zip", self._baseline_bootloader + 1)

    @cached_property
    def mcuboot_same_version(self) -> Path:
        """A MCUboot package whose FW_INFO version was not raised, though its marker says 15."""
        return self.variant(Variant.MCUBOOT_SAME_VERSION)

    def mcuboot_raised(self, steps: int) -> Path:
        """MCUboot 14 + `steps` for S0 and S1."""
        version = self._baseline_bootloader + steps
        return self.mcuboot_package(f"dfu_mcuboot_{version}.zip", version)

    def variant(self, wanted: Variant) -> Path:
        """Every variant is made that the board can have."""
        if wanted in _NEED_NETWORK_CORE:
            self._need_network()
        if self._nsib is None and wanted in _NEED_NSIB:
            raise self._no_nsib()
        name = f"{wanted.value}.zip"
        update = self._app(UPDATE_APP, UPDATE_BUILD_TIME)
        damaged = damaged_app(update, wanted, self._primary.size)
        if damaged is not None:
            return self._app_package(name, damaged)
        version = self._baseline_bootloader
        key, next_key = self._mcuboot_key.public_key(), self._next_mcuboot_key.public_key()
        match wanted:
            case Variant.APP_SAME_VERSION:
                other = self._app(BASELINE_APP, OTHER_BUILD_TIME)
                return self._app_package(name, other, version=BASELINE_APP)
            case Variant.APP_OLDER:
                return self._app_package(
                    name, self._app(OLDER_APP, OTHER_BUILD_TIME), version=OLDER_APP
                )
            case Variant.APP_NEXT_KEY:
                signed = self._app(NEXT_KEY_APP, OTHER_BUILD_TIME, self._next_mcuboot_key)
                return self._app_package(name, signed, version=NEXT_KEY_APP)
            case (
                Variant.APP_NEVER_ADVERTISES
                | Variant.APP_HANGS_IN_BOOT
                | Variant.APP_FAULTS_IN_BOOT
                | Variant.APP_NEEDS_PAIRING
                | Variant.APP_CHANGES_ADDRESS
            ):
                changed = self._app_description.model_copy(update=_BEHAVIOURS[wanted])
                image = self._app(UPDATE_APP, UPDATE_BUILD_TIME, description=changed)
                return self._app_package(name, image)
            case Variant.APP_AND_NETWORK:
                return self.app_and_network_update
            case Variant.APP_AND_BAD_NETWORK:
                network = self.network_image(UPDATE_NETWORK_VERSION, is_tampered=True)
                return self._app_package(name, update, network)
            case Variant.NETWORK_ONLY:
                return self._package(name, [self._network_entry()])
            case Variant.MCUBOOT_SAME_VERSION:
                return self.mcuboot_package(name, version, marker=version + 1)
            case Variant.MCUBOOT_LOW_PACKAGE_VERSION:
                return self.mcuboot_package(name, version + 2, package_version=LOW_PACKAGE_VERSION)
            case Variant.MCUBOOT_UNPROVISIONED_KEY:
                strange = signing_key_for_tests("strange nsib")
                return self.mcuboot_package(name, version + 1, nsib_key=strange)
            case Variant.MCUBOOT_TAMPERED:
                return self.mcuboot_package(name, version + 1, is_tampered=True)
            case Variant.MCUBOOT_TWO_APP_KEYS:
                return self.mcuboot_package(name, version + 1, app_keys=(key, next_key))
            case Variant.MCUBOOT_NEXT_APP_KEY:
                return self.mcuboot_package(name, version + 2, app_keys=(next_key,))
            case Variant.MCUBOOT_NEXT_NSIB_KEY:
                return self.mcuboot_package(name, version + 1, nsib_key=self._next_nsib_key)
            case Variant.BASELINE_NO_DOWNGRADE:
                strict = self._mcuboot_description.model_copy(update={"downgrade_prevention": True})
                return self._baseline(f"{wanted.value}.hex", (self._nsib_key,), strict)
            case Variant.BASELINE_TWO_NSIB_KEYS:
                keys = (self._nsib_key, self._next_nsib_key)
                return self._baseline(f"{wanted.value}.hex", keys, self._mcuboot_description)
            case Variant.BASELINE_OLDER_PROVISIONING:
                if not self._has_key_words_by_index:
                    raise self._no_older_provisioning()
                return self._baseline(
                    f"{wanted.value}.hex",
                    (self._nsib_key,),
                    self._mcuboot_description,
                    key_words=NSIB_2_3.key_words,
                )
            case Variant.BASELINE_SILENT_MCUBOOT | Variant.BASELINE_SILENT_BOOTLOADERS:
                silent = self._mcuboot_description.model_copy(update={"logs": False})
                nsib = NsibDescription(logs=wanted is Variant.BASELINE_SILENT_MCUBOOT)
                return self._baseline(f"{wanted.value}.hex", (self._nsib_key,), silent, nsib=nsib)
            case (
                Variant.APP_UNSIGNED
                | Variant.APP_WRONG_KEY
                | Variant.APP_TAMPERED
                | Variant.APP_TRUNCATED
                | Variant.APP_TOO_LARGE
            ):
                raise AssertionError("made above")
            case _:
                assert_never(wanted)

    def makes(self, wanted: Variant) -> bool:
        """Everything but what NSIB or a network core is needed for, where there is none.

        Provisioning data has had one other form before, so only NCS 2.7 and later has an older one.
        """
        if self._network is None and wanted in _NEED_NETWORK_CORE:
            return False
        if wanted is Variant.BASELINE_OLDER_PROVISIONING and not self._has_key_words_by_index:
            return False
        return self._nsib is not None or wanted not in _NEED_NSIB

    def mcuboot_package(
        self,
        name: str,
        fw_info_version: int,
        marker: int | None = None,
        *,
        package_version: ImageVersion | None = None,
        app_keys: tuple[PublicKey, ...] | None = None,
        nsib_key: ec.EllipticCurvePrivateKey | None = None,
        is_tampered: bool = False,
    ) -> Path:
        """A MCUboot package with any FW_INFO version.

        Args:
            name: of the file.
            fw_info_version: what NSIB compares.
            marker: what it prints; by default its FW_INFO version.
            package_version: imgtool's; by default it rises with the marker.
            app_keys: whose applications it takes; by default the demonstration key's.
            nsib_key: what signs it for NSIB; by default the key that the baseline has.
            is_tampered: whether a bit was changed after signing it for NSIB and before signing it
                for MCUboot.
        """
        if self._nsib is None:
            raise self._no_nsib()
        marker = fw_info_version if marker is None else marker
        version = package_version or ImageVersion(0, 0, marker)
        entries: list[PackageEntry] = []
        for slot in (0, 1):
            firmware = self._bootloader(
                self._nsib.s_slots[slot], fw_info_version, marker, app_keys, nsib_key
            )
            if is_tampered:
                firmware = _with_one_bit_changed(firmware)
            image = sign_for_mcuboot(
                firmware, version, SlotLayout(self._primary.size), self._mcuboot_key
            )
            keys = self._shape.mcuboot_keys(slot, fw_info_version) | {
                "load_address": self._nsib.s_slots[slot].address,
                "version_MCUBOOT": f"{version}+0",
            }
            entries.append(PackageEntry(self._shape.mcuboot_files[slot], image, keys))
        return self._package(name, entries)

    def _baseline(
        self,
        name: str,
        nsib_keys: tuple[ec.EllipticCurvePrivateKey, ...],
        mcuboot: McubootDescription,
        *,
        key_words: KeyWords | None = None,
        nsib: NsibDescription | None = None,
    ) -> Path:
        """The first of NSIB's keys signs, all of them are provisioned."""
        segments = (
            *self._bootloaders(
                nsib_keys, mcuboot, key_words or self._key_words, nsib or NsibDescription()
            ),
            Segment(self._primary.address, self._app(BASELINE_APP, self._baseline_build_time)),
            *self._network_core(),
        )
        path = self._folder / name
        write_hex(path, segments)
        return path

    def _bootloaders(
        self,
        nsib_keys: tuple[ec.EllipticCurvePrivateKey, ...],
        mcuboot: McubootDescription,
        key_words: KeyWords,
        nsib: NsibDescription,
    ) -> tuple[Segment, ...]:
        if self._nsib is None:
            size_bytes = min(MCUBOOT_SIZE_BYTES, self._primary.address)
            keys = (self._mcuboot_key.public_key(),)
            return (Segment(0, build_payload(0, size_bytes, mcuboot, keys=keys)),)
        s0, s1 = self._nsib.s_slots
        hashes = tuple(provisioned_key_hash(raw_public_key(key.public_key())) for key in nsib_keys)
        bootloader = self._bootloader(s0, self._baseline_bootloader, description=mcuboot)
        return (
            Segment(0, build_payload(0, NSIB_SIZE_BYTES, nsib)),
            Segment(s0.address + MCUBOOT_PAD_BYTES, bootloader),
            Segment(
                self._nsib.provisioning_address + ADDRESSES_OFFSET_BYTES,
                build_provisioning(s0.address, s1.address, hashes, key_words=key_words),
            ),
        )

    @property
    def _has_key_words_by_index(self) -> bool:
        return self._key_words != NSIB_2_3.key_words

    def _no_older_provisioning(self) -> ArtifactUnavailableError:
        return ArtifactUnavailableError(
            f"{self._board_name} has a NSIB of NCS 2.6 or before, whose provisioning data has no "
            "older form.",
            next_step="Run it on a board of NCS 2.7 or later (boot.ncs in the board file).",
        )

    def _no_nsib(self) -> ArtifactUnavailableError:
        return ArtifactUnavailableError(
            f"{self._board_name} has no NSIB, so its MCUboot cannot be replaced over the air.",
            next_step="Run updates of MCUboot on a board with NSIB, such as nrf5340dk_sim.",
        )

    def _need_network(self) -> _NetworkPlaces:
        if self._network is None:
            raise ArtifactUnavailableError(
                f"{self._board_name} has no network core.",
                next_step="Run updates of it on nrf5340dk_sim_netcore.",
            )
        return self._network

    def _app_package(
        self,
        name: str,
        image: bytes,
        network_image: bytes | None = None,
        *,
        version: ImageVersion = UPDATE_APP,
    ) -> Path:
        keys: dict[str, JsonValue] = self._shape.application_keys(
            has_network_core=network_image is not None
        ) | {
            "load_address": self._primary.address + MCUBOOT_PAD_BYTES,
            "version_MCUBOOT": f"{version}+0",
        }
        entries = [PackageEntry(self._shape.application_file, image, keys)]
        if network_image is not None:
            entries.append(self._network_entry(network_image))
        return self._package(name, entries)

    def _network_entry(self, image: bytes | None = None) -> PackageEntry:
        keys: dict[str, JsonValue] = self._shape.network_keys() | {
            "load_address": self._need_network().firmware.address,
            "version": str(UPDATE_NETWORK_VERSION),
        }
        data = image or self.network_image(UPDATE_NETWORK_VERSION)
        return PackageEntry(self._shape.network_file, data, keys)

    def _package(self, name: str, entries: list[PackageEntry]) -> Path:
        path = self._folder / name
        is_mcuboot = entries[0].keys["type"] == PackageKind.MCUBOOT.value
        write_package(
            path,
            entries,
            name=self._shape.mcuboot_package_name if is_mcuboot else self._shape.application_name,
            format_version=self._shape.format_version,
        )
        return path

    def _network_core(self) -> tuple[Segment, ...]:
        places = self._network
        if places is None:
            return ()
        b0n, address = places.b0n_address, places.firmware.address
        # provision.py takes S0 for S1 where it is given none.
        provisioning = build_provisioning(
            address, address, (), 0, has_empty_counters=self._has_empty_counters
        )
        return (
            Segment(b0n, build_payload(b0n, B0N_SIZE_BYTES, B0nDescription())),
            Segment(places.provisioning_address + ADDRESSES_OFFSET_BYTES, provisioning),
            Segment(address, self._network_firmware(places, BASELINE_NETWORK_VERSION)),
        )

    def _network_firmware(self, places: _NetworkPlaces, version: int) -> bytes:
        address = places.firmware.address
        firmware = build_payload(
            address,
            NETWORK_APP_SIZE_BYTES,
            NetworkDescription(marker=f"Network core firmware {version}"),
            fw_info_version=version,
        )
        return firmware + sign_for_nsib(firmware, address, self._nsib_key).pack()

    def _bootloader(
        self,
        slot: Slot,
        fw_info_version: int,
        marker: int | None = None,
        app_keys: tuple[PublicKey, ...] | None = None,
        nsib_key: ec.EllipticCurvePrivateKey | None = None,
        description: McubootDescription | None = None,
    ) -> bytes:
        address = _firmware_address(slot)
        number = str(fw_info_version if marker is None else marker)
        firmware = build_payload(
            address,
            MCUBOOT_SIZE_BYTES,
            (description or self._mcuboot_description).model_copy(update={"marker": number}),
            keys=app_keys or (self._mcuboot_key.public_key(),),
            fw_info_version=fw_info_version,
        )
        return firmware + sign_for_nsib(firmware, address, nsib_key or self._nsib_key).pack()

    def _app(
        self,
        version: ImageVersion,
        build_time: str,
        key: ec.EllipticCurvePrivateKey | None = None,
        *,
        description: AppDescription | None = None,
    ) -> bytes:
        payload = build_payload(
            _firmware_address(self._primary),
            APP_SIZE_BYTES,
            (description or self._app_description).model_copy(update={"build_time": build_time}),
        )
        layout = SlotLayout(self._primary.size)
        return sign_for_mcuboot(payload, version, layout, key or self._mcuboot_key)


def _nsib_places(board: BoardType) -> _NsibPlaces | None:
    slots = board.slots
    if slots.s0 is None and slots.s1 is None:
        return None
    if slots.s0 is None or slots.s1 is None or slots.provisioning_address is None:
        raise BoardFileError(
            "Demonstration firmware with NSIB needs slots.s0, slots.s1 and "
            "slots.provisioning_address.",
            where=board.name,
            next_step="Name all of them, or none for MCUboot alone.",
        )
    return _NsibPlaces((slots.s0, slots.s1), slots.provisioning_address)


def _network_places(board: BoardType) -> _NetworkPlaces | None:
    core, firmware = board.soc.network, board.network_firmware
    provisioning_address = board.network_provisioning
    if core is None or firmware is None or provisioning_address is None:
        return None
    return _NetworkPlaces(core.flash.start, firmware, provisioning_address)


def _firmware_address(slot: Slot) -> int:
    return slot.address + MCUBOOT_PAD_BYTES


def _with_one_bit_changed(firmware: bytes, offset_bytes: int = MCUBOOT_SIZE_BYTES // 2) -> bytes:
    changed = bytearray(firmware)
    changed[offset_bytes] ^= 1
    return bytes(changed)
