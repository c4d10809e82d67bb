"""Sign firmware for MCUboot, with imgtool."""

import contextlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion


@dataclass(frozen=True)
class SlotLayout:
    """What imgtool must know of the slot that an image is made for."""

    slot_size_bytes: int
    header_size_bytes: int = 0x200
    align_bytes: int = 4
    # imgtool refuses an image that leaves no room for a trailer of so many sectors.
    max_sectors: int = 256


def sign_for_mcuboot(
    payload: bytes,
    version: ImageVersion,
    layout: SlotLayout,
    key: ec.EllipticCurvePrivateKey | None,
) -> bytes:
    """Wrap `payload` into an MCUboot image, signed with `key`, or hash-only without one.

    The same input gives the same bytes: the ECDSA nonce follows RFC 6979. Raises
    `click.UsageError` from imgtool where the image is too large for the slot.
    """
    if key is None:
        return _run_imgtool(payload, version, layout, None, None)
    digest = _run_imgtool(payload, version, layout, key.public_key(), None)
    signature = key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True))
    return _run_imgtool(payload, version, layout, key.public_key(), signature)


def _run_imgtool(
    payload: bytes,
    version: ImageVersion,
    layout: SlotLayout,
    public_key: ec.EllipticCurvePublicKey | None,
    signature: bytes | None,
) -> bytes:
    """With a public key and no signature the result is the digest to sign, else the image."""
    from imgtool.image import Image
    from imgtool.keys.ecdsa import ECDSA256P1Public
    from imgtool.version import SemiSemVersion

    image = Image(
        version=SemiSemVersion(version.major, version.minor, version.revision, version.build),
        header_size=layout.header_size_bytes,
        pad_header=True,
        align=layout.align_bytes,
        slot_size=layout.slot_size_bytes,
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
            pub_key=ECDSA256P1Public(public_key) if public_key else None,
            vector_to_sign="digest" if public_key and signature is None else None,
            fixed_sig={"value": signature} if signature else None,
        )
    return bytes(image.payload)
