"""NSIB's validation info: hash, public key and signature behind a firmware.

Source: sdk-nrf bl_validation.c.
"""

import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from pytest_nrf_fota.firmware.fw_info import ReadMemory

MAGIC = struct.pack("<III", 0x281EE6DE, 0x86518483, 0x00013502)
STRUCT = struct.Struct("<12sI32s64s64s")
SEARCH_BYTES = 4
COORDINATE_BYTES = 32
PROVISIONED_HASH_BYTES = 16


@dataclass(frozen=True)
class ValidationInfo:
    """The 176 bytes that vouch for a firmware. Public key and signature are raw X||Y and r||s."""

    firmware_address: int
    firmware_hash: bytes
    public_key: bytes
    signature: bytes

    def pack(self) -> bytes:
        """The struct as it lies in flash."""
        return STRUCT.pack(
            MAGIC, self.firmware_address, self.firmware_hash, self.public_key, self.signature
        )

    @classmethod
    def unpack(cls, data: bytes) -> "ValidationInfo | None":
        """The struct at the start of `data`, or None where the magic is not there."""
        if len(data) < STRUCT.size or data[: len(MAGIC)] != MAGIC:
            return None
        _, address, firmware_hash, public_key, signature = STRUCT.unpack_from(data)
        return cls(address, firmware_hash, public_key, signature)

    @property
    def key_hash(self) -> bytes:
        """What the provisioning data holds of this key: 16 bytes of SHA-256(X||Y)."""
        return provisioned_key_hash(self.public_key)

    def signature_is_right(self, firmware: bytes) -> bool:
        """Whether `signature` is ECDSA-P256 over SHA256(SHA256(firmware)) with `public_key`."""
        x = int.from_bytes(self.public_key[:COORDINATE_BYTES], "big")
        y = int.from_bytes(self.public_key[COORDINATE_BYTES:], "big")
        try:
            key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        except ValueError:
            return False
        r = int.from_bytes(self.signature[:COORDINATE_BYTES], "big")
        s = int.from_bytes(self.signature[COORDINATE_BYTES:], "big")
        try:
            key.verify(encode_dss_signature(r, s), _signed_digest(firmware), _ECDSA_OF_DIGEST)
        except InvalidSignature:
            return False
        return True


_ECDSA_OF_DIGEST = ec.ECDSA(Prehashed(hashes.SHA256()))


def provisioned_key_hash(public_key: bytes) -> bytes:
    """16 bytes of SHA-256 over X||Y: how provisioning data names a key."""
    return hashlib.sha256(public_key).digest()[:PROVISIONED_HASH_BYTES]


def find_validation_info(read: ReadMemory, end_of_firmware: int) -> ValidationInfo | None:
    """The struct at or up to 4 bytes behind the end of a firmware."""
    for offset_bytes in range(SEARCH_BYTES + 1):
        info = ValidationInfo.unpack(read(end_of_firmware + offset_bytes, STRUCT.size))
        if info is not None:
            return info
    return None


def raw_public_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """X||Y, 64 bytes, big endian."""
    numbers = key.public_numbers()
    return numbers.x.to_bytes(COORDINATE_BYTES, "big") + numbers.y.to_bytes(COORDINATE_BYTES, "big")


def sign_for_nsib(
    firmware: bytes, firmware_address: int, key: ec.EllipticCurvePrivateKey
) -> ValidationInfo:
    """Make the validation info of `firmware`; the same input gives the same bytes (RFC 6979)."""
    der = key.sign(
        _signed_digest(firmware),
        ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True),
    )
    r, s = decode_dss_signature(der)
    return ValidationInfo(
        firmware_address=firmware_address,
        firmware_hash=hashlib.sha256(firmware).digest(),
        public_key=raw_public_key(key.public_key()),
        signature=r.to_bytes(COORDINATE_BYTES, "big") + s.to_bytes(COORDINATE_BYTES, "big"),
    )


def _signed_digest(firmware: bytes) -> bytes:
    # do_sign.py signs the 32-byte hash as if it were the message, hence the hash of the hash.
    return hashlib.sha256(hashlib.sha256(firmware).digest()).digest()
