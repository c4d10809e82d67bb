"""Where a test's firmware comes from."""

from pathlib import Path
from typing import Protocol

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.firmware.variant import Variant


class ArtifactUnavailableError(InputError):
    """This source has no such artifact; tests that ask for it are skipped with the reason."""


class FirmwareSource(Protocol):
    """Paths of the artifacts that tests work with.

    Each member raises `ArtifactUnavailableError` where the source cannot provide it.
    """

    @property
    def baseline(self) -> Path:
        """The hex file to start from."""

    @property
    def app_update(self) -> Path:
        """A DFU package with a newer application."""

    @property
    def app_truncated(self) -> Path:
        """A DFU package whose application image is cut off in its signed content."""

    @property
    def mcuboot_update(self) -> Path:
        """A DFU package with a newer MCUboot for S0 and S1."""

    @property
    def mcuboot_same_version(self) -> Path:
        """A DFU package with another MCUboot of the baseline's FW_INFO version."""

    def mcuboot_raised(self, steps: int) -> Path:
        """A DFU package with a MCUboot whose FW_INFO version is the baseline's + `steps`."""

    def variant(self, wanted: Variant) -> Path:
        """A DFU package, or a baseline's hex file, that differs in one thing."""

    def makes(self, wanted: Variant) -> bool:
        """Whether `variant` makes this one, where it has the files and keys for it."""
