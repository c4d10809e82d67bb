"""Signing keys for tests: the same on every machine."""

import hashlib

from cryptography.hazmat.primitives.asymmetric import ec

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
