"""What is worth knowing about a build folder as a whole, in plain words."""

from collections.abc import Iterator, Sequence

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.names import is_same_board
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.hex_choice import hex_files_of
from pytest_nrf_fota.builds.kconfig import ImageKind, Kconfig
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.inspection.build_settings import image_name
from pytest_nrf_fota.inspection.contents import (
    BOOTLOADER_ROLES,
    Container,
    Contents,
    FoundFirmware,
    Remark,
    note,
    warning,
)
from pytest_nrf_fota.inspection.network_core import chip_has_network_core, on_build

# sdk-nrf: subsys/bootloader/Kconfig for child images, sysbuild/Kconfig.secureboot since NCS 2.7.
_NSIB_KEY_SETTINGS = ("CONFIG_SB_SIGNING_KEY_FILE", "SB_CONFIG_SECURE_BOOT_SIGNING_KEY_FILE")
_HOW_TO_GET_MCUBOOT = (
    "Build with MCUboot (sysbuild: SB_CONFIG_BOOTLOADER_MCUBOOT=y; before NCS 2.7: "
    "CONFIG_BOOTLOADER_MCUBOOT=y)."
)


def remarks_on_build(
    build: Build, files: Sequence[Contents], board: BoardType, *, takes_its_slots: bool
) -> Iterator[Remark]:
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
    yield from on_build(build, files, board)
    yield from _on_versions(files)


def without_mcuboot(build: Build) -> Remark:
    """What is said of a build whose application nothing can update, and of its files."""
    application = build.application
    sign = " (CONFIG_BOOTLOADER_MCUBOOT is off)" if application is not None else ""
    return warning(
        "MCUboot",
        f"There is no MCUboot in this build{sign}: its application cannot be updated over the air. "
        f"{_HOW_TO_GET_MCUBOOT}",
    )


def _on_completeness(build: Build) -> Iterator[Remark]:
    try:
        hex_files_of(build)
    except PackageError as error:
        yield warning("build", f"{error.what} {error.next_step}")
        return
    if not (build.has_no_mcuboot or build.files.packages or build.files.bins):
        yield warning(
            "build",
            "There is a hex file, and no update: no dfu_application.zip, no dfu_mcuboot.zip and no "
            "signed image. Run `west build` to its end; its output says what stopped it.",
        )


def _on_mcuboot(build: Build) -> Iterator[Remark]:
    if build.has_no_mcuboot:
        yield without_mcuboot(build)
        if build.layout is not None and build.files.main_partitions is None:
            yield note(
                "layout",
                "The slots are those that the board's devicetree has in every build; nothing uses "
                "them here.",
            )


def _on_keys(build: Build) -> Iterator[Remark]:
    for image in build.images:
        for name in _NSIB_KEY_SETTINGS:
            if image.values.get(name) == "":
                place = f"{image_name(image, name, build.files.folder)}, {name}"
                yield from _on_generated_key(build, image, place)


def _on_generated_key(build: Build, image: Kconfig, place: str) -> Iterator[Remark]:
    if _signs_for_nsib(image):
        yield warning(
            place,
            "Empty: NSIB's key is generated in the build folder, a pristine build makes another "
            "one, and kits refuse what that signs. Name a key file that you keep.",
        )
    elif _signs_for_b0n(image):
        what = (
            "Empty: the key that signs for b0n, the network core's bootloader, is generated in the "
            "build folder, and a pristine build makes another one."
        )
        b0n = build.image(ImageKind.NETWORK_BOOTLOADER)
        if b0n is not None and b0n.is_on("SB_VALIDATE_FW_HASH"):
            yield note(
                place,
                f"{what} That does no harm: this b0n checks the hash alone "
                "(CONFIG_SB_VALIDATE_FW_HASH).",
            )
        else:
            yield warning(
                place,
                f"{what} A b0n that checks signatures refuses what that signs. Name a key file "
                "that you keep.",
            )


def _signs_for_nsib(image: Kconfig) -> bool:
    if image.kind is ImageKind.SYSBUILD:
        return image.values.get("SB_CONFIG_SECURE_BOOT_APPCORE") == "y"
    return not image.is_for_network_core


def _signs_for_b0n(image: Kconfig) -> bool:
    if image.kind is ImageKind.SYSBUILD:
        return image.values.get("SB_CONFIG_SECURE_BOOT_NETCORE") == "y"
    return image.is_for_network_core


def _on_fw_info_numbers(build: Build) -> Iterator[Remark]:
    of_bootloader = build.mcuboot.text("FW_INFO_FIRMWARE_VERSION") if build.mcuboot else ""
    of_application = build.application.text("FW_INFO_FIRMWARE_VERSION") if build.application else ""
    if of_bootloader and of_application and of_bootloader != of_application:
        yield note(
            "application",
            f"CONFIG_FW_INFO_FIRMWARE_VERSION is {of_application} here and {of_bootloader} in "
            "mcuboot: what NSIB compares is mcuboot's.",
        )


def _on_board(build: Build, board: BoardType, takes_its_slots: bool) -> Iterator[Remark]:
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
        yield warning(
            place,
            f"{what}, and for another chip ({chip}). What is said here of memories and roles is "
            f"{board.name}'s, and a test run on it refuses this build.",
        )
        return
    slots = (
        "The slots are taken from the build"
        if takes_its_slots
        else f"What is said here of slots and roles is {board.name}'s and may not hold for it"
    )
    hint = (
        ""
        if build.has_no_mcuboot
        else f" For test runs make a board file of it: nrf-fota board-file {build.files.folder}"
    )
    yield warning(place, f"{what}. {slots}.{hint}")


def _is_of_board(config_board: str, board: BoardType) -> bool:
    """Whether a CONFIG_BOARD names the board, for either core; so does any where none is known."""
    known = (*board.manifest_boards, *board.platforms)
    return not known or any(
        is_same_board(config_board, known, is_for_network_core=is_network)
        for is_network in (False, True)
    )


def _on_slots(build: Build, board: BoardType) -> Iterator[Remark]:
    if build.layout is None:
        return
    slots = (
        ("s0", board.slots.s0),
        ("s1", board.slots.s1),
        ("mcuboot_primary", board.slots.primary),
    )
    if board.slots.s0 is not None and build.layout.find("s0") is None:
        yield note("layout", "The build has no S0 and S1, so no NSIB: MCUboot lies at 0.")
    for name, slot in slots:
        found = build.layout.find(name)
        if found is None or slot is None:
            continue
        if (found.address, found.size_bytes) != (slot.address, slot.size):
            yield note(
                "layout",
                f"{name} is {found.address:#x}, {found.size_bytes:#x} bytes, in board {board.name} "
                f"{slot.address:#x}, {slot.size:#x} bytes: the build's is taken.",
            )


def _on_versions(files: Sequence[Contents]) -> Iterator[Remark]:
    baseline = _bootloader_versions(files, Container.HEX)
    updates = _bootloader_versions(files, Container.PACKAGE)
    if baseline and updates and max(updates) <= max(baseline):
        yield note(
            "versions",
            f"The hex file and the update of MCUboot have fw_info version {max(baseline)} and "
            f"{max(updates)}: on a kit with this hex file NSIB keeps what it has. `nrf-fota "
            "resign` makes the next version of the update without a build.",
        )


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
