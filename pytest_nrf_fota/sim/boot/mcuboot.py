"""One run of MCUboot as NCS builds it: decides, swaps, verifies, starts the application.

Flow of boot/bootutil/src/loader.c (context_boot_go) of sdk-mcuboot v1.9.99-ncs4 (NCS 2.3),
v2.0.99-ncs1 (2.6), v2.1.0-ncs3 (2.9) and v2.1.0-ncs5 (3.0); what differs between them is in
boards/ncs.py.
"""

from collections.abc import Sequence

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, NotAnImageError
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.dependencies import DependentImage, verify_dependencies
from pytest_nrf_fota.sim.boot.image_check import SlotContent, read_image
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Linkage, Role
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild, McubootSetup
from pytest_nrf_fota.sim.boot.network_core import NetworkCoreSilentError
from pytest_nrf_fota.sim.boot.performing import perform
from pytest_nrf_fota.sim.boot.preparing import prepare
from pytest_nrf_fota.sim.boot.reading_headers import read_headers
from pytest_nrf_fota.sim.boot.slot_validation import check_primary
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, StageEnd
from pytest_nrf_fota.sim.boot.unusable_secondary import SecondaryUses, clean_up_unusable_secondary
from pytest_nrf_fota.sim.flash import FlashArea


def run_mcuboot(hardware: Hardware, build: McubootBuild, profile: Release) -> StageEnd:
    """One run of MCUboot, from its banner to its jump or its reset of the board.

    A network core that never answers keeps MCUboot waiting.
    """
    network_pair = _network_pair(hardware, build, profile)
    linkage = _linkage(hardware, build, profile, has_network_pair=network_pair is not None)
    pairs = _image_pairs(hardware, build, linkage, network_pair)
    setup = McubootSetup(hardware, build, profile, linkage, number_of_images=len(pairs))
    try:
        return _boot(setup, pairs)
    except NetworkCoreSilentError as error:
        return Halt(str(error))


def _network_pair(
    hardware: Hardware, build: McubootBuild, profile: Release
) -> tuple[FlashArea, FlashArea] | None:
    if build.description.network_core != "multi":
        return None
    if build.other_s_slot is not None and not profile.network_pair_with_nsib:
        return None
    return hardware.network_pair()


def _linkage(
    hardware: Hardware, build: McubootBuild, profile: Release, *, has_network_pair: bool
) -> Linkage:
    network = None
    if hardware.network is not None and build.description.network_core != "none":
        network = hardware.network.map
    return Linkage(
        profile=profile,
        application=hardware.primary_area(),
        s_slots=None if build.other_s_slot is None else (hardware.s_area(0), hardware.s_area(1)),
        other_s_slot=build.other_s_slot,
        network=network,
        network_in_build=hardware.slots.network if hardware.slots.network_is_in_build else network,
        has_network_pair=has_network_pair,
    )


def _image_pairs(
    hardware: Hardware,
    build: McubootBuild,
    linkage: Linkage,
    network_pair: tuple[FlashArea, FlashArea] | None,
) -> list[ImagePair]:
    secondary = hardware.secondary_area()
    pairs = [ImagePair(0, hardware.primary_area(), secondary, Role.APPLICATION)]
    if network_pair is not None:
        pairs.append(ImagePair(1, *network_pair, Role.NETWORK))
    other, updates_itself = build.other_s_slot, build.description.updates_itself
    if other is not None and updates_itself and linkage.s_slot_has_its_own_pair:
        pairs.append(ImagePair(len(pairs), other, secondary, Role.BOOTLOADER))
    return pairs


def _boot(setup: McubootSetup, pairs: Sequence[ImagePair]) -> StageEnd:
    if setup.build.uses_scratch and setup.hardware.scratch_area() is None:
        return Halt("MCUboot swaps using scratch: the board file must name [slots.scratch]")
    _say_hello(setup)
    _prepare_all(setup, pairs)
    if len(pairs) > 1 and any(pair.swap_type.is_upgrade for pair in pairs):
        _verify_dependencies(pairs)
    for pair in pairs:
        end = perform(setup, pair)
        if end is not None:
            return end
    return _start(setup, pairs)


def _say_hello(setup: McubootSetup) -> None:
    for line in setup.profile.mcuboot_banner:
        setup.log(line)
    marker = setup.build.description.marker
    setup.log(f"I: Starting bootloader{' ' + marker if marker else ''}")


def _prepare_all(setup: McubootSetup, pairs: Sequence[ImagePair]) -> None:
    uses = SecondaryUses()
    for pair in pairs:
        prepare(setup, pair, pairs[: pair.number], uses)
    clean_up_unusable_secondary(setup, pairs, uses)


def _verify_dependencies(pairs: Sequence[ImagePair]) -> None:
    images = [
        DependentImage(
            swap_type=pair.swap_type,
            primary_version=pair.primary_header.version,
            update_version=pair.update_header.version,
            primary=_image_in(pair.primary),
            update=_image_in(pair.update),
        )
        for pair in pairs
    ]
    verify_dependencies(images)
    for pair, verified in zip(pairs, images, strict=True):
        pair.swap_type = verified.swap_type


def _image_in(area: FlashArea) -> McubootImage | None:
    try:
        return read_image(area)
    except NotAnImageError:
        return None


def _start(setup: McubootSetup, pairs: Sequence[ImagePair]) -> Jump | Halt:
    for pair in pairs:
        if pair.swap_type is not SwapType.NONE:
            moves = setup.build.description.swap == "move"
            follows_status = moves and setup.profile.final_headers_follow_status
            if not read_headers(setup, pair, setup.memory.status if follows_status else None):
                return _find_nothing(setup, "no header lies where the update left it")
        if pair.role is not Role.APPLICATION:
            # NSIB verifies MCUboot, b0n the network core's firmware.
            continue
        check = check_primary(setup, pair)
        if check.content is SlotContent.INVALID:
            setup.log("E: Image in the primary slot is not valid!")
        if check.content is not SlotContent.VALID:
            return _find_nothing(setup, check.reason)
    return _jump(setup, pairs[0])


def _find_nothing(setup: McubootSetup, reason: str) -> Halt:
    setup.log("E: Unable to find bootable image")
    return Halt(f"MCUboot found no bootable image: {reason}")


def _jump(setup: McubootSetup, application: ImagePair) -> Jump:
    header = application.primary_header
    # With NCS 2.6 and a network core pair, a MCUboot that was just copied is started at once,
    # and so is whatever the S0/S1 slot holds where the update for it is not even marked.
    started = application.copied_to or application.primary
    setup.log(f"I: Bootloader chainload address offset: 0x{started.address:x}")
    if setup.profile.prints_image_version:
        setup.log(f"I: Image version: v{header.version.as_mcuboot_logs}")
    if setup.prints:
        setup.hardware.print_last_line("I: Jumping to the first image slot")
    return Jump(started.address + header.header_size_bytes)
