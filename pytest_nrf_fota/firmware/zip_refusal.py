"""A file that Python's zipfile refuses: is it damaged, or was it never a zip?"""

import zipfile
from pathlib import Path

from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.file_kind import FIRST_BYTES, firmware_kind
from pytest_nrf_fota.firmware.multi_image import multi_image_refusal

_ZIP_START = b"PK"


def zip_refusal(path: Path, error: Exception) -> PackageError:
    """What to say of a file that was given as a package.

    Args:
        path: the file.
        error: what zipfile raised.
    """
    if isinstance(error, zipfile.BadZipFile):
        start = _start_of(path)
        if not start.startswith(_ZIP_START):
            multi_image = multi_image_refusal(start, str(path))
            if multi_image is not None:
                return multi_image
            kind = firmware_kind(start)
            return PackageError(
                f"The package is {f'{kind}, not a zip file' if kind else 'no zip file at all'}.",
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
        return stream.read(FIRST_BYTES)
