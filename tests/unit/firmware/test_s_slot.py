"""Which images are bootloaders for S0 and S1, and which only start at the same addresses."""

import struct

import pytest

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.fw_info import MAGIC
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.s_slot import s_slot_of, s_slot_ranges, why_no_bootloader
from tests.unit.imgtool_specimens import imgtool_encrypt, imgtool_sign

KEY = signing_key_for_tests("mcuboot")
# CONFIG_FW_INFO_HARDWARE_ID is 91 on nRF91 (sdk-nrf subsys/fw_info/Kconfig).
MAGIC_NRF91 = MAGIC[:8] + struct.pack("<I", 0x00005B02)


def mcuboot(address: int, size_bytes: int = 0x8000) -> bytes:
    return build_payload(address, size_bytes, McubootDescription(), fw_info_version=7)


def application(reset_vector: int, size_bytes: int) -> bytes:
    return struct.pack("<II", 0x20010000, reset_vector).ljust(size_bytes, b"\x5a")


@pytest.mark.parametrize(("address", "slot"), [(0x8200, 0), (0x18200, 1)])
def test_mcuboot_with_fw_info(board: BoardType, address: int, slot: int) -> None:
    """As a build with NSIB makes it."""
    image = McubootImage.parse(imgtool_sign(mcuboot(address), KEY))
    assert s_slot_of(image, s_slot_ranges(board)) == slot
    assert why_no_bootloader(image, s_slot_ranges(board)) == ""


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        # 120,000 bytes at 0x10958: the application of a layout with MCUboot alone.
        (application(0x10959, 120_000), "no fw_info of the nRF5340"),
        (application(0x18459, 0x4000), "no fw_info of the nRF5340"),
        (mcuboot(0x8200, 0xD000), "bytes, and S0 49664"),
        (mcuboot(0x8200).replace(MAGIC, MAGIC_NRF91), "no fw_info of the nRF5340"),
        (mcuboot(0x28200), "starts at 0x28600, outside S0 and S1"),
    ],
    ids=("application", "small application", "too large", "for nRF91", "elsewhere"),
)
def test_what_only_looks_like_one(board: BoardType, payload: bytes, why: str) -> None:
    """Each lacks one of the three: the address, fw_info, a size that fits."""
    image = McubootImage.parse(imgtool_sign(payload, KEY))
    assert s_slot_of(image, s_slot_ranges(board)) is None
    assert why in why_no_bootloader(image, s_slot_ranges(board))


def test_code_that_cannot_be_seen(board: BoardType) -> None:
    """The first words of cipher text are no vector table."""
    image = McubootImage.parse(imgtool_encrypt(mcuboot(0x8200), KEY, KEY.public_key()))
    assert s_slot_of(image, s_slot_ranges(board)) is None
    assert "encrypted" in why_no_bootloader(image, s_slot_ranges(board))
