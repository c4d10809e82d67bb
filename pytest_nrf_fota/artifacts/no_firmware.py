"""The firmware source of a board whose firmware cannot be replaced."""

from pathlib import Path

from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError
from pytest_nrf_fota.firmware.variant import Variant


class NoFirmwareSource:
    """Has nothing, for a board that is one program: tests that ask for firmware are skipped."""

    def __init__(self, board_name: str) -> None:
        self._board_name = board_name

    @property
    def baseline(self) -> Path:
        """Not available."""
        raise self._nothing_to_replace()

    @property
    def app_update(self) -> Path:
        """Not available."""
        raise self._nothing_to_replace()

    @property
    def app_truncated(self) -> Path:
        """Not available."""
        raise self._nothing_to_replace()

    @property
    def mcuboot_update(self) -> Path:
        """Not available."""
        raise self._nothing_to_replace()

    @property
    def mcuboot_same_version(self) -> Path:
        """Not available."""
        raise self._nothing_to_replace()

    def mcuboot_raised(self, steps: int) -> Path:
        """Not available."""
        del steps
        raise self._nothing_to_replace()

    def variant(self, wanted: Variant) -> Path:
        """Not available."""
        del wanted
        raise self._nothing_to_replace()

    def makes(self, wanted: Variant) -> bool:
        """Nothing."""
        del wanted
        return False

    def _nothing_to_replace(self) -> ArtifactUnavailableError:
        return ArtifactUnavailableError(
            f"{self._board_name} is one program without bootloader and images.",
            next_step="Run upgrades on qemu_cortex_m0, mps2_an385 or nrf5340dk_sim.",
        )
