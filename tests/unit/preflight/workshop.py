"""Boards and packages with one thing wrong, or nearly so, made from the project's own parts."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from pytest_nrf_fota.artifacts.demo import (
    APP_SIZE_BYTES,
    MCUBOOT_PAD_BYTES,
    MCUBOOT_SIZE_BYTES,
    DemoSource,
)
from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.dfu_package_writer import PackageEntry, write_package
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import Dependency, ImageVersion
from pytest_nrf_fota.firmware.package_shape import package_shape_of
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.provisioning import ADDRESSES_OFFSET_BYTES, build_provisioning
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.validation_info import (
    provisioned_key_hash,
    raw_public_key,
    sign_for_nsib,
)
from pytest_nrf_fota.preflight.prediction import Prediction, overlay, predict, read_update
from tests.unit.ext_api_lists import Request, add_ext_apis

NEW_APP = ImageVersion(1, 1, 0)
NEW_MCUBOOT = ImageVersion(0, 0, 15)
NETWORK_SLOT = Slot(address=0x100D8000, size=0x40000)


def board_of(ncs: str, *, has_network_slots: bool = False) -> BoardType:
    """The virtual kit of a release."""
    board = load_board("nrf5340dk_sim")
    slots = board.slots
    if has_network_slots:
        slots = slots.model_copy(update={"secondary_network": NETWORK_SLOT})
    return board.model_copy(
        update={
            "slots": slots,
            "boot": board.boot.model_copy(update={"ncs": ncs}),
        }
    )


@cache
def _baseline(board_json: str, mcuboot: McubootDescription) -> tuple[Segment, ...]:
    board = BoardType.model_validate_json(board_json)
    with TemporaryDirectory() as folder:
        return read_hex(DemoSource(board, Path(folder), mcuboot=mcuboot).baseline)


@dataclass(frozen=True)
class McubootBuild:
    """One build of the bootloader for one S slot; the keys by their names for tests.

    `asks_for` are the EXT_APIs that it requests of NSIB.
    """

    slot: int
    version: int = 15
    nsib_key: str = "nsib"
    mcuboot_key: str = "mcuboot"
    package_version: ImageVersion = NEW_MCUBOOT
    asks_for: tuple[Request, ...] = ()


class Workshop:
    """Makes firmware for one board, with files in one folder.

    Args:
        board: for which.
        folder: for the files.
        downgrade_prevention: whether the installed MCUboot has it.
    """

    def __init__(
        self, board: BoardType, folder: Path, *, downgrade_prevention: bool = False
    ) -> None:
        self.board = board
        self._shape = package_shape_of(board)
        self._folder = folder
        self._mcuboot = McubootDescription(
            swap="overwrite" if board.slots.secondary_network else "move",
            network_core="multi" if board.slots.secondary_network else "none",
            downgrade_prevention=downgrade_prevention,
        )
        self.demo = DemoSource(board, folder, mcuboot=self._mcuboot)
        self._written: list[Segment] = []
        self.installed = list(_baseline(board.model_dump_json(), self._mcuboot))

    def app(
        self,
        version: ImageVersion = NEW_APP,
        *,
        key: str | None = "mcuboot",
        size_bytes: int = APP_SIZE_BYTES,
        dependencies: Sequence[Dependency] = (),
    ) -> bytes:
        """An update file with the application."""
        slot = self.board.slots.primary
        payload = build_payload(
            slot.address + MCUBOOT_PAD_BYTES,
            size_bytes,
            AppDescription(build_time=f"build of {version}"),
        )
        # imgtool refuses what is too large for the slot; the board shall.
        layout = SlotLayout(2 * slot.size)
        signing_key = None if key is None else signing_key_for_tests(key)
        return sign_for_mcuboot(payload, version, layout, signing_key, dependencies)

    def app_package(
        self, *images: bytes, indices: Sequence[int | None] = (None,), **keys: JsonValue
    ) -> Path:
        """A DFU package of application images, with their image indices."""
        common: dict[str, JsonValue] = {
            "type": "application",
            "board": self._shape.board,
            "soc": self._shape.soc,
        }
        entries = [
            PackageEntry(
                f"app{number}.bin",
                image,
                common | ({} if index is None else {"image_index": str(index)}) | keys,
            )
            for number, (image, index) in enumerate(zip(images, indices, strict=True))
        ]
        return self._write("dfu_application.zip", entries)

    def mcuboot(self, build: McubootBuild) -> bytes:
        """An update file with the bootloader."""
        slot = (self.board.slots.s0, self.board.slots.s1)[build.slot]
        assert slot is not None
        address = slot.address + MCUBOOT_PAD_BYTES
        content = bytearray(
            build_payload(
                address,
                MCUBOOT_SIZE_BYTES,
                self._mcuboot.model_copy(update={"marker": str(build.version)}),
                keys=(signing_key_for_tests("mcuboot").public_key(),),
                fw_info_version=build.version,
            )
        )
        if build.asks_for:
            add_ext_apis(content, requests=build.asks_for)
        firmware = bytes(content)
        validation = sign_for_nsib(firmware, address, signing_key_for_tests(build.nsib_key))
        return sign_for_mcuboot(
            firmware + validation.pack(),
            build.package_version,
            SlotLayout(self.board.slots.primary.size),
            signing_key_for_tests(build.mcuboot_key),
        )

    def mcuboot_package(self, *builds: McubootBuild) -> Path:
        """A DFU package of bootloaders; with none given 15 for both slots."""
        entries = [
            PackageEntry(
                self._shape.mcuboot_files[build.slot],
                self.mcuboot(build),
                self._shape.mcuboot_keys(build.slot, build.version),
            )
            for build in builds or (McubootBuild(0), McubootBuild(1))
        ]
        return self._write("dfu_mcuboot.zip", entries)

    def provisioning(
        self, *, nsib_key: str = "nsib", counter_slots: int = 240, used: Sequence[int] = ()
    ) -> Segment:
        """OTP; the counter has stored these versions, as NSIB did from S0."""
        key = signing_key_for_tests(nsib_key)
        slots = self.board.slots
        assert slots.s0 is not None
        assert slots.s1 is not None
        assert slots.provisioning_address is not None
        data = build_provisioning(
            slots.s0.address,
            slots.s1.address,
            (provisioned_key_hash(raw_public_key(key.public_key())),),
            counter_slots,
            self.board.boot.release.nsib.key_words,
        )
        stored = b"".join(struct.pack("<H", ~(version << 1 | 1) & 0xFFFF) for version in used)
        counters = len(data) - 2 * counter_slots
        data = data[:counters] + stored + data[counters + len(stored) :]
        return Segment(slots.provisioning_address + ADDRESSES_OFFSET_BYTES, data)

    def install(self, *segments: Segment) -> None:
        """Have other content on the board."""
        self.installed = overlay(self.installed, segments)

    def installed_hex(self) -> Path:
        """What is on the board, as a hex file."""
        path = self._folder / "installed.hex"
        if self._written != self.installed:
            write_hex(path, self.installed)
            self._written = list(self.installed)
        return path

    def predict(self, package: Path) -> Prediction:
        """What the preflight says of a package."""
        return predict(self.board, self.installed, read_update(package, self.board))

    def file(self, name: str, data: bytes) -> Path:
        """A file with that content."""
        path = self._folder / name
        path.write_bytes(data)
        return path

    def _write(self, name: str, entries: list[PackageEntry]) -> Path:
        path = self._folder / name
        write_package(path, entries, name="workshop", format_version=self._shape.format_version)
        return path
