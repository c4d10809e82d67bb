"""Evidence on which application runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nrf_fota.boards.board import Slot
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.mcuboot_image import (
    HASH_TLVS,
    HEADER,
    TLV_INFO,
    ImageHeader,
    ImageVersion,
    McubootImage,
    NotAnImageError,
    parse_tlvs,
)
from pytest_nrf_fota.verdict.boots import sign_of_boots
from pytest_nrf_fota.verdict.ending import Upgraded
from pytest_nrf_fota.verdict.facts import Watch
from pytest_nrf_fota.verdict.watching import gap_remark, no_boot_remark, silence_remark

if TYPE_CHECKING:
    from pytest_nrf_fota.smp.messages import ImageState


@dataclass(frozen=True)
class AppIdentity:
    """What names an application image: its version and its hash TLV."""

    version: ImageVersion
    hash: bytes

    def __str__(self) -> str:
        """`1.1.0 (ab12cd34...)`."""
        return f"{self.version} ({self.hash.hex()[:8]}...)"


def identity_of(image: McubootImage) -> AppIdentity:
    """The identity of an image that was read completely."""
    return AppIdentity(image.version, image.hash or b"")


def read_identity(read: ReadMemory, slot: Slot) -> AppIdentity | None:
    """The identity of the image in a slot, from its header and TLVs alone; None without one."""
    try:
        header = ImageHeader.parse(read(slot.address, HEADER.size))
        if header.hashed_size_bytes + TLV_INFO.size > slot.size:
            return None
        tlv_address = slot.address + header.header_size_bytes + header.image_size_bytes
        last_area = read(tlv_address + header.protected_tlv_size_bytes, TLV_INFO.size)
        size_bytes = header.protected_tlv_size_bytes + TLV_INFO.unpack(last_area)[1]
        if tlv_address + size_bytes > slot.address + slot.size:
            return None
        tlvs, _ = parse_tlvs(header, read(tlv_address, size_bytes), 0)
    except NotAnImageError:
        return None
    image_hash = next((tlv.value for tlv in tlvs if tlv.kind in HASH_TLVS), b"")
    return AppIdentity(header.version, image_hash)


def read_loaded_identity(read: ReadMemory, slots: Sequence[Slot]) -> AppIdentity | None:
    """The identity of the slot's image that runs from RAM; None where no slot's image lies there.

    MCUboot in RAM_LOAD mode copies an image to the load address in its header. Compared are header
    and first half of the payload: initialised variables at its end change as the application runs,
    and the TLVs behind it become its memory (seen on `mps2_an385`, from 98 % of the image on).
    """
    for slot in slots:
        identity = read_identity(read, slot)
        if identity is None:
            continue
        header = ImageHeader.parse(read(slot.address, HEADER.size))
        size_bytes = header.header_size_bytes + header.image_size_bytes // 2
        if read(header.load_address, size_bytes) == read(slot.address, size_bytes):
            return identity
    return None


def uart_evidence(
    boots: Sequence[Boot],
    update: AppIdentity,
    before: AppIdentity | None,
    *,
    swaps: bool = True,
    swaps_name_it: bool = True,
    firmware: bytes = b"",
    boot_before: Boot | None = None,
    watch: Watch = Watch(),  # noqa: B008 - a frozen value
) -> Evidence:
    """What the boots since the image was set pending say.

    The image's version decides where the bootloader prints it and where it differs between the two;
    then texts that the application prints and that the update alone holds; otherwise the swaps do,
    on a board whose bootloader swaps images. What nobody printed says nothing.

    Args:
        boots: since the image was set pending.
        update, before: what was sent, and what ran before.
        swaps: whether the bootloader takes pending images.
        swaps_name_it: whether a swap can only be that of the update: it was sent, and set pending.
        firmware: the code that was sent.
        boot_before: the last boot before the update.
        watch: how well the boots could be watched.
    """
    if not boots:
        return Evidence(Source.UART, Says.UNKNOWN, no_boot_remark(watch))
    last = boots[-1]
    detail = last.summary()
    if watch.is_incomplete:
        return Evidence(Source.UART, Says.UNKNOWN, f"{detail}; {gap_remark(watch)}")
    if not last.reached_app:
        return Evidence(Source.UART, Says.UNKNOWN, detail)
    if before is not None and before.hash == update.hash:
        return Evidence(
            Source.UART, Says.UNKNOWN, f"{detail}; the update is the image that ran before"
        )
    if last.image_version is not None and not _same_version(last.image_version, update, before):
        return Evidence(Source.UART, _by_version(last.image_version, update, before), detail)
    own = _line_of_update_alone(last, firmware, boot_before)
    if own is not None:
        return Evidence(Source.UART, Says.NEW, f"{detail}; it prints {own!r}, as the update does")
    if not swaps:
        return Evidence(Source.UART, Says.UNKNOWN, detail)
    match sign_of_boots(boots, of_app=True).ending.upgraded:
        case Upgraded.YES if swaps_name_it:
            return Evidence(Source.UART, Says.NEW, detail)
        case Upgraded.NO:
            return Evidence(Source.UART, Says.OLD, detail)
        case Upgraded.YES:
            detail = f"{detail}; no line names the image that was swapped"
            return Evidence(Source.UART, Says.UNKNOWN, detail)
        case Upgraded.UNKNOWN:
            remark = silence_remark(last, Stage.MCUBOOT, watch)
            detail = f"{detail}; {remark}" if remark else detail
            return Evidence(Source.UART, Says.UNKNOWN, detail)


def smp_evidence(
    images: "Sequence[ImageState] | None", update: AppIdentity, before: AppIdentity | None
) -> Evidence:
    """What the image list says about the active slot; None stands for no answer."""
    if images is None:
        return Evidence(Source.SMP, Says.UNKNOWN, "no image list could be read")
    active = next((state for state in images if state.active and state.image == 0), None)
    if active is None:
        return Evidence(Source.SMP, Says.UNKNOWN, "the image list names no active slot")
    return Evidence(Source.SMP, _by_hash(active.hash, update, before), str(active))


def swd_evidence(
    found: AppIdentity | None,
    update: AppIdentity,
    before: AppIdentity | None,
    *,
    place: str = "primary slot",
    says_without_image: Says = Says.OTHER,
) -> Evidence:
    """What lies where the application runs; None stands for no image.

    In a slot that is another state than the update's; RAM changes as the application runs.
    """
    if found is None:
        return Evidence(Source.SWD, says_without_image, f"the {place} holds no image")
    for known in (update, before):
        # Half a swap: one image's header, and the other one's TLVs.
        if known is not None and found.hash == known.hash and found.version != known.version:
            detail = (
                f"{place} holds parts of two images: header of {found.version}, hash of {known}"
            )
            return Evidence(Source.SWD, Says.UNKNOWN, detail)
    says = _by_hash(found.hash, update, before)
    return Evidence(Source.SWD, says, f"{place} holds {found}")


def _by_hash(found: bytes, update: AppIdentity, before: AppIdentity | None) -> Says:
    if before is not None and before.hash == update.hash:
        return Says.UNKNOWN
    if found == update.hash:
        return Says.NEW
    if before is not None and found == before.hash:
        return Says.OLD
    # Without a hash nothing is known; with a third one, that the update is not what is there.
    return Says.OTHER if found and update.hash else Says.UNKNOWN


def _line_of_update_alone(last: Boot, firmware: bytes, before: Boot | None) -> str | None:
    """What the application prints of itself, where the update holds it and nothing printed it yet.

    Looked at are the build time and the banners: both are texts of the image as a whole.
    """
    if before is None or not firmware:
        return None
    printed = set(_own_texts(before))
    texts = (text for text in _own_texts(last) if text not in printed)
    return next((text for text in texts if text.encode() in firmware), None)


def _own_texts(boot: Boot) -> list[str]:
    span = boot.stage(Stage.APP)
    banners = [banner.seen.text.strip() for banner in span.banners] if span is not None else []
    return [text for text in (boot.build_time, *banners) if text]


def _by_version(logged: str, update: AppIdentity, before: AppIdentity | None) -> Says:
    if before is not None and before.version.as_mcuboot_logs == update.version.as_mcuboot_logs:
        return Says.UNKNOWN
    if logged == update.version.as_mcuboot_logs:
        return Says.NEW
    same_as_before = before is not None and logged == before.version.as_mcuboot_logs
    return Says.OLD if same_as_before else Says.UNKNOWN


def _same_version(logged: str, update: AppIdentity, before: AppIdentity | None) -> bool:
    return (
        before is not None
        and before.version.as_mcuboot_logs == logged == update.version.as_mcuboot_logs
    )
