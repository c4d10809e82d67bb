"""A board type as a build made it: what the build says of slots, bootloader and application."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from pytest_nrf_fota.boards.board import BoardType, BootSettings, Slot, Slots
from pytest_nrf_fota.boards.board_file import OwnSettings
from pytest_nrf_fota.boards.ncs import Release, release_of_sdk
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.builds.application_settings import (
    asked_pairing,
    has_bluetooth,
    has_flash_shell,
    has_shell,
)
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.own_update import has_no_pair_for_s_slot
from pytest_nrf_fota.builds.slots import slots_of, slots_table
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.dfu_package import ForeignPackageError
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.mcuboot_strings import release_that_built
from pytest_nrf_fota.wires.probe import Core

_SectionT = TypeVar("_SectionT", bound=BaseModel)


def fit_board(
    board: BoardType, build: Build, segments: Sequence[Segment], own: OwnSettings
) -> BoardType:
    """The board with the build's layout, bootloader mode and release, and its application's name,
    pairing and shell.

    What the user's board file names stays.

    Args:
        board: from its board file.
        build: what is flashed.
        segments: the data of its hex files.
        own: the keys that the user's board file names.

    Raises:
        PackageError: the build is for another SoC, or has no slots for updates.
        BoardFileError: the user's board file contradicts the build.
    """
    require_same_soc(board, build)
    slots = board.slots
    if build.layout is not None:
        found = slots_of(build.layout, board)
        _require_agreement(board, build, found, own)
        slots = _with_own(found, board.slots, own)
    return board.model_copy(
        update={
            "slots": slots,
            "boot": _boot(board, build, segments, own),
            "radio": _with(board.radio, _radio(build), own.radio),
            "console": _with(board.console, _console(build), own.console),
        }
    )


def require_same_soc(board: BoardType, build: Build, given: Path | None = None) -> None:
    """Raise `ForeignPackageError` for a build for another chip than the board's.

    Args:
        board: from its board file.
        build: the build.
        given: the file of it that the user gave, where that was not its folder.
    """
    strangers = [image for image in build.images if image.values and image.text("BOARD")]
    for image in strangers if board.soc.cores else ():
        if not image.is_for(board.soc):
            soc = image.text("SOC") or "another SoC"
            raise ForeignPackageError(
                f"The build is for {image.text('BOARD')} ({soc}), {board.name} is an "
                f"{board.soc.title}.",
                where=f"{given}, by {image.path} in the same build" if given else str(image.path),
                next_step="Give a build for this board, or the --board that it is for.",
            )


def _boot(
    board: BoardType, build: Build, segments: Sequence[Segment], own: OwnSettings
) -> BootSettings:
    mode = build.bootloader_mode
    if mode is not None and "bootloader_mode" in own.boot and mode != board.boot.bootloader_mode:
        assert build.mcuboot is not None
        raise BoardFileError(
            f"The board file has bootloader_mode = {board.boot.bootloader_mode!r}, the build's "
            f"MCUboot is {mode!r} ({build.files.name_of(build.mcuboot.path)}).",
            where=str(own.path),
            next_step=f"Correct it to {mode!r}, or leave it out: it is read from the build.",
        )
    takes_hashes = build.mcuboot.is_on("BOOT_SIGNATURE_TYPE_NONE") if build.mcuboot else None
    release = release_of(build, segments, board.soc)
    sectors = build.mcuboot.text("BOOT_MAX_IMG_SECTORS") if build.mcuboot else ""
    found = {
        "max_image_sectors": int(sectors) if sectors.isdecimal() and int(sectors) else None,
        "bootloader_mode": mode,
        "ncs": None if release is None else release.ncs,
        "checks_signature": None if takes_hashes is None else not takes_hashes,
        "rollback_protection": build.rollback_protection,
        "updates_mcuboot": False if has_no_pair_for_s_slot(build, release) else None,
    }
    return _with(board.boot, found, own.boot)


def release_of(build: Build, segments: Sequence[Segment], soc: Soc) -> Release | None:
    """The release that built the bootloaders; None where neither the build nor they tell."""
    if build.sdk_version is not None:
        return release_of_sdk(*build.sdk_version)
    by_path = None if build.sdk_in_path is None else release_of_sdk(*build.sdk_in_path)
    return release_in(segments, soc) or by_path


def release_in(segments: Sequence[Segment], soc: Soc) -> Release | None:
    """The release that the banners in these bytes show; None without one."""
    # The network core's firmware may be of another release than the bootloaders.
    own = (s.data for s in segments if soc.core_of(s.address) is Core.APPLICATION)
    found = (release_that_built(data) for data in own)
    return next((release for release in found if release is not None), None)


def _with(section: _SectionT, found: Mapping[str, object], named: frozenset[str]) -> _SectionT:
    update = {k: v for k, v in found.items() if v is not None and k not in named}
    return section.model_copy(update=update)


def _radio(build: Build) -> dict[str, object]:
    application = build.application
    if application is None:
        return {}
    asked = asked_pairing(application)
    if asked is None:
        return {"bluetooth": has_bluetooth(application)}
    return {
        "name": application.text("BT_DEVICE_NAME") or None,
        "pairing": asked.pairing,
        "private_address": application.is_on("BT_PRIVACY"),
    }


def _console(build: Build) -> dict[str, object]:
    application = build.application
    if application is None:
        return {}
    return {"shell": has_shell(application), "flash_shell": has_flash_shell(application)}


def _with_own(found: Slots, of_board: Slots, own: OwnSettings) -> Slots:
    named = {name: getattr(of_board, name) for name in own.slots}
    return found.model_copy(update=named)


def _require_agreement(board: BoardType, build: Build, found: Slots, own: OwnSettings) -> None:
    assert build.layout is not None
    source = build.files.name_of(build.layout.source)
    differences = list(_differences(board.slots, found, own.slots))
    if not differences:
        return
    lines = [
        f"    {name}: {_place(of_board)} in the board file, {_place(of_build)} in {source}"
        for name, of_board, of_build in differences
    ]
    raise BoardFileError(
        "The board file contradicts its build:\n" + "\n".join(lines),
        where=str(own.path),
        next_step="Leave these slots out of the board file: they are read from the build. Or write:"
        f"\n{slots_table(found)}",
    )


def _differences(
    of_board: Slots, found: Slots, names: frozenset[str]
) -> Iterator[tuple[str, Slot | int | None, Slot | int | None]]:
    for name in Slots.model_fields:
        if name not in names:
            continue
        wanted: Slot | int | None = getattr(of_board, name)
        actual: Slot | int | None = getattr(found, name)
        # A layout file may be silent about the network core, and about the devicetree's S0/S1
        # slots.
        is_silent = actual is None and name.startswith("network")
        if wanted != actual and not is_silent:
            yield name, wanted, actual


def _place(value: Slot | int | None) -> str:
    match value:
        case None:
            return "none"
        case int():
            return f"0x{value:x}"
        case Slot():
            return f"0x{value.address:x} with 0x{value.size:x} bytes"
