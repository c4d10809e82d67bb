"""What is worth knowing about a build folder as a whole, in plain words."""

from collections.abc import Iterator, Sequence

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.names import is_same_board
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.fitted_board import release_of
from pytest_nrf_fota.builds.hex_choice import hex_files_of
from pytest_nrf_fota.builds.kconfig import ImageKind, Kconfig
from pytest_nrf_fota.builds.own_update import has_no_pair_for_s_slot, is_taken_for_network_core
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.inspection.build_settings import image_name
from pytest_nrf_fota.inspection.contents import (
    BOOTLOADER_ROLES,
    Container,
    Contents,
    FoundFirmware,
)
from pytest_nrf_fota.inspection.network_core import chip_has_network_core, on_build
from pytest_nrf_fota.inspection.remark import remark

# sdk-nrf: subsys/bootloader/Kconfig for child images, sysbuild/Kconfig.secureboot since NCS 2.7.
_NSIB_KEY_SETTINGS = ("CONFIG_SB_SIGNING_KEY_FILE", "SB_CONFIG_SECURE_BOOT_SIGNING_KEY_FILE")


def remarks_on_build(
    build: Build, files: Sequence[Contents], board: BoardType, *, takes_its_slots: bool
) -> Iterator[Finding]:
    """All that the build says of itself.

    Args:
        build: the folder.
        files: what was found in its hex files and packages.
        board: from its board file, as it was given.
        takes_its_slots: whether the build's slots are those of what is shown.
    """
    yield from _on_completeness(build)
    yield from _on_mcuboot(build)
    yield from _on_keys(build)
    yield from _on_fw_info_numbers(build)
    yield from _on_board(build, board, takes_its_slots)
    if takes_its_slots:
        yield from _on_slots(build, board)
        yield from _on_own_update(build, board)
    yield from on_build(build, files, board)
    yield from _on_versions(files)


def without_mcuboot(build: Build) -> Finding:
    """What is said of a build whose application nothing can update, and of its files."""
    application = build.application
    sign = " (CONFIG_BOOTLOADER_MCUBOOT is off)" if application is not None else ""
    return remark("no_mcuboot", "MCUboot", sign=sign)


def _on_completeness(build: Build) -> Iterator[Finding]:
    try:
        hex_files_of(build)
    except PackageError as error:
        yield remark("build_incomplete", "build", what=error.what, next_step=error.next_step)
        return
    if not (build.has_no_mcuboot or build.files.packages or build.files.bins):
        yield remark("build_without_update", "build")


def _on_mcuboot(build: Build) -> Iterator[Finding]:
    if build.has_no_mcuboot:
        yield without_mcuboot(build)
        if build.layout is not None and build.files.main_partitions is None:
            yield remark("slots_unused", "layout")


def _on_keys(build: Build) -> Iterator[Finding]:
    for image in build.images:
        for name in _NSIB_KEY_SETTINGS:
            if image.values.get(name) == "":
                place = f"{image_name(image, name, build.files.folder)}, {name}"
                yield from _on_generated_key(build, image, place)


def _on_generated_key(build: Build, image: Kconfig, place: str) -> Iterator[Finding]:
    if _signs_for_nsib(image):
        yield remark("nsib_key_generated", place)
    elif _signs_for_b0n(image):
        b0n = build.image(ImageKind.NETWORK_BOOTLOADER)
        is_unchecked = b0n is not None and b0n.is_on("SB_VALIDATE_FW_HASH")
        yield remark("b0n_key_not_checked" if is_unchecked else "b0n_key_generated", place)


def _signs_for_nsib(image: Kconfig) -> bool:
    if image.kind is ImageKind.SYSBUILD:
        return image.values.get("SB_CONFIG_SECURE_BOOT_APPCORE") == "y"
    return not image.is_for_network_core


def _signs_for_b0n(image: Kconfig) -> bool:
    if image.kind is ImageKind.SYSBUILD:
        return image.values.get("SB_CONFIG_SECURE_BOOT_NETCORE") == "y"
    return image.is_for_network_core


def _on_fw_info_numbers(build: Build) -> Iterator[Finding]:
    of_bootloader = build.mcuboot.text("FW_INFO_FIRMWARE_VERSION") if build.mcuboot else ""
    of_application = build.application.text("FW_INFO_FIRMWARE_VERSION") if build.application else ""
    if of_bootloader and of_application and of_bootloader != of_application:
        numbers = {"application": of_application, "mcuboot": of_bootloader}
        yield remark("fw_info_versions_differ", "application", **numbers)


def _on_board(build: Build, board: BoardType, takes_its_slots: bool) -> Iterator[Finding]:
    strangers = [
        image
        for image in build.images
        if image.text("BOARD") and not _is_of_board(image.text("BOARD"), board)
    ]
    if not strangers:
        return
    names = ", ".join(dict.fromkeys(image.text("BOARD") for image in strangers))
    what = f"CONFIG_BOARD is {names}: this is a build for another board than {board.name}"
    place = ", ".join(image_name(one, "CONFIG_BOARD", build.files.folder) for one in strangers)
    if board.soc.network is not None and not chip_has_network_core(build):
        chip = strangers[0].text("SOC") or "another chip"
        values = {"what": what, "chip": chip, "board": board.name}
        yield remark("build_for_another_chip", place, **values)
        return
    slots = (
        "The slots are taken from the build"
        if takes_its_slots
        else f"What is said here of slots and roles is {board.name}'s and may not hold for it"
    )
    hint = (
        ""
        if build.has_no_mcuboot
        else f"For test runs make a board file of it: nrf-fota board-file {build.files.folder}"
    )
    yield remark("build_for_another_board", place, what=what, slots=slots, hint=hint)


def _is_of_board(config_board: str, board: BoardType) -> bool:
    """Whether a CONFIG_BOARD names the board, for either core; so does any where none is known."""
    known = (*board.manifest_boards, *board.platforms)
    return not known or any(
        is_same_board(config_board, known, is_for_network_core=is_network)
        for is_network in (False, True)
    )


def _on_slots(build: Build, board: BoardType) -> Iterator[Finding]:
    if build.layout is None:
        return
    slots = (
        ("s0", board.slots.s0),
        ("s1", board.slots.s1),
        ("mcuboot_primary", board.slots.primary),
    )
    if board.slots.s0 is not None and build.layout.find("s0") is None:
        yield remark("build_without_s_slots", "layout")
    for name, slot in slots:
        found = build.layout.find(name)
        if found is None or slot is None:
            continue
        if (found.address, found.size_bytes) != (slot.address, slot.size):
            places = {
                "found": f"{found.address:#x}, {found.size_bytes:#x} bytes",
                "slot": f"{slot.address:#x}, {slot.size:#x} bytes",
            }
            yield remark("slot_differs", "layout", name=name, board=board.name, **places)


def _on_own_update(build: Build, board: BoardType) -> Iterator[Finding]:
    """Of a MCUboot beside NSIB, which is to be updated through the other S slot."""
    if build.layout is None or build.layout.find("s0") is None:
        return
    try:
        segments = [one for path in hex_files_of(build) for one in read_hex(path)]
    except PackageError:
        return
    release = release_of(build, segments, board.soc)
    if has_no_pair_for_s_slot(build, release):
        yield remark("build_mcuboot_of_one_image", "MCUboot")
    elif is_taken_for_network_core(build, release):
        yield remark("build_mcuboot_refuses_itself", "MCUboot")


def _on_versions(files: Sequence[Contents]) -> Iterator[Finding]:
    baseline = _bootloader_versions(files, Container.HEX)
    updates = _bootloader_versions(files, Container.PACKAGE)
    if baseline and updates and max(updates) <= max(baseline):
        versions = {"baseline": max(baseline), "update": max(updates)}
        yield remark("nsib_version_not_raised", "versions", **versions)


def _bootloader_versions(files: Sequence[Contents], container: Container) -> list[int]:
    return [
        firmware.version
        for one in files
        if one.container is container
        for firmware in _bootloader_firmwares(one)
    ]


def _bootloader_firmwares(contents: Contents) -> Iterator[FoundFirmware]:
    inside = [image.firmware for image in contents.images if image.firmware is not None]
    for firmware in (*inside, *contents.firmwares):
        if firmware.role in BOOTLOADER_ROLES:
            yield firmware
