"""What MCUboot makes of images that need each other (loader.c, boot_verify_dependencies).

The same in sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5, and without a word on the UART in all of them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.firmware.mcuboot_image import (
    TLV_DEPENDENCY,
    ImageVersion,
    McubootImage,
)
from pytest_nrf_fota.firmware.trailer import SwapType

_DEPENDENCY = struct.Struct("<B3xBBHI")


class _Finding(Enum):
    """What the dependencies of one image came to."""

    MET = "met"
    UNMET = "not met"
    MALFORMED = "a record of the wrong size"


@dataclass
class DependentImage:
    """One image pair as the check sees it.

    Args:
        swap_type: what was decided; the check changes it.
        primary_version, update_version: what the headers say, whatever was read for one.
        primary, update: the complete images, None where there is none.
    """

    swap_type: SwapType
    primary_version: ImageVersion
    update_version: ImageVersion
    primary: McubootImage | None
    update: McubootImage | None


def verify_dependencies(images: Sequence[DependentImage]) -> None:
    """Withdraw what must not be done, as MCUboot does.

    The first image whose dependencies are not met ends the check, whatever later images need: its
    own update is dropped (and stays pending), or, where it has none, it is reverted. A record of
    the wrong size drops all updates.
    """
    for image in images:
        match _check(image, images):
            case _Finding.MET:
                continue
            case _Finding.UNMET:
                return
            case _Finding.MALFORMED:
                for other in images:
                    other.swap_type = SwapType.NONE
                return


def _check(image: DependentImage, images: Sequence[DependentImage]) -> _Finding:
    is_updated = image.swap_type not in (SwapType.NONE, SwapType.FAIL)
    content = image.update if is_updated else image.primary
    if content is None:
        # No TLVs can be read there, which C takes for an inconsistency.
        return _Finding.UNMET
    if not content.header.protected_tlv_size_bytes:
        return _Finding.MET
    for tlv in content.tlvs:
        if tlv.kind != TLV_DEPENDENCY:
            continue
        if len(tlv.value) != _DEPENDENCY.size:
            return _Finding.MALFORMED
        number, major, minor, revision, _ = _DEPENDENCY.unpack(tlv.value)
        if number >= len(images):
            return _Finding.UNMET
        if _version_after(images[number]) < (major, minor, revision):
            match image.swap_type:
                case SwapType.TEST | SwapType.PERM:
                    image.swap_type = SwapType.NONE
                case SwapType.NONE:
                    image.swap_type = SwapType.REVERT
                case _:
                    pass
            return _Finding.UNMET
    return _Finding.MET


def _version_after(image: DependentImage) -> tuple[int, int, int]:
    """Major, minor, revision of what the primary slot will hold; the build number counts not."""
    version = image.update_version if image.swap_type.is_upgrade else image.primary_version
    return version.major, version.minor, version.revision
