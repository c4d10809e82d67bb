"""Damaged variants of images, for tests that must see a board refuse them."""

from pytest_nrf_fota.firmware.mcuboot_image import McubootImage

LOST_BYTES = 0x1000


def lose_end_of_payload(image: bytes, lost_bytes: int = LOST_BYTES) -> bytes:
    """The image with the last `lost_bytes` of its payload blank, as after a cut-off transfer.

    Header and TLVs stay, so an SMP server still lists the image and takes its hash for marking;
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


def lose_magic(image: bytes) -> bytes:
    """The image without the magic number that it begins with: no MCUboot image any more."""
    return bytes(4) + image[4:]


def grow_beyond(image: bytes, slot_size_bytes: int) -> bytes:
    """The image with so much behind it that no slot of this size can hold it."""
    return image.ljust(slot_size_bytes + 1, b"\xff")
