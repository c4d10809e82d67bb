"""Payloads for demonstration firmware: a vector table, a description, filler."""

import hashlib
import struct

from pytest_nrf_fota.firmware.description import Description, embed
from pytest_nrf_fota.firmware.fw_info import STRUCT as FW_INFO_STRUCT
from pytest_nrf_fota.firmware.fw_info import VALID, FwInfo
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey, encode_public_key

INITIAL_STACK_POINTER = 0x20010000
VECTOR_TABLE_BYTES = 0x200
# CONFIG_FW_INFO_OFFSET (sdk-nrf include/fw_info_bare.h).
FW_INFO_OFFSET_BYTES = 0x200
CODE_OFFSET_BYTES = 0x400


def build_payload(
    address: int,
    size_bytes: int,
    description: Description,
    *,
    keys: tuple[PublicKey, ...] = (),
    fw_info_version: int | None = None,
) -> bytes:
    """A firmware binary that starts at `address`.

    Args:
        address: where its vector table lies when it runs.
        size_bytes: size of the result; filler depends on address and description only.
        description: what the virtual CPU does.
        keys: public keys to compile in, as MCUboot does.
        fw_info_version: with a number, NSIB's struct is placed at offset 0x200.
    """
    vectors = struct.pack("<II", INITIAL_STACK_POINTER, address + CODE_OFFSET_BYTES + 1)
    image = bytearray(vectors.ljust(VECTOR_TABLE_BYTES, b"\x00"))
    if fw_info_version is not None:
        image += FwInfo(
            address=address + FW_INFO_OFFSET_BYTES,
            total_size_bytes=FW_INFO_STRUCT.size,
            firmware_size_bytes=size_bytes,
            version=fw_info_version,
            firmware_address=address,
            boot_address=address,
            valid_word=VALID,
        ).pack()
    image = image.ljust(CODE_OFFSET_BYTES, b"\x00")
    content = embed(description) + b"".join(encode_public_key(key) for key in keys)
    image += content
    image += _filler(content + address.to_bytes(4, "little"), size_bytes - len(image))
    assert len(image) == size_bytes, f"{len(image)} bytes do not fit into {size_bytes}"
    return bytes(image)


def _filler(seed: bytes, size_bytes: int) -> bytes:
    # Looks like code to everything that measures it: neither blank nor compressible.
    return hashlib.shake_256(seed).digest(size_bytes)
