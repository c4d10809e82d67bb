"""What a package adds to a log."""

from hashlib import sha256
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import Explanation, explain
from pytest_nrf_fota.findings.finding import Confidence, Origin
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    package_target,
    read_package,
    read_single_image,
)
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.variant import Variant
from pytest_nrf_fota.verdict.ending import Upgraded
from tests.unit.imgtool_specimens import imgtool_sign

_BOOT = """\
*** Booting Zephyr OS build v3.2.99-ncs2 ***
Attempting to boot slot 0.
Attempting to boot from address 0x8200.
Verifying signature against key 0.
Hash: 0x{key}
Firmware signature verified.
Firmware version {version}
*** Booting Zephyr OS build v3.2.99-ncs2 ***
[00:00:00.030,273] <inf> app: running
"""
_REFUSED = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: test
E: Image in the secondary slot is not valid!
"""
_DEMO_KEY = "9f...94"


@pytest.fixture
def source(tmp_path: Path) -> DemoSource:
    """The demonstration firmware: its MCUboot update has FW_INFO version 15."""
    return DemoSource(load_board("nrf5340dk_sim"), tmp_path)


@pytest.fixture
def mcuboot_package(source: DemoSource) -> DfuPackage:
    """dfu_mcuboot.zip, opened."""
    return read_package(source.mcuboot_update, package_target(load_board("nrf5340dk_sim")))


def _rules(explanation: Explanation) -> list[str]:
    return [cause.code for cause in explanation.causes]


def test_version_that_nsib_has_already(mcuboot_package: DfuPackage) -> None:
    """Row 6, before anything was sent: NSIB runs that version, so it will not take it."""
    log = _BOOT.format(key=_DEMO_KEY, version=15)
    explanation = explain(case_of_text(log, package=mcuboot_package))
    assert _rules(explanation) == ["nsib_version_not_raised"]
    assert Origin.PACKAGE in {shown.origin for shown in explanation.causes[0].shown}
    newer = explain(case_of_text(_BOOT.format(key=_DEMO_KEY, version=14), package=mcuboot_package))
    assert _rules(newer) == []
    in_s1 = log.replace("slot 0", "slot 1")
    assert _rules(explain(case_of_text(in_s1, package=mcuboot_package))) == [], "S0 wins a tie"
    both = _BOOT.format(key=_DEMO_KEY, version=14) + _BOOT.format(key=_DEMO_KEY, version=15)
    upgraded = explain(case_of_text(both, package=mcuboot_package))
    assert (_rules(upgraded), upgraded.happened) == ([], Upgraded.YES)
    assert upgraded.notes == ()


def test_key_that_the_board_does_not_have(mcuboot_package: DfuPackage) -> None:
    """Row 3: the package is signed for NSIB with another key than the one provisioned."""
    log = _BOOT.format(key="7f...07", version=14)
    explanation = explain(case_of_text(log, package=mcuboot_package))
    assert _rules(explanation) == ["nsib_key_changed"]
    assert _DEMO_KEY in explanation.causes[0].cause


def test_public_key_of_a_refused_image(source: DemoSource) -> None:
    """Row 14: a key that everybody has is named beside the refusal."""
    package = read_package(source.app_update, package_target(load_board("nrf5340dk_sim")))
    (cause,) = explain(case_of_text(_REFUSED, package=package)).causes
    assert cause.code == "image_of_another_key"
    assert any("demonstration key" in shown.text for shown in cause.shown)


@pytest.mark.parametrize(
    ("variant", "rule", "confidence"),
    [
        (Variant.APP_TAMPERED, "image_damaged", Confidence.CERTAIN),
        (Variant.APP_TRUNCATED, "image_damaged", Confidence.CERTAIN),
        (Variant.APP_UNSIGNED, "image_not_signed", Confidence.LIKELY),
        (Variant.APP_WRONG_KEY, "image_of_another_key", Confidence.LIKELY),
    ],
)
def test_what_is_wrong_with_a_refused_image(
    source: DemoSource, variant: Variant, rule: str, confidence: Confidence
) -> None:
    """Row 14: one cause and its own remedy, never two of them as certain."""
    package = read_package(source.variant(variant), package_target(load_board("nrf5340dk_sim")))
    (cause,) = explain(case_of_text(_REFUSED, package=package)).causes
    assert (cause.code, cause.confidence) == (rule, confidence)
    assert Origin.PACKAGE in {shown.origin for shown in cause.shown}
    wants_key = "CONFIG_BOOT_SIGNATURE_KEY_FILE" in cause.remedy
    assert wants_key is (rule != "image_damaged")


def test_image_that_carries_the_whole_key(tmp_path: Path) -> None:
    """Row 14: it is signed, and MCUboot looks for another TLV."""
    path = tmp_path / "app_update.bin"
    payload = build_payload(0x28200, 0x1000, AppDescription())
    key = signing_key_for_tests("mcuboot")
    path.write_bytes(imgtool_sign(payload, key, "--public-key-format", "full"))
    package = read_single_image(path, package_target(load_board("nrf5340dk_sim")))
    (cause,) = explain(case_of_text(_REFUSED, package=package)).causes
    assert (cause.code, cause.confidence) == ("image_carries_whole_key", Confidence.LIKELY)
    assert "CONFIG_BOOT_HW_KEY" in cause.cause


def test_damaged_package_that_was_not_refused(source: DemoSource) -> None:
    """A package alone is no cause: MCUboot has to refuse its image."""
    path = source.variant(Variant.APP_TAMPERED)
    package = read_package(path, package_target(load_board("nrf5340dk_sim")))
    accepted = _REFUSED.replace("E: Image in the secondary slot is not valid!\n", "")
    assert explain(case_of_text(accepted, package=package)).causes == ()


def test_refused_image_without_a_package() -> None:
    """Several causes are left, so none of them is certain."""
    (cause,) = explain(case_of_text(_REFUSED)).causes
    assert (cause.code, cause.confidence) == ("secondary_image_invalid", Confidence.LIKELY)


_OTHER = "5e" * 32
_RUNNING = "a1" * 32


def _list(*images: tuple[int, str, str]) -> str:
    """As smpmgr prints an image list."""
    return "".join(
        f"image=0 slot={slot}\n    version: 1.0.0\n    bootable: true\n    flags: {flags}\n"
        f"    hash: {hash_}\n"
        for slot, hash_, flags in images
    )


def _is_doubted(client: str, package: DfuPackage) -> bool:
    explanation = explain(case_of_text("", client, package))
    assert "package_was_not_sent" not in _rules(explanation), "a remark, not a cause"
    return "package_was_not_sent" in [advice.code for advice in explanation.advice]


def _image_hash(package: DfuPackage) -> str:
    hash_ = package.files[0].image.hash
    assert hash_ is not None
    return hash_.hex()


def test_package_of_which_nothing_was_sent(mcuboot_package: DfuPackage) -> None:
    """The client marked another image; a mark of the package's own image or file is no sign."""
    assert _is_doubted(f"$ mcumgr image test {_OTHER}\nDone\n", mcuboot_package)
    own = _image_hash(mcuboot_package)
    assert not _is_doubted(f"$ mcumgr image test {own}\nDone\n", mcuboot_package)
    of_file = sha256(mcuboot_package.files[1].data).hexdigest()
    assert not _is_doubted(
        f"$ mcumgr image upload x.bin sha {of_file}\n$ mcumgr image test {_OTHER}\n",
        mcuboot_package,
    )


def test_hashes_that_doubt_no_package(mcuboot_package: DfuPackage) -> None:
    """A refused mark, a confirmed running image, and what was there before the upload."""
    before = "$ mcumgr image list\n" + _list((0, _RUNNING, "active confirmed"), (1, _OTHER, ""))
    assert not _is_doubted(before, mcuboot_package)
    assert not _is_doubted(f"$ mcumgr image test {_OTHER}\nError: 3\n", mcuboot_package)
    confirm = f"{before}$ mcumgr image confirm {_RUNNING}\n"
    assert not _is_doubted(confirm, mcuboot_package)
    assert not _is_doubted("$ mcumgr image test 5e5e5e5e5e5e5e5e\n", mcuboot_package)


def test_list_behind_a_complete_upload(source: DemoSource, mcuboot_package: DfuPackage) -> None:
    """It must hold the application that was sent; MCUboot's update leaves it when it runs."""
    package = read_package(source.app_update, package_target(load_board("nrf5340dk_sim")))
    upload = "$ mcumgr image upload app_update.bin\n 98967 / 98967 bytes\n"
    images = "$ mcumgr image list\n" + _list((0, _RUNNING, "active confirmed"), (1, _OTHER, ""))
    assert _is_doubted(upload + images, package)
    assert not _is_doubted(upload.replace("98967 /", "40000 /") + images, package)
    assert not _is_doubted(upload + images.replace(_OTHER, _image_hash(package)), package)
    assert not _is_doubted(upload + images, mcuboot_package)


def test_nothing_is_concluded_from_another_package(source: DemoSource) -> None:
    """A damaged file explains a refusal only where it is the one that was sent."""
    path = source.variant(Variant.APP_TAMPERED)
    package = read_package(path, package_target(load_board("nrf5340dk_sim")))
    case = case_of_text(_REFUSED, f"$ mcumgr image test {_OTHER}\nDone\n", package)
    assert _rules(explain(case)) == ["secondary_image_invalid"]
