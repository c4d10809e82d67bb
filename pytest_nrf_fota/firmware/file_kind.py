"""What kind of firmware file somebody gave by mistake."""

import re

from pytest_nrf_fota.firmware.mcuboot_image import IMAGE_MAGIC

FIRST_BYTES = 1024
"""As many of a file as it takes to tell."""

_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_ELF_MAGIC = b"\x7fELF"
_HEX_RECORD = re.compile(rb":(?:[0-9A-Fa-f]{2}){5,}\r?(?:\n|\Z)")


def firmware_kind(first_bytes: bytes) -> str | None:
    """The kind with its article, by a file's first bytes; None for no firmware."""
    if first_bytes.startswith(_ZIP_MAGICS):
        return "a zip file"
    if first_bytes.startswith(_ELF_MAGIC):
        return "an ELF file"
    if first_bytes.startswith(IMAGE_MAGIC.to_bytes(4, "little")):
        return "an MCUboot image"
    record = _HEX_RECORD.match(first_bytes)
    # A log's line may look like a record; its checksum would not be right.
    if record is not None and sum(bytes.fromhex(record[0].strip()[1:].decode())) % 256 == 0:
        return "an Intel hex file"
    return None
