"""Nordic's DFU multi image (dfu_multi_image.bin): several updates behind one CBOR header.

Source: sdk-nrf scripts/bootloader/dfu_multi_image_tool.py and subsys/dfu/dfu_multi_image (2022 to
2025): the size of the header in 2 bytes, {"img": [{"id": ..., "size": ...}, ...]}, the images.
"""

import struct
from dataclasses import dataclass

import cbor2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_nrf_fota.errors import PackageError

_HEADER_SIZE = struct.Struct("<H")
_MOST_IMAGES = 64
_SMALLEST_CBOR_BYTES = 16


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    id: int
    size: int = Field(ge=0)


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True)

    img: tuple[_Entry, ...] = Field(min_length=1, max_length=_MOST_IMAGES)


@dataclass(frozen=True)
class ImagePart:
    """One image of the file.

    Args:
        number: its `id`; the application that writes it gives it a meaning, usually the image
            number of MCUboot.
        offset_bytes: where it begins in the file.
        size_bytes: as the header says.
    """

    number: int
    offset_bytes: int
    size_bytes: int


def read_multi_image(data: bytes) -> tuple[ImagePart, ...] | None:
    """The images that the header names, None where this is no such file.

    The images themselves may be missing: the first bytes of a file are enough.
    """
    if len(data) < _HEADER_SIZE.size:
        return None
    (cbor_bytes,) = _HEADER_SIZE.unpack_from(data)
    cbor = data[_HEADER_SIZE.size : _HEADER_SIZE.size + cbor_bytes]
    if not _SMALLEST_CBOR_BYTES <= cbor_bytes == len(cbor) or b"img" not in cbor[:8]:
        return None
    try:
        header = _Header.model_validate(cbor2.loads(cbor))
    except (ValueError, TypeError, RecursionError, cbor2.CBORDecodeError, ValidationError):
        return None
    parts: list[ImagePart] = []
    offset = _HEADER_SIZE.size + cbor_bytes
    for entry in header.img:
        parts.append(ImagePart(entry.id, offset, entry.size))
        offset += entry.size
    return tuple(parts)


def multi_image_refusal(data: bytes, where: str) -> PackageError | None:
    """What to say where a multi image was given for an update over SMP; None for anything else."""
    parts = read_multi_image(data)
    if parts is None:
        return None
    numbers = ", ".join(str(part.number) for part in parts)
    return PackageError(
        f"The file is a DFU multi image (images {numbers} behind a CBOR header), which an "
        "application unpacks by itself, as Matter's OTA does. SMP takes its images one by one.",
        where=where,
        next_step="Give the dfu_application.zip of the same build.",
    )
