"""NSIB's firmware information struct (sdk-nrf include/fw_info_bare.h)."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from pytest_nrf_fota.boards.soc import NSIB_SOC

ReadMemory: TypeAlias = Callable[[int, int], bytes]
"""Reads `size_bytes` at an address: from a file, over SWD, or from the virtual kit's flash."""

MAGIC_COMMON = 0x281EE6DE
MAGIC_FIRMWARE_INFO = 0x8FCEBB4C
# The third word (sdk-nrf subsys/fw_info): user compatibility 0, crypto id 0, the chip, version 2.
_INFO_VERSION = 2
COMPATIBILITY = NSIB_SOC.fw_info_hardware_id << 8 | _INFO_VERSION
MAGIC = struct.pack("<III", MAGIC_COMMON, MAGIC_FIRMWARE_INFO, COMPATIBILITY)

VALID = 0x9102FFFF
INVALIDATION_WORD = 0xFFFF0000
VALID_OFFSET_BYTES = 32

# Offsets from the slot's address at which NSIB looks, in its order.
SEARCH_OFFSETS_BYTES = (0, 0x200, 0x400, 0x800, 0x1000)

STRUCT = struct.Struct("<12sIIIIII16sIII")


@dataclass(frozen=True)
class FwInfo:
    """What NSIB knows of one firmware.

    `address` is where the struct itself lies; the other fields are its content.
    """

    address: int
    total_size_bytes: int
    firmware_size_bytes: int
    version: int
    firmware_address: int
    boot_address: int
    valid_word: int
    ext_api_num: int = 0
    ext_api_request_num: int = 0

    @property
    def is_valid(self) -> bool:
        """False once NSIB has invalidated the valid word."""
        return self.valid_word == VALID

    def pack(self) -> bytes:
        """The struct as it lies in flash, without EXT_API lists."""
        return STRUCT.pack(
            MAGIC,
            self.total_size_bytes,
            self.firmware_size_bytes,
            self.version,
            self.firmware_address,
            self.boot_address,
            self.valid_word,
            bytes(16),
            self.ext_api_num,
            self.ext_api_request_num,
            0,
        )

    @classmethod
    def unpack(cls, data: bytes, address: int) -> "FwInfo | None":
        """The struct at the start of `data`, or None where the magic is not there."""
        if len(data) < STRUCT.size or data[: len(MAGIC)] != MAGIC:
            return None
        _, total, size, version, start, boot, valid, _, ext_num, request_num, _ = (
            STRUCT.unpack_from(data)
        )
        return cls(address, total, size, version, start, boot, valid, ext_num, request_num)

    def moved_to(self, address: int) -> "FwInfo":
        """The same content, found at another address."""
        return replace(self, address=address)


def find_fw_info(
    read: ReadMemory, slot_address: int, offsets_bytes: Sequence[int] = SEARCH_OFFSETS_BYTES
) -> FwInfo | None:
    """The struct that NSIB finds in the slot at `slot_address`: the first magic wins."""
    for offset_bytes in offsets_bytes:
        address = slot_address + offset_bytes
        info = FwInfo.unpack(read(address, STRUCT.size), address)
        if info is not None:
            return info
    return None


def preferred_s_slot(versions: Sequence[int | None]) -> int | None:
    """Which S0/S1 slot NSIB starts: that of the higher version, S0 where they are equal.

    `versions` are those of S0 and S1, None for a slot without a struct or with an invalidated one;
    None where neither has one. Source: sdk-nrf samples/bootloader/src/main.c.
    """
    known = [(version, -slot) for slot, version in enumerate(versions) if version is not None]
    return -max(known)[1] if known else None


def is_preferred_to_running(
    version: int | None, s_slot: int | None, running_version: int | None, running_slot: int | None
) -> bool:
    """Whether NSIB would start what is put into `s_slot`, and not the firmware that runs.

    The versions are None for a slot without a struct or with an invalidated one. A firmware whose
    slot is not known, or that runs from this one already, has to be newer.
    """
    if s_slot is None or s_slot == running_slot:
        return (version or 0) > (running_version or 0)
    versions = (version, running_version)
    return preferred_s_slot(versions if s_slot == 0 else versions[::-1]) == s_slot
