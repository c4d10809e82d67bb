"""MCUboot as NCS builds it: decides, swaps, verifies, starts the application.

Flow of boot/bootutil/src/loader.c (context_boot_go) of sdk-mcuboot v1.9.99-ncs4 (NCS 2.3),
v2.0.99-ncs1 (2.6), v2.1.0-ncs3 (2.9) and v2.1.0-ncs5 (3.0); what differs between them is in
sim/profile.py. Log lines: facts/dual-stage-boot.md, 4.4 and 4.5.
"""

import struct
from dataclasses import dataclass
from enum import Enum

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey
from pytest_nrf_fota.firmware.trailer import (
    SWAP_INFO_FROM_END_BYTES,
    Flag,
    Magic,
    SwapType,
    decide_swap,
)
from pytest_nrf_fota.sim.boot.image_check import (
    SlotCheck,
    SlotContent,
    check_slot,
    header_is_erased,
    image_size_bytes,
    read_header,
)
from pytest_nrf_fota.sim.boot.nsib_copy import copy_into_s_slot
from pytest_nrf_fota.sim.boot.overwrite import overwrite_primary
from pytest_nrf_fota.sim.boot.stage import BoardReset, Halt, Hardware, Jump, StageEnd
from pytest_nrf_fota.sim.boot.swap_move import FRESH, SwapJob, SwapStatus, read_status, run_swap
from pytest_nrf_fota.sim.boot.swap_offset import (
    OFFSET_FRESH,
    STATES,
    OffsetStatus,
    exchange,
    has_room,
    prepare_offset_swap,
    read_offset_status,
)
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.profile import Profile, SSlotUpdate
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    largest_image_bytes,
    read_swap_size,
    read_trailer,
    write_copy_done,
    write_image_ok,
)

# Where the version lies in an image header (facts/dual-stage-boot.md, 4.1).
VERSION_OFFSET_BYTES = 20


@dataclass(frozen=True)
class McubootBuild:
    """How this MCUboot was built.

    Args:
        description: what it prints, and its options.
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
    is_nsib_update: bool = False
    unfinished_offset: OffsetStatus = OFFSET_FRESH
    update_offset_bytes: int = 0

    @property
    def update(self) -> FlashArea:
        """The secondary slot from where the update begins."""
        start = self.update_offset_bytes
        return FlashArea(
            self.secondary.flash,
            self.secondary.name,
            self.secondary.address + start,
            self.secondary.size_bytes - start,
        )


class _SecondaryUse(Enum):
    """Whether an image pair wanted what the secondary slot holds (loader.c, sec_slot_...)."""

    EMPTY = "no image seen"
    UNWANTED = "an image that no pair took"
    TAKEN = "an image that a pair took"


def run_mcuboot(hardware: Hardware, build: McubootBuild, profile: Profile) -> StageEnd:
    """One run of MCUboot, from its banner to its jump or its reset of the board."""
    return _Run(hardware, build, profile).go()


class _Run:
    """The state of one boot: what C keeps in `struct boot_loader_state`."""

    def __init__(self, hardware: Hardware, build: McubootBuild, profile: Profile) -> None:
        self._hardware = hardware
        self._build = build
        self._profile = profile
        self._secondary_use = _SecondaryUse.EMPTY
        secondary = hardware.secondary_area()
        self._images = [_Image(0, hardware.primary_area(), secondary)]
        if build.other_s_slot is not None:
            self._images.append(_Image(1, build.other_s_slot, secondary))

    def go(self) -> StageEnd:
        for line in self._profile.mcuboot_banner:
            self._log(line)
        marker = self._build.description.marker
        self._log(f"I: Starting bootloader{' ' + marker if marker else ''}")
        for image in self._images:
            self._prepare(image)
        self._clean_up_unusable_secondary()
        for image in self._images:
            if self._perform(image) is not None:
                return BoardReset()
        application = self._images[0]
        if self._uses_offset and application.swap_type is not SwapType.NONE:
            self._find_update(application)
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
        if self._profile.prints_image_version:
            self._log(f"I: Image version: v{header.version.as_mcuboot_logs}")
        if self._build.description.logs:
            self._hardware.print_last_line("I: Jumping to the first image slot")
        return Jump(application.primary.address + header.header_size_bytes)

    @property
    def _overwrites(self) -> bool:
        return self._build.description.swap == "overwrite"

    @property
    def _uses_offset(self) -> bool:
        return self._build.description.swap == "offset"

    def _prepare(self, image: _Image) -> None:
        if self._overwrites:
            image.swap_type = self._decide(image)
            return
        if self._uses_offset:
            self._prepare_with_offset(image)
            return
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
        elif self._secondary_is_valid(image, swap_type):
            image.swap_type = swap_type
        else:
            image.swap_type = SwapType.FAIL
        if image.number > 0 and image.swap_type not in (SwapType.NONE, SwapType.REVERT):
            for earlier in self._images[: image.number]:
                if earlier.swap_type is SwapType.REVERT:
                    earlier.swap_type = SwapType.NONE

    def _prepare_with_offset(self, image: _Image) -> None:
        """As above; where headers are looked for, the swap type is asked for and its line printed.

        Compared with logs/real-m0-upgrade-test-confirm.log and real-m0-power-cut-resume.log.
        """
        self._find_update(image)
        if image.number > 0:
            # v2.1.0-ncs5 wants equal slots also of the S slot and the shared secondary slot.
            self._log("W: Cannot upgrade: not a compatible amount of sectors")
            return
        source_type = self._read_swap_source(image)
        is_known_revert = source_type is SwapType.REVERT
        if not image.unfinished_offset.is_fresh:
            for _ in () if is_known_revert else ("primary", "secondary"):
                self._say_swap_type(image)
            self._swap(image, source_type, read_swap_size(image.primary), resumed=True)
            if not is_known_revert and self._header_is_found_after_resuming(image):
                self._say_swap_type(image)
            return
        if not is_known_revert:
            self._say_swap_type(image)
        if read_header(image.primary) is None:
            self._log(f"W: Failed reading image headers; Image={image.number}")
            return
        self._find_update(image, is_known_revert=is_known_revert)
        if source_type is SwapType.NONE:
            image.swap_type = self._decide(image)
        # The first sector may hold the old image already: its header is no mistake of an upload.
        elif self._secondary_is_valid(image, SwapType.NONE):
            image.swap_type = source_type
        else:
            image.swap_type = SwapType.FAIL

    def _find_update(self, image: _Image, *, is_known_revert: bool = False) -> None:
        second_sector = image.secondary.page_size_bytes
        reverting = is_known_revert or self._say_swap_type(image) is SwapType.REVERT
        offset_bytes = 0 if reverting else second_sector
        if read_header(image.secondary, offset_bytes) is None:
            reverting = self._say_swap_type(image) is SwapType.REVERT
            offset_bytes = second_sector if reverting else 0
        image.update_offset_bytes = offset_bytes

    def _header_is_found_after_resuming(self, image: _Image) -> bool:
        if self._say_swap_type(image) is SwapType.REVERT:
            return read_header(image.secondary, image.secondary.page_size_bytes) is not None
        return read_header(image.primary) is not None

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
            if self._uses_offset:
                image.unfinished_offset = read_offset_status(self._job(image))
            else:
                image.unfinished = read_status(self._job(image))
            return SwapType(primary.swap_type) if primary.swap_type else SwapType.NONE
        self._log("I: Boot source: none")
        return SwapType.NONE

    def _decide(self, image: _Image) -> SwapType:
        header = read_header(image.update)
        if header is not None and self._build.other_s_slot is not None:
            (reset_vector,) = struct.unpack(
                "<I", image.update.read(header.header_size_bytes + 4, 4)
            )
            belonging = self._belonging(image, reset_vector, self._build.other_s_slot)
            if self._secondary_use is _SecondaryUse.EMPTY:
                self._secondary_use = _SecondaryUse.UNWANTED
            match belonging:
                case _Belonging.ELSEWHERE:
                    # NCS patch: the image belongs to the other image pair; no line is printed.
                    return SwapType.NONE
                case _Belonging.RUNNING_S_SLOT:
                    self._log("E: Image in slot is for wrong s0/s1 image")
                    image.secondary.erase_all()
                    if self._profile.wrong_variant_is_cleaned_up_at_once:
                        self._secondary_use = _SecondaryUse.EMPTY
                        self._say_cleaned_up(image)
                    return SwapType.FAIL
                case _Belonging.HERE:
                    self._secondary_use = _SecondaryUse.TAKEN
                    image.is_nsib_update = image.number == 1
                case _:
                    assert_never(belonging)
        swap_type = self._say_swap_type(image)
        if swap_type.is_upgrade and not self._secondary_is_valid(image, swap_type):
            return SwapType.NONE
        return swap_type

    def _belonging(self, image: _Image, reset_vector: int, other_s_slot: FlashArea) -> "_Belonging":
        if _lies_in(reset_vector, image.primary):
            return _Belonging.HERE
        if self._profile.s_slot_update is SSlotUpdate.NSIB_COPY and any(
            _lies_in(reset_vector, area)
            for area in (self._hardware.s_area(0), self._hardware.s_area(1))
            if area.address != other_s_slot.address
        ):
            return _Belonging.RUNNING_S_SLOT
        return _Belonging.ELSEWHERE

    def _say_swap_type(self, image: _Image) -> SwapType:
        swap_type = decide_swap(
            read_trailer(image.primary),
            read_trailer(image.secondary),
            reverts_over_any_magic=self._profile.reverts_over_any_magic,
            uses_offset=self._uses_offset,
        )
        self._log(f"I: {self._profile.swap_type_line(image.number, swap_type.log_word)}")
        return swap_type

    def _clean_up_unusable_secondary(self) -> None:
        if (
            self._profile.cleaned_up_line is None
            or not self._build.description.cleans_up_unusable_secondary
            or self._secondary_use is not _SecondaryUse.UNWANTED
        ):
            return
        counted = self._images if self._profile.clean_up_counts_each_image else self._images[:1]
        for image in counted:
            image.secondary.erase_all()
            self._say_cleaned_up(image)

    def _say_cleaned_up(self, image: _Image) -> None:
        line = self._profile.cleaned_up_line
        if line is not None:
            self._log(f"E: {line.format(image=image.number)}")

    def _secondary_is_valid(self, image: _Image, swap_type: SwapType) -> bool:
        if self._overwrites and self._is_insufficient_version(image):
            self._log("E: insufficient version in secondary slot")
            image.secondary.erase_all()
            return False
        check = self._check(image.update)
        if (
            self._uses_offset
            and check.content is not SlotContent.NO_IMAGE
            and swap_type in (SwapType.TEST, SwapType.PERM)
            and read_header(image.secondary) is not None
        ):
            self._log("E: Secondary header magic detected in first sector, wrong upload address?")
            check = SlotCheck(SlotContent.INVALID, "the update does not begin at sector 1")
        match check.content:
            case SlotContent.VALID:
                return True
            case SlotContent.NO_IMAGE if self._overwrites:
                return False
            case SlotContent.NO_IMAGE:
                # A trailer without an image would block later uploads, so it goes.
                if self._uses_offset:
                    erase_trailer_sectors(image.secondary, self._build.max_sectors, STATES)
                    return False
                erase_trailer_sectors(image.secondary, self._build.max_sectors)
                if self._profile.clears_stuck_revert:
                    self._clear_stuck_revert(image)
                return False
            case SlotContent.INVALID:
                image.secondary.erase_all()
                self._log("E: Image in the secondary slot is not valid!")
                return False

    def _clear_stuck_revert(self, image: _Image) -> None:
        # Asking for the swap type prints its line once more.
        if self._say_swap_type(image) is SwapType.REVERT:
            erase_trailer_sectors(image.primary, self._build.max_sectors)
            self._log(f"I: Cleared image {image.number} primary slot trailer due to stuck revert")

    def _is_insufficient_version(self, image: _Image) -> bool:
        return (
            self._build.description.downgrade_prevention
            and not header_is_erased(image.secondary)
            and not header_is_erased(image.primary)
            and _version_fields(image.secondary) < _version_fields(image.primary)
        )

    def _check(self, area: FlashArea) -> SlotCheck:
        if self._overwrites:
            limit_bytes = area.size_bytes - SWAP_INFO_FROM_END_BYTES
        elif self._uses_offset:
            limit_bytes = largest_image_bytes(area, self._build.max_sectors, STATES)
        else:
            limit_bytes = largest_image_bytes(area, self._build.max_sectors)
        return check_slot(area, self._build.keys, limit_bytes)

    def _perform(self, image: _Image) -> BoardReset | None:
        match image.swap_type:
            case SwapType.NONE:
                pass
            case SwapType.TEST | SwapType.PERM | SwapType.REVERT if self._overwrites:
                overwrite_primary(
                    self._job(image),
                    image_size_bytes(image.secondary),
                    names_image=self._profile.overwrite_names_image,
                )
            case SwapType.TEST | SwapType.PERM | SwapType.REVERT:
                if self._is_prevented_downgrade(image):
                    image.secondary.erase_all()
                    self._log(f"I: {self._profile.downgrade_line(image.number)}")
                    image.swap_type = SwapType.NONE
                    return None
                if image.is_nsib_update and (self._profile.s_slot_update is SSlotUpdate.NSIB_COPY):
                    copy_into_s_slot(self._job(image))
                    return BoardReset()
                size_bytes = max(image_size_bytes(image.primary), image_size_bytes(image.update))
                self._swap(image, image.swap_type, size_bytes, resumed=False)
            case SwapType.FAIL | SwapType.PANIC:
                if not self._overwrites:
                    _set_image_ok(image.primary)
        return None

    def _is_prevented_downgrade(self, image: _Image) -> bool:
        if not self._build.description.downgrade_prevention:
            return False
        match image.swap_type:
            case SwapType.TEST:
                checked = True
            case SwapType.PERM:
                checked = self._profile.downgrade_checks_permanent
            case _:
                checked = False
        if image.is_nsib_update and self._profile.s_slot_update is SSlotUpdate.NSIB_COPY:
            checked = False  # left to NSIB
        return checked and _version_fields(image.update) < _version_fields(image.primary)

    def _swap(self, image: _Image, swap_type: SwapType, size_bytes: int, *, resumed: bool) -> None:
        # With several images the status, its source included, is reset before each swap.
        trailer_in_primary = resumed or (len(self._images) == 1 and image.trailer_in_primary)
        if self._uses_offset:
            status = image.unfinished_offset if resumed else OFFSET_FRESH
            self._run_offset_swap(
                image, status, size_bytes, swap_type, trailer_in_primary=trailer_in_primary
            )
        else:
            run_swap(
                self._job(image),
                image.unfinished if resumed else FRESH,
                size_bytes,
                swap_type,
                trailer_in_primary=trailer_in_primary,
            )
        if swap_type in (SwapType.REVERT, SwapType.PERM):
            _set_image_ok(image.primary)
        if swap_type.is_upgrade:
            write_copy_done(image.primary)

    def _run_offset_swap(
        self,
        image: _Image,
        status: OffsetStatus,
        size_bytes: int,
        swap_type: SwapType,
        *,
        trailer_in_primary: bool,
    ) -> None:
        job = self._job(image)
        self._log("I: Starting swap using offset algorithm.")
        if status.is_fresh and not has_room(job, size_bytes):
            return
        if status.done_sectors == 0:
            prepare_offset_swap(job, size_bytes, swap_type, trailer_in_primary=trailer_in_primary)
        reverting = swap_type is SwapType.REVERT or self._say_swap_type(image) is SwapType.REVERT
        exchange(job, status, size_bytes, reverting=reverting)

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


class _Belonging(Enum):
    """For whom the image in the secondary slot was linked, seen from one image pair."""

    HERE = "this pair's primary slot"
    RUNNING_S_SLOT = "the S slot that MCUboot runs from"
    ELSEWHERE = "anything else"


def _lies_in(address: int, area: FlashArea) -> bool:
    # loader.c counts the address behind the last byte as inside.
    return area.address <= address <= area.address + area.size_bytes


def _version_fields(area: FlashArea) -> tuple[int, int, int]:
    """Major, minor, revision where a header has them, whatever lies there.

    loader.c (boot_version_cmp) leaves the build number out. An S slot that was programmed over
    SWD has no MCUboot header: its erased bytes are a version that nothing exceeds.
    """
    major, minor, revision = struct.unpack("<BBH", area.read(VERSION_OFFSET_BYTES, 4))
    return major, minor, revision


def _set_image_ok(area: FlashArea) -> None:
    if read_trailer(area).image_ok is Flag.UNSET:
        write_image_ok(area)
