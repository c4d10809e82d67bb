"""fw_info of another chip: the struct is the same, its third magic word is not."""

import struct
from collections.abc import Iterator

from pytest_nrf_fota.boards.soc import NSIB_SOC
from pytest_nrf_fota.firmware.fw_info import INVALIDATION_WORD, MAGIC, STRUCT, VALID, FwInfo

# What all chips have in common: the first two magic words.
COMMON_MAGIC = MAGIC[:8]
_WORD = struct.Struct("<I")
# CONFIG_FW_INFO_HARDWARE_ID, the second byte of the third word (sdk-nrf subsys/fw_info/Kconfig and
# CMakeLists.txt, v2.0.0 to 2025).
_CHIPS = {51: "nRF51", 52: "nRF52", 53: "nRF53", 54: "nRF54L", 91: "nRF91"}


def chip_of_foreign_fw_info(struct_bytes: bytes) -> str | None:
    """For which chip the struct at the start of these bytes was made, in words.

    None where there is no believable struct, or where it is one that NSIB reads.
    """
    if not struct_bytes.startswith(COMMON_MAGIC) or struct_bytes.startswith(MAGIC):
        return None
    # Read as one of NSIB's own chip: bootloaders hold the magic words as constants, too.
    info = FwInfo.unpack(MAGIC + struct_bytes[len(MAGIC) :], 0)
    if info is None or info.total_size_bytes < STRUCT.size - 4:
        return None
    if info.valid_word not in (VALID, VALID & INVALIDATION_WORD):
        return None
    end = info.firmware_address + info.firmware_size_bytes
    if not info.firmware_address <= info.boot_address < end:
        return None
    (word,) = _WORD.unpack_from(struct_bytes, len(COMMON_MAGIC))
    hardware_id = word >> 8 & 0xFF
    chip = _CHIPS.get(hardware_id)
    if hardware_id == NSIB_SOC.fw_info_hardware_id:
        return f"an {chip} whose NSIB asks for compatibility word {word:#010x}"
    return chip or f"a chip with hardware id {hardware_id}"


def foreign_chips_in(data: bytes) -> Iterator[str]:
    """Every such chip whose fw_info lies somewhere in `data`, in words."""
    at = data.find(COMMON_MAGIC)
    while at >= 0:
        chip = chip_of_foreign_fw_info(data[at : at + STRUCT.size])
        if chip is not None and at % _WORD.size == 0:
            yield chip
        at = data.find(COMMON_MAGIC, at + 1)
