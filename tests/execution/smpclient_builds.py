"""Real builds for nRF52 boards: what smpclient's source distribution has under `examples/duts`.

MCUboot of the nRF Connect SDK 2.6 at 0, swap using move, RSA 2048 with MCUboot's own public key;
its applications A and B. The images for the nRF52832 DK have slots of 0x37000 bytes.
"""

import hashlib
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import platformdirs

from pytest_nrf_fota.boards.soc import NRF52832
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.firmware.smpclient_dist import (
    ARCHIVE_NAME,
    ARCHIVE_SHA256,
    firmware_folder,
)

# Found before a test gives its processes another home, where each would download it anew.
_CACHE_FOLDER = Path(platformdirs.user_cache_dir("pytest-nrf-fota"))
PRIMARY, SECONDARY, SLOT_BYTES = 0xC000, 0x43000, 0x37000
SLOTS = range(PRIMARY, SECONDARY + SLOT_BYTES)
SOC = NRF52832


@dataclass(frozen=True)
class Build:
    """MCUboot with A behind it, and the update images A and B."""

    segments: tuple[Segment, ...]
    a: bytes
    b: bytes

    @property
    def mcuboot(self) -> Segment:
        """The bootloader alone."""
        return next(segment for segment in self.segments if segment.address == 0)


def nrf52832_build(folder: Path) -> Build:
    """The build for the nRF52832 DK; files are kept in `folder`."""
    names = ("a_smp_dut.merged.hex", "a_smp_dut.bin", "b_smp_dut.bin")
    hex_file, a, b = (extract(f"nrf52dk_nrf52832/ble/{name}", folder) for name in names)
    return Build(tuple(read_hex(hex_file)), a.read_bytes(), b.read_bytes())


def extract(name: str, folder: Path) -> Path:
    """One file of `examples/duts`, below `folder`."""
    with tarfile.open(_archive(), "r:gz") as tar:
        source = tar.extractfile(f"smpclient-7.3.0/examples/duts/{name}")
        assert source is not None
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.read())
    return file


@cache
def _archive() -> Path:
    archive = firmware_folder(_CACHE_FOLDER) / ARCHIVE_NAME
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == ARCHIVE_SHA256
    return archive
