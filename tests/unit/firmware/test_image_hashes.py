"""Hashes and signatures beside SHA-256 over a plain image, as imgtool makes them."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pytest_nrf_fota.firmware.keys import SigningKey, signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import (
    TLV_KEYHASH,
    McubootImage,
    encode_public_key,
    is_named,
    key_hash,
)
from tests.unit.imgtool_specimens import Key, imgtool_encrypt, imgtool_sign

PAYLOAD = bytes(range(256)) * 16
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = signing_key_for_tests("mcuboot")
P384 = ec.derive_private_key(12345, ec.SECP384R1())


@pytest.mark.parametrize(
    ("key", "options", "algorithm"),
    [
        (ED25519, ("--sha", "512"), "sha512"),
        (ED25519, ("--pure",), "sha512"),
        (ED25519, (), "sha256"),
        (P384, (), "sha384"),
        (P256, (), "sha256"),
    ],
    ids=("ed25519-sha512", "ed25519-pure", "ed25519", "p384", "p256"),
)
def test_each_hash_is_checked_as_what_it_is(
    key: Key, options: tuple[str, ...], algorithm: str
) -> None:
    """By the TLV's own algorithm, which names the key, too."""
    data = imgtool_sign(PAYLOAD, key, *options)
    image = McubootImage.parse(data)
    public = key.public_key()

    assert image.hash_algorithm == algorithm
    hashed = data[: image.header.hashed_size_bytes]
    assert image.hash == hashlib.new(algorithm, hashed).digest()
    assert image.hash_is_right
    assert image.signs_content == ("--pure" in options)
    named = image.tlv(TLV_KEYHASH)
    assert named == key_hash(public, algorithm)
    assert is_named(public, named)
    assert image.signed_by(public)

    changed = bytearray(data)
    changed[0x300] ^= 1
    damaged = McubootImage.parse(bytes(changed))
    assert not damaged.hash_is_right
    assert not damaged.signed_by(public)


def test_pure_signature_is_not_one_over_the_hash() -> None:
    """The same key over another message: each is refused where the other is said to be."""
    pure = imgtool_sign(PAYLOAD, ED25519, "--pure")
    of_hash = imgtool_sign(PAYLOAD, ED25519, "--sha", "512")
    signature = of_hash[-64:]
    swapped = McubootImage.parse(pure[:-64] + signature)
    assert swapped.signs_content
    assert not swapped.signed_by(ED25519.public_key())


@pytest.mark.parametrize("other", [P256, rsa.generate_private_key(65537, 2048)])
def test_key_of_another_kind_signed_nothing(other: SigningKey) -> None:
    """A hash of 64 bytes is no message that these kinds sign."""
    image = McubootImage.parse(imgtool_sign(PAYLOAD, ED25519, "--sha", "512"))
    assert not image.signed_by(other.public_key())


def test_whole_public_key() -> None:
    """imgtool --public-key-format full: no KEYHASH, and the key itself names the key."""
    image = McubootImage.parse(imgtool_sign(PAYLOAD, P256, "--public-key-format", "full"))
    assert image.tlv(TLV_KEYHASH) is None
    assert image.carried_key is not None
    assert encode_public_key(image.carried_key) == encode_public_key(P256.public_key())
    assert image.signing_key_hash == key_hash(P256.public_key())


def test_encrypted_image_shows_neither_code_nor_hash() -> None:
    """The hash is over the plain text, which is not here."""
    image = McubootImage.parse(imgtool_encrypt(PAYLOAD, P256, P256.public_key()))
    assert image.is_encrypted
    assert not image.shows_its_code
    assert not image.hash_is_right
    assert not image.signed_by(P256.public_key())


def test_compressed_image_is_hashed_as_it_is() -> None:
    """What MCUboot copies is hashed and signed; the code is inside."""
    image = McubootImage.parse(imgtool_sign(PAYLOAD, P256, "--compression", "lzma2armthumb"))
    assert image.is_compressed
    assert not image.shows_its_code
    assert image.hash_is_right
    assert image.signed_by(P256.public_key())
