"""MCUboot's validation of one slot (loader.c: boot_validate_slot, image_validate.c)."""

from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ed25519

from pytest_nrf_fota.firmware import mcuboot_image
from pytest_nrf_fota.firmware.image_words import HASH_DIFFERS
from pytest_nrf_fota.firmware.mcuboot_image import (
    FLAG_NON_BOOTABLE,
    HEADER,
    IMAGE_MAGIC,
    TLV_KEYHASH,
    ImageHeader,
    McubootImage,
    NotAnImageError,
    PublicKey,
    Tlv,
    key_hash,
)
from pytest_nrf_fota.firmware.s_slot import hiding_of
from pytest_nrf_fota.firmware.tlv_names import tlv_name
from pytest_nrf_fota.sim.flash import FlashArea

IMAGE_MAGIC_BYTES = 4


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


def read_header(area: FlashArea, offset_bytes: int = 0) -> ImageHeader | None:
    """The header at the start of the area, or further on; None without the magic."""
    try:
        return ImageHeader.parse(area.read(offset_bytes, HEADER.size))
    except NotAnImageError:
        return None


def header_is_erased(area: FlashArea) -> bool:
    """Whether the magic is erased; loader.c (boot_check_header_erased) looks no further."""
    return area.is_erased(0, IMAGE_MAGIC_BYTES)


def read_image(area: FlashArea) -> McubootImage:
    """The whole image in the area. Raises `NotAnImageError`."""
    return McubootImage.parse(area.read(0, area.size_bytes))


def image_size_bytes(area: FlashArea) -> int:
    """Size of the image with its TLVs, 0 where there is none."""
    try:
        return len(read_image(area).data)
    except NotAnImageError:
        return 0


def check_slot(area: FlashArea, keys: tuple[PublicKey, ...], limit_bytes: int) -> SlotCheck:
    """Validate header, size, hash and signature; without keys the signature is not asked for.

    An image may have up to `limit_bytes` (bootutil_max_image_size).
    """
    header = read_header(area)
    if header_is_erased(area) or (header is not None and header.flags & FLAG_NON_BOOTABLE):
        return SlotCheck(SlotContent.NO_IMAGE, "the header is erased or not bootable")
    if header is None:
        return SlotCheck(SlotContent.INVALID, f"no image magic 0x{IMAGE_MAGIC:08x}")
    try:
        image = read_image(area)
    except NotAnImageError as error:
        return SlotCheck(SlotContent.INVALID, str(error))
    if len(image.data) > limit_bytes:
        return SlotCheck(SlotContent.INVALID, "the image reaches into the trailer's sectors")
    hiding = hiding_of(image)
    if hiding is not None:
        reason = f"{hiding.value}: this MCUboot takes plain images only"
        return SlotCheck(SlotContent.INVALID, reason)
    if image.hash_tlv is not None and not _hashes_by(image, keys):
        name = tlv_name(image.hash_tlv.kind)
        return SlotCheck(SlotContent.INVALID, f"hashed by {name}: this MCUboot looks for SHA256")
    if not image.hash_is_right:
        return SlotCheck(SlotContent.INVALID, HASH_DIFFERS)
    if keys and not _signed_by_one_of(image, keys):
        return SlotCheck(SlotContent.INVALID, "no signature by a key of this MCUboot")
    return SlotCheck(SlotContent.VALID)


def _hashes_by(image: McubootImage, keys: tuple[PublicKey, ...]) -> bool:
    """Whether a MCUboot with these keys may be built for the image's hash.

    Which one it was built for cannot be read from it. SHA-512 is offered for Ed25519 (MCUboot 2.2,
    boot/zephyr/Kconfig: BOOT_IMG_HASH_ALG_SHA512_ALLOW), SHA-384 for nothing that the kit has.
    """
    match image.hash_tlv:
        case None | Tlv(kind=mcuboot_image.TLV_SHA256):
            return True
        case Tlv(kind=mcuboot_image.TLV_SHA512):
            return any(isinstance(key, ed25519.Ed25519PublicKey) for key in keys)
        case _:
            return False


def _signed_by_one_of(image: McubootImage, keys: tuple[PublicKey, ...]) -> bool:
    named = image.tlv(TLV_KEYHASH)
    algorithm = image.hash_algorithm
    return any(key_hash(key, algorithm) == named and image.signed_by(key) for key in keys)
