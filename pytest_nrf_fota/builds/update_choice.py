"""Which files of a build are its updates, and single images as the package they could be in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from pytest_nrf_fota.builds.build import Build, build_around
from pytest_nrf_fota.builds.hex_choice import not_complete, only_one
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    PackageTarget,
    UpdateFile,
    is_for_network_core,
    read_single_image,
)
from pytest_nrf_fota.firmware.dfu_package_writer import PackageEntry, write_package
from pytest_nrf_fota.firmware.file_kind import ELF_FILE, HEX_FILE, kind_of_file
from pytest_nrf_fota.firmware.package_kind import PackageKind

PACKAGE_NAMES = {
    PackageKind.APPLICATION: "dfu_application.zip",
    PackageKind.MCUBOOT: "dfu_mcuboot.zip",
}
# Of one image several copies lie in a build; these carry a trailer and are for flashing.
_NOT_FOR_UPDATES = (".confirmed.bin",)
_NETWORK_IMAGE_INDEX = 1
_NETWORK_CORE = "network core"


@dataclass(frozen=True)
class GivenImage:
    """A signed image in a file of its own, read as a package."""

    path: Path
    package: DfuPackage

    @property
    def file(self) -> UpdateFile:
        """The image."""
        return self.package.files[0]

    @property
    def place(self) -> str:
        """What it updates; two images for one place cannot be sent both."""
        if self.file.s_slot is not None:
            return f"MCUboot for S{self.file.s_slot}"
        return _NETWORK_CORE if is_for_network_core(self.file) else "application"


def updates_in(build: Build, target: PackageTarget) -> tuple[Path, ...]:
    """The packages of a build; for what it packed nothing, its signed images.

    Raises `PackageError` where two could be meant, or where there is none.
    """
    found: list[Path] = []
    missing: list[PackageKind] = []
    packages = build.files.packages
    for kind, name in PACKAGE_NAMES.items():
        if any(path.name == name for path in packages):
            found.append(only_one(build, packages, name))
        else:
            missing.append(kind)
    if missing:
        images = _distinct_images(build, target)
        found += [one.path for one in images if one.package.kind in missing]
    if not found and build.mcuboot is not None:
        raise not_complete(build, "no dfu_application.zip and no signed image")
    if not found:
        raise PackageError(
            "The build holds no update: no dfu_application.zip, no dfu_mcuboot.zip and no signed "
            "image.",
            where=str(build.files.folder),
            next_step="Build with MCUboot (sysbuild: SB_CONFIG_BOOTLOADER_MCUBOOT=y; before NCS "
            "2.7: CONFIG_BOOTLOADER_MCUBOOT=y).",
        )
    return tuple(found)


def require_update_file(path: Path) -> None:
    """Raise `PackageError` for a file that is flashed or debugged, and never sent."""
    kind = kind_of_file(path)
    if kind not in (HEX_FILE, ELF_FILE):
        return
    build = build_around(path)
    names = tuple(PACKAGE_NAMES.values())
    packages = [] if build is None else [p for p in build.files.packages if p.name in names]
    raise PackageError(
        f"The update is {kind}, which a probe can flash and no board takes over the air.",
        where=str(path),
        next_step=f"Give {' or '.join(map(str, packages or names))}, or a signed .bin. A hex file "
        "is for --baseline (pytest) and --installed (preflight).",
    )


def read_image(path: Path, target: PackageTarget) -> GivenImage:
    """One signed image. Raises `PackageError`."""
    return GivenImage(path, read_single_image(path, target))


def pack_images(images: Sequence[GivenImage], folder: Path) -> dict[Path, Path]:
    """Write packages in `folder` that hold these images, one for each kind of update.

    Returns each with the image that it is about, under which the user knows it.

    Raises `PackageError` where two images are for one place.
    """
    _require_one_for_each_place(images)
    packed: dict[Path, Path] = {}
    for kind, name in PACKAGE_NAMES.items():
        own = [one for one in images if one.package.kind is kind]
        if own:
            entries = [PackageEntry(one.path.name, one.file.data, _keys(one)) for one in own]
            write_package(folder / name, entries, name="given images", format_version=1)
            main = [one for one in own if one.place != _NETWORK_CORE]
            packed[folder / name] = (main or own)[0].path
    return packed


def _keys(image: GivenImage) -> dict[str, JsonValue]:
    if image.place == _NETWORK_CORE:
        return {"image_index": str(_NETWORK_IMAGE_INDEX)}
    return {}


def _require_one_for_each_place(images: Iterable[GivenImage]) -> None:
    places: dict[str, Path] = {}
    for one in images:
        if one.place in places:
            raise PackageError(
                f"Two images are for the same place, {one.place}: {places[one.place]} and "
                f"{one.path}.",
                where=str(one.path),
                next_step="Give one.",
            )
        places[one.place] = one.path


def _distinct_images(build: Build, target: PackageTarget) -> tuple[GivenImage, ...]:
    """One file of each image of the build; a build keeps the same image under several names."""
    images: dict[bytes, GivenImage] = {}
    for path in build.files.bins:
        if path.name.endswith(_NOT_FOR_UPDATES) or path.name == "dfu_multi_image.bin":
            continue
        try:
            image = read_image(path, target)
        except PackageError:
            continue  # signed for NSIB alone, such as signed_by_b0_mcuboot.bin
        images.setdefault(image.file.image.hash or image.file.data, image)
    found = tuple(images.values())
    _require_one_for_each_place(found)
    return found
