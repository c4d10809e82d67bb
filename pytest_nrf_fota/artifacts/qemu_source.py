"""Variants of the real Zephyr firmware that runs in QEMU."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError
from pytest_nrf_fota.firmware.damage import damaged_app
from pytest_nrf_fota.firmware.dfu_package_writer import PackageEntry, write_package
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.smpclient_dist import (
    HEADER_SIZE_BYTES,
    MPS2_LOAD_ADDRESS,
    MPS2_SLOT_0_ADDRESS,
    MPS2_SLOT_SIZE_BYTES,
    SLOT_SIZE_BYTES,
    mps2_an385_firmware,
    qemu_cortex_m0_firmware,
    unsigned_image,
)
from pytest_nrf_fota.firmware.variant import Variant

BASELINE_VERSION = ImageVersion(0, 0, 0)
OLDER_VERSION = ImageVersion(1, 0, 0)
OTHER_BUILD_TIME = "OTHER BUILD"
UPDATE_VERSION = ImageVersion(1, 2, 3, 4)
UPDATE_BUILD_TIME = "UPGRADED v1.2.3+4 OK"

QemuBuild: TypeAlias = Literal["qemu_cortex_m0", "mps2_an385"]

_MADE_OF_BOTH = frozenset(
    {
        *(Variant.APP_TAMPERED, Variant.APP_TRUNCATED, Variant.APP_TOO_LARGE),
        *(Variant.APP_SAME_VERSION, Variant.APP_OLDER),
    }
)
_MADE: Mapping[QemuBuild, frozenset[Variant]] = {
    "qemu_cortex_m0": _MADE_OF_BOTH,
    # It runs the highest version whatever is sent.
    "mps2_an385": _MADE_OF_BOTH | {Variant.BASELINE_NO_DOWNGRADE},
}


class QemuSource:
    """The baseline as it was built by others; updates are the same code, signed anew by imgtool
    with another version and another build time.

    Args:
        folder: where made artifacts go.
        build: which of the builds.
    """

    def __init__(self, folder: Path, build: QemuBuild) -> None:
        self._folder = folder
        self._build: QemuBuild = build

    @cached_property
    def baseline(self) -> Path:
        """MCUboot and application 0.0.0, as one hex file."""
        match self._build:
            case "qemu_cortex_m0":
                return qemu_cortex_m0_firmware().merged_hex
            case "mps2_an385":
                firmware = mps2_an385_firmware()
                app = Segment(MPS2_SLOT_0_ADDRESS, firmware.signed_bin.read_bytes())
                path = self._folder / "merged.hex"
                write_hex(path, [*read_hex(firmware.mcuboot_hex), app])
                return path
            case _:
                assert_never(self._build)

    @cached_property
    def app_update(self) -> Path:
        """A package with application 1.2.3+4."""
        return self._package("dfu_application.zip", self._update_image)

    @cached_property
    def app_truncated(self) -> Path:
        """The update, without the end of its payload."""
        return self.variant(Variant.APP_TRUNCATED)

    @property
    def mcuboot_update(self) -> Path:
        """Not available: this bootloader cannot be replaced."""
        raise self._no_second_bootloader()

    @property
    def mcuboot_same_version(self) -> Path:
        """Not available: this bootloader cannot be replaced."""
        raise self._no_second_bootloader()

    def mcuboot_raised(self, steps: int) -> Path:
        """Not available: this bootloader cannot be replaced."""
        del steps
        raise self._no_second_bootloader()

    def variant(self, wanted: Variant) -> Path:
        """Applications; neither MCUboot checks a signature, and none can be replaced."""
        if not self.makes(wanted):
            raise ArtifactUnavailableError(
                f"{self._build} has no firmware {wanted.value!r}: {wanted.meaning}",
                next_step="Run this test on nrf5340dk_sim.",
            )
        name = f"{wanted.value}.zip"
        damaged = damaged_app(self._update_image, wanted, self._layout.slot_size_bytes)
        if damaged is not None:
            return self._package(name, damaged)
        match wanted:
            case Variant.APP_SAME_VERSION:
                return self._package(name, self._image(BASELINE_VERSION, OTHER_BUILD_TIME))
            case Variant.APP_OLDER:
                return self._package(name, self._image(OLDER_VERSION, OTHER_BUILD_TIME))
            case Variant.BASELINE_NO_DOWNGRADE:
                return self.baseline
            case _:
                raise AssertionError(f"{wanted} is made, and nothing makes it")

    def makes(self, wanted: Variant) -> bool:
        """What damage or another version makes of an image without a signature."""
        return wanted in _MADE[self._build]

    @property
    def _signed_bin(self) -> Path:
        match self._build:
            case "qemu_cortex_m0":
                return qemu_cortex_m0_firmware().signed_bin
            case "mps2_an385":
                return mps2_an385_firmware().signed_bin
            case _:
                assert_never(self._build)

    @property
    def _layout(self) -> SlotLayout:
        match self._build:
            case "qemu_cortex_m0":
                return SlotLayout(SLOT_SIZE_BYTES)
            case "mps2_an385":
                return SlotLayout(MPS2_SLOT_SIZE_BYTES, load_address=MPS2_LOAD_ADDRESS)
            case _:
                assert_never(self._build)

    @cached_property
    def _update_image(self) -> bytes:
        return self._image(UPDATE_VERSION, UPDATE_BUILD_TIME)

    def _image(self, version: ImageVersion, build_time: str) -> bytes:
        unsigned = unsigned_image(self._signed_bin.read_bytes(), build_time)
        # Neither MCUboot checks a signature, so the image is hash-only, as the original.
        return sign_for_mcuboot(unsigned[HEADER_SIZE_BYTES:], version, self._layout, key=None)

    def _package(self, name: str, image: bytes) -> Path:
        path = self._folder / name
        write_package(
            path,
            [PackageEntry("app_update.bin", image, {"type": "application", "board": self._build})],
            name="smp_svr on QEMU",
        )
        return path

    def _no_second_bootloader(self) -> ArtifactUnavailableError:
        return ArtifactUnavailableError(
            f"{self._build} has one MCUboot that cannot be replaced.",
            next_step="Run bootloader upgrades on nrf5340dk or nrf5340dk_sim.",
        )
