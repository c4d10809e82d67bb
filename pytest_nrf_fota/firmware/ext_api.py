"""The lists behind NSIB's struct: EXT_APIs that a firmware offers, and those that it asks for.

Layout and matching: sdk-nrf include/fw_info_bare.h, subsys/fw_info/fw_info.c.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.boards.ext_api import ExtApi
from pytest_nrf_fota.firmware.fw_info import (
    SEARCH_OFFSETS_BYTES,
    FwInfo,
    ReadMemory,
    find_fw_info,
)

# Behind ext_api_request_num.
LISTS_OFFSET_BYTES = 60
# Behind a magic that nobody looks at in a list: length, id, flags, version.
_HEADER = struct.Struct("<12xIIII")
# End of versions, whether it is required, where its pointer goes.
_REST_OF_REQUEST = struct.Struct("<III")
_WORD = 0xFFFFFFFF
# More than a slot holds; numbers beyond are not those of a firmware.
_MOST_ENTRIES = 4096


@dataclass(frozen=True)
class ExtApiRequest:
    """What a firmware asks for.

    Args:
        least: id, lowest version, and flags that it has to have; it may have others, too.
        end_version: the first version that is too high.
        is_required: whether the firmware must not be started without it.
    """

    least: ExtApi
    end_version: int
    is_required: bool

    def is_met_by(self, offered: ExtApi) -> bool:
        """Whether this one will do."""
        return (
            offered.id == self.least.id
            and self.least.version <= offered.version < self.end_version
            and offered.flags & self.least.flags == self.least.flags
        )


def offered_ext_apis(read: ReadMemory, info: FwInfo) -> tuple[ExtApi, ...]:
    """What a firmware offers; the errors of `read` come through, bytes that end early end it."""
    return tuple(entry.api for entry in _offered(read, info))


def ext_apis_of_bootloader(
    read: ReadMemory, address: int, offsets_bytes: Sequence[int] = SEARCH_OFFSETS_BYTES
) -> tuple[ExtApi, ...] | None:
    """What the bootloader at `address` offers; None where no struct in it says so."""
    info = find_fw_info(read, address, offsets_bytes)
    if info is None:
        return None
    return offered_ext_apis(read, info) if info.is_valid else ()


def requested_ext_apis(read: ReadMemory, info: FwInfo) -> tuple[ExtApiRequest, ...]:
    """What a firmware asks for, in its order; `read` as for `offered_ext_apis`."""
    if not info.ext_api_request_num:
        return ()
    offered = _offered(read, info)
    start = offered[-1].end if offered else _start(info)
    requests: list[ExtApiRequest] = []
    for entry in _walk(read, start, info.ext_api_request_num):
        rest = read(entry.address + _HEADER.size, _REST_OF_REQUEST.size)
        if len(rest) < _REST_OF_REQUEST.size:
            break
        end_version, required, _ = _REST_OF_REQUEST.unpack(rest)
        requests.append(ExtApiRequest(entry.api, end_version, bool(required)))
    return tuple(requests)


def unmet(
    requests: Sequence[ExtApiRequest], offered: Sequence[ExtApi]
) -> tuple[ExtApiRequest, ...]:
    """The requests that nothing of what is offered meets."""
    return tuple(one for one in requests if not any(map(one.is_met_by, offered)))


@dataclass(frozen=True)
class _Entry:
    """One entry of either list, and where the next one begins."""

    address: int
    end: int
    api: ExtApi


def _start(info: FwInfo) -> int:
    return info.address + LISTS_OFFSET_BYTES


def _offered(read: ReadMemory, info: FwInfo) -> tuple[_Entry, ...]:
    return tuple(_walk(read, _start(info), info.ext_api_num))


def _walk(read: ReadMemory, address: int, count: int) -> Iterator[_Entry]:
    for _ in range(min(count, _MOST_ENTRIES)):
        header = read(address, _HEADER.size)
        if len(header) < _HEADER.size:
            return
        length_bytes, api_id, flags, version = _HEADER.unpack(header)
        end = address + length_bytes & _WORD
        yield _Entry(address, end, ExtApi(api_id, flags, version))
        address = end
