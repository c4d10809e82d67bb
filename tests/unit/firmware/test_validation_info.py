"""NSIB's validation info."""

import hashlib
import struct

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.validation_info import (
    ValidationInfo,
    find_validation_info,
    provisioned_key_hash,
    raw_public_key,
    sign_for_nsib,
)

KEY = signing_key_for_tests("nsib")
FIRMWARE = bytes(range(256)) * 8
ADDRESS = 0x18200
SIGNED = sign_for_nsib(FIRMWARE, ADDRESS, KEY)
MAGIC = struct.pack("<III", 0x281EE6DE, 0x86518483, 0x00013502)


def signed_like_do_sign(firmware: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """r||s as hash.py and do_sign.py make it: the message that is signed is the 32-byte hash."""
    message = hashlib.sha256(firmware).digest()
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def info_of(public_key: bytes, signature: bytes) -> ValidationInfo:
    return ValidationInfo(ADDRESS, hashlib.sha256(FIRMWARE).digest(), public_key, signature)


@settings(deadline=None)
@given(
    st.builds(
        ValidationInfo,
        firmware_address=st.integers(0, 2**32 - 1),
        firmware_hash=st.binary(min_size=32, max_size=32),
        public_key=st.binary(min_size=64, max_size=64),
        signature=st.binary(min_size=64, max_size=64),
    )
)
def test_round_trip(info: ValidationInfo) -> None:
    packed = info.pack()
    assert len(packed) == 176
    assert packed == (
        MAGIC
        + struct.pack("<I", info.firmware_address)
        + info.firmware_hash
        + info.public_key
        + info.signature
    )
    assert ValidationInfo.unpack(packed + b"\x00") == info


@pytest.mark.parametrize("damaged_byte", range(12))
def test_each_byte_of_the_magic_counts(damaged_byte: int) -> None:
    data = bytearray(SIGNED.pack())
    data[damaged_byte] ^= 1
    assert ValidationInfo.unpack(bytes(data)) is None


def test_cut_off_struct_is_none() -> None:
    packed = SIGNED.pack()
    for size_bytes in range(len(packed)):
        assert ValidationInfo.unpack(packed[:size_bytes]) is None


@pytest.mark.parametrize(
    ("offset_bytes", "found"),
    [(-1, False), (0, True), (1, True), (2, True), (3, True), (4, True), (5, False), (8, False)],
)
def test_struct_is_searched_up_to_four_bytes_behind(offset_bytes: int, found: bool) -> None:
    end = 64
    memory = b"\xff" * (end + offset_bytes) + SIGNED.pack() + b"\xff" * 16

    def read(address: int, size_bytes: int) -> bytes:
        return memory[address : address + size_bytes]

    assert find_validation_info(read, end) == (SIGNED if found else None)


def test_own_signature_is_right() -> None:
    assert SIGNED.signature_is_right(FIRMWARE)
    assert SIGNED.firmware_hash == hashlib.sha256(FIRMWARE).digest()
    assert SIGNED.firmware_address == ADDRESS
    assert SIGNED.public_key == raw_public_key(KEY.public_key())
    assert sign_for_nsib(FIRMWARE, ADDRESS, KEY) == SIGNED


def test_hand_made_signature_of_the_double_hash_is_right() -> None:
    info = info_of(raw_public_key(KEY.public_key()), signed_like_do_sign(FIRMWARE, KEY))
    assert info.signature_is_right(FIRMWARE)


def test_signature_of_the_single_hash_is_wrong() -> None:
    r, s = decode_dss_signature(KEY.sign(FIRMWARE, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert not info_of(SIGNED.public_key, signature).signature_is_right(FIRMWARE)


def test_signature_of_another_key_is_wrong() -> None:
    other = signing_key_for_tests("another")
    info = info_of(SIGNED.public_key, signed_like_do_sign(FIRMWARE, other))
    assert not info.signature_is_right(FIRMWARE)
    assert info_of(raw_public_key(other.public_key()), info.signature).signature_is_right(FIRMWARE)


@settings(deadline=None)
@given(position=st.integers(0, len(FIRMWARE) - 1), change=st.integers(1, 255))
def test_any_change_of_the_firmware_is_seen(position: int, change: int) -> None:
    changed = bytearray(FIRMWARE)
    changed[position] ^= change
    assert not SIGNED.signature_is_right(bytes(changed))


@settings(deadline=None)
@given(
    public_key=st.one_of(
        st.just(SIGNED.public_key),
        st.sampled_from([bytes(64), b"\xff" * 64]),
        st.binary(min_size=64, max_size=64),
    ),
    signature=st.one_of(
        st.sampled_from([bytes(64), b"\xff" * 64]), st.binary(min_size=64, max_size=64)
    ),
)
def test_nonsense_is_a_wrong_signature(public_key: bytes, signature: bytes) -> None:
    assert info_of(public_key, signature).signature_is_right(FIRMWARE) is False


def test_key_is_named_by_16_bytes_of_its_hash() -> None:
    numbers = KEY.public_key().public_numbers()
    raw = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    assert SIGNED.key_hash == hashlib.sha256(raw).digest()[:16] == provisioned_key_hash(raw)
