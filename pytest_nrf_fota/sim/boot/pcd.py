"""What both cores of the nRF5340 share: the command block at the start of the SRAM.

Source: sdk-nrf subsys/pcd/src/pcd.c (PCD: peripheral CPU DFU).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

# Partition pcd_sram: the first words of the application core's SRAM.
COMMAND_ADDRESS = 0x20000000
_COMMAND = struct.Struct("<IIIi")
COMMAND_SIZE_BYTES = _COMMAND.size


class PcdMagic(IntEnum):
    """What the network core is asked to do, or has done. Whatever else is there means failed."""

    COPY = 0xB5B4B3B6
    READ_VERSION = 0xDCA345EA
    DONE = 0xF103CE5D
    FAIL = 0x25BAFC15


@dataclass
class PcdCommand:
    """The block {magic, data, len, offset}; it keeps its content over a reset.

    Args:
        magic: request, then answer.
        data_address: where MCUboot holds the firmware, or wants the version.
        size_bytes: of the data.
        offset_bytes: where in the network core's flash the firmware goes.
    """

    magic: int = 0
    data_address: int = 0
    size_bytes: int = 0
    offset_bytes: int = 0

    def pack(self) -> bytes:
        """The block as a debugger reads it."""
        return _COMMAND.pack(self.magic, self.data_address, self.size_bytes, self.offset_bytes)
