"""The next version of a build, made without a build, and what is refused."""

import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from typer.testing import CliRunner, Result

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.dfu_package import UpdateFile, package_target, read_package
from pytest_nrf_fota.firmware.fw_info import find_fw_info
from pytest_nrf_fota.firmware.keys import SigningKey, signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import TLV_KEYHASH, ImageVersion, McubootImage, key_hash
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.renewal import NotRenewableError, renew_image
from pytest_nrf_fota.firmware.resign import imgtool_verdict
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import MAGIC
from pytest_nrf_fota.firmware.validation_info import find_validation_info

NSIB_KEY = signing_key_for_tests("nsib")
MCUBOOT_KEY = signing_key_for_tests("mcuboot")
# RSA keys take seconds to make; one size is enough, for it is imgtool that judges.
OTHER_KEYS: tuple[SigningKey, ...] = (
    signing_key_for_tests("another"),
    ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    rsa.generate_private_key(65537, 2048),
)


@dataclass(frozen=True)
class Pems:
    """The demonstration keys as files."""

    nsib: Path
    mcuboot: Path
    other: Path

    @property
    def both(self) -> tuple[str, ...]:
        """Options for both right keys."""
        return ("--nsib-key", str(self.nsib), "--mcuboot-key", str(self.mcuboot))


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Pems:
    """Keys of the demonstration firmware, and one that is not."""
    folder = tmp_path_factory.mktemp("keys")
    return Pems(
        _pem(folder / "nsib.pem", NSIB_KEY),
        _pem(folder / "mcuboot.pem", MCUBOOT_KEY),
        _pem(folder / "other.pem", signing_key_for_tests("another")),
    )


def _pem(path: Path, key: SigningKey) -> Path:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def _resign(source: Path, output: Path, *options: str | Path) -> Result:
    arguments = ["resign", str(source), "--output", str(output), *map(str, options)]
    return CliRunner().invoke(app, arguments)


def _done(source: Path, output: Path, *options: str | Path) -> str:
    result = _resign(source, output, *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def _refusal(source: Path, output: Path, *options: str | Path) -> str:
    result = _resign(source, output, *options)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "where:" in result.stderr
    assert "next:" in result.stderr
    assert not output.exists(), "something was written all the same"
    assert not list(output.parent.glob(".nrf-fota-*")), "a scratch folder is left behind"
    return result.stderr


def _files(package: Path, board: BoardType) -> tuple[UpdateFile, ...]:
    return read_package(package, package_target(board)).files


def _check_bootloader(file: UpdateFile, version: int) -> None:
    """As NSIB and MCUboot would."""
    assert file.fw_info is not None
    assert file.fw_info.version == version
    payload = file.image.payload

    def read(address: int, size_bytes: int) -> bytes:
        return payload[address : address + size_bytes]

    info = find_fw_info(read, 0)
    assert info is not None
    validation = find_validation_info(read, info.firmware_size_bytes)
    assert validation is not None
    assert validation.signature_is_right(payload[: info.firmware_size_bytes])
    assert file.image.signed_by(MCUBOOT_KEY.public_key())
    assert imgtool_verdict(file.image.data, MCUBOOT_KEY) == "OK"


def test_bootloader_package_of_the_next_version(
    demo: DemoSource, board: BoardType, pems: Pems, tmp_path: Path
) -> None:
    """fw_info, header and manifest are raised; everything else is as it was."""
    output = tmp_path / "new/dfu_mcuboot.zip"
    text = _done(demo.mcuboot_update, output, *pems.both)
    assert "fw_info 15 -> 16" in text
    assert "`Starting bootloader N` line still shows the old number" in text
    old, new = _files(demo.mcuboot_update, board), _files(output, board)
    assert [f.name for f in new] == [f.name for f in old]
    for before, after in zip(old, new, strict=True):
        _check_bootloader(after, 16)
        assert after.image.version == ImageVersion(0, 0, 16)
        differing = [
            at
            for at, (a, b) in enumerate(zip(before.image.payload, after.image.payload, strict=True))
            if a != b
        ]
        # The version word, and NSIB's hash and signature behind the firmware.
        assert differing[0] == 0x200 + 20
        assert differing[1] > 0x9800
    with zipfile.ZipFile(output) as archive:
        entries = json.loads(archive.read("manifest.json"))["files"]
    assert [e["version_B0"] for e in entries] == ["16", "16"]
    assert [e["version_MCUBOOT"] for e in entries] == ["0.0.16+0"] * 2
    assert [e["size"] for e in entries] == [len(f.data) for f in new]
    assert entries[0]["load_address"] == 0x8000


def test_numbers_of_the_users_choice(
    demo: DemoSource, board: BoardType, pems: Pems, tmp_path: Path
) -> None:
    """Both numbers can be named; a number that NSIB will not take is told, not refused."""
    output = tmp_path / "a.zip"
    text = _done(
        demo.mcuboot_update, output, "--fw-version", "15", "--version", "2.3.4+5", *pems.both
    )
    assert "NSIB keeps a firmware that is newer or as new" in text
    for file in _files(output, board):
        _check_bootloader(file, 15)
        assert file.image.version == ImageVersion(2, 3, 4, 5)


def test_keeping_fw_info_needs_no_nsib_key(
    demo: DemoSource, board: BoardType, pems: Pems, tmp_path: Path
) -> None:
    """Only MCUboot's signature is renewed."""
    output = tmp_path / "a.zip"
    _done(demo.mcuboot_update, output, "--fw-version", "keep", "--mcuboot-key", pems.mcuboot)
    for file in _files(output, board):
        _check_bootloader(file, 15)
        assert file.image.version == ImageVersion(0, 0, 16)


def test_application_package(
    demo: DemoSource, board: BoardType, pems: Pems, tmp_path: Path
) -> None:
    """An application has one number; nothing is said of bootloader markers."""
    output = tmp_path / "dfu_application.zip"
    text = _done(demo.app_update, output, "--mcuboot-key", pems.mcuboot)
    assert "version 1.1.0 -> 1.1.1" in text
    assert "Starting bootloader" not in text
    (file,) = _files(output, board)
    assert file.image.version == ImageVersion(1, 1, 1)
    assert file.image.signed_by(MCUBOOT_KEY.public_key())


def test_application_and_network_core(
    demo: DemoSource, board: BoardType, pems: Pems, tmp_path: Path
) -> None:
    """fw_info of the network core is raised only where that is asked for."""
    output = tmp_path / "a.zip"
    _done(demo.app_and_network_update, output, "--mcuboot-key", pems.mcuboot)
    (app_file, network) = _files(output, board)
    assert app_file.image.version == ImageVersion(1, 1, 1)
    assert network.image.version == ImageVersion(2, 0, 1)
    text = _done(demo.app_and_network_update, output, *pems.both, "--fw-version", "+1")
    assert "fw_info 2 -> 3" in text


def test_single_image(demo: DemoSource, pems: Pems, tmp_path: Path) -> None:
    """A .bin gives a .bin."""
    source, output = tmp_path / "s1.bin", tmp_path / "s1_next.bin"
    with zipfile.ZipFile(demo.mcuboot_update) as archive:
        source.write_bytes(archive.read("signed_by_mcuboot_and_b0_s1_image_update.bin"))
    _done(source, output, *pems.both)
    assert McubootImage.parse(output.read_bytes()).version == ImageVersion(0, 0, 16)


def test_trailer_stays_at_the_end(demo: DemoSource, pems: Pems, tmp_path: Path) -> None:
    """A padded image keeps its size and its trailer."""
    source, output = tmp_path / "app.bin", tmp_path / "next.bin"
    with zipfile.ZipFile(demo.app_update) as archive:
        image = archive.read("app_update.bin")
    source.write_bytes(image.ljust(0x20000 - 16, b"\xff") + MAGIC)
    _done(source, output, "--mcuboot-key", pems.mcuboot)
    assert len(output.read_bytes()) == 0x20000
    assert output.read_bytes().endswith(b"\xff" * 32 + MAGIC)


def test_unsigned_image_needs_no_key(board: BoardType, tmp_path: Path) -> None:
    """A hash-only image stays one."""
    source, output = tmp_path / "app.bin", tmp_path / "next.bin"
    payload = build_payload(0x28200, 0x1000, AppDescription())
    source.write_bytes(sign_for_mcuboot(payload, ImageVersion(1, 2, 3), SlotLayout(0xD8000), None))
    _done(source, output)
    assert McubootImage.parse(output.read_bytes()).version == ImageVersion(1, 2, 4)
    assert imgtool_verdict(output.read_bytes(), None) == "OK"


def test_build_folder(demo: DemoSource, board: BoardType, pems: Pems, tmp_path: Path) -> None:
    """Both packages, in a folder of their own; the build stays as it is."""
    build, output = tmp_path / "build", tmp_path / "next"
    (build / "zephyr").mkdir(parents=True)
    for artifact in (demo.baseline, demo.app_update, demo.mcuboot_update):
        shutil.copy(artifact, build / "zephyr")
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}
    _done(build, output, *pems.both, "--fw-version", "20")
    assert sorted(p.name for p in output.iterdir()) == ["dfu_application.zip", "dfu_mcuboot.zip"]
    for file in _files(output / "dfu_mcuboot.zip", board):
        _check_bootloader(file, 20)
    assert {path: path.read_bytes() for path in before} == before


def test_new_keys_when_allowed(
    demo: DemoSource, board: BoardType, pems: Pems, tmp_path: Path
) -> None:
    """For a kit that knows another key."""
    output = tmp_path / "a.zip"
    options = ("--nsib-key", pems.other, "--mcuboot-key", pems.other)
    text = _refusal(demo.mcuboot_update, output, *options)
    assert "--new-key" in text
    assert key_hash(MCUBOOT_KEY.public_key()).hex() in text
    assert key_hash(signing_key_for_tests("another").public_key()).hex() in text
    _done(demo.mcuboot_update, output, *options, "--new-key")
    for file in _files(output, board):
        assert file.image.signed_by(signing_key_for_tests("another").public_key())


def test_other_nsib_key(demo: DemoSource, pems: Pems, tmp_path: Path) -> None:
    """Both hashes are shown as the provisioning data has them."""
    options = ("--nsib-key", pems.other, "--mcuboot-key", pems.mcuboot)
    text = _refusal(demo.mcuboot_update, tmp_path / "a.zip", *options)
    assert "for NSIB" in text
    assert "9fabd9d995bf1c2c6b8156c855e46194" in text


def test_missing_keys(demo: DemoSource, pems: Pems, tmp_path: Path) -> None:
    """Which one is missing, and where a build has it."""
    output = tmp_path / "a.zip"
    assert "--mcuboot-key" in _refusal(demo.mcuboot_update, output, "--nsib-key", pems.nsib)
    text = _refusal(demo.mcuboot_update, output, "--mcuboot-key", pems.mcuboot)
    assert "CONFIG_SB_SIGNING_KEY_FILE" in text


def test_no_fw_info(demo: DemoSource, pems: Pems, tmp_path: Path) -> None:
    """An application has no version that NSIB compares."""
    text = _refusal(
        demo.app_update, tmp_path / "a.zip", "--fw-version", "16", "--mcuboot-key", pems.mcuboot
    )
    assert "holds no fw_info" in text


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--fw-version", "40000"),
        ("--fw-version", "-1"),
        ("--fw-version", "next"),
        ("--version", "1.2"),
        ("--version", "256.0.0"),
        ("--version", "1.0.70000"),
    ],
)
def test_numbers_that_do_not_fit(
    demo: DemoSource, pems: Pems, tmp_path: Path, option: str, value: str
) -> None:
    """Before anything is written."""
    _refusal(demo.mcuboot_update, tmp_path / "a.zip", option + "=" + value, *pems.both)


def test_result_that_does_not_fit_the_slot(pems: Pems, tmp_path: Path) -> None:
    """An application larger than its primary slot."""
    source = tmp_path / "app.bin"
    payload = build_payload(0x28200, 0xD8000, AppDescription())
    source.write_bytes(
        sign_for_mcuboot(payload, ImageVersion(1, 2, 3), SlotLayout(0x200000), MCUBOOT_KEY)
    )
    text = _refusal(source, tmp_path / "b.bin", "--mcuboot-key", pems.mcuboot)
    assert f"the primary slot of nrf5340dk {0xD8000}" in text


def test_damaged_image(demo: DemoSource, pems: Pems, tmp_path: Path) -> None:
    """It does not get a good signature."""
    text = _refusal(demo.app_truncated, tmp_path / "a.zip", "--mcuboot-key", pems.mcuboot)
    assert "damaged" in text


@pytest.mark.parametrize("name", ["a.bin", "a.zip", "a.hex"])
@pytest.mark.parametrize("content", [b"", b"\xff" * 1000, b":00000001FF\n"])
def test_garbage(pems: Pems, tmp_path: Path, name: str, content: bytes) -> None:
    """Nothing that could be signed again."""
    source = tmp_path / name
    source.write_bytes(content)
    _refusal(source, tmp_path / "out", *pems.both)


def test_output_that_is_the_input(demo: DemoSource, pems: Pems, tmp_path: Path) -> None:
    """The build's own file is not overwritten, also not through a link."""
    source = tmp_path / "a.zip"
    shutil.copy(demo.mcuboot_update, source)
    link = tmp_path / "b.zip"
    link.symlink_to(source)
    before = source.read_bytes()
    for output in (source, link):
        result = _resign(source, output, *pems.both)
        assert result.exit_code == 2
        assert "The output is the input" in result.stderr
    assert source.read_bytes() == before


@pytest.mark.parametrize("key", OTHER_KEYS, ids=lambda key: type(key).__name__)
def test_every_kind_of_key_in_the_eyes_of_imgtool(app_image: bytes, key: SigningKey) -> None:
    """imgtool and this project's own check agree on the renewed image."""
    image = McubootImage.parse(app_image)
    renewed = renew_image(image, image.payload, ImageVersion(9, 8, 7, 6), key)
    parsed = McubootImage.parse(renewed)
    assert parsed.version == ImageVersion(9, 8, 7, 6)
    assert parsed.signed_by(key.public_key())
    assert parsed.tlv(TLV_KEYHASH) == key_hash(key.public_key())
    assert imgtool_verdict(renewed, key) == "OK"


def test_same_numbers_and_key_give_the_same_image(app_image: bytes) -> None:
    """Renewing without a change changes nothing: ECDSA here is deterministic."""
    image = McubootImage.parse(app_image)
    assert renew_image(image, image.payload, image.version, MCUBOOT_KEY) == image.data


def test_protected_tlvs_stay(tmp_path: Path) -> None:
    """Security counter and dependencies of imgtool survive."""
    from imgtool.image import Image
    from imgtool.keys.ecdsa import ECDSA256P1
    from imgtool.version import decode_version

    source = tmp_path / "p.bin"
    source.write_bytes(build_payload(0x28200, 0x1000, AppDescription()))
    made = Image(
        version=decode_version("1.2.3+4"),
        header_size=0x200,
        pad_header=True,
        align=4,
        slot_size=0xD8000,
        security_counter=77,
    )
    made.load(str(source))
    dependencies = {"images": [1], "versions": [decode_version("2.0.0")]}
    key = ec.derive_private_key(12345, ec.SECP256R1())
    made.create(ECDSA256P1(key), "hash", None, dependencies=dependencies)
    image = McubootImage.parse(bytes(made.payload))
    renewed = McubootImage.parse(renew_image(image, image.payload, ImageVersion(1, 2, 4), key))
    assert renewed.security_counter == 77
    (dependency,) = renewed.dependencies
    assert (dependency.image_index, dependency.lowest_version) == (1, ImageVersion(2, 0, 0))
    assert imgtool_verdict(renewed.data, key) == "OK"


def test_encrypted_image_is_not_renewed(app_image: bytes) -> None:
    """Its payload cannot be changed without the key that decrypts it."""
    encrypted = bytearray(app_image)
    encrypted[16] |= 0x04
    image = McubootImage.parse(bytes(encrypted))
    with pytest.raises(NotRenewableError, match="encrypted"):
        renew_image(image, image.payload, image.version, MCUBOOT_KEY)
