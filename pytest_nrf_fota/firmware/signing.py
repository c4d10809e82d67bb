"""Sign firmware for MCUboot, with imgtool."""

import contextlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from typing_extensions import assert_never

from pytest_nrf_fota.firmware.keys import SigningKey
from pytest_nrf_fota.firmware.mcuboot_image import Dependency, ImageVersion, PublicKey

if TYPE_CHECKING:
    from imgtool.keys.general import KeyClass


@dataclass(frozen=True)
class SlotLayout:
    """What imgtool must know of the slot that an image is made for."""

    slot_size_bytes: int
    header_size_bytes: int = 0x200
    align_bytes: int = 4
    # Where a bootloader that runs images from RAM copies them; 0 is no such place.
    load_address: int = 0
    # imgtool refuses an image that leaves no room for a trailer of so many sectors.
    max_sectors: int = 256


def sign_for_mcuboot(
    payload: bytes,
    version: ImageVersion,
    layout: SlotLayout,
    key: SigningKey | None,
    dependencies: Sequence[Dependency] = (),
) -> bytes:
    """Wrap `payload` into an MCUboot image, signed with `key`, or hash-only without one.

    The same input gives the same bytes, except with RSA, whose padding is random; the ECDSA nonce
    follows RFC 6979. `dependencies` are what `imgtool --dependencies` takes. Raises
    `click.UsageError` from imgtool where the image is too large for the slot.
    """
    if key is None:
        return _run_imgtool(payload, version, layout, None, None, dependencies)
    public_key = key.public_key()
    digest = _run_imgtool(payload, version, layout, public_key, None, dependencies)
    return _run_imgtool(payload, version, layout, public_key, _sign(key, digest), dependencies)


def _sign(key: SigningKey, digest: bytes) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            scheme = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
            return key.sign(digest, scheme)
        case rsa.RSAPrivateKey():
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
            return key.sign(digest, pss, Prehashed(hashes.SHA256()))
        case ed25519.Ed25519PrivateKey():
            return key.sign(digest)
        case _:
            assert_never(key)


def _run_imgtool(
    payload: bytes,
    version: ImageVersion,
    layout: SlotLayout,
    public_key: PublicKey | None,
    signature: bytes | None,
    dependencies: Sequence[Dependency],
) -> bytes:
    """With a public key and no signature the result is the digest to sign, else the image."""
    from imgtool.image import DEP_IMAGES_KEY, DEP_VERSIONS_KEY, Image
    from imgtool.version import SemiSemVersion

    def for_imgtool(number: ImageVersion) -> SemiSemVersion:
        return SemiSemVersion(number.major, number.minor, number.revision, number.build)

    image = Image(
        version=for_imgtool(version),
        header_size=layout.header_size_bytes,
        pad_header=True,
        align=layout.align_bytes,
        slot_size=layout.slot_size_bytes,
        load_addr=layout.load_address,
        max_sectors=layout.max_sectors,
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source = Path(folder) / "payload.bin"
        source.write_bytes(payload)
        image.load(str(source))
        image.create(
            None,
            "hash",
            None,
            dependencies={
                DEP_IMAGES_KEY: [dependency.image_index for dependency in dependencies],
                DEP_VERSIONS_KEY: [
                    for_imgtool(dependency.lowest_version) for dependency in dependencies
                ],
            }
            if dependencies
            else None,
            pub_key=_key_of_imgtool(public_key) if public_key else None,
            # MCUboot on the nRF5340 knows no other, whatever imgtool prefers for a kind of key.
            user_sha="256",
            vector_to_sign="digest" if public_key and signature is None else None,
            fixed_sig={"value": signature} if signature else None,
        )
    return bytes(image.payload)


def _key_of_imgtool(key: PublicKey) -> "KeyClass":
    from imgtool.keys.ecdsa import ECDSA256P1Public
    from imgtool.keys.ed25519 import Ed25519Public
    from imgtool.keys.rsa import RSAPublic

    match key:
        case ec.EllipticCurvePublicKey():
            return ECDSA256P1Public(key)
        case rsa.RSAPublicKey():
            return RSAPublic(key)
        case ed25519.Ed25519PublicKey():
            return Ed25519Public(key)
        case _:
            assert_never(key)
