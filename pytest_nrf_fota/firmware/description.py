"""What the virtual CPU should do for a firmware: a small JSON text inside the payload.

Machine code is not executed by the virtual kit. Demonstration firmware therefore carries a
description of what it prints and does; firmware without one (a user's real build) runs with the
defaults of the classes below.
"""

import struct
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

MARKER = b"\x00pytest-nrf-fota firmware description\x00"
_LENGTH = struct.Struct("<I")
_MOST_BYTES = 64 * 1024


class _Description(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NsibDescription(_Description):
    """The immutable bootloader."""

    kind: Literal["nsib"] = "nsib"


class McubootDescription(_Description):
    """MCUboot. `marker` is what a patched main.c prints after `Starting bootloader`."""

    kind: Literal["mcuboot"] = "mcuboot"
    marker: str = ""
    logs: bool = True


class AppDescription(_Description):
    """The application."""

    kind: Literal["app"] = "app"
    build_time: str = ""
    advertised_name: str = "nRF5340 FOTA"
    smp_service: bool = True
    confirms_itself: bool = False


Description = Annotated[
    NsibDescription | McubootDescription | AppDescription, Field(discriminator="kind")
]
_ADAPTER: TypeAdapter[Description] = TypeAdapter(Description)


def embed(description: Description) -> bytes:
    """The bytes to place somewhere in a payload."""
    text = description.model_dump_json().encode()
    return MARKER + _LENGTH.pack(len(text)) + text


def find_description(binary: bytes) -> Description | None:
    """The description inside a payload, or None where there is none that can be read."""
    position = binary.find(MARKER)
    if position < 0 or position + len(MARKER) + _LENGTH.size > len(binary):
        return None
    (size_bytes,) = _LENGTH.unpack_from(binary, position + len(MARKER))
    if size_bytes > _MOST_BYTES:
        return None
    start = position + len(MARKER) + _LENGTH.size
    try:
        return _ADAPTER.validate_json(binary[start : start + size_bytes])
    except ValidationError:
        return None
