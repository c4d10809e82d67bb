"""What resign makes of images that are not plain, and what it promises, made by imgtool."""

import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from typer.testing import CliRunner, Result

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.fw_info import MAGIC
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion, McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.published_keys import published_signing_key
from pytest_nrf_fota.firmware.resign import imgtool_verdict
from pytest_nrf_fota.firmware.s_slot import fw_info_of
from pytest_nrf_fota.firmware.validation_info import sign_for_nsib
from tests.unit.imgtool_specimens import (
    imgtool_encrypt,
    imgtool_sign,
    write_private_key,
)

KEY = signing_key_for_tests("mine")
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
APP = build_payload(0x28200, 0x2000, AppDescription())
PUBLISHED = {
    "root-rsa-2048.pem": "fc5701dc6135e1323847bdc40f04d2e5bee5833b23c29f93593d00018cfa9994",
    "root-ec-p256.pem": "e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6",
    "root-ed25519.pem": "c1907fa4eac7fae3840a78902b6f0710b037e9968e5c6274a12a28790c7d4e3c",
}
MARKER = "NSIB's `Firmware version`"


def resign(source: Path, output: Path, *options: str | Path) -> Result:
    arguments = ["resign", str(source), "--output", str(output), *map(str, options)]
    return CliRunner().invoke(app, arguments)


def done(source: Path, output: Path, *options: str | Path) -> str:
    result = resign(source, output, *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.fixture
def demo_mcuboot_pem(tmp_path: Path) -> Path:
    return write_private_key(tmp_path / "mcuboot.pem", signing_key_for_tests("mcuboot"))


def test_image_for_another_chip_is_refused_for_what_it_is(tmp_path: Path) -> None:
    """Its fw_info is of an nRF91, whose NSIB asks for another third magic word."""
    firmware = build_payload(0x28200, 0x2000, McubootDescription(), fw_info_version=3)
    source = tmp_path / "app.bin"
    foreign = MAGIC[:8] + (0x5B02).to_bytes(4, "little")
    source.write_bytes(imgtool_sign(firmware.replace(MAGIC, foreign), KEY))
    pem = write_private_key(tmp_path / "key.pem", KEY)
    result = resign(source, tmp_path / "next.bin", "--mcuboot-key", pem)
    assert result.exit_code == 2
    assert "'app.bin' is for another SoC: its fw_info is for nRF91" in result.stderr
    assert not (tmp_path / "next.bin").exists()


@pytest.mark.parametrize("damaged", [False, True])
def test_encrypted_image_is_refused_for_what_it_is(tmp_path: Path, damaged: bool) -> None:
    """It was "damaged, or not hashed by SHA-256"."""
    source = tmp_path / "app.bin"
    data = bytearray(imgtool_encrypt(APP, KEY, KEY.public_key()))
    data[0x300] ^= damaged
    source.write_bytes(data)
    pem = write_private_key(tmp_path / "key.pem", KEY)
    result = resign(source, tmp_path / "next.bin", "--mcuboot-key", pem)
    assert result.exit_code == 2
    assert "it is encrypted" in result.stderr
    assert "plain text" in result.stderr
    assert "damaged" not in result.stderr


@pytest.mark.parametrize("kind", ["lzma2", "lzma2armthumb"])
def test_compressed_image_is_refused(tmp_path: Path, kind: str) -> None:
    """It ended with 0 and "verified", DECOMP_SHA still that of the old version."""
    source = tmp_path / "app.bin"
    source.write_bytes(imgtool_sign(bytes(0x4000), KEY, "--compression", kind))
    pem = write_private_key(tmp_path / "key.pem", KEY)
    result = resign(source, tmp_path / "next.bin", "--mcuboot-key", pem)
    assert result.exit_code == 2
    assert "DECOMP_SHA and DECOMP_SIGNATURE" in result.stderr
    assert not (tmp_path / "next.bin").exists()


@pytest.mark.parametrize("options", [("--sha", "512"), ("--pure",), ()])
def test_ed25519_over_any_hash(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Hash, key's name and signature are renewed by the image's own algorithm."""
    source, output = tmp_path / "app.bin", tmp_path / "next.bin"
    source.write_bytes(imgtool_sign(APP, ED25519, *options))
    done(source, output, "--mcuboot-key", write_private_key(tmp_path / "key.pem", ED25519))
    old, new = (McubootImage.parse(path.read_bytes()) for path in (source, output))
    assert new.version == ImageVersion(1, 2, 4)
    assert [tlv.kind for tlv in new.tlvs] == [tlv.kind for tlv in old.tlvs]
    assert new.signing_key_hash == old.signing_key_hash
    assert new.signed_by(ED25519.public_key())
    assert imgtool_verdict(new.data, ED25519) == "OK"


def test_longer_hash_is_not_signed_with_a_key_that_cannot(tmp_path: Path) -> None:
    """imgtool has no ECDSA P-256 over SHA-512."""
    source = tmp_path / "app.bin"
    source.write_bytes(imgtool_sign(APP, ED25519, "--sha", "512"))
    pem = write_private_key(tmp_path / "key.pem", KEY)
    result = resign(source, tmp_path / "next.bin", "--mcuboot-key", pem, "--new-key")
    assert result.exit_code == 2
    assert "only an Ed25519 key" in result.stderr


def test_whole_public_key_is_renewed(tmp_path: Path) -> None:
    """The key in the image is the one that the given must be."""
    source, output = tmp_path / "app.bin", tmp_path / "next.bin"
    source.write_bytes(imgtool_sign(APP, KEY, "--public-key-format", "full"))
    other = write_private_key(tmp_path / "other.pem", signing_key_for_tests("other"))
    assert "not the one" in resign(source, output, "--mcuboot-key", other).stderr
    done(source, output, "--mcuboot-key", write_private_key(tmp_path / "key.pem", KEY))
    image = McubootImage.parse(output.read_bytes())
    assert image.carried_key is not None
    assert image.signed_by(KEY.public_key())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_key_needs_no_file(tmp_path: Path, name: str) -> None:
    """Signed with MCUboot's example key: everybody has it, so that nobody needs to give it."""
    key = published_signing_key(bytes.fromhex(PUBLISHED[name]))
    assert key is not None
    source, output = tmp_path / "app.bin", tmp_path / "next.bin"
    source.write_bytes(imgtool_sign(APP, key))
    text = done(source, output)
    assert f"signed for MCUboot with {name} of MCUboot's repository" in text
    assert "everybody has" in text
    assert McubootImage.parse(output.read_bytes()).signed_by(key.public_key())


def test_given_key_goes_before_a_published_one(tmp_path: Path) -> None:
    """Whoever names a key means it."""
    key = published_signing_key(bytes.fromhex(PUBLISHED["root-ec-p256.pem"]))
    assert key is not None
    source, output = tmp_path / "app.bin", tmp_path / "next.bin"
    source.write_bytes(imgtool_sign(APP, key))
    pem = write_private_key(tmp_path / "key.pem", KEY)
    assert "not the one" in resign(source, output, "--mcuboot-key", pem).stderr
    assert "everybody has" not in done(source, output, "--mcuboot-key", pem, "--new-key")
    assert McubootImage.parse(output.read_bytes()).signed_by(KEY.public_key())


def test_published_key_for_nsib(tmp_path: Path) -> None:
    """A build may name root-ec-p256.pem for NSIB, too."""
    key = published_signing_key(bytes.fromhex(PUBLISHED["root-ec-p256.pem"]))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    firmware = build_payload(0x8200, 0x4000, McubootDescription(), fw_info_version=3)
    source, output = tmp_path / "s0.bin", tmp_path / "next.bin"
    source.write_bytes(imgtool_sign(firmware + sign_for_nsib(firmware, 0x8200, key).pack(), key))
    text = done(source, output)
    assert "signed for NSIB with root-ec-p256.pem" in text
    assert "fw_info 3 -> 4" in text
    assert MARKER in text
    info = fw_info_of(McubootImage.parse(output.read_bytes()))
    assert info is not None
    assert info.version == 4


def test_network_core_is_promised_nothing_that_is_not_done(
    demo: DemoSource, demo_mcuboot_pem: Path, tmp_path: Path
) -> None:
    """It was "fw_info 1 -> 1", and then that NSIB will show the new one."""
    options = ("--mcuboot-key", demo_mcuboot_pem)
    text = done(demo.app_and_network_update, tmp_path / "a.zip", *options)
    assert "fw_info" not in text
    assert "NSIB" not in text
    nsib = write_private_key(tmp_path / "nsib.pem", signing_key_for_tests("nsib"))
    raised = (*options, "--nsib-key", nsib, "--fw-version", "+1")
    text = done(demo.app_and_network_update, tmp_path / "b.zip", *raised)
    assert "fw_info 2 -> 3" in text
    assert MARKER not in text, "it is the network core's bootloader that compares this one"


def test_kept_fw_info_is_no_new_version(
    demo: DemoSource, demo_mcuboot_pem: Path, tmp_path: Path
) -> None:
    """`--fw-version keep`: the image list shows another version, NSIB does not."""
    options = ("--fw-version", "keep", "--mcuboot-key", demo_mcuboot_pem)
    text = done(demo.mcuboot_update, tmp_path / "a.zip", *options)
    assert "->" in text
    assert "15 -> 15" not in text
    assert MARKER not in text
    assert "fw_info stays 15: NSIB of a kit that runs this version keeps it." in text


def test_application_where_another_layout_has_an_s_slot(
    demo: DemoSource, demo_mcuboot_pem: Path, tmp_path: Path
) -> None:
    """No MCUboot, so no fw_info to raise, and no key of NSIB is asked for."""
    source = tmp_path / "zephyr.signed.bin"
    payload = build_payload(0xC200, 120_000, AppDescription())
    source.write_bytes(imgtool_sign(payload, signing_key_for_tests("mcuboot")))
    text = done(source, tmp_path / "next.bin", "--mcuboot-key", demo_mcuboot_pem)
    assert "version 1.2.3 -> 1.2.4" in text
    assert "NSIB" not in text


def test_both_numbers_kept(demo: DemoSource, demo_mcuboot_pem: Path, tmp_path: Path) -> None:
    """Nothing is raised, and nothing is said to be."""
    with zipfile.ZipFile(demo.app_update) as archive:
        (tmp_path / "app.bin").write_bytes(archive.read("app_update.bin"))
    options = ("--version", "keep", "--mcuboot-key", demo_mcuboot_pem)
    text = done(tmp_path / "app.bin", tmp_path / "next.bin", *options)
    assert "version 1.1.0 as before, signed again" in text
    assert "->" not in text
