"""The user's own DFU package with other contents, for variants of it."""

import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import JsonValue

from pytest_nrf_fota.firmware.dfu_package import MANIFEST_NAME, parse_manifest_json, read_entries


def repack(
    source: Path,
    output: Path,
    contents: Mapping[str, bytes],
    *,
    leave_out: Collection[str] = (),
) -> Path:
    """Write `source` to `output`, its files of these names replaced, the manifest's sizes as well.

    Files to leave out are missing in the manifest, too. Returns `output`. Raises `PackageError`
    for a source that is no package.
    """
    entries = read_entries(source)
    manifest = parse_manifest_json(entries[MANIFEST_NAME].decode("utf-8"))
    new_manifest = _without(_resized(manifest, contents), leave_out)
    replaced = {
        **{name: data for name, data in entries.items() if name not in leave_out},
        **contents,
        MANIFEST_NAME: json.dumps(new_manifest, indent=4).encode(),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in replaced.items():
            archive.writestr(name, data)
    return output


def _without(manifest: JsonValue, names: Collection[str]) -> JsonValue:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), list):
        return manifest
    files = manifest["files"]
    assert isinstance(files, list)
    kept = [
        entry for entry in files if not isinstance(entry, dict) or entry.get("file") not in names
    ]
    return {**manifest, "files": kept}


def _resized(manifest: JsonValue, contents: Mapping[str, bytes]) -> JsonValue:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), list):
        return manifest
    files = manifest["files"]
    assert isinstance(files, list)
    return {**manifest, "files": [_resized_entry(entry, contents) for entry in files]}


def _resized_entry(entry: JsonValue, contents: Mapping[str, bytes]) -> JsonValue:
    if not isinstance(entry, dict) or "size" not in entry or entry.get("file") not in contents:
        return entry
    return {**entry, "size": len(contents[str(entry["file"])])}
