"""A file that Python's zipfile refuses: is it damaged, or was it never a zip?"""

import re
import zipfile
from pathlib import Path

from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.mcuboot_image import IMAGE_MAGIC

_ZIP_START = b"PK"
_ELF_START = b"\x7fELF"
_HEX_RECORD = re.compile(rb":[0-9A-Fa-f]{10}")
_START_BYTES = 16


def zip_refusal(path: Path, error: Exception) -> PackageError:
    """What to say of a file that was given as a package.

    Args:
        path: the file.
        error: what zipfile raised.
    """
    if isinstance(error, zipfile.BadZipFile):
        start = _start_of(path)
        if not start.startswith(_ZIP_START):
            return PackageError(
                f"The package is {_kind(start)}.",
                where=str(path),
                next_step="A package is a zip file that the build makes: give dfu_application.zip "
                "or dfu_mcuboot.zip of the build folder (merged.hex is what kits are flashed with)",
            )
    return PackageError(
        f"The package is not a complete zip file: {error}",
        where=str(path),
        next_step="Copy it again; a DFU package is a .zip made by the build.",
    )


def _start_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_START_BYTES)


def _kind(start: bytes) -> str:
    if _HEX_RECORD.match(start):
        return "an Intel hex file, not a zip file"
    if start.startswith(_ELF_START):
        return "an ELF file, not a zip file"
    if start.startswith(IMAGE_MAGIC.to_bytes(4, "little")):
        return "a single MCUboot image, not a zip file"
    return "no zip file at all"
