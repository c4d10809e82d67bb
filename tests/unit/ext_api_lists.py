"""EXT_API lists behind a firmware's fw_info, laid out by hand (sdk-nrf include/fw_info_bare.h)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_MAGIC = struct.pack("<III", 0x281EE6DE, 0xB845ACEA, 0x3502)
_FW_INFO_OFFSET_BYTES = 0x200
_LISTS = 60


@dataclass(frozen=True)
class Request:
    """A request; `end_version` is the first that is too high (CONFIG_..._EXT_API_MAX_VER)."""

    id: int
    flags: int = 0
    version: int = 1
    end_version: int = 255
    required: bool = True


def add_ext_apis(
    firmware: bytearray,
    offered: Sequence[tuple[int, int, int]] = (),
    requests: Sequence[Request] = (),
) -> None:
    """Both lists behind the fw_info at 0x200; what is offered as id, flags, version."""
    entries = [
        # One function pointer behind each header.
        struct.pack("<12sIIIII", _MAGIC, 32, api_id, flags, version, 0x1001)
        for api_id, flags, version in offered
    ]
    entries += [
        struct.pack(
            "<12sIIIIIII",
            *(_MAGIC, 40, one.id, one.flags, one.version),
            *(one.end_version, one.required, 0x20001000 + 4 * number),
        )
        for number, one in enumerate(requests)
    ]
    lists = b"".join(entries)
    start = _FW_INFO_OFFSET_BYTES
    struct.pack_into("<I", firmware, start + 12, _LISTS + len(lists))
    struct.pack_into("<II", firmware, start + 52, len(offered), len(requests))
    firmware[start + _LISTS : start + _LISTS + len(lists)] = lists
