"""Resign whole files: a DFU package, a single update image, the packages of a build folder."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.build import Build, read_build
from pytest_nrf_fota.builds.hex_choice import only_one
from pytest_nrf_fota.builds.one_build import require_updatable
from pytest_nrf_fota.builds.update_choice import updates_in
from pytest_nrf_fota.errors import InputError, PackageError
from pytest_nrf_fota.firmware.dfu_package import (
    LARGEST_ENTRY_BYTES,
    MANIFEST_NAME,
    ForeignPackageError,
    package_target,
    parse_manifest_json,
    read_entries,
    read_package,
)
from pytest_nrf_fota.firmware.given_file import read_at_most, require_file
from pytest_nrf_fota.firmware.multi_image import multi_image_refusal
from pytest_nrf_fota.firmware.other_soc import sign_of_other_soc
from pytest_nrf_fota.firmware.resign import (
    NewNumbers,
    ResignedImage,
    SigningKeys,
    holds_fw_info,
    no_fw_info,
    resign_image,
)

_REWRITABLE_PACKAGES = ("dfu_application.zip", "dfu_mcuboot.zip")
_ZIP_START = b"PK"


@dataclass(frozen=True)
class ResignedFile:
    """One file that was written, and its images."""

    path: Path
    images: tuple[ResignedImage, ...]


def resign_path(
    source: Path, output: Path, numbers: NewNumbers, keys: SigningKeys, board: BoardType
) -> tuple[ResignedFile, ...]:
    """Write the next version of `source` to `output`, in the same container.

    A build folder gives a folder with its packages, or with its signed images where it packs none.
    Nothing is written where anything is refused.

    Raises:
        PackageError: the input cannot be used.
        InputError: a key or a number does not fit.
    """
    if output.resolve() == source.resolve():
        raise InputError(
            "The output is the input.",
            where=str(output),
            next_step="Give another --output; the build's own file stays as it is.",
        )
    if source.is_dir():
        return _resign_build(source, output, numbers, keys, board)
    if output.is_dir():
        raise InputError(
            "The output is a folder, the input a file.",
            where=str(output),
            next_step=f"Give a file name: --output {output / source.name}",
        )
    require_file(source, "The file")
    with source.open("rb") as stream:
        start = stream.read(len(_ZIP_START))
    if source.suffix.lower() == ".zip" or start == _ZIP_START:
        return (_resign_package(source, output, numbers, keys, board),)
    return (_resign_bin(source, output, numbers, keys, board),)


def _resign_build(
    folder: Path, output: Path, numbers: NewNumbers, keys: SigningKeys, board: BoardType
) -> tuple[ResignedFile, ...]:
    if output.exists() and not output.is_dir():
        raise InputError(
            "The output is a file, the input a build folder.",
            where=str(output),
            next_step="Give a folder, new or empty.",
        )
    build = read_build(folder)
    found = {path.name for path in build.files.packages}
    packages = [
        only_one(build, build.files.packages, name)
        for name in _REWRITABLE_PACKAGES
        if name in found
    ]
    images = () if packages else _images_of(build, board)
    contents = [data for path in packages for data in read_entries(path).values()]
    contents += [path.read_bytes() for path in images]
    if numbers.fw_info not in (None, "keep") and not _any_fw_info(contents):
        raise no_fw_info(str(folder))
    with tempfile.TemporaryDirectory(prefix="nrf-fota-") as scratch:
        done = [
            resign(path, Path(scratch) / path.name, numbers, keys, board, part_of_build=True)
            for resign, paths in ((_resign_package, packages), (_resign_bin, images))
            for path in paths
        ]
        output.mkdir(parents=True, exist_ok=True)
        return tuple(
            ResignedFile(
                Path(shutil.copy(one.path, output / one.path.name)),
                one.images,
            )
            for one in done
        )


def _images_of(build: Build, board: BoardType) -> tuple[Path, ...]:
    """The signed images of a build that packs none, as Zephyr without NCS does."""
    require_updatable(build)
    images = updates_in(build, package_target(board))
    names = [path.name for path in images]
    if len({*names}) < len(names):
        raise PackageError(
            f"The build has several signed images of one name: {' and '.join(map(str, images))}.",
            where=str(build.files.folder),
            next_step="Give one of them.",
        )
    return images


def _resign_package(
    source: Path,
    output: Path,
    numbers: NewNumbers,
    keys: SigningKeys,
    board: BoardType,
    part_of_build: bool = False,
) -> ResignedFile:
    package = read_package(source, package_target(board))
    entries = read_entries(source)
    if (
        not part_of_build
        and numbers.fw_info not in (None, "keep")
        and not _any_fw_info([file.data for file in package.files])
    ):
        raise no_fw_info(str(source))
    images = tuple(
        resign_image(file.data, file.name, f"{source}, {file.name}", numbers, keys, board)
        for file in package.files
    )
    manifest = _renewed_manifest(entries[MANIFEST_NAME], images)
    renewed = {one.name: one.data for one in images} | {MANIFEST_NAME: manifest}
    with _replacing(output) as unfinished:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(unfinished, "w") as new:
            for name, content in entries.items():
                new.writestr(_same_kind(old.getinfo(name)), renewed.get(name, content))
        _check_package(unfinished, images, board)
    return ResignedFile(output, images)


def _resign_bin(
    source: Path,
    output: Path,
    numbers: NewNumbers,
    keys: SigningKeys,
    board: BoardType,
    part_of_build: bool = False,
) -> ResignedFile:
    data = read_at_most(
        source,
        LARGEST_ENTRY_BYTES,
        why="no update image is that large",
        next_step="Give an update image: app_update.bin or signed_by_mcuboot_and_b0_*.bin.",
    )
    multi_image = multi_image_refusal(data, str(source))
    if multi_image is not None:
        raise multi_image
    if data.startswith(b":"):
        raise PackageError(
            "A hex file is for the probe, not for updates over the air.",
            where=str(source),
            next_step="Give dfu_mcuboot.zip, dfu_application.zip or a signed .bin of the build.",
        )
    if not part_of_build and numbers.fw_info not in (None, "keep") and not _any_fw_info([data]):
        raise no_fw_info(str(source))
    _require_same_soc(data, source, board)
    image = resign_image(data, source.name, str(source), numbers, keys, board)
    with _replacing(output) as unfinished:
        unfinished.write_bytes(image.data)
    return ResignedFile(output, (image,))


def _require_same_soc(data: bytes, source: Path, board: BoardType) -> None:
    sign = sign_of_other_soc(data, board.soc)
    if sign is not None:
        raise ForeignPackageError(
            f"{source.name!r} is for another SoC: {sign}, {board.name} is an {board.soc.title}.",
            where=str(source),
            next_step="Give an image of a build for this board, or the --board that it is for.",
        )


def _any_fw_info(files: Sequence[bytes]) -> bool:
    return any(holds_fw_info(data) for data in files)


def _renewed_manifest(raw: bytes, images: Sequence[ResignedImage]) -> bytes:
    manifest = parse_manifest_json(raw.decode("utf-8"))
    by_name = {image.name: image for image in images}
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), list):
        return raw
    files = [_renewed_entry(entry, by_name) for entry in _list(manifest["files"])]
    return json.dumps({**manifest, "files": files}, indent=4).encode()


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _renewed_entry(entry: JsonValue, images: dict[str, ResignedImage]) -> JsonValue:
    if not isinstance(entry, dict):
        return entry
    image = images.get(str(entry.get("file")))
    if image is None:
        return entry
    renewed = dict(entry)
    if "size" in entry:
        renewed["size"] = len(image.data)
    if "version_MCUBOOT" in entry:
        version = image.new_version
        long_form = "+" in str(entry["version_MCUBOOT"])
        renewed["version_MCUBOOT"] = (
            f"{version.as_mcuboot_logs}+{version.build}" if long_form else str(version)
        )
    if "version_B0" in entry and image.new_fw_info is not None:
        text = isinstance(entry["version_B0"], str)
        renewed["version_B0"] = str(image.new_fw_info) if text else image.new_fw_info
    return renewed


def _same_kind(old: zipfile.ZipInfo) -> zipfile.ZipInfo:
    new = zipfile.ZipInfo(old.filename, old.date_time)
    new.compress_type = old.compress_type
    new.external_attr = old.external_attr
    return new


def _check_package(path: Path, images: Sequence[ResignedImage], board: BoardType) -> None:
    """Read what was written with the same checks that a test run makes."""
    written = {file.name: file for file in read_package(path, package_target(board)).files}
    for image in images:
        file = written[image.name]
        if file.data != image.data or file.image.version != image.new_version:
            raise PackageError(
                f"The package that was written does not hold {image.name} as it should.",
                where=str(path),
                next_step="Nothing was written. Is the disk full?",
            )


@contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    """A file beside `output` that takes its place when all went well."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".nrf-fota-") as folder:
        unfinished = Path(folder) / output.name
        yield unfinished
        unfinished.replace(output)
