"""What kind of firmware file somebody gave by mistake."""

import re
from pathlib import Path

from pytest_nrf_fota.firmware.image_magic import IMAGE_MAGIC

FIRST_BYTES = 1024
"""As many of a file as it takes to tell."""

ELF_FILE = "an ELF file"
HEX_FILE = "an Intel hex file"
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_ELF_MAGIC = b"\x7fELF"
_HEX_RECORD = re.compile(rb":(?:[0-9A-Fa-f]{2}){5,}\r?(?:\n|\Z)")


def firmware_kind(first_bytes: bytes) -> str | None:
    """The kind with its article, by a file's first bytes; None for no firmware."""
    if first_bytes.startswith(_ZIP_MAGICS):
        return "a zip file"
    if first_bytes.startswith(_ELF_MAGIC):
        return ELF_FILE
    if first_bytes.startswith(IMAGE_MAGIC.to_bytes(4, "little")):
        return "an MCUboot image"
    record = _HEX_RECORD.match(first_bytes)
    # A log's line may look like a record; its checksum would not be right.
    if record is not None and sum(bytes.fromhex(record[0].strip()[1:].decode())) % 256 == 0:
        return HEX_FILE
    return None


def kind_of_file(path: Path) -> str | None:
    """Likewise, by a file's path; None also where there is none to read."""
    try:
        with path.open("rb") as stream:
            return firmware_kind(stream.read(FIRST_BYTES))
    except OSError:
        return None
