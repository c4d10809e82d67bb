"""The application's view of its image slots: state, upload, setting pending.

Semantics of Zephyr v3.2.99-ncs2 (img_mgmt_state.c), and of
Zephyr since 3.5 for NCS 2.6 and later.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_nrf_fota.firmware.mcuboot_image import (
    FLAG_NON_BOOTABLE,
    HASH_TLVS,
    IMAGE_MAGIC,
    TLV_SHA256,
    ImageHeader,
    ImageVersion,
    McubootImage,
    NotAnImageError,
)
from pytest_nrf_fota.firmware.trailer import (
    COPY_DONE_FROM_END_BYTES,
    Flag,
    Magic,
    SwapType,
    decide_swap,
)
from pytest_nrf_fota.sim.app.image_result import (
    ALREADY_PENDING,
    BAD_HASH,
    BAD_PAGE_OFFSET,
    CANNOT_PEND_RUNNING,
    DATA_OVERRUN,
    DONE,
    ERASE_FAILED,
    HASH_NOT_FOUND,
    HEADER_MALFORMED,
    LENGTH_MISSING,
    MAGIC_MISMATCH,
    MARK_NOT_WRITTEN,
    NO_FREE_SLOT,
    NO_SUCH_SLOT,
    NOT_NEWER,
    OFFSET_MISSING,
    SLOT_IN_USE,
    TOO_LARGE,
    WRITE_FAILED,
    ImageResult,
)
from pytest_nrf_fota.sim.flash import FlashArea, FlashError
from pytest_nrf_fota.sim.trailer_area import (
    read_trailer,
    schedule_swap,
    write_image_ok,
)

SMALLEST_FIRST_DATA_BYTES = 32
# SHA-256, SHA-384, SHA-512: the server is built for the one that its MCUboot asks for.
HASH_SIZES_BYTES = (32, 48, 64)
# What names an upload is the client's own hash of the file (img_mgmt.h, IMG_MGMT_DATA_SHA_LEN).
LARGEST_UPLOAD_SHA_BYTES = 32
EINVAL = -22
# What boot_set_next returns for a bad trailer (sdk-mcuboot v2.1.0-ncs5 bootutil_public.h).
BOOT_EBADIMAGE = 3
_ADDRESS_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class ImageGroupBuild:
    """How the application's image group was built.

    Args:
        swap_using_offset: CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_USING_OFFSET: uploads are stored
            from the second sector of the secondary slot on, and its header is looked for there
            unless a test image runs (Zephyr's mcuboot.c, boot_get_image_start_offset; compared
            with a log of real MCUboot under QEMU, Zephyr 4.4. That the Zephyr 4.0.99 of
            NCS 3.0 does the same is inferred).
        asks_for_next_boot: marking follows the slot of the next boot, sizes are checked, and
            failures are logged, as since Zephyr 3.5 (img_mgmt_get_next_boot_slot, zephyr pull
            request 60905).
        reverts_over_any_magic: see `firmware.trailer.decide_swap`; bootutil is linked into the
            application as well.
        forgets_refused_upload: see `boards.ncs.Release`.
    """

    swap_using_offset: bool = False
    asks_for_next_boot: bool = False
    reverts_over_any_magic: bool = False
    forgets_refused_upload: bool = False


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
    """Slots 0 and 1 of one image.

    Args:
        primary, secondary: the two slots.
        build: how it was built.
        log: called with function name and text for the image group's log lines.
        log_swap_type: called with the swap type's word for each query.
        log_error: called like `log` for the group's `<err>` lines; None for where `log` goes.
    """

    def __init__(
        self,
        primary: FlashArea,
        secondary: FlashArea,
        build: ImageGroupBuild,
        log: Callable[[str, str], None],
        log_swap_type: Callable[[str], None],
        log_error: Callable[[str, str], None] | None = None,
    ) -> None:
        self._slots = (primary, secondary)
        self._build = build
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
        return trailer.magic is Magic.UNSET or trailer.image_ok is Flag.SET

    def query_swap_type(self) -> SwapType:
        """What the next boot will do; logged, like every such query."""
        return self._query_swap_type()

    def request_upgrade(self, *, permanent: bool) -> bool:
        """Set pending whatever lies in the secondary slot (mcuboot.c, boot_request_upgrade).

        False where that cannot be written.
        """
        return schedule_swap(self._slots[1], permanent=permanent)

    def image_start(self, slot: int) -> int:
        """Where in a slot its image is looked for, in bytes; may cost a query."""
        if slot == 0 or not self._build.swap_using_offset:
            return 0
        if self._query_swap_type() is SwapType.REVERT:
            return 0
        return self._slots[slot].page_size_bytes

    def list_images(self) -> tuple[ImageEntry, ...]:
        """Slots that hold a header and a hash.

        Costs one query of the swap type for each such slot, since Zephyr 3.5 one for all.
        """
        swap_type = self._query_swap_type() if self._build.asks_for_next_boot else None
        hash_kind = self._hash_kind()
        entries: list[ImageEntry] = []
        for slot in (0, 1):
            image = self._read_image(slot)
            image_hash = None if image is None else image.tlv(hash_kind)
            if image is None or image_hash is None:
                continue
            entries.append(_entry(slot, image, image_hash, swap_type or self._query_swap_type()))
        return tuple(entries)

    def set_state(self, image_hash: bytes | None, *, confirm: bool) -> ImageResult:
        """Set an image pending for test or permanently, or confirm the running one."""
        if image_hash is None:
            if not confirm:
                return BAD_HASH
            slot = 0
        elif len(image_hash) not in HASH_SIZES_BYTES:
            return BAD_HASH
        else:
            found = self._find(image_hash)
            if found is None:
                return HASH_NOT_FOUND
            slot = found
        if self._build.asks_for_next_boot:
            return self._set_next_boot(slot, confirm=confirm)
        if slot == 0 and confirm:
            return self._confirm_running()
        return self._set_pending(slot, permanent=confirm)

    def confirm_running(self) -> bool:
        """Write image_ok where a test runs: what an application does that confirms itself.

        False where the trailer's magic is bad (bootutil_public.c, boot_set_confirmed_multi).
        """
        trailer = read_trailer(self._slots[0])
        if trailer.magic is Magic.GOOD and trailer.image_ok is Flag.UNSET:
            write_image_ok(self._slots[0])
        return trailer.magic is not Magic.BAD

    def erase_slot(self, slot: int) -> ImageResult:
        """Erase a slot that is not in use."""
        if slot not in (0, 1):
            return NO_SUCH_SLOT
        area = self._slots[slot]
        # Only a slot with an image is protected: leftovers of one can always be erased.
        if self._read_image(slot) is not None and self._is_in_use(slot):
            return SLOT_IN_USE
        if not area.is_erased(0, area.size_bytes):
            area.erase_all()
        self._upload = None
        return DONE

    def is_uploading(self, sha: bytes | None) -> bool:
        """Whether an upload of that name is under way, so that it can be resumed."""
        return self._upload is not None and bool(sha) and self._upload.sha == sha

    def forget_upload(self) -> None:
        """Give up the upload under way; what was written stays."""
        self._upload = None

    def upload(
        self,
        offset_bytes: int | None,
        data: bytes,
        size_bytes: int | None,
        sha: bytes | None,
        *,
        only_newer: bool = False,
    ) -> tuple[ImageResult, int]:
        """Take one upload request. Returns the result and the offset that is wanted next."""
        if offset_bytes is None:
            return self.refuse_upload(OFFSET_MISSING), 0
        if offset_bytes == 0:
            return self._begin_upload(data, size_bytes, sha, only_newer=only_newer)
        upload = self._upload
        if upload is None or offset_bytes != upload.offset_bytes:
            return DONE, upload.offset_bytes if upload else 0
        if self._build.asks_for_next_boot and offset_bytes + len(data) > upload.size_bytes:
            return self.refuse_upload(DATA_OVERRUN), 0
        return self._store(upload, data)

    def _begin_upload(
        self, data: bytes, size_bytes: int | None, sha: bytes | None, *, only_newer: bool
    ) -> tuple[ImageResult, int]:
        if size_bytes is not None and size_bytes < 0:
            size_bytes = None
        refusal = _malformation(data, size_bytes, sha)
        if refusal is not None or size_bytes is None:
            return self.refuse_upload(refusal or LENGTH_MISSING), 0
        if self._upload is not None and self.is_uploading(sha):
            return DONE, self._upload.offset_bytes
        # Both slots are asked whether they are free, which the log shows as a pair of lines.
        if self._is_in_use(0) and self._is_in_use(1):
            return self.refuse_upload(NO_FREE_SLOT), 0
        if self._build.asks_for_next_boot and size_bytes > self._slots[1].size_bytes:
            return self.refuse_upload(TOO_LARGE), 0
        if only_newer and not self._is_newer(ImageHeader.parse(data).version):
            return self.refuse_upload(NOT_NEWER), 0
        self._upload = None
        failure = self._make_room(size_bytes)
        if failure is not None:
            return failure, 0
        self._upload = _Upload(size_bytes, 0, sha)
        return self._store(self._upload, data)

    def refuse_upload(self, result: ImageResult) -> ImageResult:
        """Say that a packet of an upload was refused; returns `result`."""
        if self._build.forgets_refused_upload:
            self._upload = None
        if self._build.asks_for_next_boot:
            self._log_error("img_mgmt_upload", f"Image upload inspect failed: {result.group_rc}")
        return result

    def _make_room(self, size_bytes: int) -> ImageResult | None:
        """Erase what the update needs, or say why that failed."""
        area = self._slots[1]
        if not area.is_erased(0, area.size_bytes):
            failure = self._erase_for_upload(area, self.image_start(1) + size_bytes)
            if failure is not None:
                return failure
        if self._build.swap_using_offset:
            # The swap's spare sector is erased whenever a write begins (flash_img.c).
            area.erase_sector(0)
        return None

    def _erase_for_upload(self, area: FlashArea, end_bytes: int) -> ImageResult | None:
        function = "img_mgmt_erase_image_data"
        page = area.page_size_bytes
        device = area.flash.layout_at(area.address)
        last_byte = area.address - device.start + end_bytes - 1
        if not 0 <= last_byte < device.size_bytes:
            self._log_error(function, f"bad offset (0x{last_byte & _ADDRESS_MASK:x})")
            return BAD_PAGE_OFFSET
        erased_bytes = -(-end_bytes // page) * page
        try:
            area.erase(0, erased_bytes)
        except FlashError:
            self._log_error(
                function, f"image slot erase of 0x{erased_bytes:x} bytes failed (err {EINVAL})"
            )
            return ERASE_FAILED
        self._log(function, f"Erased 0x{erased_bytes:x} bytes of image slot")
        # Not where the status bytes begin: boot_get_trailer_status_offset is the place of
        # copy_done, so one page goes, however many sectors MCUboot counts (Zephyr's mcuboot.c).
        trailer_start = (area.size_bytes - COPY_DONE_FROM_END_BYTES) // page * page
        if trailer_start < erased_bytes:
            return None
        trailer_bytes = area.size_bytes - trailer_start
        try:
            area.erase(trailer_start, trailer_bytes)
        except FlashError:
            self._log_error(
                function,
                f"image slot trailer erase of 0x{trailer_bytes:x} bytes failed (err {EINVAL})",
            )
            return ERASE_FAILED
        self._log(function, f"Erased 0x{trailer_bytes:x} bytes of image slot trailer")
        return None

    def _store(self, upload: _Upload, data: bytes) -> tuple[ImageResult, int]:
        area = self._slots[1]
        # An upload of which more came than was announced never ends.
        last = upload.offset_bytes + len(data) == upload.size_bytes
        pending = upload.unaligned + data
        start = upload.offset_bytes - len(upload.unaligned)
        if self._build.swap_using_offset:
            start += area.page_size_bytes
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
            # 2.3 checks no size before: an image that is too large fails where the slot ends.
            self._upload = None
            if self._build.asks_for_next_boot:
                self._log_error(
                    "img_mgmt_upload",
                    f"Irrecoverable error: flash write failed: {WRITE_FAILED.group_rc}",
                )
            return WRITE_FAILED, 0
        upload.offset_bytes += len(data)
        offset_bytes = upload.offset_bytes
        if last:
            self._upload = None
        return DONE, offset_bytes

    def _find(self, image_hash: bytes) -> int | None:
        hash_kind = self._hash_kind()
        for slot in (0, 1):
            image = self._read_image(slot)
            if image is not None and image.tlv(hash_kind) == image_hash:
                return slot
        return None

    def _hash_kind(self) -> int:
        """The hash TLV that the server looks for, which is set when it is built.

        The running application was made for the same MCUboot, so its own image shows it.
        """
        running = self._read_image(0)
        tlv = None if running is None else running.hash_tlv
        return TLV_SHA256 if tlv is None else tlv.kind

    def _read_image(self, slot: int) -> McubootImage | None:
        area = self._slots[slot]
        start = self.image_start(slot)
        try:
            ImageHeader.parse(area.read(start, SMALLEST_FIRST_DATA_BYTES))
            # Behind a header its hash is looked for, and the place is found out once more.
            start = self.image_start(slot)
            image = McubootImage.parse(area.read(start, area.size_bytes - start))
        except NotAnImageError:
            return None
        has_several_hashes = sum(tlv.kind in HASH_TLVS for tlv in image.tlvs) > 1
        return None if has_several_hashes else image

    def _set_next_boot(self, slot: int, *, confirm: bool) -> ImageResult:
        # img_mgmt_state.c, img_mgmt_set_next_boot_slot.
        swap_type = self._query_swap_type()
        if slot == 0 and not confirm:
            return CANNOT_PEND_RUNNING
        match swap_type:
            case SwapType.TEST:
                return DONE if slot == 1 and not confirm else ALREADY_PENDING
            case SwapType.PERM:
                return DONE if slot == 1 and confirm else ALREADY_PENDING
            case SwapType.REVERT if slot == 1:
                return DONE if confirm else ALREADY_PENDING
            case SwapType.NONE if slot == 0:
                return DONE
            case _:
                pass
        if slot == 0:
            self.confirm_running()
            return DONE
        if schedule_swap(self._slots[1], permanent=confirm):
            return DONE
        self._log_error(
            "img_mgmt_set_next_boot_slot_common",
            f"Faled boot_set_next with code {BOOT_EBADIMAGE}, for slot {slot}, with active slot 0 "
            f"and confirm {int(confirm)}",
        )
        return MARK_NOT_WRITTEN

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
        # (zephyr issue 56720); so too where the magic is bad.
        return DONE

    def _is_in_use(self, slot: int) -> bool:
        swap_type = self._query_swap_type()
        if slot == 0:
            return True
        return swap_type in (SwapType.TEST, SwapType.PERM) or _is_confirmed(slot, swap_type)

    def _is_newer(self, version: ImageVersion) -> bool:
        running = self._read_image(0)
        if running is None:
            return False
        # The build number does not count (zephyr_img_mgmt.c, img_mgmt_vercmp).
        return replace(version, build=0) > replace(running.version, build=0)

    def _query_swap_type(self) -> SwapType:
        swap_type = decide_swap(
            *(read_trailer(area) for area in self._slots),
            reverts_over_any_magic=self._build.reverts_over_any_magic,
        )
        self._log_swap_type(swap_type.log_word)
        return swap_type


def _is_confirmed(slot: int, swap_type: SwapType) -> bool:
    return (slot == 1) if swap_type is SwapType.REVERT else (slot == 0)


def _entry(slot: int, image: McubootImage, image_hash: bytes, swap_type: SwapType) -> ImageEntry:
    is_pending = slot == 1 and swap_type in (SwapType.TEST, SwapType.PERM)
    return ImageEntry(
        slot=slot,
        version=image.version,
        hash=image_hash,
        bootable=not image.header.flags & FLAG_NON_BOOTABLE,
        pending=is_pending,
        confirmed=_is_confirmed(slot, swap_type),
        active=slot == 0,
        permanent=is_pending and swap_type is SwapType.PERM,
    )


def _malformation(data: bytes, size_bytes: int | None, sha: bytes | None) -> ImageResult | None:
    """What is wrong with a first packet, in the order in which the server looks."""
    if len(data) < SMALLEST_FIRST_DATA_BYTES:
        return HEADER_MALFORMED
    if size_bytes is None:
        return LENGTH_MISSING
    if int.from_bytes(data[:4], "little") != IMAGE_MAGIC:
        return MAGIC_MISMATCH
    if sha is not None and len(sha) > LARGEST_UPLOAD_SHA_BYTES:
        return BAD_HASH
    return None
