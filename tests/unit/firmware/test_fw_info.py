"""NSIB's firmware information struct."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.fw_info import FwInfo, find_fw_info, preferred_s_slot
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.firmware.s_slot import fw_info_of

SLOT_ADDRESS = 0x8000
SLOT_SIZE_BYTES = 0xC200
WORDS = st.integers(0, 2**32 - 1)

# Written down from the table in the facts, field by field.
LITERAL = struct.pack(
    "<3I6I4I3I",
    *(0x281EE6DE, 0x8FCEBB4C, 0x00003502),
    *(64, 0x9800, 14, 0x8200, 0x8200, 0x9102FFFF),
    *(0, 0, 0, 0),
    *(1, 2, 0),
)
IN_LITERAL = FwInfo(
    address=0x8400,
    total_size_bytes=64,
    firmware_size_bytes=0x9800,
    version=14,
    firmware_address=0x8200,
    boot_address=0x8200,
    valid_word=0x9102FFFF,
    ext_api_num=1,
    ext_api_request_num=2,
)


class SlotMemory:
    """A blank slot with structs at chosen offsets; reading outside of it is an error."""

    def __init__(self, structs: dict[int, bytes]) -> None:
        self._content = bytearray(b"\xff" * SLOT_SIZE_BYTES)
        for offset_bytes, data in structs.items():
            self._content[offset_bytes : offset_bytes + len(data)] = data

    def read(self, address: int, size_bytes: int) -> bytes:
        start = address - SLOT_ADDRESS
        assert 0 <= start <= start + size_bytes <= SLOT_SIZE_BYTES
        return bytes(self._content[start : start + size_bytes])


def info_with(version: int, address: int = 0) -> FwInfo:
    return FwInfo(address, 64, 0x9800, version, 0x8200, 0x8200, 0x9102FFFF)


def test_literal_struct_is_read_and_written() -> None:
    assert FwInfo.unpack(LITERAL, 0x8400) == IN_LITERAL
    assert IN_LITERAL.pack() == LITERAL


@settings(deadline=None)
@given(
    st.builds(
        FwInfo,
        address=WORDS,
        total_size_bytes=WORDS,
        firmware_size_bytes=WORDS,
        version=WORDS,
        firmware_address=WORDS,
        boot_address=WORDS,
        valid_word=WORDS,
        ext_api_num=WORDS,
        ext_api_request_num=WORDS,
    )
)
def test_round_trip(info: FwInfo) -> None:
    assert FwInfo.unpack(info.pack() + b"\xaa", info.address) == info


def test_validity_follows_the_valid_word() -> None:
    assert IN_LITERAL.is_valid
    # NSIB writes 0xFFFF0000; flash clears bits only.
    burnt = LITERAL[:32] + struct.pack("<I", 0x9102FFFF & 0xFFFF0000) + LITERAL[36:]
    info = FwInfo.unpack(burnt, 0)
    assert info is not None
    assert not info.is_valid


@pytest.mark.parametrize("damaged_byte", range(12))
def test_each_byte_of_the_magic_counts(damaged_byte: int) -> None:
    data = bytearray(LITERAL)
    data[damaged_byte] ^= 1
    assert FwInfo.unpack(bytes(data), 0) is None


def test_cut_off_struct_is_none() -> None:
    for size_bytes in range(len(LITERAL)):
        assert FwInfo.unpack(LITERAL[:size_bytes], 0) is None


@pytest.mark.parametrize("offset_bytes", [0, 0x200, 0x400, 0x800, 0x1000])
def test_struct_is_found_at_each_search_offset(offset_bytes: int) -> None:
    memory = SlotMemory({offset_bytes: LITERAL})
    found = find_fw_info(memory.read, SLOT_ADDRESS)
    assert found == IN_LITERAL.moved_to(SLOT_ADDRESS + offset_bytes)


@pytest.mark.parametrize("offset_bytes", [4, 0x100, 0x1FC, 0x204, 0x600, 0x1004, 0x1200, 0x2000])
def test_struct_elsewhere_is_not_found(offset_bytes: int) -> None:
    assert find_fw_info(SlotMemory({offset_bytes: LITERAL}).read, SLOT_ADDRESS) is None


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0x200), (0x200, 0x400), (0x400, 0x1000), (0x800, 0x1000)]
)
def test_first_magic_wins(first: int, second: int) -> None:
    memory = SlotMemory({second: info_with(99).pack(), first: info_with(3).pack()})
    found = find_fw_info(memory.read, SLOT_ADDRESS)
    assert found == info_with(3, SLOT_ADDRESS + first)


def test_first_magic_wins_even_when_it_was_invalidated() -> None:
    burnt = FwInfo(0, 64, 0x9800, 3, 0x8200, 0x8200, 0x91020000)
    memory = SlotMemory({0x400: burnt.pack(), 0x800: info_with(99).pack()})
    found = find_fw_info(memory.read, SLOT_ADDRESS)
    assert found is not None
    assert (found.version, found.is_valid) == (3, False)


def test_blank_slot_has_none() -> None:
    assert find_fw_info(SlotMemory({}).read, SLOT_ADDRESS) is None


def test_struct_is_found_in_an_update_image(s1_image: bytes) -> None:
    found = fw_info_of(McubootImage.parse(s1_image))
    assert found is not None
    # Header 0x200, then CONFIG_FW_INFO_OFFSET 0x200.
    assert (found.address, found.version, found.firmware_address) == (0x400, 7, 0x18200)


def test_application_image_has_none(app_image: bytes) -> None:
    assert fw_info_of(McubootImage.parse(app_image)) is None


@pytest.mark.parametrize(
    ("versions", "slot"),
    [
        ((14, 15), 1),
        ((15, 14), 0),
        ((15, 15), 0),
        ((None, 0), 1),
        ((14, None), 0),
        ((None, None), None),
        ((), None),
    ],
)
def test_nsib_starts_the_higher_version_and_s0_on_a_tie(
    versions: tuple[int | None, ...], slot: int | None
) -> None:
    assert preferred_s_slot(versions) == slot
