"""Variants differ from the right update in the one thing that they are for."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.firmware.damage import lose_signature, sign_with_strange_key
from pytest_nrf_fota.firmware.dfu_package import PackageTarget, UpdateFile, read_package
from pytest_nrf_fota.firmware.hex_file import memory_reader, read_hex
from pytest_nrf_fota.firmware.keys import SigningKey, signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import (
    SIGNATURE_TLVS,
    ImageVersion,
    McubootImage,
    find_embedded_keys,
)
from pytest_nrf_fota.firmware.provisioning import parse_provisioning
from pytest_nrf_fota.firmware.renewal import NotRenewableError
from pytest_nrf_fota.firmware.repack import repack
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.validation_info import ValidationInfo, find_validation_info
from pytest_nrf_fota.firmware.variant import Variant
from tests.unit.board_of_release import board_of_release

KEY = signing_key_for_tests("mcuboot").public_key()
NEXT_KEY = signing_key_for_tests("next mcuboot").public_key()
LAYOUT = SlotLayout(0x10000)


def kinds(image: McubootImage) -> set[int]:
    return {tlv.kind for tlv in image.tlvs}


def validation(file: UpdateFile) -> tuple[ValidationInfo, bytes]:
    assert file.fw_info is not None
    payload, size_bytes = file.image.payload, file.fw_info.firmware_size_bytes
    found = find_validation_info(lambda a, n: payload[a : a + n], size_bytes)
    assert found is not None
    return found, payload[:size_bytes]


@pytest.mark.parametrize("variant", Variant)
def test_every_variant_is_made_and_says_what_it_is(
    target: PackageTarget, variant: Variant, tmp_path: Path
) -> None:
    demo = DemoSource(board_of_release("2.9"), tmp_path)
    made = demo.variant(variant)
    assert variant.meaning.endswith(".")
    if variant.is_baseline:
        assert made.read_bytes() != demo.baseline.read_bytes()
        return
    package = read_package(made, target)
    assert (package.files[0].s_slot is not None) == variant.value.startswith("mcuboot")
    update = demo.mcuboot_update if variant.value.startswith("mcuboot") else demo.app_update
    right = [file.data for file in read_package(update, target).files]
    assert [file.data for file in package.files] != right


def test_provisioning_of_no_release_is_older_than_that_of_ncs_2_6(demo: DemoSource) -> None:
    with pytest.raises(ArtifactUnavailableError, match="has a NSIB of NCS 2"):
        demo.variant(Variant.BASELINE_OLDER_PROVISIONING)


@pytest.mark.parametrize(
    ("variant", "hash_is_right", "is_signed", "by_known_key"),
    [
        (Variant.APP_UNSIGNED, True, False, False),
        (Variant.APP_WRONG_KEY, True, True, False),
        (Variant.APP_TAMPERED, False, True, False),
        (Variant.APP_TRUNCATED, False, True, False),
        (Variant.APP_TOO_LARGE, True, True, True),
        (Variant.APP_OLDER, True, True, True),
        (Variant.APP_NEXT_KEY, True, True, False),
    ],
)
def test_application(
    demo: DemoSource,
    target: PackageTarget,
    variant: Variant,
    hash_is_right: bool,
    is_signed: bool,
    by_known_key: bool,
) -> None:
    image = read_package(demo.variant(variant), target).files[0].image
    assert image.hash_is_right is hash_is_right
    assert bool(kinds(image) & SIGNATURE_TLVS) is is_signed
    assert (image.hash_is_right and image.signed_by(KEY)) is by_known_key
    assert image.signed_by(NEXT_KEY) is (variant is Variant.APP_NEXT_KEY)


@pytest.mark.parametrize(
    "key",
    [
        signing_key_for_tests("mcuboot"),
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        rsa.generate_private_key(public_exponent=65537, key_size=3072),
    ],
    ids=["ecdsa", "ed25519", "rsa2048", "rsa3072"],
)
def test_signature_of_each_kind_is_lost_and_exchanged(key: SigningKey) -> None:
    right = sign_for_mcuboot(bytes(64), ImageVersion(1, 0, 0), LAYOUT, key)
    strange = McubootImage.parse(sign_with_strange_key(right))
    assert strange.hash == McubootImage.parse(right).hash
    assert kinds(strange) == kinds(McubootImage.parse(right))
    assert not strange.signed_by(key.public_key())
    unsigned = sign_for_mcuboot(bytes(64), ImageVersion(1, 0, 0), LAYOUT, None)
    assert lose_signature(right) == unsigned
    for change in (lose_signature, sign_with_strange_key):
        with pytest.raises(NotRenewableError, match="not signed"):
            change(unsigned)


def test_tampered_mcuboot_is_right_for_mcuboot_only(
    demo: DemoSource, target: PackageTarget
) -> None:
    for file in read_package(demo.variant(Variant.MCUBOOT_TAMPERED), target).files:
        info, firmware = validation(file)
        assert not info.signature_is_right(firmware)
        assert file.image.hash_is_right
        assert file.image.signed_by(KEY)


@pytest.mark.parametrize(
    ("variant", "key_name"),
    [
        (Variant.MCUBOOT_UNPROVISIONED_KEY, "strange nsib"),
        (Variant.MCUBOOT_NEXT_NSIB_KEY, "next nsib"),
    ],
)
def test_mcuboot_of_another_nsib_key(
    demo: DemoSource, target: PackageTarget, board: BoardType, variant: Variant, key_name: str
) -> None:
    info, firmware = validation(read_package(demo.variant(variant), target).files[1])
    assert info.signature_is_right(firmware)
    assert board.slots.provisioning_address is not None
    two_keys = read_hex(demo.variant(Variant.BASELINE_TWO_NSIB_KEYS))
    provisioned = parse_provisioning(memory_reader(two_keys), board.slots.provisioning_address)
    assert provisioned is not None
    places = [key.key_hash for key in provisioned.keys]
    assert places.count(info.key_hash) == (key_name == "next nsib")


@pytest.mark.parametrize(
    ("variant", "keys"),
    [
        (Variant.MCUBOOT_TWO_APP_KEYS, [KEY, NEXT_KEY]),
        (Variant.MCUBOOT_NEXT_APP_KEY, [NEXT_KEY]),
    ],
)
def test_mcuboot_of_other_application_keys(
    demo: DemoSource,
    target: PackageTarget,
    variant: Variant,
    keys: list[ec.EllipticCurvePublicKey],
) -> None:
    for file in read_package(demo.variant(variant), target).files:
        assert list(find_embedded_keys(file.image.payload)) == keys


def test_repacked_package_is_whole(demo: DemoSource, target: PackageTarget, tmp_path: Path) -> None:
    files = read_package(demo.mcuboot_update, target).files
    longer = files[1].data + b"\xff"
    again = repack(demo.mcuboot_update, tmp_path / "new" / "p.zip", {files[1].name: longer})
    assert [file.data for file in read_package(again, target).files] == [files[0].data, longer]
