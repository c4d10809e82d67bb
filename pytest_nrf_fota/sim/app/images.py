"""The application's view of its image slots: state, upload, marking.

Semantics of Zephyr v3.2.99-ncs2 (facts/dual-stage-boot.md, 6.3 and 6.4; img_mgmt_state.c).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_nrf_fota.firmware.mcuboot_image import (
    FLAG_NON_BOOTABLE,
    IMAGE_MAGIC,
    ImageHeader,
    ImageVersion,
    McubootImage,
    NotAnImageError,
)
from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType, decide_swap
from pytest_nrf_fota.sim.flash import FlashArea, FlashError
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_trailer,
    schedule_swap,
    status_offset_bytes,
    write_image_ok,
)

SMALLEST_FIRST_DATA_BYTES = 32
HASH_BYTES = 32
EINVAL = -22


@dataclass(frozen=True)
class ImageResult:
    """How a request of the image group ended.

    `rc` is what SMP version 1 answers, `group_rc` what version 2 answers in `err`
    (facts/dual-stage-boot.md, 6.2). Which of the newer codes a refusal of 2.3 has there is
    inferred from the codes' names.
    """

    rc: int
    group_rc: int


DONE = ImageResult(0, 0)
BAD_HASH = ImageResult(3, 24)
HASH_NOT_FOUND = ImageResult(3, 8)
ALREADY_PENDING = ImageResult(6, 28)
CANNOT_PEND_RUNNING = ImageResult(1, 1)
MARK_NOT_WRITTEN = ImageResult(1, 12)
NO_SUCH_SLOT = ImageResult(1, 14)
SLOT_IN_USE = ImageResult(6, 9)
NO_FREE_SLOT = ImageResult(5, 9)
HEADER_MALFORMED = ImageResult(3, 22)
LENGTH_MISSING = ImageResult(3, 21)
MAGIC_MISMATCH = ImageResult(3, 23)
NOT_NEWER = ImageResult(6, 27)
ERASE_FAILED = ImageResult(1, 13)
WRITE_FAILED = ImageResult(1, 12)


@dataclass(frozen=True)
class ImageEntry:
    """One line of the image list."""

    slot: int
    version: ImageVersion
    hash: bytes
    bootable: bool
    pending: bool
    confirmed: bool
    active: bool
    permanent: bool


@dataclass
class _Upload:
    """The upload under way. `sha` names it, so that a client can resume."""

    size_bytes: int
    offset_bytes: int
    sha: bytes | None
    unaligned: bytes = b""


class ImageManager:
    """Slots 0 and 1 of image 0.

    Args:
        primary, secondary: the two slots.
        max_sectors: as MCUboot was built.
        log: called with function name and text for the image group's log lines.
        log_swap_type: called with the swap type's word for each query.
        log_error: called like `log` for the group's `<err>` lines; None for where `log` goes.
    """

    def __init__(
        self,
        primary: FlashArea,
        secondary: FlashArea,
        max_sectors: int,
        log: Callable[[str, str], None],
        log_swap_type: Callable[[str], None],
        log_error: Callable[[str, str], None] | None = None,
    ) -> None:
        self._slots = (primary, secondary)
        self._max_sectors = max_sectors
        self._log = log
        self._log_swap_type = log_swap_type
        self._log_error = log_error or log
        self._upload: _Upload | None = None

    @property
    def slots(self) -> tuple[FlashArea, FlashArea]:
        """Primary and secondary slot."""
        return self._slots

    @property
    def is_running_confirmed(self) -> bool:
        """Whether the running image stays; so too without a trailer (mcuboot.c)."""
        trailer = read_trailer(self._slots[0])
        return trailer.magic is not Magic.GOOD or trailer.image_ok is Flag.SET

    def query_swap_type(self) -> SwapType:
        """What the next boot will do; logged, like every such query."""
        return self._query_swap_type()

    def request_upgrade(self, *, permanent: bool) -> bool:
        """Mark whatever lies in the secondary slot (mcuboot.c, boot_request_upgrade).

        False where the mark cannot be written.
        """
        return schedule_swap(self._slots[1], permanent=permanent)

    def list_images(self) -> tuple[ImageEntry, ...]:
        """Slots that hold a header and a hash; each costs one query of the swap type."""
        entries: list[ImageEntry] = []
        for slot, area in enumerate(self._slots):
            image = _read_image(area)
            if image is None or image.hash is None:
                continue
            swap_type = self._query_swap_type()
            is_pending = slot == 1 and swap_type in (SwapType.TEST, SwapType.PERM)
            entries.append(
                ImageEntry(
                    slot=slot,
                    version=image.version,
                    hash=image.hash,
                    bootable=not image.header.flags & FLAG_NON_BOOTABLE,
                    pending=is_pending,
                    confirmed=_is_confirmed(slot, swap_type),
                    active=slot == 0,
                    permanent=is_pending and swap_type is SwapType.PERM,
                )
            )
        return tuple(entries)

    def set_state(self, image_hash: bytes | None, *, confirm: bool) -> ImageResult:
        """Mark an image for test or for good, or confirm the running one."""
        if image_hash is None:
            if not confirm:
                return BAD_HASH
            slot = 0
        elif len(image_hash) != HASH_BYTES:
            return BAD_HASH
        else:
            found = self._find(image_hash)
            if found is None:
                return HASH_NOT_FOUND
            slot = found
        if slot == 0 and confirm:
            return self._confirm_running()
        return self._set_pending(slot, permanent=confirm)

    def confirm_running(self) -> None:
        """What an application does that confirms itself: write image_ok where a test runs."""
        trailer = read_trailer(self._slots[0])
        if trailer.magic is Magic.GOOD and trailer.image_ok is Flag.UNSET:
            write_image_ok(self._slots[0])

    def erase_slot(self, slot: int) -> ImageResult:
        """Erase a slot that is not in use."""
        if slot not in (0, 1):
            return NO_SUCH_SLOT
        area = self._slots[slot]
        # Only a slot with an image is protected: leftovers of one can always be erased.
        if _read_image(area) is not None and self._is_in_use(slot):
            return SLOT_IN_USE
        if not area.is_erased(0, area.size_bytes):
            area.erase_all()
        self._upload = None
        return DONE

    def upload(
        self,
        offset_bytes: int,
        data: bytes,
        size_bytes: int | None,
        sha: bytes | None,
        *,
        only_newer: bool = False,
    ) -> tuple[ImageResult, int]:
        """Take one upload request. Returns the result and the offset that is wanted next."""
        if offset_bytes == 0:
            return self._begin_upload(data, size_bytes, sha, only_newer=only_newer)
        upload = self._upload
        if upload is None or offset_bytes != upload.offset_bytes:
            return DONE, upload.offset_bytes if upload else 0
        return self._store(upload, data)

    def _begin_upload(
        self, data: bytes, size_bytes: int | None, sha: bytes | None, *, only_newer: bool
    ) -> tuple[ImageResult, int]:
        if len(data) < SMALLEST_FIRST_DATA_BYTES:
            return HEADER_MALFORMED, 0
        if size_bytes is None or size_bytes < 0:
            return LENGTH_MISSING, 0
        if int.from_bytes(data[:4], "little") != IMAGE_MAGIC:
            return MAGIC_MISMATCH, 0
        if sha is not None and len(sha) > HASH_BYTES:
            return BAD_HASH, 0
        if self._upload is not None and sha and self._upload.sha == sha:
            return DONE, self._upload.offset_bytes
        # Both slots are asked whether they are free, which the log shows as a pair of lines.
        if self._is_in_use(0) and self._is_in_use(1):
            return NO_FREE_SLOT, 0
        if only_newer and not self._is_newer(ImageHeader.parse(data).version):
            return NOT_NEWER, 0
        self._upload = None
        try:
            self._make_room(size_bytes)
        except FlashError:
            return ERASE_FAILED, 0
        self._upload = _Upload(size_bytes, 0, sha)
        return self._store(self._upload, data)

    def _make_room(self, size_bytes: int) -> None:
        area = self._slots[1]
        if area.is_erased(0, area.size_bytes):
            return
        page = area.page_size_bytes
        erased_bytes = -(-size_bytes // page) * page
        function = "img_mgmt_erase_image_data"
        try:
            area.erase(0, erased_bytes)
        except FlashError:
            self._log_error(
                function, f"image slot erase of 0x{erased_bytes:x} bytes failed (err {EINVAL})"
            )
            raise
        self._log(function, f"Erased 0x{erased_bytes:x} bytes of image slot")
        trailer_start = status_offset_bytes(area, self._max_sectors) // page * page
        if trailer_start < erased_bytes:
            return
        trailer_bytes = area.size_bytes - trailer_start
        try:
            erase_trailer_sectors(area, self._max_sectors)
        except FlashError:
            self._log_error(
                function,
                f"image slot trailer erase of 0x{trailer_bytes:x} bytes failed (err {EINVAL})",
            )
            raise
        self._log(function, f"Erased 0x{trailer_bytes:x} bytes of image slot trailer")

    def _store(self, upload: _Upload, data: bytes) -> tuple[ImageResult, int]:
        area = self._slots[1]
        last = upload.offset_bytes + len(data) >= upload.size_bytes
        pending = upload.unaligned + data
        start = upload.offset_bytes - len(upload.unaligned)
        unit = area.write_size_bytes
        whole_bytes = len(pending) // unit * unit
        writable, upload.unaligned = pending[:whole_bytes], pending[whole_bytes:]
        if last and upload.unaligned:
            writable += upload.unaligned.ljust(unit, b"\xff")
            upload.unaligned = b""
        try:
            if writable:
                area.write(start, writable)
        except FlashError:
            # Nothing checks the size before: an image that is too large fails where the slot ends.
            self._upload = None
            return WRITE_FAILED, 0
        upload.offset_bytes += len(data)
        offset_bytes = upload.offset_bytes
        if last:
            self._upload = None
        return DONE, offset_bytes

    def _find(self, image_hash: bytes) -> int | None:
        for slot, area in enumerate(self._slots):
            image = _read_image(area)
            if image is not None and image.hash == image_hash:
                return slot
        return None

    def _set_pending(self, slot: int, *, permanent: bool) -> ImageResult:
        swap_type = self._query_swap_type()
        if slot == 0:
            return CANNOT_PEND_RUNNING
        if _is_confirmed(slot, swap_type):
            return ALREADY_PENDING
        return DONE if schedule_swap(self._slots[1], permanent=permanent) else MARK_NOT_WRITTEN

    def _confirm_running(self) -> ImageResult:
        self._query_swap_type()
        if self._query_swap_type() not in (SwapType.TEST, SwapType.PERM):
            self.confirm_running()
        # While another image is pending nothing is written, and the answer is still ok
        # (facts/dual-stage-boot.md, 6.3; zephyr issue 56720).
        return DONE

    def _is_in_use(self, slot: int) -> bool:
        swap_type = self._query_swap_type()
        if slot == 0:
            return True
        return swap_type in (SwapType.TEST, SwapType.PERM) or _is_confirmed(slot, swap_type)

    def _is_newer(self, version: ImageVersion) -> bool:
        running = _read_image(self._slots[0])
        if running is None:
            return False
        # The build number does not count (zephyr_img_mgmt.c, img_mgmt_vercmp).
        return replace(version, build=0) > replace(running.version, build=0)

    def _query_swap_type(self) -> SwapType:
        swap_type = decide_swap(*(read_trailer(area) for area in self._slots))
        self._log_swap_type(swap_type.log_word)
        return swap_type


def _is_confirmed(slot: int, swap_type: SwapType) -> bool:
    return (slot == 1) if swap_type is SwapType.REVERT else (slot == 0)


def _read_image(area: FlashArea) -> McubootImage | None:
    try:
        return McubootImage.parse(area.read(0, area.size_bytes))
    except NotAnImageError:
        return None
