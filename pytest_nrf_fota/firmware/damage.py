"""Damaged variants of images, for tests that must see a board refuse them."""

from pytest_nrf_fota.firmware.keys import strange_key
from pytest_nrf_fota.firmware.mcuboot_image import SIGNATURE_TLVS, McubootImage
from pytest_nrf_fota.firmware.renewal import NotRenewableError, renew_image, without_signature
from pytest_nrf_fota.firmware.variant import Variant

LOST_BYTES = 0x1000


def damaged_app(image: bytes, wanted: Variant, slot_size_bytes: int) -> bytes | None:
    """The application's update, damaged as wanted; None where the variant is no damage.

    Raises `NotRenewableError` where it should lose a signature that it has not.
    """
    match wanted:
        case Variant.APP_UNSIGNED:
            return lose_signature(image)
        case Variant.APP_WRONG_KEY:
            return sign_with_strange_key(image)
        case Variant.APP_TAMPERED:
            return change_payload(image)
        case Variant.APP_TRUNCATED:
            return lose_end_of_payload(image)
        case Variant.APP_TOO_LARGE:
            return grow_beyond(image, slot_size_bytes)
        case _:
            return None


def lose_end_of_payload(image: bytes, lost_bytes: int = LOST_BYTES) -> bytes:
    """The image with the last `lost_bytes` of its payload blank, as after a cut-off transfer.

    Header and TLVs stay, so an SMP server still lists the image and sets it pending by its hash;
    only a bootloader that checks the content can refuse it. Of a payload that is smaller than that
    everything is lost.
    """
    header = McubootImage.parse(image).header
    end_of_payload = header.header_size_bytes + header.image_size_bytes
    lost_bytes = min(lost_bytes, header.image_size_bytes)
    kept = image[: end_of_payload - lost_bytes]
    return kept + b"\xff" * lost_bytes + image[end_of_payload:]


def change_payload(image: bytes) -> bytes:
    """The image with one bit of its payload changed, as after a transfer that went wrong."""
    header = McubootImage.parse(image).header
    changed = bytearray(image)
    changed[header.header_size_bytes + header.image_size_bytes // 2] ^= 1
    return bytes(changed)


def lose_signature(image: bytes) -> bytes:
    """The image with its hash and without its signature.

    Raises `NotRenewableError` where it has none.
    """
    return without_signature(McubootImage.parse(image))


def sign_with_strange_key(image: bytes) -> bytes:
    """The image, signed as before with a key that no bootloader knows.

    Raises `NotRenewableError` where it is not signed, or in no way that is known.
    """
    parsed = McubootImage.parse(image)
    kind = next((tlv.kind for tlv in parsed.tlvs if tlv.kind in SIGNATURE_TLVS), None)
    if kind is None:
        raise NotRenewableError("it is not signed")
    return renew_image(parsed, parsed.payload, parsed.version, strange_key(kind))


def lose_magic(image: bytes) -> bytes:
    """The image without the magic number that it begins with: no MCUboot image any more."""
    return bytes(4) + image[4:]


def grow_beyond(image: bytes, slot_size_bytes: int) -> bytes:
    """The image with so much behind it that no slot of this size can hold it."""
    return image.ljust(slot_size_bytes + 1, b"\xff")
