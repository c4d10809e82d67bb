"""MCUboot images, made by imgtool and read by this project."""

import contextlib
import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from imgtool.main import imgtool

from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import (
    TLV_DEPENDENCY,
    TLV_ECDSA,
    TLV_ED25519,
    TLV_KEYHASH,
    TLV_RSA2048,
    TLV_SECURITY_COUNTER,
    ImageVersion,
    McubootImage,
    NotAnImageError,
    PublicKey,
    encode_public_key,
    find_embedded_keys,
    key_hash,
)
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot

HEADER_SIZE_BYTES = 0x200
PAYLOAD = struct.pack("<II", 0x20010000, 0x00028601) + bytes(range(1, 241))
VERSION = ImageVersion(1, 2, 3, 4)
KEY = signing_key_for_tests("mcuboot")
OTHER_KEY = signing_key_for_tests("another")
SIGNED = sign_for_mcuboot(PAYLOAD, VERSION, SlotLayout(0x10000), KEY)
HASH_ONLY = sign_for_mcuboot(PAYLOAD, VERSION, SlotLayout(0x10000), None)
UNPROTECTED_TLVS = HEADER_SIZE_BYTES + len(PAYLOAD)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class KeyType:
    """A kind of key that imgtool signs with, and the TLV that its signature lies in."""

    generate: Callable[[], PrivateKey]
    signature_tlv: int


KEY_TYPES = {
    "ecdsa-p256": KeyType(lambda: ec.generate_private_key(ec.SECP256R1()), TLV_ECDSA),
    "rsa-2048": KeyType(lambda: rsa.generate_private_key(65537, 2048), TLV_RSA2048),
    "ed25519": KeyType(ed25519.Ed25519PrivateKey.generate, TLV_ED25519),
}


@pytest.fixture(scope="module")
def private_keys() -> dict[str, PrivateKey]:
    """One key of each type."""
    return {name: key_type.generate() for name, key_type in KEY_TYPES.items()}


@pytest.fixture(scope="module")
def rsa_3072() -> rsa.RSAPrivateKey:
    """A key that MCUboot knows too, though Nordic's builds do not use it."""
    return rsa.generate_private_key(65537, 3072)


def imgtool_sign(folder: Path, key: PrivateKey | None, *options: str) -> bytes:
    """What `imgtool sign` on the command line makes of PAYLOAD."""
    source, result = folder / "unsigned.bin", folder / "signed.bin"
    source.write_bytes(PAYLOAD)
    arguments = ["sign", "--header-size", "0x200", "--pad-header", "--align", "4"]
    arguments += ["--version", "1.2.3+4", "--slot-size", "0x10000", *options]
    if key is not None:
        pem = folder / "key.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        arguments += ["--key", str(pem)]
    outcome = CliRunner().invoke(imgtool, [*arguments, str(source), str(result)])
    assert outcome.exit_code == 0, outcome.output
    return result.read_bytes()


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_image_of_imgtool_is_read_with_each_key_type(
    key_type: str, private_keys: dict[str, PrivateKey], tmp_path: Path
) -> None:
    key = private_keys[key_type]
    image = McubootImage.parse(imgtool_sign(tmp_path, key))

    assert image.version == VERSION
    assert image.payload == PAYLOAD
    assert image.reset_vector == 0x28601
    assert image.header.header_size_bytes == HEADER_SIZE_BYTES
    assert image.hash_is_right
    assert image.tlv(TLV_KEYHASH) == key_hash(key.public_key())
    assert image.tlv(KEY_TYPES[key_type].signature_tlv) is not None
    assert image.signed_by(key.public_key())


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_signature_fits_no_other_key(
    key_type: str, private_keys: dict[str, PrivateKey], tmp_path: Path
) -> None:
    image = McubootImage.parse(imgtool_sign(tmp_path, private_keys[key_type]))

    assert not image.signed_by(KEY_TYPES[key_type].generate().public_key())
    for other_type, other_key in private_keys.items():
        assert image.signed_by(other_key.public_key()) == (other_type == key_type)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_tampered_image_is_signed_by_nobody(
    key_type: str, private_keys: dict[str, PrivateKey], tmp_path: Path
) -> None:
    key = private_keys[key_type]
    data = bytearray(imgtool_sign(tmp_path, key))
    data[HEADER_SIZE_BYTES + 100] ^= 1
    image = McubootImage.parse(bytes(data))

    assert not image.hash_is_right
    assert not image.signed_by(key.public_key())


@settings(deadline=None)
@given(position=st.integers(0, UNPROTECTED_TLVS - 1), change=st.integers(1, 255))
def test_any_change_of_the_hashed_bytes_is_seen(position: int, change: int) -> None:
    data = bytearray(SIGNED)
    data[position] ^= change
    try:
        image = McubootImage.parse(bytes(data))
    except NotAnImageError:
        return
    assert not image.hash_is_right
    assert not image.signed_by(KEY.public_key())


def test_damaged_signature_leaves_the_hash_right() -> None:
    image = McubootImage.parse(SIGNED[:-1] + bytes([SIGNED[-1] ^ 1]))

    assert image.hash_is_right
    assert not image.signed_by(KEY.public_key())


def test_image_of_this_project_is_read_back() -> None:
    image = McubootImage.parse(SIGNED)

    assert (image.version, image.payload) == (VERSION, PAYLOAD)
    assert image.hash_is_right
    assert image.signed_by(KEY.public_key())
    assert not image.signed_by(OTHER_KEY.public_key())


def test_signing_twice_gives_the_same_bytes() -> None:
    assert sign_for_mcuboot(PAYLOAD, VERSION, SlotLayout(0x10000), KEY) == SIGNED


def test_image_without_key_has_a_right_hash_and_no_signature(tmp_path: Path) -> None:
    assert imgtool_sign(tmp_path, None) == HASH_ONLY
    image = McubootImage.parse(HASH_ONLY)

    assert image.hash_is_right
    assert not image.signed_by(KEY.public_key())


def test_protected_tlvs_are_read_and_hashed(
    private_keys: dict[str, PrivateKey], tmp_path: Path
) -> None:
    key = private_keys["ecdsa-p256"]
    data = imgtool_sign(tmp_path, key, "--security-counter", "9", "--dependencies", "(1, 1.2.3+0)")
    image = McubootImage.parse(data)

    assert image.header.protected_tlv_size_bytes > 0
    assert image.tlv(TLV_SECURITY_COUNTER) == struct.pack("<I", 9)
    assert image.tlv(TLV_DEPENDENCY) is not None
    assert image.hash_is_right
    assert image.signed_by(key.public_key())

    counter = data.index(struct.pack("<HHI", TLV_SECURITY_COUNTER, 4, 9)) + 4
    changed = McubootImage.parse(data[:counter] + b"\x0a" + data[counter + 1 :])
    assert changed.tlv(TLV_SECURITY_COUNTER) == struct.pack("<I", 10)
    assert not changed.hash_is_right
    assert not changed.signed_by(key.public_key())


def test_image_without_hash_tlv_has_no_right_hash() -> None:
    data = HASH_ONLY[:UNPROTECTED_TLVS] + struct.pack("<HH", 0x6907, 4)
    image = McubootImage.parse(data)

    assert image.hash is None
    assert not image.hash_is_right


@pytest.mark.parametrize("padding", [b"\xff" * 64, SIGNED, b"\x00"])
def test_what_follows_the_image_is_ignored(padding: bytes) -> None:
    assert McubootImage.parse(SIGNED + padding) == McubootImage.parse(SIGNED)


def test_padded_slot_of_imgtool_is_read(tmp_path: Path) -> None:
    image = McubootImage.parse(imgtool_sign(tmp_path, None, "--pad"))

    assert image.data == HASH_ONLY


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\xff" * 4096, b"PK\x03\x04" * 100])
def test_garbage_is_no_image(garbage: bytes) -> None:
    with pytest.raises(NotAnImageError):
        McubootImage.parse(garbage)


def test_every_truncation_is_seen() -> None:
    for size_bytes in range(len(SIGNED)):
        with pytest.raises(NotAnImageError):
            McubootImage.parse(SIGNED[:size_bytes])
    McubootImage.parse(SIGNED)


def test_truncation_is_named() -> None:
    with pytest.raises(NotAnImageError, match=r"truncated.*ends at.*\d"):
        McubootImage.parse(SIGNED[:-1])


def _read_everything(data: bytes) -> None:
    """Reading may refuse bytes in one way only."""
    with contextlib.suppress(NotAnImageError):
        image = McubootImage.parse(data)
        assert data.startswith(image.data)
        assert image.hash_is_right in (True, False)
        assert image.signed_by(KEY.public_key()) in (True, False)
        assert len(image.payload) <= image.header.image_size_bytes
        assert 0 <= image.reset_vector <= 0xFFFFFFFF


@settings(deadline=None, max_examples=300)
@given(
    changes=st.lists(
        st.tuples(
            st.one_of(
                st.integers(0, 31),
                st.integers(UNPROTECTED_TLVS, len(SIGNED) - 1),
                st.integers(0, len(SIGNED) - 1),
            ),
            st.integers(0, 255),
        ),
        min_size=1,
        max_size=8,
    ),
    size_bytes=st.integers(0, len(SIGNED)),
)
def test_mutated_image_parses_or_is_refused(
    changes: list[tuple[int, int]], size_bytes: int
) -> None:
    data = bytearray(SIGNED)
    for position, value in changes:
        data[position] = value
    _read_everything(bytes(data))
    _read_everything(bytes(data[:size_bytes]))


@settings(deadline=None, max_examples=300)
@given(
    header_size_bytes=st.integers(0, 64),
    protected_bytes=st.integers(0, 20),
    image_size_bytes=st.integers(0, 64),
    behind=st.lists(
        st.one_of(
            st.sampled_from([b"\x07\x69", b"\x08\x69", b"\x22\x00", b"\x00\x00", b"\x04\x00"]),
            st.binary(max_size=12),
        ),
        max_size=20,
    ).map(b"".join),
)
def test_small_header_fields_parse_or_are_refused(
    header_size_bytes: int, protected_bytes: int, image_size_bytes: int, behind: bytes
) -> None:
    header = struct.pack(
        "<IIHHIIBBHII",
        *(0x96F3B83D, 0, header_size_bytes, protected_bytes, image_size_bytes),
        *(0, 1, 0, 0, 0, 0),
    )
    _read_everything(header + behind)


@pytest.mark.parametrize("size_bytes", [0, 1, 2, 3])
def test_tlv_area_smaller_than_its_own_head_is_refused(size_bytes: int) -> None:
    data = HASH_ONLY[:UNPROTECTED_TLVS] + struct.pack("<HH", 0x6907, size_bytes) + b"\xff" * 64
    with pytest.raises(NotAnImageError, match="TLV area"):
        McubootImage.parse(data)


@pytest.mark.parametrize("stray_bytes", [1, 2, 3])
def test_tlv_area_that_ends_inside_a_record_is_refused(stray_bytes: int) -> None:
    area = struct.pack("<HH", 0x6907, 4 + stray_bytes) + b"\x10\x00\x00"[:stray_bytes]
    with pytest.raises(NotAnImageError, match="TLV area ends inside"):
        McubootImage.parse(HASH_ONLY[:UNPROTECTED_TLVS] + area)


@pytest.mark.parametrize(("payload_bytes", "has_vector"), [(0, False), (7, False), (8, True)])
def test_reset_vector_needs_eight_bytes_of_payload(payload_bytes: int, has_vector: bool) -> None:
    payload = PAYLOAD[:payload_bytes]
    header = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 32, 0, payload_bytes, 0, 1, 0, 0, 0, 0)
    image = McubootImage.parse(header + payload + struct.pack("<HH", 0x6907, 4))

    if has_vector:
        assert image.reset_vector == 0x28601
    else:
        with pytest.raises(NotAnImageError):
            _ = image.reset_vector


def test_protected_area_must_have_the_size_of_the_header(tmp_path: Path) -> None:
    data = bytearray(imgtool_sign(tmp_path, None, "--security-counter", "9"))
    (size_bytes,) = struct.unpack_from("<H", data, 10)
    struct.pack_into("<H", data, 10, size_bytes + 1)

    with pytest.raises(NotAnImageError, match="protected"):
        McubootImage.parse(bytes(data))


@pytest.mark.parametrize(
    ("version", "text", "in_smp"),
    [
        (ImageVersion(1, 2, 3), "1.2.3", "1.2.3"),
        (ImageVersion(1, 2, 3, 4), "1.2.3+4", "1.2.3.4"),
        (ImageVersion(255, 255, 65535, 2**32 - 1), "255.255.65535+4294967295", None),
    ],
)
def test_version_texts(version: ImageVersion, text: str, in_smp: str | None) -> None:
    assert str(version) == text
    if in_smp is not None:
        assert version.as_smp_reports == in_smp
    assert "+" not in version.as_mcuboot_logs


def test_versions_are_ordered_field_by_field() -> None:
    rising = [
        ImageVersion(0, 0, 0, 9),
        ImageVersion(0, 0, 10),
        ImageVersion(0, 2, 0),
        ImageVersion(0, 10, 0),
        ImageVersion(1, 0, 0),
    ]
    assert all(low < high for low, high in itertools.pairwise(rising))


def test_embedded_keys_of_all_types_are_found_in_order(
    private_keys: dict[str, PrivateKey], rsa_3072: rsa.RSAPrivateKey
) -> None:
    keys: list[PublicKey] = [key.public_key() for key in (*private_keys.values(), rsa_3072)]
    for order in (keys, keys[::-1]):
        noise = bytes(range(256)) * 3
        binary = noise + b"".join(encode_public_key(key) + noise[:33] for key in order)

        found = find_embedded_keys(binary)

        assert [encode_public_key(k) for k in found] == [encode_public_key(k) for k in order]


@settings(deadline=None, max_examples=50)
@given(before=st.binary(max_size=300), after=st.binary(max_size=300))
def test_embedded_key_is_found_in_any_noise(before: bytes, after: bytes) -> None:
    der = encode_public_key(KEY.public_key())
    assert der in [encode_public_key(k) for k in find_embedded_keys(before + der + after)]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_cut_off_key_is_not_found(key_type: str, private_keys: dict[str, PrivateKey]) -> None:
    der = encode_public_key(private_keys[key_type].public_key())
    for size_bytes in range(len(der)):
        assert find_embedded_keys(b"\xff" * 16 + der[:size_bytes]) == ()


def test_point_off_the_curve_is_no_key() -> None:
    der = encode_public_key(KEY.public_key())
    assert find_embedded_keys(der[:-1] + bytes([der[-1] ^ 1])) == ()


def test_beginning_of_a_key_does_not_hide_the_next() -> None:
    der = encode_public_key(KEY.public_key())
    found = find_embedded_keys(der[:27] + der)
    assert [encode_public_key(key) for key in found] == [der]
