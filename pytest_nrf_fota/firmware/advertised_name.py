"""The name under which a build's application advertises, from the build's own configuration."""

import re
from pathlib import Path

_NAME = re.compile(r'^CONFIG_BT_DEVICE_NAME="(.*)"$', re.MULTILINE)
# NCS 2.3, and from 2.4 on (Zephyr subsys/mgmt/mcumgr).
_SMP_OVER_BLE = re.compile(r"^CONFIG_MCUMGR_(?:SMP|TRANSPORT)_BT=y$", re.MULTILINE)
_LARGEST_CONFIG_BYTES = 1024 * 1024


def advertised_name(hex_file: Path) -> str | None:
    """CONFIG_BT_DEVICE_NAME of the application that a merged.hex in its build folder holds.

    The network core's image has such a name, too; the application is the one with SMP over
    Bluetooth. None where the file lies in no build folder, or the build leaves it open.
    """
    folder = hex_file.parent
    # A child-image build keeps merged.hex beside the application's .config, sysbuild above it.
    configs = [folder / ".config", *sorted(folder.glob("*/zephyr/.config"))]
    names = {name for name in map(_name_in, configs) if name is not None}
    return names.pop() if len(names) == 1 else None


def _name_in(config: Path) -> str | None:
    try:
        if config.stat().st_size > _LARGEST_CONFIG_BYTES:
            return None
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    name = _NAME.search(text)
    return name[1] if name is not None and _SMP_OVER_BLE.search(text) else None
