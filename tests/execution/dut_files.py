"""Firmware of real boards from the source distribution of `smpclient` (examples/duts)."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.firmware.smpclient_dist import ARCHIVE_NAME, firmware_folder

_DUTS = "smpclient-7.3.0/examples/duts"


@dataclass(frozen=True)
class DutFiles:
    """MCUboot with application a, and application b as its update."""

    merged_hex: Path
    update: Path


def unpack_dut(board: str, folder: Path) -> DutFiles:
    """Unpack both files of a board's folder, such as `nrf52dk_nrf52832`."""
    found: list[Path] = []
    with tarfile.open(firmware_folder() / ARCHIVE_NAME, "r:gz") as archive:
        for name in ("a_smp_dut.merged.hex", "b_smp_dut.bin"):
            member = archive.extractfile(f"{_DUTS}/{board}/ble/{name}")
            assert member is not None, name
            path = folder / name
            path.write_bytes(member.read())
            found.append(path)
    return DutFiles(*found)
