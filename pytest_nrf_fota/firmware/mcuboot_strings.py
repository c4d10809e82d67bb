"""What a MCUboot binary says of its own build options through the log texts compiled into it.

A user's MCUboot carries no description for the virtual kit (`firmware/description.py`); but the
linker keeps a log text only where its option is on. Texts: MCUboot loader.c, boot/zephyr/main.c;
seen in real binaries of MCUboot.
"""

import re
from typing import Literal, TypeAlias

from pytest_nrf_fota.boards.ncs import Release, release_of_sdk, release_of_zephyr
from pytest_nrf_fota.firmware.description import McubootDescription, find_description

SwapAlgorithm: TypeAlias = Literal["move", "overwrite", "offset", "scratch"]

_ALGORITHM_TEXTS: tuple[tuple[SwapAlgorithm, bytes], ...] = (
    ("move", b"Starting swap using move algorithm"),
    ("scratch", b"Starting swap using scratch algorithm"),
    ("offset", b"Starting swap using offset algorithm"),
    ("overwrite", b"upgrade secondary slot -> primary slot"),
)
_START = re.compile(rb"Starting bootloader ?([\x20-\x7e]*)")
_DOWNGRADE_TEXTS = (b"erased due to downgrade prevention", b"nsufficient version in secondary slot")
_SINGLE_NETWORK_TEXT = b"Starting network core update"
_PCD_TEXT = b"Turned on network core"
_ADDRESS_TEXTS = (b"Reset address of image in secondary slot", b"is not designated for the primary")
_CLEAN_UP_TEXT = b"Cleaned-up secondary slot of"
_ZEPHYR_VERSION = re.compile(rb"\bv(\d+\.\d+\.99)-(?:ncs\d|[0-9a-f]{12})")
# NCS 2.5 and 2.6 print the version of their Zephyr behind the SDK's name: v3.5.99-ncs1.
_SDK_VERSION = re.compile(rb"nRF Connect SDK v(\d+)\.(\d+)\.\d+(?!\d|-ncs)")


def describe_mcuboot(binary: bytes) -> McubootDescription | None:
    """The options that the texts show; None where the binary holds no log text of MCUboot.

    A MCUboot that was built without logs cannot be told from anything else.
    """
    start = _START.search(binary)
    if start is None:
        return None
    found = [name for name, text in _ALGORITHM_TEXTS if text in binary]
    return McubootDescription(
        marker=start[1].decode().removesuffix("\\n").strip(),
        swap=found[0] if found else "move",
        downgrade_prevention=any(text in binary for text in _DOWNGRADE_TEXTS),
        cleans_up_unusable_secondary=_CLEAN_UP_TEXT in binary,
        network_core=_network_core_update(binary),
        verifies_address=any(text in binary for text in _ADDRESS_TEXTS),
    )


def marker_number(binary: bytes) -> int | None:
    """The number that a patched MCUboot prints behind `Starting bootloader`.

    None where it prints none, or where the binary does not show it.
    """
    described = find_description(binary)
    if not isinstance(described, McubootDescription):
        described = describe_mcuboot(binary)
    return int(described.marker) if described and described.marker.isdecimal() else None


def release_that_built(binary: bytes) -> Release | None:
    """The release that a bootloader's banner shows.

    None where the binary holds no version of the SDK or of its Zephyr.
    """
    sdk = _SDK_VERSION.search(binary)
    if sdk is not None:
        return release_of_sdk(int(sdk[1]), int(sdk[2]))
    zephyr = _ZEPHYR_VERSION.search(binary)
    return None if zephyr is None else release_of_zephyr(zephyr[1].decode())


def _network_core_update(binary: bytes) -> Literal["none", "single", "multi"]:
    # Only the path through the shared slot announces itself (facts, 4.6; loader.c).
    if _SINGLE_NETWORK_TEXT in binary:
        return "single"
    return "multi" if _PCD_TEXT in binary else "none"
