"""MCUboot as NCS 2.3 builds it: decides, swaps, verifies, starts the application.

Flow of sdk-mcuboot v1.9.99-ncs4 boot/bootutil/src/loader.c (context_boot_go); log lines:
facts/dual-stage-boot.md, 4.4 and 4.5.
"""

import struct
from dataclasses import dataclass

from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey
from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType, decide_swap
from pytest_nrf_fota.sim.boot.image_check import (
    SlotCheck,
    SlotContent,
    check_slot,
    image_size_bytes,
    read_header,
)
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, StageEnd
from pytest_nrf_fota.sim.boot.swap_move import FRESH, SwapJob, SwapStatus, read_status, run_swap
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_swap_size,
    read_trailer,
    write_copy_done,
    write_image_ok,
)


@dataclass(frozen=True)
class McubootBuild:
    """How this MCUboot was built.

    Args:
        description: what it prints.
        keys: public keys compiled in; none means that it checks hashes only.
        other_s_slot: with NSIB, the S slot that it does not run from: primary slot of image 1.
        max_sectors: CONFIG_BOOT_MAX_IMG_SECTORS; 256 is the least that a 0xD8000 slot needs.
    """

    description: McubootDescription
    keys: tuple[PublicKey, ...]
    other_s_slot: FlashArea | None
    max_sectors: int = 256


@dataclass
class _Image:
    """One image pair during one boot."""

    number: int
    primary: FlashArea
    secondary: FlashArea
    swap_type: SwapType = SwapType.NONE
    unfinished: SwapStatus = FRESH
    trailer_in_primary: bool = False


def run_mcuboot(hardware: Hardware, build: McubootBuild, banner: str) -> StageEnd:
    """One run of MCUboot, from its banner to its jump."""
    return _Run(hardware, build).go(banner)


class _Run:
    """The state of one boot: what C keeps in `struct boot_loader_state`."""

    def __init__(self, hardware: Hardware, build: McubootBuild) -> None:
        self._hardware = hardware
        self._build = build
        secondary = hardware.secondary_area()
        self._images = [_Image(0, hardware.primary_area(), secondary)]
        if build.other_s_slot is not None:
            self._images.append(_Image(1, build.other_s_slot, secondary))

    def go(self, banner: str) -> StageEnd:
        if self._build.description.logs:
            self._hardware.print_line(banner)
        marker = self._build.description.marker
        self._log(f"I: Starting bootloader{' ' + marker if marker else ''}")
        for image in self._images:
            self._prepare(image)
        for image in self._images:
            self._perform(image)
        application = self._images[0]
        # Image 1 is a bootloader: NSIB verifies it, MCUboot does not (loader.c, PM_S1_ADDRESS).
        check = self._check(application.primary)
        if check.content is not SlotContent.VALID:
            if check.content is SlotContent.INVALID:
                self._log("E: Image in the primary slot is not valid!")
            self._log("E: Unable to find bootable image")
            return Halt(f"MCUboot found no bootable image: {check.reason}")
        header = read_header(application.primary)
        assert header is not None
        self._log(f"I: Bootloader chainload address offset: 0x{application.primary.address:x}")
        if self._build.description.logs:
            self._hardware.print_last_line("I: Jumping to the first image slot")
        return Jump(application.primary.address + header.header_size_bytes)

    def _prepare(self, image: _Image) -> None:
        swap_type = self._read_swap_source(image)
        if not image.unfinished.is_fresh:
            # v1.9.99-ncs4 itself cannot resume after a cut between the first erase of the second
            # half and its write: it misses the moved header (fixed in sdk-mcuboot by 74530753).
            # That defect is not imitated.
            for earlier in self._images[: image.number]:
                if earlier.swap_type is SwapType.REVERT:
                    earlier.swap_type = SwapType.NONE
            self._swap(image, swap_type, read_swap_size(image.primary), resumed=True)
            image.swap_type = SwapType.NONE
            return
        if image.number == 0 and read_header(image.primary) is None:
            self._log("W: Failed reading image headers; Image=0")
            return
        if swap_type is SwapType.NONE:
            image.swap_type = self._decide(image)
        elif self._secondary_is_valid(image):
            image.swap_type = swap_type
        else:
            image.swap_type = SwapType.FAIL
        if image.number > 0 and image.swap_type not in (SwapType.NONE, SwapType.REVERT):
            for earlier in self._images[: image.number]:
                if earlier.swap_type is SwapType.REVERT:
                    earlier.swap_type = SwapType.NONE

    def _read_swap_source(self, image: _Image) -> SwapType:
        """The swap type of the swap that the primary trailer describes, NONE without one."""
        primary = read_trailer(image.primary)
        secondary = read_trailer(image.secondary)
        self._log(f"I: Primary image: {primary.log_text}")
        self._log(f"I: Secondary image: {secondary.log_text}")
        if (
            primary.magic is Magic.GOOD
            and primary.copy_done is Flag.UNSET
            and secondary.magic is not Magic.GOOD
        ):
            self._log("I: Boot source: primary slot")
            image.trailer_in_primary = True
            image.unfinished = read_status(self._job(image))
            return SwapType(primary.swap_type) if primary.swap_type else SwapType.NONE
        self._log("I: Boot source: none")
        return SwapType.NONE

    def _decide(self, image: _Image) -> SwapType:
        header = read_header(image.secondary)
        if header is not None and self._build.other_s_slot is not None:
            (reset_vector,) = struct.unpack(
                "<I", image.secondary.read(header.header_size_bytes + 4, 4)
            )
            start = image.primary.address
            if not start <= reset_vector <= start + image.primary.size_bytes:
                # NCS patch: the image belongs to the other image pair; no line is printed.
                return SwapType.NONE
        swap_type = decide_swap(read_trailer(image.primary), read_trailer(image.secondary))
        self._log(f"I: Swap type: {swap_type.log_word}")
        if swap_type.is_upgrade and not self._secondary_is_valid(image):
            return SwapType.NONE
        return swap_type

    def _secondary_is_valid(self, image: _Image) -> bool:
        check = self._check(image.secondary)
        match check.content:
            case SlotContent.VALID:
                return True
            case SlotContent.NO_IMAGE:
                # A trailer without an image would block later uploads, so it goes.
                erase_trailer_sectors(image.secondary, self._build.max_sectors)
                return False
            case SlotContent.INVALID:
                image.secondary.erase_all()
                self._log("E: Image in the secondary slot is not valid!")
                return False

    def _check(self, area: FlashArea) -> SlotCheck:
        return check_slot(area, self._build.keys, self._build.max_sectors)

    def _perform(self, image: _Image) -> None:
        match image.swap_type:
            case SwapType.NONE:
                pass
            case SwapType.TEST | SwapType.PERM | SwapType.REVERT:
                size_bytes = max(image_size_bytes(image.primary), image_size_bytes(image.secondary))
                self._swap(image, image.swap_type, size_bytes, resumed=False)
            case SwapType.FAIL | SwapType.PANIC:
                _set_image_ok(image.primary)

    def _swap(self, image: _Image, swap_type: SwapType, size_bytes: int, *, resumed: bool) -> None:
        # With several images the status, its source included, is reset before each swap.
        trailer_in_primary = resumed or (len(self._images) == 1 and image.trailer_in_primary)
        status = image.unfinished if resumed else FRESH
        run_swap(
            self._job(image),
            status,
            size_bytes,
            swap_type,
            trailer_in_primary=trailer_in_primary,
        )
        if swap_type in (SwapType.REVERT, SwapType.PERM):
            _set_image_ok(image.primary)
        if swap_type.is_upgrade:
            write_copy_done(image.primary)

    def _job(self, image: _Image) -> SwapJob:
        return SwapJob(
            primary=image.primary,
            secondary=image.secondary,
            image_number=image.number,
            max_sectors=self._build.max_sectors,
            log=self._log,
        )

    def _log(self, line: str) -> None:
        if self._build.description.logs:
            self._hardware.print_line(line)


def _set_image_ok(area: FlashArea) -> None:
    if read_trailer(area).image_ok is Flag.UNSET:
        write_image_ok(area)
