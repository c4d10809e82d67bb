"""Images as `imgtool sign` makes them on the command line, with any of its options."""

import tempfile
from pathlib import Path

from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from imgtool.main import imgtool

from pytest_nrf_fota.firmware.keys import SigningKey
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey

Key = SigningKey | ec.EllipticCurvePrivateKey


def imgtool_sign(
    payload: bytes,
    key: Key | None,
    *options: str,
    version: str = "1.2.3",
    slot_size_bytes: int = 0xD8000,
) -> bytes:
    """The signed image; `options` go to imgtool as they are."""
    with tempfile.TemporaryDirectory() as name:
        source, result = Path(name) / "unsigned.bin", Path(name) / "signed.bin"
        source.write_bytes(payload)
        arguments = ["sign", "--header-size", "0x200", "--pad-header", "--align", "4"]
        arguments += ["--version", version, "--slot-size", hex(slot_size_bytes)]
        arguments += ["--max-sectors", "256", *options]
        if key is not None:
            arguments += ["--key", str(write_private_key(Path(name) / "key.pem", key))]
        outcome = CliRunner().invoke(imgtool, [*arguments, str(source), str(result)])
        assert outcome.exit_code == 0, outcome.output
        return result.read_bytes()


def imgtool_encrypt(payload: bytes, key: Key, reader: PublicKey) -> bytes:
    """A signed image whose payload only the private half of `reader` decrypts."""
    with tempfile.TemporaryDirectory() as name:
        pem = write_public_key(Path(name) / "enc.pem", reader)
        return imgtool_sign(payload, key, "--encrypt", str(pem))


def write_private_key(path: Path, key: Key) -> Path:
    """A PEM file as imgtool and this project read it."""
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def write_public_key(path: Path, key: PublicKey) -> Path:
    """A PEM file that holds no secret."""
    path.write_bytes(
        key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path
