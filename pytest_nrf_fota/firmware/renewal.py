"""Give an existing MCUboot image another payload or version, and sign it again.

Everything else stays as the build made it: header size, load address, flags, protected TLVs.
"""

import hashlib
import struct
from collections.abc import Iterable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from typing_extensions import assert_never

from pytest_nrf_fota.firmware.keys import SigningKey
from pytest_nrf_fota.firmware.mcuboot_image import (
    HASH_TLVS,
    SIGNATURE_TLVS,
    TLV_ECDSA,
    TLV_ED25519,
    TLV_ENTRY,
    TLV_INFO,
    TLV_INFO_MAGIC,
    TLV_KEYHASH,
    TLV_PUBKEY,
    TLV_RSA2048,
    TLV_RSA3072,
    TLV_SIG_PURE,
    ImageVersion,
    McubootImage,
    Tlv,
    encode_public_key,
    key_hash,
)
from pytest_nrf_fota.firmware.tlv_names import tlv_name

_RSA_SIGNATURES = {2048: TLV_RSA2048, 3072: TLV_RSA3072}
# ImageHeader.version (bootutil/image.h, struct image_version).
_VERSION_OFFSET_BYTES = 20
_VERSION = struct.Struct("<BBHI")
_RENEWABLE_TLVS = SIGNATURE_TLVS | HASH_TLVS.keys() | {TLV_KEYHASH, TLV_PUBKEY, TLV_SIG_PURE}
_SHA256_BYTES = 32


class NotRenewableError(ValueError):
    """The image cannot be signed again; the message says why."""


def renew_image(
    image: McubootImage, payload: bytes, version: ImageVersion, key: SigningKey | None
) -> bytes:
    """The image with another payload of the same size, another version, and new TLVs for both.

    Args:
        image: as it was.
        payload: what it should hold now.
        version: for its header.
        key: signs; None only for an image that has no signature.

    Raises:
        NotRenewableError: encrypted, compressed, without a hash, signed and no key, or a key that
            does not sign over such a hash.
    """
    if len(payload) != image.header.image_size_bytes:
        raise NotRenewableError("the payload's size changed")
    hidden = _why_not_renewable(image)
    if hidden:
        raise NotRenewableError(hidden)
    unprotected = _unprotected_tlvs(image)
    foreign = [tlv_name(t.kind) for t in unprotected if t.kind not in _RENEWABLE_TLVS]
    if foreign or image.hash is None:
        raise NotRenewableError(
            "its TLVs are not those of an ECDSA, RSA or Ed25519 signature over a hash "
            f"({', '.join(foreign) or 'no hash'})"
        )
    head = bytearray(image.data[: image.header.hashed_size_bytes])
    start = image.header.header_size_bytes
    head[start : start + len(payload)] = payload
    _VERSION.pack_into(
        head, _VERSION_OFFSET_BYTES, version.major, version.minor, version.revision, version.build
    )
    algorithm = image.hash_algorithm
    digest = hashlib.new(algorithm, head).digest()
    message = bytes(head) if image.signs_content else digest
    return bytes(head) + _tlv_area(
        _renewed(tlv, digest, message, algorithm, key) for tlv in unprotected
    )


def _why_not_renewable(image: McubootImage) -> str:
    """What of the image nobody but its build can renew; empty where nothing is."""
    if image.is_encrypted:
        return (
            "it is encrypted, and hash and signature are over the plain text, which only the "
            "device's key gives"
        )
    if image.is_compressed:
        return (
            "it is compressed, and its DECOMP_SHA and DECOMP_SIGNATURE, which are over the "
            "uncompressed image with its version, would stay those of the old one"
        )
    return ""


def without_signature(image: McubootImage) -> bytes:
    """The image as imgtool makes it without a key: hashed, not signed.

    Raises `NotRenewableError` for an image that has no signature to lose.
    """
    signed = SIGNATURE_TLVS | {TLV_KEYHASH, TLV_PUBKEY}
    unprotected = _unprotected_tlvs(image)
    kept = [tlv for tlv in unprotected if tlv.kind not in signed]
    if len(kept) == len(unprotected):
        raise NotRenewableError("it is not signed")
    return image.data[: image.header.hashed_size_bytes] + _tlv_area(kept)


def _tlv_area(tlvs: Iterable[Tlv]) -> bytes:
    area = b"".join(TLV_ENTRY.pack(tlv.kind, len(tlv.value)) + tlv.value for tlv in tlvs)
    return TLV_INFO.pack(TLV_INFO_MAGIC, TLV_INFO.size + len(area)) + area


def _unprotected_tlvs(image: McubootImage) -> tuple[Tlv, ...]:
    left = image.header.protected_tlv_size_bytes - TLV_INFO.size
    unprotected: list[Tlv] = []
    for tlv in image.tlvs:
        if left <= 0:
            unprotected.append(tlv)
        left -= TLV_ENTRY.size + len(tlv.value)
    return tuple(unprotected)


def _renewed(
    tlv: Tlv, digest: bytes, message: bytes, algorithm: str, key: SigningKey | None
) -> Tlv:
    if tlv.kind in HASH_TLVS:
        return Tlv(tlv.kind, digest)
    if tlv.kind == TLV_SIG_PURE:
        return tlv
    if key is None:
        raise NotRenewableError("it is signed, and there is no key to sign it again")
    if tlv.kind == TLV_KEYHASH:
        return Tlv(TLV_KEYHASH, key_hash(key.public_key(), algorithm))
    if tlv.kind == TLV_PUBKEY:
        return Tlv(TLV_PUBKEY, encode_public_key(key.public_key()))
    return _signature(message, key, tlv.value)


def _signature(message: bytes, key: SigningKey, old: bytes) -> Tlv:
    if not isinstance(key, ed25519.Ed25519PrivateKey) and len(message) != _SHA256_BYTES:
        raise NotRenewableError("only an Ed25519 key signs anything else than a SHA-256")
    match key:
        case ec.EllipticCurvePrivateKey():
            value = key.sign(
                message, ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
            )
            # imgtool --pad-sig: DER signatures vary in length, MCUboot built for that wants one.
            padded = old[:1] == b"\x30" and len(old) > old[1] + 2
            return Tlv(TLV_ECDSA, value.ljust(72, b"\x00") if padded else value)
        case rsa.RSAPrivateKey():
            kind = _RSA_SIGNATURES.get(key.key_size)
            if kind is None:
                raise NotRenewableError(f"MCUboot knows no RSA-{key.key_size}")
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
            return Tlv(kind, key.sign(message, pss, Prehashed(hashes.SHA256())))
        case ed25519.Ed25519PrivateKey():
            return Tlv(TLV_ED25519, key.sign(message))
        case _:
            assert_never(key)
