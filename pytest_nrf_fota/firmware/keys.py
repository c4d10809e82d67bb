"""Signing keys: read from the user's PEM files, or made for tests, the same on every machine."""

import hashlib
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.firmware import mcuboot_image
from pytest_nrf_fota.firmware.given_file import require_file
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey
from pytest_nrf_fota.firmware.provisioning import has_blank_halfword
from pytest_nrf_fota.firmware.validation_info import provisioned_key_hash, raw_public_key

SigningKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

LARGEST_PEM_BYTES = 64 * 1024

# Order of the group of NIST P-256 (FIPS 186-4, D.1.2.3).
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def signing_key_for_tests(name: str) -> ec.EllipticCurvePrivateKey:
    """A P-256 key derived from `name`: no secret at all, for test firmware only.

    Like keygen.py, names are tried on until the hash that goes into OTP has no 0xFFFF halfword.
    """
    attempt = 0
    while True:
        seed = hashlib.sha256(f"pytest-nrf-fota test key {name} {attempt}".encode()).digest()
        key = ec.derive_private_key(
            int.from_bytes(seed, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1()
        )
        if not has_blank_halfword(provisioned_key_hash(raw_public_key(key.public_key()))):
            return key
        attempt += 1


def strange_key(signature_tlv: int) -> SigningKey:
    """A key that nobody knows, of the kind whose signatures have this TLV type.

    An RSA key is a new one each time. Raises `ValueError` for a TLV that is no signature.
    """
    match signature_tlv:
        case mcuboot_image.TLV_ECDSA:
            return signing_key_for_tests("strange")
        case mcuboot_image.TLV_ED25519:
            return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"strange").digest())
        case mcuboot_image.TLV_RSA2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case mcuboot_image.TLV_RSA3072:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)
        case _:
            raise ValueError(f"TLV 0x{signature_tlv:02x} is no signature")


def read_signing_key(path: Path) -> SigningKey:
    """A private key that can sign firmware: ECDSA P-256, RSA or Ed25519, without a passphrase.

    Raises `InputError`.
    """
    pem = _read_pem(path)
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # cryptography raises TypeError for a key that needs a passphrase.
        raise _key_error(
            path, f"The file holds no private key that can be read: {error}"
        ) from error
    if isinstance(key, (rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise _key_error(path, "Keys of this kind are not known here.")


def read_public_key(path: Path) -> PublicKey:
    """The public half of a PEM file, whichever half it holds. Raises `InputError`."""
    pem = _read_pem(path)
    if b"PRIVATE" in pem:
        return read_signing_key(path).public_key()
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _key_error(path, f"The file holds no key that can be read: {error}") from error
    if isinstance(key, (rsa.RSAPublicKey, ed25519.Ed25519PublicKey)):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise _key_error(path, "Keys of this kind are not known here.")


def _read_pem(path: Path) -> bytes:
    require_file(path, "The key file")
    with path.open("rb") as stream:
        pem = stream.read(LARGEST_PEM_BYTES + 1)
    if len(pem) > LARGEST_PEM_BYTES or b"-----BEGIN" not in pem:
        raise _key_error(path, "The key file is not a PEM file.")
    return pem


def _key_error(path: Path, what: str) -> InputError:
    return InputError(
        what,
        where=str(path),
        next_step="Give a PEM file with an ECDSA P-256, RSA or Ed25519 key, as `imgtool keygen` "
        "or `openssl ecparam -name prime256v1 -genkey` makes it, without a passphrase.",
    )
