"""One build is enough: updates of it are made where its keys are at hand."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.keys import SigningKey, signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, encode_public_key
from pytest_nrf_fota.firmware.published_keys import published_signing_key
from pytest_nrf_fota.firmware.renewal import renew_image

from .shapes import SHAPES
from .west_build import Shape, WestBuild

pytestmark = pytest.mark.long_proof

# KEYHASH of root-ec-p256.pem in MCUboot's repository.
ROOT_EC_P256 = "e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6"

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
def user_folder(empty_folder: pytest.Pytester) -> pytest.Pytester:
    """A folder with upgrade tests."""
    empty_folder.makepyfile(test_mine=UPGRADES)
    WestBuild(_NSIB, empty_folder.path).first("build")
    return empty_folder


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


def test_published_key_needs_no_option(user_folder: pytest.Pytester) -> None:
    """A build without a key of its own is signed with one of MCUboot's repository."""
    alone = next(shape for shape in SHAPES if shape.name == "ncs-3.1-alone-ns")
    build = WestBuild(alone, user_folder.path / "made").first()
    merged = build / "merged.hex"
    published = published_signing_key(bytes.fromhex(ROOT_EC_P256))
    assert published is not None
    signed = [_signed_with(published, segment, alone) for segment in read_hex(merged)]
    write_hex(merged, signed)
    (build / "dfu_application.zip").unlink()
    (build / "fota" / "zephyr" / "zephyr.signed.bin").unlink()
    result = user_folder.runpytest_subprocess(
        "--board=nrf5340dk_sim", f"--baseline={build}", "-k", "test_app"
    )
    result.assert_outcomes(passed=1, deselected=1)


def _signed_with(key: SigningKey, segment: Segment, shape: Shape) -> Segment:
    """MCUboot takes the key, the application is signed with it."""
    if segment.address == shape.slots.primary.address:
        image = McubootImage.parse(segment.data)
        return Segment(segment.address, renew_image(image, image.payload, image.version, key))
    own = encode_public_key(signing_key_for_tests("mcuboot").public_key())
    return Segment(segment.address, segment.data.replace(own, encode_public_key(key.public_key())))
