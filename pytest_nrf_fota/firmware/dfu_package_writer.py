"""Write DFU packages (sdk-nrf generate_zip.py)."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from pytest_nrf_fota.firmware.dfu_package import MANIFEST_NAME

# Zip entries carry this time, so that the same content gives the same file.
_FIXED_TIME = (2024, 5, 7, 9, 26, 26)


@dataclass(frozen=True)
class PackageEntry:
    """One file of a package and its further manifest keys."""

    name: str
    data: bytes
    keys: dict[str, JsonValue] = field(default_factory=dict)


def write_package(
    path: Path, entries: Sequence[PackageEntry], *, name: str, format_version: int = 0
) -> None:
    """Write a package; the same arguments give the same bytes.

    `format_version` is the manifest's: 0 through NCS 2.6, 1 later.
    """
    manifest: dict[str, JsonValue] = {
        "format-version": format_version,
        "time": 0,
        "name": name,
        "files": [
            {**entry.keys, "file": entry.name, "size": len(entry.data), "modtime": 0}
            for entry in entries
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for entry in entries:
            archive.writestr(zipfile.ZipInfo(entry.name, _FIXED_TIME), entry.data)
        archive.writestr(
            zipfile.ZipInfo(MANIFEST_NAME, _FIXED_TIME), json.dumps(manifest, indent=2)
        )
