"""Firmware that the user names with --baseline and --update."""

from pathlib import Path

from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.dfu_package import PackageKind, PackageTarget, read_package
from pytest_nrf_fota.firmware.source import ArtifactUnavailableError


class FilesSource:
    """The user's own files; what a package updates is read from the package itself.

    Args:
        baseline: the hex file of --baseline.
        updates: the packages of --update.
        target: what packages must fit.

    Raises:
        PackageError: a file is missing or wrong, or two packages update the same thing.
    """

    def __init__(
        self, baseline: Path | None, updates: tuple[Path, ...], target: PackageTarget
    ) -> None:
        self._baseline = baseline
        self._updates: dict[PackageKind, Path] = {}
        for path in updates:
            kind = read_package(path, target).kind
            if kind in self._updates:
                raise PackageError(
                    f"Two packages update the same: {self._updates[kind].name} and {path.name} "
                    f"both hold {kind.value} images.",
                    where=str(path),
                    next_step="Give one --update for the application and one for MCUboot.",
                )
            self._updates[kind] = path

    @property
    def baseline(self) -> Path:
        """The file of --baseline."""
        if self._baseline is None:
            raise ArtifactUnavailableError(
                "No baseline firmware was given.",
                next_step="Give the build's merged.hex: --baseline build/merged.hex",
            )
        return self._baseline

    @property
    def app_update(self) -> Path:
        """The --update that holds an application."""
        return self._update(PackageKind.APPLICATION, "dfu_application.zip")

    @property
    def mcuboot_update(self) -> Path:
        """The --update that holds MCUboot images."""
        return self._update(PackageKind.MCUBOOT, "dfu_mcuboot.zip")

    @property
    def app_truncated(self) -> Path:
        """Not made from the user's files."""
        raise ArtifactUnavailableError(
            "A truncated variant of your own package is not made.",
            next_step="Run this test on nrf5340dk_sim or qemu_cortex_m0.",
        )

    @property
    def mcuboot_same_version(self) -> Path:
        """Not made from the user's files."""
        raise ArtifactUnavailableError(
            "A variant of your MCUboot with the same FW_INFO version is not made.",
            next_step="Run this test on nrf5340dk_sim.",
        )

    def _update(self, kind: PackageKind, usual_name: str) -> Path:
        path = self._updates.get(kind)
        if path is None:
            raise ArtifactUnavailableError(
                f"No update package with {kind.value} images was given.",
                next_step=f"Give it: --update build/zephyr/{usual_name}",
            )
        return path
