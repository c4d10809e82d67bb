"""One build is enough: updates of it are made where its keys are at hand."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.firmware.keys import signing_key_for_tests

from .shapes import SHAPES
from .west_build import WestBuild

UPGRADES = """
from pytest_nrf_fota.verdict.evidence import assert_upgraded

def test_app(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))

def test_mcuboot(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
"""
_NSIB = next(shape for shape in SHAPES if shape.name == "ncs-2.3-nsib")


@pytest.fixture
def user_folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with upgrade tests; runs there take nothing from the run around them."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(test_mine=UPGRADES)
    WestBuild(_NSIB, pytester.path).first("build")
    return pytester


def pem(path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_updates_are_made_with_given_keys(user_folder: pytest.Pytester) -> None:
    keys = {
        name: pem(user_folder.path / f"{name}.pem", signing_key_for_tests(name))
        for name in ("nsib", "mcuboot")
    }
    result = user_folder.runpytest_subprocess(
        "--board=nrf5340dk_sim",
        "--baseline=build",
        f"--nsib-key={keys['nsib']}",
        f"--mcuboot-key={keys['mcuboot']}",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*application 1.0.0 (*) -> 1.0.1 (*): UPGRADED"])
    result.stdout.fnmatch_lines(["*MCUboot 14 in S0 -> 15 in S1: UPGRADED"])


def test_nsib_key_that_the_build_generated_is_used(user_folder: pytest.Pytester) -> None:
    """Where the user named none, the build has made one and left it in its folder."""
    generated = "GENERATED_NON_SECURE_SIGN_KEY_PRIVATE.pem"
    pem(user_folder.path / "build" / "zephyr" / generated, signing_key_for_tests("nsib"))
    key = pem(user_folder.path / "mcuboot.pem", signing_key_for_tests("mcuboot"))
    result = user_folder.runpytest_subprocess(
        "--board=nrf5340dk_sim", "--baseline=build", f"--mcuboot-key={key}", "-k", "test_mcuboot"
    )
    result.assert_outcomes(passed=1, deselected=1)


def test_skip_names_the_option_that_is_missing(user_folder: pytest.Pytester) -> None:
    result = user_folder.runpytest_subprocess("--board=nrf5340dk_sim", "--baseline=build", "-rs")
    result.assert_outcomes(skipped=2)
    text = result.stdout.str()
    assert "signed with: --mcuboot-key=PEM; or an --update" in text
    assert "signed with: --mcuboot-key=PEM, --nsib-key=PEM; or an --update" in text


def test_lone_hex_file_gives_an_application(user_folder: pytest.Pytester) -> None:
    """Its own one, with the next version; there is nothing to make a bootloader of."""
    (user_folder.path / "build" / "zephyr" / "merged_domains.hex").rename(
        user_folder.path / "lone.hex"
    )
    key = pem(user_folder.path / "mcuboot.pem", signing_key_for_tests("mcuboot"))
    result = user_folder.runpytest_subprocess(
        "--board=nrf5340dk_sim", "--baseline=lone.hex", f"--mcuboot-key={key}", "-rs"
    )
    result.assert_outcomes(passed=1, skipped=1)
    assert "No update package with mcuboot images was given" in result.stdout.str()
