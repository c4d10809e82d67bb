"""DFU packages of the old nRF5 SDK, which end with .zip and hold a manifest.json, too."""

from pydantic import JsonValue

# nrfutil pkg (pc-nrfutil, nordicsemi/dfu/manifest.py, 6.1): one entry for each firmware, with its
# binary and its init packet.
_FIRMWARE_KEYS = frozenset({"bin_file", "dat_file"})

WHAT_IT_IS = (
    "The package is one of the nRF5 SDK (nrfutil pkg, a .dat with each .bin): another format "
    "altogether, for the bootloader of that SDK and not for MCUboot."
)
NEXT_STEP = "Give the dfu_application.zip of an nRF Connect SDK build."


def is_nrf5_sdk_manifest(manifest: JsonValue) -> bool:
    """Whether a parsed manifest.json is one of the nRF5 SDK."""
    entries = manifest.get("manifest") if isinstance(manifest, dict) else None
    if not isinstance(entries, dict):
        return False
    return any(isinstance(one, dict) and one.keys() >= _FIRMWARE_KEYS for one in entries.values())
