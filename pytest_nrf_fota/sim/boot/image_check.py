"""MCUboot's validation of one slot (loader.c: boot_is_header_valid; image_validate.c; tlv.c)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ed25519

from pytest_nrf_fota.firmware import mcuboot_image
from pytest_nrf_fota.firmware.image_words import HASH_DIFFERS
from pytest_nrf_fota.firmware.mcuboot_image import (
    COMPRESSION_FLAGS,
    ENCRYPTION_FLAGS,
    FLAG_NON_BOOTABLE,
    HASH_TLVS,
    HEADER,
    IMAGE_MAGIC,
    PROTECTED_TLV_INFO_MAGIC,
    SIGNATURE_TLVS,
    TLV_ENTRY,
    TLV_INFO,
    TLV_INFO_MAGIC,
    TLV_KEYHASH,
    TLV_PUBKEY,
    TLV_SIG_PURE,
    ImageHeader,
    McubootImage,
    NotAnImageError,
    PublicKey,
    Tlv,
    key_hash,
    signature_fits,
)
from pytest_nrf_fota.firmware.tlv_names import tlv_name
from pytest_nrf_fota.sim.boot.held_header import HeldHeader
from pytest_nrf_fota.sim.flash import FlashArea, FlashError

_WORD = 0xFFFFFFFF
# image_validate.c, allowed_unprot_tlvs: hashes, keys, signatures, and the keys of encryption.
_UNPROTECTED_TLVS = frozenset(
    {TLV_KEYHASH, TLV_PUBKEY, TLV_SIG_PURE, *HASH_TLVS, *SIGNATURE_TLVS, 0x21}
) | frozenset(range(0x30, 0x34))


class SlotContent(Enum):
    """What validation found."""

    VALID = "valid"
    NO_IMAGE = "no image"
    INVALID = "invalid"


@dataclass(frozen=True)
class SlotCheck:
    """Result of a validation; `reason` is for people, MCUboot prints none."""

    content: SlotContent
    reason: str = ""


@dataclass(frozen=True)
class Acceptance:
    """What one MCUboot asks of an image.

    Args:
        keys: public keys compiled in; none means that it checks hashes only.
        limit_bytes: how far an image may reach (bootutil_max_image_size).
        refuses_flags: whether encrypted and compressed images are refused by their flags.
        refuses_rogue_tlvs: whether unprotected TLVs are refused that are no hash, key or signature.
    """

    keys: tuple[PublicKey, ...]
    limit_bytes: int
    refuses_flags: bool
    refuses_rogue_tlvs: bool


class _RefusedError(Exception):
    """The image is not valid; the message says why."""


@dataclass(frozen=True)
class _Record:
    """One TLV record as the iterator gives it; its value is not read yet."""

    kind: int
    offset_bytes: int
    size_bytes: int
    is_protected: bool


def read_header(area: FlashArea, offset_bytes: int = 0) -> ImageHeader | None:
    """The header at the start of the area, or further on; None without the magic."""
    try:
        return ImageHeader.parse(area.read(offset_bytes, HEADER.size))
    except NotAnImageError:
        return None


def read_image(area: FlashArea) -> McubootImage:
    """The whole image in the area. Raises `NotAnImageError`."""
    return McubootImage.parse(area.read(0, area.size_bytes))


def image_size_bytes(area: FlashArea, header: HeldHeader) -> int:
    """Size of the image with its TLVs, 0 where there is none (boot_read_image_size)."""
    if not header.is_image:
        return 0
    try:
        return _tlv_bounds(area, header)[1]
    except (_RefusedError, FlashError):
        # That this is an error is asserted, and NCS compiles the assertion out.
        return 0


def check_slot(area: FlashArea, header: HeldHeader, acceptance: Acceptance) -> SlotCheck:
    """Validate header, size, hash and signature of an image whose header was read before."""
    if header.is_erased or header.flags & FLAG_NON_BOOTABLE:
        return SlotCheck(SlotContent.NO_IMAGE, "the header is erased or not bootable")
    try:
        _check_header(area, header, refuses_flags=acceptance.refuses_flags)
        _check_image(area, header, acceptance)
    except _RefusedError as error:
        return SlotCheck(SlotContent.INVALID, str(error))
    except FlashError as error:
        return SlotCheck(SlotContent.INVALID, f"the image reaches out of its slot: {error}")
    return SlotCheck(SlotContent.VALID)


def _check_header(area: FlashArea, header: HeldHeader, *, refuses_flags: bool) -> None:
    if not header.is_image:
        raise _RefusedError(f"no image magic 0x{IMAGE_MAGIC:08x}")
    size_bytes = header.header_size_bytes + header.image_size_bytes
    if refuses_flags:
        size_bytes += header.protected_tlv_size_bytes
    if size_bytes > _WORD or size_bytes >= area.size_bytes:
        raise _RefusedError(f"its header says {size_bytes} bytes, more than the slot has")
    hidden = {"encrypted": ENCRYPTION_FLAGS, "compressed": COMPRESSION_FLAGS}
    for word, flags in hidden.items() if refuses_flags else ():
        if header.flags & flags:
            raise _RefusedError(f"{word}: this MCUboot takes plain images only")


def _check_image(area: FlashArea, header: HeldHeader, acceptance: Acceptance) -> None:
    content = area.read(0, header.hashed_size_bytes & _WORD)
    start, end = _tlv_bounds(area, header)
    if end > acceptance.limit_bytes:
        raise _RefusedError("the image reaches into the trailer's sectors")
    records = list(_records(area, header, start, end))
    hash_kind = _expected_hash(records, acceptance.keys)
    digest = hashlib.new(HASH_TLVS[hash_kind], content).digest()
    signs_content = any(record.kind == TLV_SIG_PURE for record in records)
    signature = _SignatureCheck(acceptance.keys, digest, content if signs_content else digest)
    has_hash = False
    for record in records:
        if (
            acceptance.refuses_rogue_tlvs
            and not record.is_protected
            and record.kind not in _UNPROTECTED_TLVS
        ):
            raise _RefusedError(f"{tlv_name(record.kind)} stands outside the protected TLVs")
        if record.kind == hash_kind:
            if area.read(record.offset_bytes, record.size_bytes) != digest:
                raise _RefusedError(_why_hash_differs(header))
            has_hash = True
        elif acceptance.keys and record.kind in (TLV_KEYHASH, *SIGNATURE_TLVS):
            value = area.read(record.offset_bytes, record.size_bytes)
            signature.take(Tlv(record.kind, value), HASH_TLVS[hash_kind])
    if not has_hash:
        raise _RefusedError(_without_hash(records, hash_kind))
    if acceptance.keys and not signature.is_right:
        raise _RefusedError("no signature by a key of this MCUboot")


def _why_hash_differs(header: HeldHeader) -> str:
    if header.flags & ENCRYPTION_FLAGS:
        return "encrypted: this MCUboot takes plain images only"
    return HASH_DIFFERS


def _without_hash(records: Sequence[_Record], hash_kind: int) -> str:
    others = [tlv_name(record.kind) for record in records if record.kind in HASH_TLVS]
    wanted = tlv_name(hash_kind)
    return f"hashed by {others[0]}: this MCUboot looks for {wanted}" if others else "no hash TLV"


class _SignatureCheck:
    """Each KEYHASH names the key for the signature behind it; the last signature counts."""

    def __init__(self, keys: tuple[PublicKey, ...], digest: bytes, message: bytes) -> None:
        self.is_right = False
        self._keys = keys
        self._message = message
        self._key: PublicKey | None = None

    def take(self, tlv: Tlv, algorithm: str) -> None:
        """Look at one record, in their order."""
        if tlv.kind == TLV_KEYHASH:
            named = (key for key in self._keys if _is_named(key, tlv.value, algorithm))
            self._key = next(named, None)
            return
        key, self._key = self._key, None
        if key is not None:
            self.is_right = signature_fits(tlv, key, self._message)


def _is_named(key: PublicKey, named: bytes, algorithm: str) -> bool:
    # bootutil_find_key compares as many bytes as the record has.
    return key_hash(key, algorithm)[: len(named)] == named


def _expected_hash(records: Sequence[_Record], keys: tuple[PublicKey, ...]) -> int:
    """Which hash this MCUboot looks for.

    It was built for one, which cannot be read from it. SHA-512 is offered for Ed25519 (MCUboot 2.2,
    boot/zephyr/Kconfig: BOOT_IMG_HASH_ALG_SHA512_ALLOW), SHA-384 for nothing that the kit has.
    """
    has_sha512 = any(record.kind == mcuboot_image.TLV_SHA512 for record in records)
    may_be_sha512 = any(isinstance(key, ed25519.Ed25519PublicKey) for key in keys)
    if has_sha512 and may_be_sha512:
        return mcuboot_image.TLV_SHA512
    return mcuboot_image.TLV_SHA256


def _tlv_bounds(area: FlashArea, header: HeldHeader) -> tuple[int, int]:
    """Offsets of the first TLV area and of the last one's end (bootutil_tlv_iter_begin)."""
    start = header.tlv_offset_bytes
    magic, total_bytes = TLV_INFO.unpack(area.read(start, TLV_INFO.size))
    if magic == PROTECTED_TLV_INFO_MAGIC:
        if header.protected_tlv_size_bytes != total_bytes:
            raise _RefusedError("the protected TLV area's size differs from the header's")
        magic, total_bytes = TLV_INFO.unpack(area.read(start + total_bytes, TLV_INFO.size))
    elif header.protected_tlv_size_bytes:
        raise _RefusedError("the protected TLV area of the header is missing")
    if magic != TLV_INFO_MAGIC:
        raise _RefusedError(f"no TLV area at {start}: magic 0x{magic:04x}")
    return start, start + header.protected_tlv_size_bytes + total_bytes


def _records(area: FlashArea, header: HeldHeader, start: int, end: int) -> Iterator[_Record]:
    """As bootutil_tlv_iter_next walks, which looks at no area's own size but the last one's."""
    protected_end = start + header.protected_tlv_size_bytes
    offset = start + TLV_INFO.size
    while offset < end:
        if header.protected_tlv_size_bytes and offset == protected_end:
            offset += TLV_INFO.size
        kind, size_bytes = TLV_ENTRY.unpack(area.read(offset, TLV_ENTRY.size))
        offset += TLV_ENTRY.size
        yield _Record(kind, offset, size_bytes, is_protected=offset < protected_end)
        offset += size_bytes
