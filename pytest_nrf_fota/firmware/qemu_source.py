"""Variants of the real Zephyr firmware that runs in QEMU (facts/real-firmware-targets.md)."""

from functools import cached_property
from pathlib import Path

from pytest_nrf_fota.firmware.damage import lose_end_of_payload
from pytest_nrf_fota.firmware.dfu_package_writer import PackageEntry, write_package
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.smpclient_dist import (
    HEADER_SIZE_BYTES,
    SLOT_SIZE_BYTES,
    QemuCortexM0Firmware,
    qemu_cortex_m0_firmware,
    unsigned_image,
)
from pytest_nrf_fota.firmware.source import ArtifactUnavailableError

UPDATE_VERSION = ImageVersion(1, 2, 3, 4)
UPDATE_BUILD_TIME = "UPGRADED v1.2.3+4 OK"


class QemuSource:
    """The baseline as it was built by others; updates are the same code, signed anew by imgtool
    with another version and another build time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def baseline(self) -> Path:
        """`merged.hex`: MCUboot (swap using offset) and application 0.0.0."""
        return self._original.merged_hex

    @cached_property
    def app_update(self) -> Path:
        """A package with application 1.2.3+4."""
        return self._package("dfu_application.zip", self._update_image)

    @cached_property
    def app_truncated(self) -> Path:
        """The update, without the end of its payload."""
        return self._package(
            "dfu_application_truncated.zip", lose_end_of_payload(self._update_image)
        )

    @property
    def mcuboot_update(self) -> Path:
        """Not available: this bootloader cannot be replaced."""
        raise _no_second_bootloader()

    @property
    def mcuboot_same_version(self) -> Path:
        """Not available: this bootloader cannot be replaced."""
        raise _no_second_bootloader()

    @cached_property
    def _original(self) -> QemuCortexM0Firmware:
        return qemu_cortex_m0_firmware()

    @cached_property
    def _update_image(self) -> bytes:
        unsigned = unsigned_image(self._original.signed_bin.read_bytes(), UPDATE_BUILD_TIME)
        # This MCUboot checks no signature, so the image is hash-only, as the original.
        return sign_for_mcuboot(
            unsigned[HEADER_SIZE_BYTES:], UPDATE_VERSION, SlotLayout(SLOT_SIZE_BYTES), key=None
        )

    def _package(self, name: str, image: bytes) -> Path:
        path = self._folder / name
        keys = {"type": "application", "board": "qemu_cortex_m0", "soc": "nrf51822"}
        write_package(
            path, [PackageEntry("app_update.bin", image, dict(keys))], name="smp_svr on QEMU"
        )
        return path


def _no_second_bootloader() -> ArtifactUnavailableError:
    return ArtifactUnavailableError(
        "qemu_cortex_m0 has one MCUboot that cannot be replaced.",
        next_step="Run bootloader upgrades on nrf5340dk or nrf5340dk_sim.",
    )
