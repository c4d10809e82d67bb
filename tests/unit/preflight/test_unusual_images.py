"""What preflight says of images that are neither plain nor wrong, made by imgtool."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from typer.testing import CliRunner, Result

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.dfu_package import package_target, read_single_image
from pytest_nrf_fota.firmware.keys import SigningKey, signing_key_for_tests
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.preflight.not_predictable import why_not_predictable
from tests.unit.imgtool_specimens import imgtool_encrypt, imgtool_sign

KEY = signing_key_for_tests("mcuboot")
STRANGE = signing_key_for_tests("strange")
APP = build_payload(0x28200, 0x4000, AppDescription())

Preflight = Callable[[bytes], Result]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSource:
    return DemoSource(load_board("nrf5340dk_sim"), tmp_path_factory.mktemp("demo"))


@pytest.fixture
def preflight(demo: DemoSource, tmp_path: Path) -> Preflight:
    """Runs the command on the demonstration firmware and one .bin."""

    def run(image: bytes) -> Result:
        path = tmp_path / "app_update.bin"
        path.write_bytes(image)
        arguments = ["preflight", "--installed", str(demo.baseline), str(path)]
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})

    return run


def test_plain_image(preflight: Preflight) -> None:
    """The opposite of all below."""
    result = preflight(imgtool_sign(APP, KEY, version="1.3.0"))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("key", "whose"), [(KEY, "the known"), (STRANGE, "an unknown")], ids=("known", "unknown")
)
def test_whole_public_key(preflight: Preflight, key: SigningKey, whose: str) -> None:
    """It was "not signed"."""
    result = preflight(imgtool_sign(APP, key, "--public-key-format", "full"))
    assert result.exit_code == 1
    assert f"is signed with {whose} key and carries it whole" in result.output
    assert "CONFIG_BOOT_HW_KEY" in result.output
    assert "not signed" not in result.output
    assert "looks for the key's hash. (likely)" in result.output


def test_unsigned_image(preflight: Preflight) -> None:
    """What has neither key nor signature is not signed."""
    result = preflight(imgtool_sign(APP, None))
    assert result.exit_code == 1
    assert "not signed" in result.output


def test_encrypted_image(preflight: Preflight) -> None:
    """Neither YES nor NO: the key that decrypts it is on the board."""
    result = preflight(imgtool_encrypt(APP, KEY, KEY.public_key()))
    assert result.exit_code == 2
    assert "Nothing can be predicted" in result.output
    assert "app_update.bin is encrypted" in result.output


def test_compressed_image(preflight: Preflight) -> None:
    """Whether this MCUboot unpacks it does not show."""
    result = preflight(imgtool_sign(bytes(0x4000), KEY, "--compression", "lzma2"))
    assert result.exit_code == 2
    assert "app_update.bin is compressed" in result.output


def test_other_hash(preflight: Preflight) -> None:
    """The installed MCUboot has an ECDSA key, for which there is SHA-256 only."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    result = preflight(imgtool_sign(APP, key, "--sha", "512"))
    assert result.exit_code == 1
    assert "is hashed by SHA512, the running application otherwise" in result.output
    assert "the hash differs" not in result.output


def test_test_run_makes_no_prediction(tmp_path: Path) -> None:
    """The words that `Upgrade` records instead."""
    path = tmp_path / "app.bin"
    target = package_target(load_board("nrf5340dk"))
    path.write_bytes(imgtool_encrypt(APP, KEY, KEY.public_key()))
    assert "is encrypted" in why_not_predictable(read_single_image(path, target))
    path.write_bytes(imgtool_sign(APP, KEY))
    assert why_not_predictable(read_single_image(path, target)) == ""
