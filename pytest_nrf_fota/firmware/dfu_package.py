"""DFU packages: `dfu_application.zip` and `dfu_mcuboot.zip` (sdk-nrf generate_zip.py)."""

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

import json5
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.names import is_same_board
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.fw_info import FwInfo
from pytest_nrf_fota.firmware.given_file import require_file
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, NotAnImageError
from pytest_nrf_fota.firmware.multi_image import multi_image_refusal
from pytest_nrf_fota.firmware.nrf5_sdk_package import NEXT_STEP, WHAT_IT_IS, is_nrf5_sdk_manifest
from pytest_nrf_fota.firmware.other_soc import sign_of_other_soc
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.firmware.s_slot import (
    fw_info_of,
    s_slot_of,
    s_slot_ranges,
    why_no_bootloader,
)
from pytest_nrf_fota.firmware.zip_refusal import zip_refusal

_LONGEST_JSON5_CHARS = 16_384
MANIFEST_NAME = "manifest.json"
LARGEST_MANIFEST_BYTES = 64 * 1024
LARGEST_ENTRY_BYTES = 16 * 1024 * 1024
LARGEST_PACKAGE_BYTES = 32 * 1024 * 1024
MOST_ENTRIES = 64
_ENCRYPTED_FLAG = 0x1
_OTHER_BUILD = "Give the package of a build for this board, or the --board that it is for."
# sdk-nrf, CONFIG_NRF53_MULTI_IMAGE_UPDATE: image 0 is the application, image 1 the network core.
_NETWORK_IMAGE = 1


class ForeignPackageError(PackageError):
    """A package, or the build that it comes from, is for another board."""


def _integer(value: object) -> object:
    # Nordic's scripts write some numbers as strings, in decimal or hex ("image_index": "0").
    if isinstance(value, str):
        return int(value, 0)
    return value


Integer = Annotated[int, BeforeValidator(_integer)]


class ManifestFile(BaseModel):
    """One entry of the manifest's `files`; keys that this project does not use are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    file: str
    size: Integer | None = None
    type: str = ""
    board: str = ""
    soc: str = ""
    load_address: Integer | None = None
    image_index: Integer | None = None
    slot: Integer | None = None
    version_mcuboot: str = Field(default="", alias="version_MCUBOOT")
    version_b0: str = Field(default="", alias="version_B0")


class Manifest(BaseModel):
    """`manifest.json` of format version 0 (to NCS 2.6) and 1 (since)."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    format_version: Integer = Field(default=0, alias="format-version")
    name: JsonValue = None
    files: tuple[ManifestFile, ...] = Field(min_length=1)


@dataclass(frozen=True)
class UpdateFile:
    """One firmware file of a package, with what its own bytes say.

    `s_slot` is 0 or 1 for an MCUboot that runs from S0 or S1, None for everything else;
    `fw_info` is NSIB's struct inside it. `soc` is that of the board that it is for.
    """

    name: str
    data: bytes
    image: McubootImage
    image_index: int
    s_slot: int | None
    fw_info: FwInfo | None
    soc: Soc


@dataclass(frozen=True)
class DfuPackage:
    """A package that was opened and checked."""

    path: Path
    kind: PackageKind
    manifest: Manifest
    files: tuple[UpdateFile, ...]


@dataclass(frozen=True)
class PackageTarget:
    """What a package must fit: names in the manifest, the chip, and where S0 and S1 lie.

    `board_name` is that of the board file.
    """

    board_name: str
    boards: tuple[str, ...]
    socs: tuple[str, ...]
    s_slot_ranges: tuple[range, ...]
    soc: Soc


def package_target(board: BoardType) -> PackageTarget:
    """What a DFU package for this board type must fit."""
    return PackageTarget(
        board_name=board.name,
        boards=board.manifest_boards,
        socs=board.manifest_socs,
        s_slot_ranges=s_slot_ranges(board),
        soc=board.soc,
    )


def is_for_network_core(file: UpdateFile) -> bool:
    """Whether the image runs on the network core, by its own reset vector.

    Where that cannot be read, as in an encrypted image, the manifest's number counts.
    """
    if not file.image.shows_its_code:
        return file.soc.network is not None and file.image_index == _NETWORK_IMAGE
    return file.soc.is_network_flash(file.image.reset_vector)


def read_package(path: Path, target: PackageTarget) -> DfuPackage:
    """Open a DFU zip, check it completely, and read its images.

    Raises `PackageError` for whatever is wrong with it; nothing is unpacked to disk.
    """
    entries = read_entries(path)
    manifest = read_manifest(path, entries)
    _check_target(path, manifest, target)
    files = tuple(_read_file(path, entry, entries, target) for entry in manifest.files)
    bootloaders = [file for file in files if file.s_slot is not None]
    if bootloaders and len(bootloaders) != len(files):
        raise PackageError(
            "The package mixes bootloader and application images.",
            where=str(path),
            next_step="Give dfu_mcuboot.zip or dfu_application.zip as the build made them.",
        )
    kind = PackageKind.MCUBOOT if bootloaders else PackageKind.APPLICATION
    if not bootloaders and any(file.type == PackageKind.MCUBOOT.value for file in manifest.files):
        if not target.s_slot_ranges:
            raise PackageError(
                "The package updates MCUboot, which this board cannot: it has no NSIB.",
                where=str(path),
                next_step="Send dfu_application.zip, or give a board with S0 and S1.",
            )
        why_not = "; ".join(
            f"{file.name} {why_no_bootloader(file.image, target.s_slot_ranges)}" for file in files
        )
        raise PackageError(
            "By its manifest the package updates MCUboot, but none of its images is a "
            f"MCUboot for S0 or S1: {why_not}.",
            where=str(path),
            next_step="Compare slots.s0 and slots.s1 of the board file with partitions.yml; was "
            "MCUboot built with NSIB (SB_CONFIG_SECURE_BOOT_APPCORE=y, CONFIG_SECURE_BOOT=y)?",
        )
    return DfuPackage(path, kind, manifest, files)


def read_single_image(path: Path, target: PackageTarget) -> DfuPackage:
    """One signed image as a package of its own, as if a manifest without details named it.

    Raises `PackageError`.
    """
    require_file(path, "The image")
    size_bytes = path.stat().st_size
    if size_bytes > LARGEST_ENTRY_BYTES:
        raise _package_error(
            path, f"The image has {size_bytes} bytes; {LARGEST_ENTRY_BYTES} are allowed."
        )
    manifest = Manifest(files=(ManifestFile(file=path.name),))
    file = _read_file(path, manifest.files[0], {path.name: path.read_bytes()}, target)
    if is_for_network_core(file):
        # As the manifest of a package with both cores' images numbers them.
        file = replace(file, image_index=_NETWORK_IMAGE)
    kind = PackageKind.APPLICATION if file.s_slot is None else PackageKind.MCUBOOT
    return DfuPackage(path, kind, manifest, (file,))


def read_entries(path: Path) -> dict[str, bytes]:
    """The content of each file in the zip. Raises `PackageError` for a hostile or broken one."""
    require_file(path, "The package")
    if path.stat().st_size > LARGEST_PACKAGE_BYTES:
        raise _package_error(
            path,
            f"The package has {path.stat().st_size} bytes; {LARGEST_PACKAGE_BYTES} are allowed.",
        )
    entries: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > MOST_ENTRIES:
                raise _package_error(path, f"The package has {len(infos)} entries.")
            for info in infos:
                # Not is_dir(): in older zipfile modules it fails for an entry without a name.
                if info.filename.endswith("/"):
                    continue
                _check_entry_name(path, info.filename)
                if info.filename in entries:
                    raise _package_error(path, f"The entry {info.filename!r} is there twice.")
                entries[info.filename] = _read_entry(path, archive, info)
                if sum(len(data) for data in entries.values()) > LARGEST_PACKAGE_BYTES:
                    raise _package_error(
                        path, f"The package holds more than {LARGEST_PACKAGE_BYTES} bytes."
                    )
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise zip_refusal(path, error) from error
    return entries


def _read_entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & _ENCRYPTED_FLAG:
        raise _package_error(path, f"The entry {info.filename!r} is encrypted.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _package_error(
            path, f"The entry {info.filename!r} is packed by method {info.compress_type}."
        )
    limit = LARGEST_MANIFEST_BYTES if info.filename == MANIFEST_NAME else LARGEST_ENTRY_BYTES
    # The header's size can lie, so the limit is kept while reading, too.
    with archive.open(info) as stream:
        data = stream.read(limit + 1)
    if info.file_size > limit or len(data) > limit:
        raise _package_error(
            path, f"The entry {info.filename!r} is larger than the {limit} bytes that are allowed."
        )
    return data


def _check_entry_name(path: Path, name: str) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name:
        raise _package_error(path, f"The entry {name!r} has an absolute or parent path.")


def read_manifest(path: Path, entries: dict[str, bytes]) -> Manifest:
    """The checked manifest among `entries`. Raises `PackageError`."""
    raw = entries.get(MANIFEST_NAME)
    if raw is None:
        raise PackageError(
            f"The package has no {MANIFEST_NAME}; it holds: "
            f"{', '.join(sorted(entries)) or 'nothing'}.",
            where=str(path),
            next_step="A DFU package made by the build has one; a plain .bin is no package.",
        )
    try:
        parsed = parse_manifest_json(raw.decode("utf-8"))
        if is_nrf5_sdk_manifest(parsed):
            raise PackageError(WHAT_IT_IS, where=f"{path}, {MANIFEST_NAME}", next_step=NEXT_STEP)
        return Manifest.model_validate(parsed)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in detail['loc']) or 'manifest'}: {detail['msg']}"
            for detail in error.errors()
        )
        raise PackageError(
            f"The manifest is not one of a DFU package: {problems}",
            where=f"{path}, {MANIFEST_NAME}",
            next_step="Use the package as the build made it.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise PackageError(
            f"The manifest is not valid JSON: {error}",
            where=f"{path}, {MANIFEST_NAME}",
            next_step="Use the package as the build made it.",
        ) from error


def parse_manifest_json(text: str) -> JsonValue:
    """The manifest as it is, all keys kept. Raises `ValueError` or `RecursionError`.

    Nordic's older scripts wrote bare hex numbers.
    """
    try:
        parsed: JsonValue = json.loads(text)
    except json.JSONDecodeError as strict_error:
        # JSON5 is read at 10 kB/s, and a manifest has two.
        if len(text) > _LONGEST_JSON5_CHARS:
            raise
        # Nordic's older scripts wrote bare hex numbers ("load_address":0x8000), which JSON5 knows.
        try:
            parsed = json5.loads(text)
        except ValueError:
            raise strict_error from None
    return parsed


def _check_target(path: Path, manifest: Manifest, target: PackageTarget) -> None:
    for entry in manifest.files:
        socs = target.socs
        if entry.image_index:
            socs += tuple(name.replace("CPUAPP", "CPUNET") for name in socs)
        is_other_soc = bool(socs) and entry.soc.lower() not in {name.lower() for name in socs}
        if entry.soc and is_other_soc and _family(entry.soc) not in map(_family, socs):
            raise ForeignPackageError(
                f"The package is for another SoC, {entry.soc!r} (board {entry.board!r}); "
                f"{target.board_name} has {' or '.join(socs)}.",
                where=f"{path}, {MANIFEST_NAME}, {entry.file}",
                next_step=_OTHER_BUILD,
            )
        if entry.board and target.boards and not _is_for(entry, target.boards):
            raise _foreign(path, entry, "board", entry.board, target, target.boards)
        if entry.soc and is_other_soc:
            raise _foreign(path, entry, "soc", entry.soc, target, socs)


def _family(soc: str) -> str:
    """`nrf5340` of `nRF5340_CPUAPP_QKAA`."""
    return soc.lower().partition("_")[0]


def _is_for(entry: ManifestFile, boards: Sequence[str]) -> bool:
    """Whether an entry names the board; images but the first may be for the network core."""
    return is_same_board(entry.board, boards) or (
        bool(entry.image_index) and is_same_board(entry.board, boards, is_for_network_core=True)
    )


def _foreign(
    path: Path,
    entry: ManifestFile,
    key: str,
    value: str,
    target: PackageTarget,
    known: Sequence[str],
) -> ForeignPackageError:
    return ForeignPackageError(
        f"The package is for {key} {value!r}, not for {target.board_name} ({', '.join(known)}).",
        where=f"{path}, {MANIFEST_NAME}, {entry.file}",
        next_step="Give the package of a build for this board, or another --board. Is it the same "
        f'hardware under a name of your own? Then write manifest_{key}s = ["{value}"] into a board '
        f'file of yours (base = "{target.board_name}"); `nrf-fota board-file BUILD` makes one.',
    )


def _read_file(
    path: Path, entry: ManifestFile, entries: dict[str, bytes], target: PackageTarget
) -> UpdateFile:
    _check_entry_name(path, entry.file)
    data = entries.get(entry.file)
    if data is None:
        raise PackageError(
            f"The manifest names {entry.file!r}, which is not in the package.",
            where=str(path),
            next_step=f"The package holds: {', '.join(sorted(entries))}. Build it again.",
        )
    if entry.size is not None and entry.size != len(data):
        raise PackageError(
            f"{entry.file!r} has {len(data)} bytes, the manifest has {entry.size}.",
            where=str(path),
            next_step="The package was changed after the build; build it again.",
        )
    multi_image = multi_image_refusal(data, str(path))
    if multi_image is not None:
        raise multi_image
    try:
        image = McubootImage.parse(data)
        s_slot = s_slot_of(image, target.s_slot_ranges)
    except NotAnImageError as error:
        raise PackageError(
            f"{entry.file!r} is not an MCUboot image: {error}",
            where=str(path),
            next_step="Update files are signed with imgtool; is this the unsigned binary?",
        ) from error
    sign = sign_of_other_soc(image.payload, target.soc)
    if sign is not None:
        raise ForeignPackageError(
            f"{entry.file!r} is for another SoC: {sign}, {target.board_name} is an "
            f"{target.soc.title}.",
            where=str(path),
            next_step=_OTHER_BUILD,
        )
    return UpdateFile(
        name=entry.file,
        data=data,
        image=image,
        image_index=entry.image_index or 0,
        s_slot=s_slot,
        fw_info=fw_info_of(image) if s_slot is not None else None,
        soc=target.soc,
    )


def _package_error(path: Path, what: str) -> PackageError:
    return PackageError(what, where=str(path), next_step="Use the package as the build made it.")
