"""What inspect says of images that are neither plain nor wrong, made by imgtool."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from typer.testing import CliRunner

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.fw_info import MAGIC
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.published_keys import published_signing_key
from pytest_nrf_fota.inspection.contents import Contents, FoundImage, Role
from pytest_nrf_fota.inspection.inspect_path import inspect_path
from tests.unit.imgtool_specimens import Key, imgtool_encrypt, imgtool_sign

from .words import said

Write = Callable[[str, bytes], Path]

P256 = signing_key_for_tests("mcuboot")
STRANGE = signing_key_for_tests("strange")
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P384 = ec.derive_private_key(12345, ec.SECP384R1())
APP = build_payload(0x28200, 0x2000, AppDescription())
# CONFIG_FW_INFO_HARDWARE_ID is 91 on nRF91 (sdk-nrf subsys/fw_info/Kconfig).
MAGIC_NRF91 = MAGIC[:8] + struct.pack("<I", 0x00005B02)


def mcuboot(address: int, *keys: Key, size_bytes: int = 0x8000) -> bytes:
    public = tuple(key.public_key() for key in keys)
    return build_payload(address, size_bytes, McubootDescription(), keys=public, fw_info_version=3)


def shown(path: Path, *options: str) -> str:
    """The table as one line of words."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["inspect", str(path), *options])
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def only(contents: Contents) -> FoundImage:
    (image,) = contents.images
    return image


@pytest.mark.parametrize("reset_vector", [0x10959, 0x18459])
def test_application_where_another_layout_has_an_s_slot(
    board: BoardType, written: Write, reset_vector: int
) -> None:
    """Judged by its reset vector alone, it was "MCUboot for S0 ... of 49,664"."""
    payload = struct.pack("<II", 0x20010000, reset_vector).ljust(120_000, b"\x5a")
    path = written("zephyr.signed.bin", imgtool_sign(payload, None))
    contents = inspect_path(path, board)
    image = only(contents)
    assert image.role is Role.APPLICATION
    assert image.room_bytes is None
    assert "no fw_info" in image.role_reason
    assert "Give the board file of its layout" in said(contents)
    assert "49,664" not in shown(path)


def test_firmware_too_large_for_the_slot_that_it_starts_in(
    board: BoardType, written: Write
) -> None:
    """With fw_info, and of another layout all the same."""
    image = only(inspect_path(written("a.bin", imgtool_sign(mcuboot(0x8200), P256)), board))
    assert image.role is Role.MCUBOOT_S0
    large = mcuboot(0x8200, size_bytes=0xD000)
    image = only(inspect_path(written("b.bin", imgtool_sign(large, P256)), board))
    assert image.role is Role.APPLICATION
    assert image.firmware is not None
    assert image.firmware.role is Role.UNKNOWN


@pytest.mark.parametrize(
    ("key", "options", "algorithm", "words"),
    [
        (ED25519, ("--sha", "512"), "sha512", "Hashed by SHA-512"),
        (P384, (), "sha384", "Hashed by SHA-384"),
        (ED25519, ("--pure",), "sha512", "CONFIG_BOOT_SIGNATURE_TYPE_PURE"),
    ],
    ids=("sha512", "sha384", "pure"),
)
def test_other_hashes_are_right(
    board: BoardType,
    written: Write,
    key: Key,
    options: tuple[str, ...],
    algorithm: str,
    words: str,
) -> None:
    """They were "none, WRONG"; and one changed byte makes them wrong."""
    data = imgtool_sign(APP, key, *options)
    path = written("app.bin", data)
    contents = inspect_path(path, board)
    image = only(contents)
    assert image.hash_is_right is True
    assert image.hash_algorithm == algorithm
    assert words in said(contents)
    assert "WRONG" not in shown(path)
    changed = bytearray(data)
    changed[0x300] ^= 1
    path.write_bytes(changed)
    assert only(inspect_path(path, board)).hash_is_right is False
    assert "WRONG" in shown(path)


def test_encrypted_image_is_not_checked(board: BoardType, written: Write) -> None:
    """It was "hash WRONG, MCUboot refuses this image"."""
    path = written("enc.bin", imgtool_encrypt(APP, P256, P256.public_key()))
    contents = inspect_path(path, board)
    image = only(contents)
    assert image.role is Role.UNKNOWN
    assert image.hash_is_right is None
    assert image.signature_is_right is None
    words = shown(path)
    assert "not checked: encrypted, the hash is over the plain text" in words
    assert "WRONG" not in words
    assert "refuses" not in words
    assert "another board" not in words


def test_compressed_image_is_checked_as_it_lies(board: BoardType, written: Write) -> None:
    """Its first words are no vector table; hash and signature are over what is sent."""
    data = imgtool_sign(bytes(0x4000), P256, "--compression", "lzma2armthumb")
    path = written("app.bin", data)
    contents = inspect_path(path, board)
    image = only(contents)
    assert (image.hash_is_right, image.signature_is_right) == (True, True)
    assert image.role is Role.UNKNOWN
    assert "CONFIG_BOOT_DECOMPRESSION" in said(contents)
    assert "unknown: it is compressed" in shown(path)


def test_whole_public_key(board: BoardType, written: Write) -> None:
    """It was "not signed": the key itself names the key, and checks the signature."""
    path = written("app.bin", imgtool_sign(APP, STRANGE, "--public-key-format", "full"))
    contents = inspect_path(path, board)
    image = only(contents)
    assert image.carries_public_key
    assert image.signature_is_right
    assert image.key is not None
    assert "CONFIG_BOOT_HW_KEY" in said(contents)
    known = imgtool_sign(APP, P256, "--public-key-format", "full")
    image = only(inspect_path(written("b.bin", known), board))
    assert image.key is not None
    assert image.key.published_as == "demonstration key 'mcuboot' of pytest-nrf-fota"


def test_direct_xip(board: BoardType, written: Write) -> None:
    """ROM_FIXED: the address in the header is where it runs, not where it is copied."""
    path = written("app.bin", imgtool_sign(APP, P256, "--rom-fixed", str(0x28000)))
    assert "direct XIP: it runs where it lies, at 0x28000" in said(inspect_path(path, board))
    assert "runs at 0x28000" in shown(path)


@pytest.mark.parametrize(
    "name",
    [
        "fc5701dc6135e1323847bdc40f04d2e5bee5833b23c29f93593d00018cfa9994",
        "e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6",
        "c1907fa4eac7fae3840a78902b6f0710b037e9968e5c6274a12a28790c7d4e3c",
    ],
    ids=("rsa-2048", "ec-p256", "ed25519"),
)
def test_published_keys_check_what_they_sign(board: BoardType, written: Write, name: str) -> None:
    """Their public halves are at hand for everybody."""
    key = published_signing_key(bytes.fromhex(name))
    assert key is not None
    data = bytearray(imgtool_sign(APP, key))
    assert only(inspect_path(written("app.bin", bytes(data)), board)).signature_is_right
    data[-1] ^= 1
    damaged = only(inspect_path(written("app.bin", bytes(data)), board))
    assert damaged.signature_is_right is False


def test_key_in_the_mcuboot_beside_the_image(board: BoardType, tmp_path: Path) -> None:
    """It was "the public key is not at hand", though merged.hex holds it."""
    image = imgtool_sign(APP, STRANGE)
    path = tmp_path / "app_update.bin"
    path.write_bytes(image)
    assert only(inspect_path(path, board)).signature_is_right is None
    write_hex(tmp_path / "merged.hex", [Segment(0x8200, mcuboot(0x8200, STRANGE))])
    found = only(inspect_path(path, board))
    assert found.signature_is_right is True
    assert found.key is not None
    assert found.key.found_in == str(tmp_path / "merged.hex")
    path.write_bytes(imgtool_sign(APP, signing_key_for_tests("another")))
    assert only(inspect_path(path, board)).signature_is_right is None


def test_key_in_the_mcuboot_of_a_build_folder(board: BoardType, tmp_path: Path) -> None:
    """Sysbuild's layout: merged.hex at the top, images in folders of their own."""
    signed = tmp_path / "myapp/zephyr/zephyr.signed.bin"
    signed.parent.mkdir(parents=True)
    signed.write_bytes(imgtool_sign(APP, STRANGE))
    write_hex(tmp_path / "merged.hex", [Segment(0x8200, mcuboot(0x8200, STRANGE))])
    (image,) = (one for file in inspect_path(tmp_path, board).files for one in file.images)
    assert image.signature_is_right
    assert image.key is not None
    assert image.key.found_in == str(tmp_path / "merged.hex")


def test_firmware_for_nrf91(board: BoardType, written: Write) -> None:
    """The third magic word names the chip."""
    payload = mcuboot(0x8200).replace(MAGIC, MAGIC_NRF91)
    contents = inspect_path(written("a.bin", imgtool_sign(payload, P256)), board)
    assert only(contents).role is Role.UNKNOWN
    assert only(contents).firmware is None
    assert "fw_info is for nRF91: this image is for another chip" in said(contents)
    result = CliRunner().invoke(app, ["inspect", str(written("b0.bin", payload))])
    assert result.exit_code == 2
    assert "fw_info for nRF91" in result.stderr
