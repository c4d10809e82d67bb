"""Firmware that the user names with --baseline and --update."""

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.own_build import OwnBuild
from pytest_nrf_fota.builds.resign_file import resign_path
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.damage import damaged_app
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    UpdateFile,
    package_target,
    read_package,
)
from pytest_nrf_fota.firmware.fw_info import find_fw_info
from pytest_nrf_fota.firmware.hex_file import memory_reader, read_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.keys_at_hand import keys_at_hand, require_fitting
from pytest_nrf_fota.firmware.mcuboot_image import (
    HEADER,
    ImageHeader,
    ImageVersion,
    McubootImage,
    NotAnImageError,
)
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.firmware.renewal import NotRenewableError, renew_image
from pytest_nrf_fota.firmware.repack import repack
from pytest_nrf_fota.firmware.resign import NewNumbers, Raise, SigningKeys
from pytest_nrf_fota.firmware.variant import Variant

LOWEST_VERSION = ImageVersion(0, 0, 0)
# sdk-nrf, CONFIG_NRF53_MULTI_IMAGE_UPDATE: image 0 is the application, image 1 the network core.
_APPLICATION_IMAGE, _NETWORK_IMAGE = 0, 1
_MADE = frozenset(
    {
        *(Variant.APP_UNSIGNED, Variant.APP_WRONG_KEY, Variant.APP_TAMPERED),
        *(Variant.APP_TRUNCATED, Variant.APP_TOO_LARGE, Variant.APP_SAME_VERSION),
        *(Variant.APP_AND_NETWORK, Variant.APP_AND_BAD_NETWORK, Variant.NETWORK_ONLY),
        *(Variant.APP_OLDER, Variant.MCUBOOT_SAME_VERSION, Variant.MCUBOOT_LOW_PACKAGE_VERSION),
        *(Variant.MCUBOOT_UNPROVISIONED_KEY, Variant.MCUBOOT_TAMPERED),
    }
)


class FilesSource:
    """The user's own files; what a package updates is read from the package itself.

    Variants of them are damaged copies, and, where the keys are available, copies with other
    numbers that were signed again.

    Args:
        baseline: the hex file of --baseline.
        updates: the packages of --update.
        board: what packages must fit.
        folder: for made variants.
        keys: the keys that the files are signed with, as far as they were given.
        variants: those that the user built.
        own_build: the baseline's; where no update was given, its next version is one.

    Raises:
        PackageError: a file is missing or wrong, or two packages update the same thing.
        InputError: a key is not one that they are signed with.
    """

    def __init__(
        self,
        baseline: Path | None,
        updates: tuple[Path, ...],
        board: BoardType,
        folder: Path,
        keys: SigningKeys | None = None,
        variants: Mapping[Variant, Path] | None = None,
        own_build: OwnBuild | None = None,
    ) -> None:
        self._variants = dict(variants or {})
        self._baseline = baseline
        self._board = board
        self._folder = folder
        own_build = own_build or OwnBuild()
        own = [self._read(path) for path in own_build.packages]
        self._own_packages = {package.kind: package.path for package in own}
        given = [read_package(path, package_target(board)) for path in updates]
        require_fitting(keys or SigningKeys(), [*given, *own])
        self._keys = keys_at_hand(keys or SigningKeys(), [*given, *own], own_build.key_files)
        self._updates: dict[PackageKind, Path] = {}
        for path, kind in ((package.path, package.kind) for package in given):
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
                next_step="Give the build's merged.hex: --baseline=build/merged.hex",
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
        """The --update that holds an application, without the end of its payload."""
        return self.variant(Variant.APP_TRUNCATED)

    @property
    def mcuboot_same_version(self) -> Path:
        """The --update that holds MCUboot images, with the baseline's FW_INFO version."""
        return self.variant(Variant.MCUBOOT_SAME_VERSION)

    def mcuboot_raised(self, steps: int) -> Path:
        """The --update that holds MCUboot images, with another FW_INFO version."""
        return self._resigned_mcuboot(f"mcuboot_plus_{steps}", steps, "+1")

    def variant(self, wanted: Variant) -> Path:
        """As the user built it; else made of the user's packages, with another number or key only
        where it can be signed.
        """
        if wanted in self._variants:
            return self._variants[wanted]
        name = wanted.value
        match wanted:
            case (
                Variant.APP_UNSIGNED
                | Variant.APP_WRONG_KEY
                | Variant.APP_TAMPERED
                | Variant.APP_TRUNCATED
                | Variant.APP_TOO_LARGE
            ):
                return self._damaged_app(wanted)
            case Variant.APP_SAME_VERSION:
                version = self._baseline_app_version(wanted)
                is_one = version == self._app_image(self._read(self.app_update)).version
                return self.app_update if is_one else self._resigned_app(name, version)
            case Variant.APP_OLDER:
                return self._older_app(name)
            case Variant.APP_AND_NETWORK:
                self._new_network_file(wanted)
                return self.app_update
            case Variant.APP_AND_BAD_NETWORK:
                return self._app_with_bad_network(wanted)
            case Variant.NETWORK_ONLY:
                network = self._new_network_file(wanted)
                package = self._read(self.app_update)
                others = [file.name for file in package.files if file.name != network.name]
                return repack(package.path, self._folder / f"{name}.zip", {}, leave_out=others)
            case Variant.MCUBOOT_SAME_VERSION:
                return self._resigned_mcuboot(name, 0, "+1")
            case Variant.MCUBOOT_LOW_PACKAGE_VERSION:
                return self._resigned_mcuboot(name, 2, LOWEST_VERSION)
            case Variant.MCUBOOT_UNPROVISIONED_KEY:
                keys = SigningKeys(
                    signing_key_for_tests("strange nsib"), self._keys.mcuboot, may_differ=True
                )
                return self._resigned_mcuboot(name, 1, "+1", keys)
            case Variant.MCUBOOT_TAMPERED:
                return self._tampered_mcuboot(name)
            case _:
                raise ArtifactUnavailableError(
                    f"This is not made of your own files: {wanted.meaning}",
                    next_step=f"Build it and give --firmware-variant={name}=FILE, or run this "
                    "test on nrf5340dk_sim without --baseline: its demonstration firmware has it.",
                )

    def makes(self, wanted: Variant) -> bool:
        """What damage, another number or another key makes of a build."""
        return wanted in self._variants or wanted in _MADE

    def _damaged_app(self, wanted: Variant) -> Path:
        def damage(file: UpdateFile) -> bytes:
            if file.image_index != _APPLICATION_IMAGE:
                return file.data
            damaged = damaged_app(file.data, wanted, self._board.slots.primary.size)
            assert damaged is not None
            return damaged

        package = self._read(self.app_update)
        try:
            contents = {file.name: damage(file) for file in package.files}
        except NotRenewableError as error:
            raise ArtifactUnavailableError(
                f"Your application has no such variant ({wanted.meaning}): {error}.",
                where=str(package.path),
                next_step="Run this test with a signed application, or on nrf5340dk_sim without "
                "--baseline.",
            ) from error
        return repack(package.path, self._folder / f"{wanted.value}.zip", contents)

    def _older_app(self, name: str) -> Path:
        package = self._read(self.app_update)
        if self._app_image(package).version == LOWEST_VERSION:
            raise ArtifactUnavailableError(
                f"Your update has version {LOWEST_VERSION}, below which there is none.",
                where=str(package.path),
                next_step="Give an --update of a higher version "
                "(CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION, or a VERSION file).",
            )
        return self._resigned_app(name, LOWEST_VERSION)

    @staticmethod
    def _app_image(package: DfuPackage) -> McubootImage:
        """The package's application, wherever it stands."""
        files = sorted(package.files, key=lambda file: file.image_index != _APPLICATION_IMAGE)
        return files[0].image

    def _network_file(self, wanted: Variant) -> UpdateFile:
        """The update's image for the network core."""
        package = self._read(self.app_update)
        file = next((file for file in package.files if file.image_index == _NETWORK_IMAGE), None)
        if file is None:
            raise ArtifactUnavailableError(
                f"Your update holds no image of the network core. Wanted: {wanted.meaning}",
                where=str(package.path),
                next_step="Give the dfu_application.zip of a build with "
                "SB_CONFIG_MCUBOOT_NRF53_MULTI_IMAGE_UPDATE=y (to NCS 2.6 "
                "CONFIG_NRF53_MULTI_IMAGE_UPDATE=y).",
            )
        return file

    def _new_network_file(self, wanted: Variant) -> UpdateFile:
        """Likewise, where it differs from what the baseline has: else nothing shows the upgrade."""
        file = self._network_file(wanted)
        read = memory_reader(read_hex(self.baseline))
        size_bytes = len(file.image.payload)
        place = self._board.network_firmware
        if place is not None and read(place.address, size_bytes) == file.image.payload:
            raise ArtifactUnavailableError(
                "Your update holds the baseline's firmware for the network core. "
                f"Wanted: {wanted.meaning}",
                where=str(self.app_update),
                next_step="Give an --update whose network core firmware is another build.",
            )
        return file

    def _app_with_bad_network(self, wanted: Variant) -> Path:
        """b0n checks the hash of its firmware; MCUboot's own hash and signature are made new."""
        network = self._network_file(wanted)
        self._require_keys(wanted.value, self._keys, nsib=False)
        contents = {network.name: self._tampered_for_nsib(network)}
        output = self._folder / f"{wanted.value}.zip"
        return repack(self._read(self.app_update).path, output, contents)

    def _resigned_app(self, name: str, version: ImageVersion) -> Path:
        package = self._read(self.app_update)
        self._require_keys(name, self._keys, nsib=False)
        output = self._folder / f"{name}.zip"
        numbers = NewNumbers(fw_info="keep", image=version)
        resign_path(package.path, output, numbers, self._keys, self._board)
        return output

    def _resigned_mcuboot(
        self,
        name: str,
        steps: int,
        package_version: ImageVersion | Raise,
        keys: SigningKeys | None = None,
    ) -> Path:
        update, keys = self.mcuboot_update, keys or self._keys
        self._require_keys(name, keys, nsib=True)
        output = self._folder / f"{name}.zip"
        numbers = NewNumbers(self._baseline_fw_info_version() + steps, package_version)
        resign_path(update, output, numbers, keys, self._board)
        return output

    def _tampered_mcuboot(self, name: str) -> Path:
        package = self._read(self.mcuboot_update)
        self._require_keys(name, self._keys, nsib=False)
        contents = {file.name: self._tampered_for_nsib(file) for file in package.files}
        return repack(package.path, self._folder / f"{name}.zip", contents)

    def _tampered_for_nsib(self, file: UpdateFile) -> bytes:
        """With a changed bit under the signature of NSIB, or b0n, and signed anew for MCUboot."""
        payload = bytearray(file.image.payload)
        size_bytes = file.fw_info.firmware_size_bytes if file.fw_info else len(payload)
        payload[size_bytes // 2] ^= 1
        return renew_image(file.image, bytes(payload), file.image.version, self._keys.mcuboot)

    def _require_keys(self, name: str, keys: SigningKeys, *, nsib: bool) -> None:
        missing = self._missing_keys(keys, nsib=nsib)
        if missing:
            raise ArtifactUnavailableError(
                f"A variant {name!r} of your update must be signed again.",
                next_step=f"Give what it is signed with: {missing}",
            )

    def _missing_keys(self, keys: SigningKeys, *, nsib: bool) -> str:
        """The options that are missing, empty where none is."""
        missing = [
            option
            for option, key, is_needed in (
                ("--mcuboot-key", keys.mcuboot, True),
                ("--nsib-key", keys.nsib, nsib),
            )
            if is_needed and key is None
        ]
        return ", ".join(f"{option}=PEM" for option in missing)

    def _baseline_fw_info_version(self) -> int:
        read = memory_reader(read_hex(self.baseline))
        slots = (self._board.slots.s0, self._board.slots.s1)
        infos = [find_fw_info(read, slot.address) for slot in slots if slot is not None]
        versions = [info.version for info in infos if info is not None]
        if not versions:
            raise ArtifactUnavailableError(
                "Your baseline holds no MCUboot with a FW_INFO version.",
                where=str(self.baseline),
                next_step="Give the merged.hex of a build with CONFIG_SECURE_BOOT=y.",
            )
        return max(versions)

    def _baseline_app_version(self, wanted: Variant) -> ImageVersion:
        """Raises `ArtifactUnavailableError` where the update holds the baseline's application."""
        read = memory_reader(read_hex(self.baseline))
        address = self._board.slots.primary.address
        try:
            header = ImageHeader.parse(read(address, HEADER.size))
            size_bytes = header.hashed_size_bytes - header.header_size_bytes
            payload = read(address + header.header_size_bytes, size_bytes)
        except NotAnImageError as error:
            raise ArtifactUnavailableError(
                f"Your baseline holds no application: {error}.",
                where=str(self.baseline),
                next_step="Give the build's merged.hex.",
            ) from error
        update = self._app_image(self._read(self.app_update))
        if payload.startswith(update.payload):
            raise ArtifactUnavailableError(
                f"Your update holds the baseline's application. Wanted: {wanted.meaning}",
                where=str(self.app_update),
                next_step="Give an --update of another build.",
            )
        return header.version

    def _read(self, path: Path) -> DfuPackage:
        return read_package(path, package_target(self._board))

    def _update(self, kind: PackageKind, usual_name: str) -> Path:
        path = self._updates.get(kind)
        if path is None:
            path = self._updates[kind] = self._made_of_baseline(kind, usual_name)
        return path

    def _made_of_baseline(self, kind: PackageKind, usual_name: str) -> Path:
        own = self._own_packages.get(kind)
        if kind is PackageKind.MCUBOOT and self._board.slots.s0 is None:
            raise ArtifactUnavailableError(
                "The board has no NSIB, so its MCUboot cannot be replaced over the air.",
                next_step="Run this test on a build with NSIB.",
            )
        if own is None:
            held = [f"{p.name} holds {k.value} images only" for k, p in self._updates.items()]
            raise ArtifactUnavailableError(
                f"No update package with {kind.value} images was given"
                f"{': ' + ', '.join(held) if held else ''}.",
                next_step=f"Give the build that holds it, or the file: --update={usual_name}",
            )
        missing = self._missing_keys(self._keys, nsib=kind is PackageKind.MCUBOOT)
        if missing:
            raise ArtifactUnavailableError(
                f"No update package with {kind.value} images was given, and to make one of the "
                "baseline's own it must be signed again.",
                where=str(own),
                next_step=f"Give what the baseline is signed with: {missing}; or an --update.",
            )
        output = self._folder / "next" / usual_name
        match kind:
            case PackageKind.APPLICATION:
                numbers = NewNumbers(fw_info="keep")
            case PackageKind.MCUBOOT:
                numbers = NewNumbers(fw_info=self._baseline_fw_info_version() + 1)
            case _:
                assert_never(kind)
        resign_path(own, output, numbers, self._keys, self._board)
        return output
