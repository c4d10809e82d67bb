"""What is the same in all cases of one board type and release: board, firmware, baseline."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter

from pytest_nrf_fota.artifacts.demo import APP_SIZE_BYTES, MCUBOOT_PAD_BYTES, DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.campaign.case import Package
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.dfu_package import UpdateFile, package_target, read_package
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.mcuboot_mode import app_of
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.variant import Variant
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.kit import KitSettings

# An upload takes few requests then; how requests are divided is not what a campaign is about.
_SMP_BUFFER_BYTES = 16 * 1024
# MCUboot 15 is what a board may have in S1 already.
_MCUBOOT_STEPS = 2
_OTHER_VERSION = ImageVersion(0, 8, 0)
_OTHER_BUILD_TIME = "Apr  1 2024 a 08:00:00"
# No package here boots again by itself once it is ready.
_SETTLE_S = 0.1
# The kit never waits, so what takes longer does not come.
_TIMEOUTS = {
    "boot_s": 2.5,
    "swap_s": 2.5,
    "app_start_s": 2.5,
    "connect_s": 2.5,
    "smp_s": 2.5,
    "first_upload_packet_s": 2.5,
}


@dataclass(frozen=True)
class Profile:
    """One board type whose bootloaders are of one release.

    Args:
        board: the board, with times for a kit that never waits.
        kit: settings of its kit.
        app: how its applications behave.
        source: its firmware.
    """

    board: BoardType
    kit: KitSettings
    app: AppDescription
    source: DemoSource

    @classmethod
    def of(cls, name: str, ncs: str, folder: Path) -> "Profile":
        """The profile; its firmware is made in `folder` when it is asked for first."""
        given = load_board(name)
        board = given.model_copy(
            update={
                "boot": given.boot.model_copy(update={"ncs": ncs, "settle_s": _SETTLE_S}),
                "timeouts": given.timeouts.model_copy(update=_TIMEOUTS),
            }
        )
        own = folder / f"{name}-{ncs}"
        own.mkdir(parents=True, exist_ok=True)
        app = app_of(board).model_copy(update={"smp_buffer_size_bytes": _SMP_BUFFER_BYTES})
        kit = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))
        return cls(board, kit, app, DemoSource(board, own, app))

    @cached_property
    def baseline(self) -> tuple[Segment, ...]:
        """What lies on a board that was just flashed."""
        return read_hex(self.source.baseline)

    @cached_property
    def other_app(self) -> bytes:
        """The image of an application that is neither the baseline's nor any package's."""
        primary = self.board.slots.primary
        payload = build_payload(
            primary.address + MCUBOOT_PAD_BYTES,
            APP_SIZE_BYTES,
            self.app.model_copy(update={"build_time": _OTHER_BUILD_TIME}),
        )
        key = signing_key_for_tests("mcuboot")
        return sign_for_mcuboot(payload, _OTHER_VERSION, SlotLayout(primary.size), key)

    @cached_property
    def s1_mcuboot(self) -> UpdateFile:
        """A MCUboot for S1, newer than the baseline's and older than the packages'."""
        files = self.files(self.source.mcuboot_raised(1))
        return next(file for file in files if file.s_slot == 1)

    def package(self, wanted: Package) -> Path:
        """The package's file."""
        match wanted:
            case Package.APP:
                return self.source.app_update
            case Package.MCUBOOT:
                return self.source.mcuboot_raised(_MCUBOOT_STEPS)
            case _:
                return self.source.variant(Variant(wanted.value))

    def files(self, package: Path) -> tuple[UpdateFile, ...]:
        """What a package holds."""
        return read_package(package, package_target(self.board)).files
