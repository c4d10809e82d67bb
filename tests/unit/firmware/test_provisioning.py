"""NSIB's provisioning data."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.provisioning import (
    CounterArea,
    CounterKind,
    ProvisioningData,
    build_provisioning,
    has_blank_halfword,
    parse_provisioning,
)
from tests.unit.board_of_release import board_of_release

ADDRESS = 0xFF8100
OTP_SIZE_BYTES = 764
S0, S1 = 0x8000, 0x18000
KEY_HASHES = (bytes(range(16)), bytes(range(100, 116)))
FREE = 0xFFFF

HASHES = st.binary(min_size=16, max_size=16).filter(lambda data: not has_blank_halfword(data))


def parse(content: bytes) -> ProvisioningData | None:
    """Parse an OTP that holds `content` at the provisioning address and is blank behind it."""
    memory = content.ljust(OTP_SIZE_BYTES, b"\xff")

    def read(address: int, size_bytes: int) -> bytes:
        start = address - ADDRESS
        # Keys are read before their number is known to fit; reads beyond the OTP find it blank.
        assert start >= 0
        return memory[start : start + size_bytes].ljust(size_bytes, b"\xff")

    return parse_provisioning(read, ADDRESS)


def parsed(content: bytes) -> ProvisioningData:
    data = parse(content)
    assert data is not None
    return data


def blank_head() -> bytes:
    """Life cycle and implementation id, which provision.py does not write."""
    return b"\xff" * 0x28


def used(*values: int) -> tuple[int, ...]:
    return tuple(~value & 0xFFFF for value in values)


def counter(*slots: int) -> CounterArea:
    return CounterArea(CounterKind.NSIB_FIRMWARE.value, 0xFF8200, slots)


def test_literal_data_is_read() -> None:
    content = blank_head() + struct.pack("<III", S0, S1, 2)
    content += struct.pack("<I16s", 0xFFFFFFFF, KEY_HASHES[0])
    content += struct.pack("<I16s", 0xFFFF0000, KEY_HASHES[1])
    content += struct.pack("<HH", 1, 2)
    content += struct.pack("<HH4H", 1, 4, *used(29, 31), FREE, FREE)
    content += struct.pack("<HH2H", 2, 2, *used(6, 8))
    data = parsed(content)

    assert (data.s0_address, data.s1_address) == (S0, S1)
    assert (data.slot_address(0), data.slot_address(1)) == (S0, S1)
    assert [key.key_hash for key in data.keys] == list(KEY_HASHES)
    assert [key.invalidated for key in data.keys] == [False, True]
    assert [key.entry_address for key in data.keys] == [ADDRESS + 0x34, ADDRESS + 0x48]
    nsib = data.counter(CounterKind.NSIB_FIRMWARE)
    mcuboot = data.counter(CounterKind.MCUBOOT_IMAGE_0)
    assert nsib is not None
    assert mcuboot is not None
    assert (nsib.value, nsib.slots_address) == (31, ADDRESS + 0x64)
    assert nsib.free_slot_address == ADDRESS + 0x68
    assert (mcuboot.value, mcuboot.free_slot_address) == (8, None)


@pytest.mark.parametrize(
    ("ncs", "tail"), [("2.3", struct.pack("<HH", 1, 0)), ("2.6", b""), ("2.7", b""), ("3.2", b"")]
)
def test_demonstration_b0n_has_what_provision_py_writes(
    ncs: str, tail: bytes, tmp_path: Path
) -> None:
    """Without --s1-addr its main() takes S0 for it; 2.3 writes the counters' head without any."""
    segments = read_hex(DemoSource(board_of_release(ncs), tmp_path).baseline)
    (data,) = [segment.data for segment in segments if segment.address == 0x010085A8]
    assert data == struct.pack("<III", 0x01008800, 0x01008800, 0) + tail


def test_built_bytes_are_those_of_provision_py() -> None:
    assert build_provisioning(S0, S1, KEY_HASHES[:1], counter_slots=4) == (
        struct.pack("<III", S0, S1, 1)
        + struct.pack("<I16s", 0xFFFFFFFF, KEY_HASHES[0])
        + struct.pack("<HHHH", 1, 1, 1, 4)
        + b"\xff" * 8
    )


@settings(deadline=None)
@given(
    s0=st.integers(0, 2**32 - 2),
    s1=st.integers(0, 2**32 - 1),
    key_hashes=st.lists(HASHES, max_size=5).map(tuple),
    counter_slots=st.sampled_from([0, 2, 100, 240]),
)
def test_round_trip(s0: int, s1: int, key_hashes: tuple[bytes, ...], counter_slots: int) -> None:
    data = parsed(blank_head() + build_provisioning(s0, s1, key_hashes, counter_slots))

    assert (data.s0_address, data.s1_address) == (s0, s1)
    assert tuple(key.key_hash for key in data.keys) == key_hashes
    assert not any(key.invalidated for key in data.keys)
    area = data.counter(CounterKind.NSIB_FIRMWARE)
    if counter_slots:
        assert area is not None
        assert area.slots == (FREE,) * counter_slots
        assert (area.value, area.free_slot_address) == (0, area.slots_address)
    else:
        assert area is None
    assert data.counter(CounterKind.MCUBOOT_IMAGE_0) is None


def test_blank_otp_holds_nothing() -> None:
    assert parse(b"") is None


@pytest.mark.parametrize(("s0", "num_keys"), [(0xFFFFFFFF, 0), (0xFFFFFFFF, 1), (S0, 65)])
def test_half_written_otp_holds_nothing(s0: int, num_keys: int) -> None:
    assert parse(blank_head() + struct.pack("<III", s0, S1, num_keys)) is None


@settings(deadline=None)
@given(st.binary(max_size=OTP_SIZE_BYTES - 0x28))
def test_garbage_is_read_or_refused(garbage: bytes) -> None:
    data = parse(blank_head() + garbage)
    assert data is None or data.s0_address != 0xFFFFFFFF


@settings(deadline=None)
@given(num_counters=st.integers(1, 16), num_slots=st.integers(0, 0xFFFF))
def test_counters_never_reach_beyond_the_otp(num_counters: int, num_slots: int) -> None:
    content = blank_head() + struct.pack("<III", S0, S1, 0)
    content += struct.pack("<HHHH", 1, num_counters, 1, num_slots)
    for area in parsed(content).counters:
        assert area.slots_address + 2 * len(area.slots) <= ADDRESS + OTP_SIZE_BYTES


@pytest.mark.parametrize(
    ("slots", "value"),
    [
        ((), 0),
        ((FREE, FREE), 0),
        (used(0), 0),
        (used(3), 3),
        ((*used(3, 29), FREE), 29),
        # What lies behind the first free slot does not count.
        ((*used(3), FREE, *used(500)), 3),
        # The greatest counts, not the last.
        (used(29, 3), 29),
        # 0xFFFF inverted: the slot that reads 0 stores the greatest value.
        ((0x0000,), 0xFFFF),
    ],
)
def test_counter_value_is_the_greatest_inverted_slot(slots: tuple[int, ...], value: int) -> None:
    assert counter(*slots).value == value


@pytest.mark.parametrize(
    ("slots", "offset_bytes"),
    [((), None), ((FREE,), 0), ((*used(1), FREE, FREE), 2), (used(1, 2), None)],
)
def test_free_slot(slots: tuple[int, ...], offset_bytes: int | None) -> None:
    address = counter(*slots).free_slot_address
    assert address == (None if offset_bytes is None else 0xFF8200 + offset_bytes)


@pytest.mark.parametrize("halfword", range(8))
def test_key_hash_with_a_blank_halfword_is_refused(halfword: int) -> None:
    key_hash = bytearray(KEY_HASHES[0])
    key_hash[2 * halfword : 2 * halfword + 2] = b"\xff\xff"
    with pytest.raises(ValueError, match="0xFFFF halfword"):
        build_provisioning(S0, S1, (KEY_HASHES[1], bytes(key_hash)))


@pytest.mark.parametrize("start", range(1, 15, 2))
def test_ffff_across_two_halfwords_is_allowed(start: int) -> None:
    key_hash = bytearray(KEY_HASHES[0])
    key_hash[start : start + 2] = b"\xff\xff"
    data = parsed(blank_head() + build_provisioning(S0, S1, (bytes(key_hash),)))
    assert data.keys[0].key_hash == key_hash


def test_addresses_come_first_in_builds_of_ncs_2_1() -> None:
    """As a public build of 2.1.0 has it for its network core: three keys, one counter."""
    content = bytes.fromhex(
        "0088000100880001"
        "03000000"
        "ffffffffc95f0168f3b279b05144ee2273cf5318"
        "ffffffff3c85910ff3c7d4890f80f2dc4193ce24"
        "ffffffff5eef61f347bba7fdd98febc948f57d12"
        "010001000100f000"
    )
    data = parsed(content)
    assert (data.s0_address, data.s1_address) == (0x01008800, 0x01008800)
    assert [key.key_hash[:2].hex() for key in data.keys] == ["c95f", "3c85", "5eef"]
    assert [len(one.slots) for one in data.counters] == [240]
