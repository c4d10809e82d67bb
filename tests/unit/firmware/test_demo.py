"""Demonstration firmware: the same on every machine, and right in the eyes of imgtool and NSIB."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from imgtool import keys as imgtool_keys
from imgtool.image import Image, VerifyResult

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError, FirmwareSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.board_memories import check_against_map
from pytest_nrf_fota.firmware.description import (
    AppDescription,
    McubootDescription,
    NsibDescription,
    find_description,
)
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, PackageTarget, read_package
from pytest_nrf_fota.firmware.dfu_package_writer import PackageEntry, write_package
from pytest_nrf_fota.firmware.fw_info import FwInfo, find_fw_info
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import (
    ImageVersion,
    McubootImage,
    encode_public_key,
    find_embedded_keys,
)
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.firmware.provisioning import (
    CounterKind,
    has_blank_halfword,
    parse_provisioning,
)
from pytest_nrf_fota.firmware.validation_info import (
    find_validation_info,
    provisioned_key_hash,
    raw_public_key,
)
from pytest_nrf_fota.firmware.variant import Variant

KEY = signing_key_for_tests("mcuboot")
WHOLE_PACKAGES = ("app_update", "mcuboot_update", "mcuboot_same_version")
ALL_ARTIFACTS = ("baseline", "app_truncated", *WHOLE_PACKAGES)


def artifact(source: FirmwareSource, name: str) -> Path:
    path = getattr(source, name)
    assert isinstance(path, Path)
    return path


def imgtool_verdict(image: bytes, folder: Path) -> VerifyResult:
    """What `imgtool verify` says with the demonstration key."""
    pem = folder / "key.pem"
    pem.write_bytes(
        KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    file = folder / "image.bin"
    file.write_bytes(image)
    return Image.verify(str(file), imgtool_keys.load(str(pem)))[0]


class Flash:
    """The kit's flash after programming the baseline; reading blank memory gives 0xFF."""

    def __init__(self, path: Path) -> None:
        self._segments = read_hex(path)

    def read(self, address: int, size_bytes: int) -> bytes:
        content = bytearray(b"\xff" * size_bytes)
        for segment in self._segments:
            for position in range(size_bytes):
                if segment.address <= address + position < segment.end:
                    content[position] = segment.data[address + position - segment.address]
        return bytes(content)


@pytest.fixture(scope="module")
def flash(demo: DemoSource) -> Flash:
    return Flash(demo.baseline)


@pytest.fixture(scope="module")
def mcuboot_update(demo: DemoSource, target: PackageTarget) -> DfuPackage:
    return read_package(demo.mcuboot_update, target)


@pytest.mark.parametrize("name", ALL_ARTIFACTS)
def test_same_bytes_every_time(
    name: str, demo: DemoSource, board: BoardType, tmp_path: Path
) -> None:
    again = DemoSource(board, tmp_path / "another folder")
    assert artifact(again, name).read_bytes() == artifact(demo, name).read_bytes()


def test_artifacts_differ_from_each_other(demo: DemoSource) -> None:
    assert len({artifact(demo, name).read_bytes() for name in ALL_ARTIFACTS}) == len(ALL_ARTIFACTS)


@pytest.mark.parametrize("name", WHOLE_PACKAGES)
def test_imgtool_accepts_every_image(
    name: str, demo: DemoSource, target: PackageTarget, tmp_path: Path
) -> None:
    package = read_package(artifact(demo, name), target)
    for file in package.files:
        assert imgtool_verdict(file.data, tmp_path) is VerifyResult.OK
        assert file.image.data == file.data


def test_imgtool_accepts_the_application_of_the_baseline(
    demo: DemoSource, board: BoardType, tmp_path: Path
) -> None:
    primary = board.slots.primary
    (image,) = (
        segment.data for segment in read_hex(demo.baseline) if segment.address == primary.address
    )

    assert imgtool_verdict(image, tmp_path) is VerifyResult.OK
    assert McubootImage.parse(image).data == image


def test_imgtool_refuses_the_truncated_application(
    demo: DemoSource, target: PackageTarget, tmp_path: Path
) -> None:
    whole = read_package(demo.app_update, target).files[0]
    truncated = read_package(demo.app_truncated, target).files[0]

    assert imgtool_verdict(truncated.data, tmp_path) is VerifyResult.INVALID_HASH
    assert not truncated.image.hash_is_right
    # An SMP server lists it like the whole one: same size, same header, same hash TLV.
    assert len(truncated.data) == len(whole.data)
    assert truncated.image.header == whole.image.header
    assert truncated.image.tlvs == whole.image.tlvs


def test_kinds_of_the_packages(demo: DemoSource, target: PackageTarget) -> None:
    kinds = {
        name: read_package(artifact(demo, name), target).kind
        for name in ALL_ARTIFACTS
        if name != "baseline"
    }
    assert kinds == {
        "app_update": PackageKind.APPLICATION,
        "app_truncated": PackageKind.APPLICATION,
        "mcuboot_update": PackageKind.MCUBOOT,
        "mcuboot_same_version": PackageKind.MCUBOOT,
    }


def test_mcuboot_update_files_are_as_large_as_in_the_thread(mcuboot_update: DfuPackage) -> None:
    assert [file.s_slot for file in mcuboot_update.files] == [0, 1]
    for file in mcuboot_update.files:
        assert 0x9001 <= len(file.data) <= 0xA000


def test_baseline_lies_in_the_memories_of_the_board(demo: DemoSource, board: BoardType) -> None:
    check_against_map(demo.baseline, read_hex(demo.baseline), board)


def test_nsib_finds_and_accepts_the_baseline_bootloader(flash: Flash) -> None:
    info = find_fw_info(flash.read, 0x8000)
    assert info is not None
    assert (info.address, info.version, info.is_valid) == (0x8400, 14, True)
    assert (info.firmware_address, info.boot_address) == (0x8200, 0x8200)
    assert find_fw_info(flash.read, 0x18000) is None
    _assert_nsib_accepts(info, flash, flash)


def test_nsib_accepts_both_updates(mcuboot_update: DfuPackage, flash: Flash) -> None:
    for file, slot_address in zip(mcuboot_update.files, (0x8000, 0x18000), strict=True):
        info = find_fw_info(_InSlot(file.image, slot_address).read, slot_address)
        assert info is not None
        assert (info.version, info.firmware_address) == (15, slot_address + 0x200)
        _assert_nsib_accepts(info, _InSlot(file.image, slot_address), flash)


class _InSlot:
    """An update image after it was copied to its slot."""

    def __init__(self, image: McubootImage, address: int) -> None:
        self._image = image
        self._address = address

    def read(self, address: int, size_bytes: int) -> bytes:
        start = address - self._address
        return self._image.data[start : start + size_bytes].ljust(size_bytes, b"\xff")


def _assert_nsib_accepts(info: FwInfo, slot: "_InSlot | Flash", flash: Flash) -> None:
    firmware = slot.read(info.firmware_address, info.firmware_size_bytes)
    validation = find_validation_info(slot.read, info.firmware_address + info.firmware_size_bytes)
    provisioning = parse_provisioning(flash.read, 0xFF8100)
    assert validation is not None
    assert provisioning is not None
    assert validation.firmware_address == info.firmware_address
    assert validation.signature_is_right(firmware)
    assert validation.key_hash in [key.key_hash for key in provisioning.keys]


def test_provisioning_of_the_baseline(flash: Flash) -> None:
    provisioning = parse_provisioning(flash.read, 0xFF8100)
    assert provisioning is not None
    assert (provisioning.s0_address, provisioning.s1_address) == (0x8000, 0x18000)
    assert [key.invalidated for key in provisioning.keys] == [False]
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE)
    assert counter is not None
    assert (len(counter.slots), counter.value) == (240, 0)


def test_bootloader_of_the_baseline_accepts_the_updates(
    demo: DemoSource, target: PackageTarget, flash: Flash, mcuboot_update: DfuPackage
) -> None:
    (key,) = find_embedded_keys(flash.read(0x8200, 0x9800))
    assert encode_public_key(key) == encode_public_key(KEY.public_key())
    app_update = read_package(demo.app_update, target)
    for file in (*mcuboot_update.files, *app_update.files):
        assert file.image.signed_by(key)


def test_application_of_the_baseline_is_older_than_the_update(
    demo: DemoSource, target: PackageTarget, flash: Flash
) -> None:
    baseline = McubootImage.parse(flash.read(0x28000, 0x18400))
    update = read_package(demo.app_update, target).files[0].image
    assert baseline.hash_is_right
    assert baseline.signed_by(KEY.public_key())
    assert (baseline.version, update.version) == (ImageVersion(1, 0, 0), ImageVersion(1, 1, 0))


def test_same_version_package_differs_in_its_marker_only(
    demo: DemoSource, target: PackageTarget
) -> None:
    for file in read_package(demo.mcuboot_same_version, target).files:
        assert file.fw_info is not None
        assert file.fw_info.version == 14
        assert find_description(file.data) == McubootDescription(marker="15")


def test_descriptions_of_the_baseline(flash: Flash) -> None:
    app = find_description(flash.read(0x28200, 0x1000))
    assert find_description(flash.read(0, 0x1000)) == NsibDescription()
    assert find_description(flash.read(0x8200, 0x1000)) == McubootDescription(marker="14")
    assert isinstance(app, AppDescription)
    assert app.build_time == "May  7 2024 a 09:26:26"


@pytest.mark.parametrize(
    "damage",
    [b"", b"\x00pytest-nrf-fota firmware description\x00", b"\xff" * 100],
)
def test_firmware_without_readable_description(damage: bytes) -> None:
    assert find_description(damage) is None
    assert find_description(damage + b"\x05\x00\x00\x00{}") is None
    assert find_description(damage + b"\xff\xff\xff\xff{}") is None


def test_board_with_a_part_of_nsibs_slots_has_no_demonstration(tmp_path: Path) -> None:
    board = load_board("nrf5340dk_sim")
    slots = board.slots.model_copy(update={"s1": None})
    with pytest.raises(BoardFileError, match=r"slots\.s0, slots\.s1") as caught:
        DemoSource(board.model_copy(update={"slots": slots}), tmp_path)
    assert caught.value.where == "nrf5340dk_sim"


def test_board_without_such_a_mcuboot_has_no_demonstration(tmp_path: Path) -> None:
    with pytest.raises(BoardFileError, match="ram_load") as caught:
        DemoSource(load_board("mps2_an385"), tmp_path)
    assert "mps2_an385" in caught.value.where


class TestMcubootAlone:
    """Boards without NSIB."""

    def test_mcuboot_lies_at_address_0_and_nothing_of_nsib_is_there(self, tmp_path: Path) -> None:
        board = load_board("nrf5340dk_mcuboot_sim")
        segments = {s.address: s.data for s in read_hex(DemoSource(board, tmp_path).baseline)}
        assert isinstance(find_description(segments[0]), McubootDescription)
        mcuboot = segments[0]
        assert find_fw_info(lambda address, size: mcuboot[address : address + size], 0) is None
        assert 0xC000 in segments
        assert not any(0xFF0000 <= address < 0x1000000 for address in segments)

    def test_what_nsib_is_needed_for_is_not_available_and_says_why(self, tmp_path: Path) -> None:
        demo = DemoSource(load_board("nrf5340dk_mcuboot_sim"), tmp_path)
        asks: tuple[Callable[[], Path], ...] = (
            lambda: demo.mcuboot_update,
            lambda: demo.mcuboot_same_version,
            lambda: demo.mcuboot_raised(2),
            lambda: demo.variant(Variant.MCUBOOT_TAMPERED),
            lambda: demo.variant(Variant.BASELINE_TWO_NSIB_KEYS),
        )
        for ask in asks:
            with pytest.raises(ArtifactUnavailableError, match="has no NSIB"):
                ask()

    @pytest.mark.parametrize("wanted", Variant)
    def test_it_makes_what_it_says(self, wanted: Variant, tmp_path: Path) -> None:
        demo = DemoSource(load_board("nrf5340dk_mcuboot_sim"), tmp_path)
        if demo.makes(wanted):
            assert demo.variant(wanted).is_file()
        else:
            with pytest.raises(ArtifactUnavailableError):
                demo.variant(wanted)

    @pytest.mark.parametrize(
        ("mode", "swap", "stored"),
        [
            ("swap_move", "move", "swap_without_scratch"),
            ("swap_offset", "offset", "swap_using_offset"),
            ("swap_scratch", "scratch", "swap_scratch"),
            ("overwrite_only", "overwrite", "overwrite_only"),
        ],
    )
    def test_bootloader_and_application_follow_the_board(
        self, mode: str, swap: str, stored: str, tmp_path: Path
    ) -> None:
        board = load_board("nrf5340dk_mcuboot_sim")
        boot = board.boot.model_copy(update={"bootloader_mode": mode})
        demo = DemoSource(board.model_copy(update={"boot": boot}), tmp_path)
        segments = {s.address: s.data for s in read_hex(demo.baseline)}
        mcuboot, app = find_description(segments[0]), find_description(segments[0xC000])
        assert isinstance(mcuboot, McubootDescription)
        assert isinstance(app, AppDescription)
        assert (mcuboot.swap, app.bootloader_mode) == (swap, stored)


def test_writer_gives_the_same_bytes(tmp_path: Path) -> None:
    entries = [PackageEntry("a.bin", bytes(100), {"type": "application"}), PackageEntry("b", b"x")]
    for name in ("1.zip", "2.zip"):
        write_package(tmp_path / name, entries, name="test")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(2024, 5, 7, 9, 26, 26)}
        assert archive.namelist() == ["a.bin", "b", "manifest.json"]


@pytest.mark.parametrize("name", ["nsib", "mcuboot", *"abcdefgh"])
def test_test_keys_are_fixed_and_can_be_provisioned(name: str) -> None:
    first, second = (raw_public_key(signing_key_for_tests(name).public_key()) for _ in range(2))
    assert first == second
    assert first != raw_public_key(signing_key_for_tests(name + " ").public_key())
    assert not has_blank_halfword(provisioned_key_hash(first))
