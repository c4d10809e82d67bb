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
