"""Signing keys: test keys that are the same on every machine, and keys from PEM files."""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.provisioning import has_blank_halfword
from pytest_nrf_fota.firmware.validation_info import provisioned_key_hash, raw_public_key

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


def read_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A P-256 private key from a PEM file. Raises `PackageError`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise PackageError(
            f"The signing key cannot be read: {error}",
            where=str(path),
            next_step="Give an unencrypted PEM file with a P-256 private key.",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise PackageError(
            "The signing key is not an ECDSA P-256 key.",
            where=str(path),
            next_step="NSIB verifies ECDSA P-256 only: `imgtool keygen -t ecdsa-p256`.",
        )
    return key
