"""An upgrade is tested from one build: the update is that build, resigned."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from pytest_nrf_fota.artifacts.demo import BASELINE_BOOTLOADER, DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.keys import signing_key_for_tests

UPGRADE_TESTS = """
from pytest_nrf_fota.verdict.evidence import assert_upgraded

def test_mcuboot(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))

def test_app(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
"""


def _pem(path: Path, key: ec.EllipticCurvePrivateKey) -> str:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(path)


def _one_build(folder: Path) -> DemoSource:
    """merged.hex and packages of the same versions, as one build makes them."""
    made = DemoSource(load_board("nrf5340dk_sim"), folder / "build")
    made.mcuboot_package("dfu_mcuboot.zip", BASELINE_BOOTLOADER)
    assert made.app_update.is_file()
    return made


@pytest.mark.long_proof
def test_resigned_build_upgrades_the_kit(user_folder: pytest.Pytester) -> None:
    """The build itself is no upgrade for its own baseline; resigned it is."""
    folder = user_folder.path
    made = _one_build(folder)
    arguments = [
        *("resign", str(folder / "build"), "--output", str(folder / "next")),
        *("--nsib-key", _pem(folder / "nsib.pem", signing_key_for_tests("nsib"))),
        *("--mcuboot-key", _pem(folder / "mcuboot.pem", signing_key_for_tests("mcuboot"))),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    user_folder.makepyfile(test_mine=UPGRADE_TESTS)
    common = ("--board", "nrf5340dk_sim", f"--baseline={made.baseline}")
    packages = ("dfu_mcuboot.zip", "dfu_application.zip")
    before = user_folder.runpytest_subprocess(
        *common, *(f"--update={folder / 'build' / name}" for name in packages)
    )
    before.assert_outcomes(passed=1, failed=1)
    before.stdout.fnmatch_lines(["*why: NSIB kept slot 0*"])
    after = user_folder.runpytest_subprocess(
        *common, *(f"--update={folder / 'next' / name}" for name in packages)
    )
    after.assert_outcomes(passed=2)
    after.stdout.fnmatch_lines(["*MCUboot 14 in S0 -> 15 in S1: UPGRADED"])
