"""What is found in each container, and what is said about it."""

import shutil
import struct
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from imgtool.image import Image
from imgtool.version import decode_version
from rich.console import Console

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.damage import lose_end_of_payload
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.fw_info import (
    INVALIDATION_WORD,
    VALID,
    VALID_OFFSET_BYTES,
    FwInfo,
)
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import IMAGE_MAGIC, ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import MAGIC
from pytest_nrf_fota.inspection.contents import Container, Role
from pytest_nrf_fota.inspection.inspect_path import inspect_path
from pytest_nrf_fota.inspection.known_keys import read_given_keys
from pytest_nrf_fota.inspection.table import print_contents
from tests.unit.imgtool_specimens import imgtool_sign, write_private_key

from .words import said

Write = Callable[[str, bytes], Path]


def _entry(package: Path, name: str) -> bytes:
    with zipfile.ZipFile(package) as archive:
        return archive.read(name)


def _changed_hex(source: Path, target: Path, address: int, data: bytes) -> Path:
    changed = []
    for segment in read_hex(source):
        content = bytearray(segment.data)
        if segment.address <= address < segment.end:
            at = address - segment.address
            content[at : at + len(data)] = data
        changed.append(Segment(segment.address, bytes(content)))
    write_hex(target, changed)
    return target


def test_merged_hex(demo: DemoSource, board: BoardType) -> None:
    """Application, bootloader, provisioning data; keys are matched within the file."""
    contents = inspect_path(demo.baseline, board)
    assert contents.container is Container.HEX
    (app,) = contents.images
    assert (app.role, app.version, app.offset_bytes) == (Role.APPLICATION, "1.0.0", 0x28000)
    assert app.signature_is_right
    assert app.hash_is_right
    bootloader, network = contents.firmwares
    assert (network.role, network.version) == (Role.NETWORK_CORE, 1)
    assert network.signature_is_right
    assert network.provisioned is None, "the network core has provisioning data of its own"
    assert (bootloader.role, bootloader.version) == (Role.MCUBOOT_S0, 14)
    assert (bootloader.hash_is_right, bootloader.signature_is_right) == (True, True)
    assert bootloader.provisioned
    assert contents.provisioning is not None
    assert contents.provisioning.s1_address == 0x18000
    assert contents.provisioning.counters[0].slots == 240
    assert contents.accepts == (app.key,)
    assert [s.memory for s in contents.segments][-1] == "network flash"


def test_mcuboot_package(demo: DemoSource, board: BoardType) -> None:
    """The variants for S0 and S1, with the advice which to send."""
    contents = inspect_path(demo.mcuboot_update, board)
    assert [image.role for image in contents.images] == [Role.MCUBOOT_S0, Role.MCUBOOT_S1]
    for image in contents.images:
        assert image.firmware is not None
        assert image.firmware.version == 15
        assert image.firmware.signature_is_right
        assert image.firmware.provisioned is None
        assert image.manifest is not None
        # Before NCS 3.0 it is the application's.
        assert image.manifest.version_b0 == "1"
    assert "NOT running" in said(contents)
    assert "has version_B0 1, the image itself 15" in said(contents)


def test_package_with_the_network_core(demo: DemoSource, board: BoardType) -> None:
    """Two images, each known by where it runs."""
    contents = inspect_path(demo.app_and_network_update, board)
    assert [image.role for image in contents.images] == [Role.APPLICATION, Role.NETWORK_CORE]
    firmware = contents.images[1].firmware
    assert firmware is not None
    assert (firmware.version, firmware.signature_is_right) == (2, True)


def test_image_with_a_named_key(board: BoardType, tmp_path: Path, written: Write) -> None:
    """Without a key the signature is not judged, with it it is."""
    key = signing_key_for_tests("mine")
    payload = build_payload(0x28200, 0x1000, AppDescription())
    path = written("app.bin", imgtool_sign(payload, key))
    (unjudged,) = inspect_path(path, board).images
    assert unjudged.signature_is_right is None
    pem = write_private_key(tmp_path / "mine.pem", key)
    (judged,) = inspect_path(path, board, read_given_keys((pem,))).images
    assert judged.signature_is_right
    assert judged.key is not None
    assert judged.key.given_file == str(pem)


def test_signed_by_nsib_only(demo: DemoSource, board: BoardType, written: Write) -> None:
    """A signed_by_b0_s0_image.bin has no MCUboot header; fw_info is found all the same."""
    (bootloader,) = (s for s in read_hex(demo.baseline) if s.address == 0x8200)
    contents = inspect_path(written("signed_by_b0_s0_image.bin", bootloader.data), board)
    assert contents.images == ()
    (firmware,) = contents.firmwares
    assert (firmware.version, firmware.firmware_address) == (14, 0x8200)
    assert firmware.signature_is_right


def test_image_with_trailer(demo: DemoSource, board: BoardType, written: Write) -> None:
    """imgtool --pad --confirm: what the trailer at the end means."""
    image = _entry(demo.app_update, "app_update.bin")
    trailer = b"\x01" + b"\xff" * 7 + MAGIC
    slot = image.ljust(0xD8000 - len(trailer), b"\xff") + trailer
    contents = inspect_path(written("slot.bin", slot), board)
    (found,) = contents.trailers
    assert "confirmed" in found.meaning
    assert "pending, permanent" in found.meaning
    assert found.image_ok == 1


@pytest.mark.parametrize(
    ("flags", "meaning"),
    [
        (b"\xff" * 8 + b"\xff" * 8, "pending for one boot (test)"),
        (b"\xff" * 8 + b"\x01" + b"\xff" * 7, "pending, permanent"),
    ],
)
def test_pending_secondary_slot_in_a_hex(
    demo: DemoSource, board: BoardType, tmp_path: Path, flags: bytes, meaning: str
) -> None:
    """A trailer in the secondary slot of a hex file is read at the slot's end."""
    end = board.slots.secondary.address + board.slots.secondary.size
    trailer = flags + MAGIC
    path = tmp_path / "pending.hex"
    write_hex(path, [*read_hex(demo.baseline), Segment(end - len(trailer), trailer)])
    (found,) = inspect_path(path, board).trailers
    assert (found.slot, found.meaning) == ("secondary", meaning)


def test_key_that_is_not_provisioned(demo: DemoSource, board: BoardType, tmp_path: Path) -> None:
    """The support thread's trap: NSIB's key was generated anew."""
    other = _changed_hex(demo.baseline, tmp_path / "other.hex", 0xFF8100 + 0x38, bytes(16))
    contents = inspect_path(other, board)
    assert contents.firmwares[0].provisioned is False
    assert "CONFIG_SB_SIGNING_KEY_FILE" in said(contents)


@pytest.mark.parametrize(
    ("word", "is_revoked", "words"),
    [
        (0xFFFFFFFF, False, "for NSIB up to NCS 2.6"),
        (0x50FAFFFF, False, "for NSIB of NCS 2.7 and later"),
        (0xFFFF0000, True, "REVOKED"),
        (0x50FA0000, True, "REVOKED"),
        (0x12345678, False, "wrong word 0x12345678"),
    ],
)
def test_words_of_provisioned_keys(
    demo: DemoSource, board: BoardType, tmp_path: Path, word: int, is_revoked: bool, words: str
) -> None:
    """sdk-nrf bl_storage.c: one word for all keys up to 2.6, then one with the key's index."""
    path = _changed_hex(demo.baseline, tmp_path / "w.hex", 0xFF8128 + 12, struct.pack("<I", word))
    contents = inspect_path(path, board)
    assert contents.provisioning is not None
    (key,) = contents.provisioning.keys
    assert (key.word, key.invalidated) == (word, is_revoked)
    printed = StringIO()
    print_contents(contents, Console(file=printed, width=200))
    assert words in printed.getvalue()


@pytest.mark.parametrize(
    ("banner", "word", "in_table", "remark"),
    [
        ("v2.6.0", 0xFFFFFFFF, "for NSIB up to NCS 2.6\n", ""),
        ("v2.6.0", 0xFFFF0000, "REVOKED", "which is revoked"),
        (
            "v2.6.0",
            0x50FA0000,
            "NSIB of NCS 2.6 takes it for VALID",
            "Revoked by the word of NSIB of NCS 2.7 and later, which NSIB of NCS 2.6 takes for a "
            "valid key",
        ),
        ("v2.9.0", 0x50FAFFFF, "for NSIB of NCS 2.7 and later\n", ""),
        ("v2.9.0", 0x50FA0000, "REVOKED", "which is revoked"),
        (
            "v2.9.0",
            0xFFFF0000,
            "revoked by the word of NSIB up to NCS 2.6; NSIB of NCS 2.9 PANICS",
            "Revoked by the word of NSIB up to NCS 2.6: NSIB of NCS 2.9 panics at it",
        ),
        (
            "v3.0.2",
            0xFFFFFFFF,
            "NSIB of NCS 3.0 PANICS at it",
            "For NSIB up to NCS 2.6: NSIB of NCS 3.0 panics at it",
        ),
        (
            "",
            0x12345678,
            "wrong word 0x12345678",
            "Wrong word 0x12345678, which no release writes: NSIB of NCS 2.7 and later panics",
        ),
    ],
)
def test_key_words_as_the_nsib_in_the_file_reads_them(
    demo: DemoSource,
    board: BoardType,
    tmp_path: Path,
    banner: str,
    word: int,
    in_table: str,
    remark: str,
) -> None:
    path = _changed_hex(demo.baseline, tmp_path / "w.hex", 0xFF8128 + 12, struct.pack("<I", word))
    if banner:
        sdk = f"*** Booting nRF Connect SDK {banner}-0123456789ab ***".encode()
        path = _changed_hex(path, tmp_path / "b.hex", 0x3000, sdk)
    contents = inspect_path(path, board)
    printed = StringIO()
    print_contents(contents, Console(file=printed, width=200))
    lines = [" ".join(line.split()) + "\n" for line in printed.getvalue().splitlines()]
    assert any(in_table in line for line in lines)
    assert remark in said(contents)
    assert remark or not {"panics", "revoked"} & set(said(contents).lower().split())
    starts = "takes" in in_table or not remark
    assert ("NSIB boots nothing" in said(contents)) is (bool(banner) and not starts)


def test_firmware_signed_with_a_revoked_key(
    demo: DemoSource, board: BoardType, tmp_path: Path
) -> None:
    """The key is there: nothing was generated anew."""
    word = struct.pack("<I", 0x50FA0000)
    contents = inspect_path(
        _changed_hex(demo.baseline, tmp_path / "r.hex", 0xFF8128 + 12, word), board
    )
    firmware = contents.firmwares[0]
    assert (firmware.provisioned, firmware.key_revoked) == (False, True)
    assert "which is revoked" in said(contents)
    assert "generated anew" not in said(contents)


def test_no_provisioning_data(demo: DemoSource, board: BoardType, tmp_path: Path) -> None:
    """A hex for a kit that was provisioned before is told from a complete one."""
    path = tmp_path / "app.hex"
    write_hex(path, [s for s in read_hex(demo.baseline) if s.address < 0xFF0000])
    assert "no provisioning data" in said(inspect_path(path, board))


def test_invalidated_firmware(demo: DemoSource, board: BoardType, tmp_path: Path) -> None:
    """A burnt valid word is told; the signature was made before, and is still right."""
    burnt = struct.pack("<I", VALID & INVALIDATION_WORD)
    path = _changed_hex(demo.baseline, tmp_path / "b.hex", 0x8400 + VALID_OFFSET_BYTES, burnt)
    contents = inspect_path(path, board)
    firmware = contents.firmwares[0]
    assert not firmware.is_valid
    assert firmware.signature_is_right
    assert "invalidated" in said(contents)


def test_changed_bootloader(demo: DemoSource, board: BoardType, tmp_path: Path) -> None:
    """One other byte, and NSIB's hash is wrong."""
    contents = inspect_path(_changed_hex(demo.baseline, tmp_path / "c.hex", 0x9000, b"\x00"), board)
    assert contents.firmwares[0].hash_is_right is False
    assert "NSIB refuses it" in said(contents)


def test_damaged_payload(demo: DemoSource, board: BoardType, written: Write) -> None:
    """An image that an SMP server would list and MCUboot refuse."""
    damaged = lose_end_of_payload(_entry(demo.app_update, "app_update.bin"))
    contents = inspect_path(written("app_update.bin", damaged), board)
    assert not contents.images[0].hash_is_right
    assert "MCUboot refuses this image" in said(contents)


def test_truncated_image(demo: DemoSource, board: BoardType, written: Write) -> None:
    """Cut off before its TLVs: an error that says so."""
    cut = _entry(demo.app_update, "app_update.bin")[:50_000]
    with pytest.raises(PackageError, match="cut off"):
        inspect_path(written("app_update.bin", cut), board)


@pytest.mark.parametrize("size_bytes", [0, 0x40000000, 0xFFFFFFF0])
def test_sizes_that_cannot_be_true(board: BoardType, written: Write, size_bytes: int) -> None:
    """A length field of 4 GB is not believed, nor is memory taken for it."""
    info = FwInfo(0, 64, size_bytes, 1, 0x8200, 0x8200, VALID).pack()
    with pytest.raises(PackageError, match="nothing that is known"):
        inspect_path(written("f.bin", info), board)
    header = struct.pack("<IIHHIIBBHI4x", IMAGE_MAGIC, 0, 0x200, 0, size_bytes, 0, 1, 2, 3, 4)
    with pytest.raises(PackageError, match="An image begins here, and cannot be read"):
        inspect_path(written("i.bin", header + bytes(100)), board)


def test_protected_tlvs(board: BoardType, written: Write) -> None:
    """Security counter and dependencies, as imgtool places them."""
    source = written("payload.bin", build_payload(0x28200, 0x1000, AppDescription()))
    made = Image(
        version=decode_version("1.2.3"),
        header_size=0x200,
        pad_header=True,
        slot_size=0xD8000,
        security_counter=77,
    )
    made.load(str(source))
    dependencies = {"images": [1], "versions": [decode_version("2.0.0")]}
    made.create(None, "hash", None, dependencies=dependencies)
    (image,) = inspect_path(written("app.bin", bytes(made.payload)), board).images
    assert image.security_counter == 77
    assert image.dependencies[0].lowest_version == "2.0.0"
    assert [(tlv.name, tlv.protected) for tlv in image.tlvs] == [
        ("SEC_CNT", True),
        ("DEPENDENCY", True),
        ("SHA256", False),
    ]


def test_hash_only_image(board: BoardType, written: Write) -> None:
    """Not signed, as imgtool without a key makes it."""
    payload = build_payload(0x28200, 0x1000, AppDescription())
    image = sign_for_mcuboot(payload, ImageVersion(1, 2, 3), SlotLayout(0xD8000), None)
    contents = inspect_path(written("app.bin", image), board)
    assert contents.images[0].signature is None
    assert "Not signed" in said(contents)


def test_image_for_elsewhere(board: BoardType, written: Write) -> None:
    """A reset vector outside all slots: another board, most likely."""
    payload = build_payload(0x400000, 0x1000, AppDescription())
    image = sign_for_mcuboot(payload, ImageVersion(1, 2, 3), SlotLayout(0xD8000), None)
    contents = inspect_path(written("app.bin", image), board)
    assert contents.images[0].role is Role.UNKNOWN
    assert "another board" in said(contents)


def test_image_too_large_for_swap(board: BoardType, written: Write) -> None:
    """It fits the slot, and leaves no sector for the swap."""
    payload = build_payload(0x28200, 0xD8000 - 0x1800, AppDescription())
    image = sign_for_mcuboot(
        payload, ImageVersion(1, 2, 3), SlotLayout(0xD8000), signing_key_for_tests("mcuboot")
    )
    assert "next to what MCUboot keeps there" in said(
        inspect_path(written("app.bin", image), board)
    )


def test_bootloader_without_a_header_version(
    demo: DemoSource, board: BoardType, written: Write
) -> None:
    """fw_info was raised, imgtool's --version left at its default."""
    image = bytearray(_entry(demo.mcuboot_update, "signed_by_mcuboot_and_b0_s0_image_update.bin"))
    image[20:28] = bytes(8)
    texts = said(inspect_path(written("mcuboot.bin", bytes(image)), board))
    assert "still 0.0.0" in texts
    assert "CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION" in texts


def test_package_for_another_board(demo: DemoSource, board: BoardType, tmp_path: Path) -> None:
    """It is shown, with the reason why a test run would refuse it."""
    package = tmp_path / "dfu_application.zip"
    with zipfile.ZipFile(demo.app_update) as source, zipfile.ZipFile(package, "w") as target:
        for name in source.namelist():
            content = source.read(name).replace(b"nrf5340dk_nrf5340_cpuapp", b"thingy53")
            target.writestr(name, content)
    contents = inspect_path(package, board)
    assert contents.images[0].version == "1.1.0"
    assert "would refuse this package" in said(contents)
    assert 'write manifest_boards = ["thingy53"] into a board file of yours' in said(contents)


def test_child_image_build(child_image_build: Path, board: BoardType) -> None:
    """Packages, hex file, Kconfig values, partitions; the key trap of the thread."""
    contents = inspect_path(child_image_build, board)
    names = [Path(one.path).name for one in contents.files]
    assert names == ["merged.hex", "dfu_application.zip", "dfu_mcuboot.zip"]
    settings = {(s.image, s.name): s.value for s in contents.settings}
    assert settings["application", "CONFIG_BT_DEVICE_NAME"] == "My product"
    assert settings["mcuboot", "CONFIG_FW_INFO_FIRMWARE_VERSION"] == "15"
    assert ("application", "CONFIG_HEAP_MEM_POOL_SIZE") not in settings
    partitions = {p.name: (p.address, p.size_bytes) for p in contents.partitions}
    assert partitions["mcuboot_primary"] == (0x28000, 0xD8000)
    texts = said(contents)
    assert "a pristine build makes another one" in texts
    assert "is 3 here and 15 in mcuboot" in texts
    assert "layout" not in texts


def test_partitions_that_differ_from_the_board_file(
    child_image_build: Path, board: BoardType
) -> None:
    """The build's layout is taken, and the difference told."""
    path = child_image_build / "partitions.yml"
    path.write_text(path.read_text().replace("size: 0xd8000", "size: 0xc8000"))
    assert "mcuboot_primary is 0x28000, 0xc8000 bytes" in said(
        inspect_path(child_image_build, board)
    )


def test_sysbuild_build(sysbuild_build: Path, board: BoardType) -> None:
    """Packages at the top, images named after their folders."""
    contents = inspect_path(sysbuild_build, board)
    settings = {(s.image, s.name): s.value for s in contents.settings}
    assert settings == {
        ("sysbuild", "SB_CONFIG_SECURE_BOOT_SIGNING_KEY_FILE"): "/keys/nsib.pem",
        ("myapp", "CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION"): "1.1.0+0",
    }
    assert len(contents.files) == 3


def test_build_whose_update_is_no_update(
    sysbuild_build: Path, demo: DemoSource, board: BoardType
) -> None:
    """hex file and package of one build have one version: resign is suggested."""
    assert "nrf-fota resign" not in said(inspect_path(sysbuild_build, board)).replace("\n", " ")
    shutil.copy(demo.mcuboot_same_version, sysbuild_build / "dfu_mcuboot.zip")
    assert "nrf-fota resign" in said(inspect_path(sysbuild_build, board))


def test_build_with_one_broken_file(child_image_build: Path, board: BoardType) -> None:
    """The rest is shown all the same."""
    (child_image_build / "zephyr/dfu_mcuboot.zip").write_bytes(b"PK nonsense")
    contents = inspect_path(child_image_build, board)
    assert len(contents.files) == 2
    assert "zephyr/dfu_mcuboot.zip" in said(contents)


def test_signed_binary_of_a_build_is_read_once(
    child_image_build: Path, demo: DemoSource, board: BoardType
) -> None:
    """What is in a package as well is only named."""
    image = _entry(demo.app_update, "app_update.bin")
    (child_image_build / "zephyr/app_update.bin").write_bytes(image)
    contents = inspect_path(child_image_build, board)
    assert [other.name for other in contents.others] == ["zephyr/app_update.bin"]
