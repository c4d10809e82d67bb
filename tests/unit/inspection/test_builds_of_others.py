"""Files and folders that no dual-stage nRF5340 build made, named for what they are."""

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.inspection.contents import Container, Role
from pytest_nrf_fota.inspection.inspect_path import inspect_path
from tests.unit.imgtool_specimens import imgtool_sign

from .words import said

Write = Callable[[str, bytes], Path]

KEY = signing_key_for_tests("strange")
NETWORK_FLASH = 0x01000000
# sdk-nrf, partitions of a build with MCUboot alone on the nRF5340 DK.
ALONE = """\
app:
  address: 0xc200
  end_address: 0x100000
  region: flash_primary
  size: 0xf3e00
mcuboot:
  address: 0x0
  end_address: 0xc000
  region: flash_primary
  size: 0xc000
mcuboot_primary:
  address: 0xc000
  end_address: 0x100000
  orig_span: &id001
  - mcuboot_pad
  - app
  region: flash_primary
  size: 0xf4000
mcuboot_secondary:
  address: 0x6e0000
  end_address: 0x7d4000
  region: external_flash
  size: 0xf4000
"""


def refusal(*arguments: str | Path) -> str:
    """What the command says to bad input, in one line of words."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    assert "where:" in result.stderr
    assert "next:" in result.stderr
    return " ".join(result.stderr.split())


def mcuboot_alone(path: Path) -> Path:
    """MCUboot at 0, signed application behind it, no NSIB, no provisioning data."""
    boot = build_payload(0, 0x8000, McubootDescription(), keys=(KEY.public_key(),))
    image = imgtool_sign(build_payload(0xC200, 0x2000, AppDescription()), KEY)
    write_hex(path, [Segment(0, boot), Segment(0xC000, image)])
    return path


def test_mcuboot_alone(board: BoardType, tmp_path: Path) -> None:
    """It is no NSIB that lacks its provisioning data."""
    contents = inspect_path(mcuboot_alone(tmp_path / "merged.hex"), board)
    assert "boot: No NSIB: MCUboot lies at address 0." in said(contents)
    assert "provision" not in said(contents)
    (image,) = contents.images
    assert image.role is Role.APPLICATION
    assert image.signature_is_right
    (accepted,) = contents.accepts
    assert accepted == image.key


@pytest.mark.parametrize("keys", [(), (KEY.public_key(),)], ids=("vector table", "with a key"))
def test_mcuboot_is_known_by_its_key_or_by_what_it_starts(
    board: BoardType, tmp_path: Path, keys: tuple[PublicKey, ...]
) -> None:
    """Without logs and without keys nothing but the image behind it tells."""
    vectors = struct.pack("<II", 0x20010000, 0x201).ljust(0x200, b"\x00")
    boot = build_payload(0, 0x4000, AppDescription(), keys=keys)
    alone, with_image = tmp_path / "boot.hex", tmp_path / "both.hex"
    write_hex(alone, [Segment(0, boot if keys else vectors)])
    image = imgtool_sign(build_payload(0x28200, 0x2000, AppDescription()), KEY)
    write_hex(with_image, [*read_hex(alone), Segment(0x28000, image)])
    assert ("No NSIB" in said(inspect_path(alone, board))) == bool(keys)
    assert "No NSIB" in said(inspect_path(with_image, board))


def test_dual_stage_hex_has_nsib(demo: DemoSource, board: BoardType, tmp_path: Path) -> None:
    """Also without its provisioning data, which is then what is missing."""
    assert "No NSIB" not in said(inspect_path(demo.baseline, board))
    path = tmp_path / "app.hex"
    write_hex(path, [one for one in read_hex(demo.baseline) if one.address < 0xFF0000])
    texts = said(inspect_path(path, board))
    assert "No NSIB" not in texts
    assert "no provisioning data, without which NSIB knows no key" in texts


def test_nsib_alone_with_an_application(board: BoardType, tmp_path: Path) -> None:
    """A part of a dual-stage build: what lies at 0 prints NSIB's line."""
    nsib = struct.pack("<II", 0x20010000, 0x201).ljust(0x200, b"\x00")
    nsib += b"Attempting to boot slot %d.\r\n\x00"
    image = imgtool_sign(build_payload(0x28200, 0x2000, AppDescription()), KEY)
    path = tmp_path / "part.hex"
    write_hex(path, [Segment(0, nsib), Segment(0x28000, image)])
    assert "No NSIB" not in said(inspect_path(path, board))


def test_what_lies_where_the_network_core_is_provisioned(board: BoardType, tmp_path: Path) -> None:
    """Code there is not taken for provisioning data: it names no firmware of that core."""
    code = struct.pack("<3I", 0x8000, 0x18000, 1).rjust(0x28 + 12, b"\x5a").ljust(0x280, b"\x5a")
    path = tmp_path / "net.hex"
    write_hex(path, [Segment(0x01008580, code)])
    assert inspect_path(path, board).network_provisioning is None


def test_provisioning_of_the_network_core(
    demo: DemoSource, board: BoardType, tmp_path: Path
) -> None:
    """b0n has its own, in the network core's flash; a hex file of that core alone shows it."""
    path = tmp_path / "merged_CPUNET.hex"
    segments = [one for one in read_hex(demo.baseline) if one.address >= NETWORK_FLASH]
    write_hex(path, [one for one in segments if one.address < 0x10000000])
    contents = inspect_path(path, board)
    assert contents.provisioning is None
    assert contents.network_provisioning is not None
    assert contents.network_provisioning.s0_address == 0x01008800
    text = CliRunner().invoke(app, ["inspect", str(path)]).stdout
    assert "Provisioning data of the network core at 0x1008580" in text
    assert "0x1008800" in text
    full = inspect_path(demo.baseline, board)
    assert full.provisioning is not None
    assert full.network_provisioning == contents.network_provisioning


def test_provisioning_of_the_network_core_in_another_layout(
    demo: DemoSource, board: BoardType, tmp_path: Path
) -> None:
    """Found by the firmware that it names, as in a public build of NCS 2.1.0."""
    # No keys; one counter whose 240 slots would reach into the firmware.
    fields = struct.pack("<3I4H", 0x01008800, 0x01008800, 0, 1, 1, 1, 240)
    segments = [one for one in read_hex(demo.baseline) if one.address == 0x01008800]
    path = tmp_path / "net.hex"
    write_hex(path, [Segment(0x01008630, fields), *segments])
    found = inspect_path(path, board).network_provisioning
    assert found is not None
    assert (found.s0_address, found.address) == (0x01008800, 0x01008630 - 0x28)
    assert found.counters == (), "code was taken for used slots"


def test_build_without_nsib(board: BoardType, tmp_path: Path) -> None:
    """Its own partitions say where everything is; the board file's difference is told."""
    (tmp_path / "partitions.yml").write_text(ALONE)
    mcuboot_alone(tmp_path / "merged.hex")
    contents = inspect_path(tmp_path, board)
    (file,) = contents.files
    (image,) = file.images
    assert (image.role, image.role_reason) == (Role.APPLICATION, "")
    assert image.name == "primary slot"
    assert image.signature_is_right
    assert image.room_bytes is not None
    texts = said(contents)
    assert "no S0 and S1, so no NSIB: MCUboot lies at 0" in texts
    assert "mcuboot_primary is 0xc000" in texts


def test_single_file_of_a_build(board: BoardType, tmp_path: Path) -> None:
    """Two folders below its partitions.yml: read with that layout, and said so."""
    (tmp_path / "partitions.yml").write_text(ALONE)
    mcuboot_alone(tmp_path / "merged.hex")
    image = imgtool_sign(build_payload(0xC200, 0x2000, AppDescription()), KEY)
    path = tmp_path / "zephyr/app_update.bin"
    path.parent.mkdir()
    path.write_bytes(image)
    contents = inspect_path(path, board)
    (found,) = contents.images
    assert (found.role, found.role_reason) == (Role.APPLICATION, "")
    assert found.signature_is_right
    assert f"Slots are those of its build ({tmp_path / 'partitions.yml'})" in said(contents)


def test_image_of_sysbuild_with_a_devicetree_of_its_own(board: BoardType, tmp_path: Path) -> None:
    """CMake has run in its folder, too; where things are is said by the partitions.yml above it."""
    (tmp_path / "partitions.yml").write_text(ALONE)
    path = tmp_path / "myapp/zephyr/zephyr.signed.bin"
    path.parent.mkdir(parents=True)
    (tmp_path / "myapp/CMakeCache.txt").write_text("")
    path.write_bytes(imgtool_sign(build_payload(0xC200, 0x2000, AppDescription()), KEY))
    contents = inspect_path(path, board)
    assert f"its build ({tmp_path / 'partitions.yml'})" in said(contents)
    assert contents.images[0].role_reason == ""


def test_build_without_merged_hex(board: BoardType, tmp_path: Path) -> None:
    """Upstream Zephyr makes a hex file of each image, MCUboot's among them."""
    boot = build_payload(0, 0x8000, McubootDescription(), keys=(KEY.public_key(),))
    signed = tmp_path / "myapp/zephyr/zephyr.signed.bin"
    mcuboot_hex = tmp_path / "mcuboot/zephyr/zephyr.hex"
    for path in (signed, mcuboot_hex):
        path.parent.mkdir(parents=True)
    write_hex(mcuboot_hex, [Segment(0, boot)])
    signed.write_bytes(imgtool_sign(build_payload(0x28200, 0x2000, AppDescription()), KEY))
    (found,) = (one for file in inspect_path(tmp_path, board).files for one in file.images)
    assert found.signature_is_right
    assert found.key is not None
    assert found.key.found_in == str(mcuboot_hex)


@pytest.mark.parametrize(
    ("name", "is_foreign"),
    [
        ("nrf52840dk", True),
        ("nrf52840dk/nrf52840", True),
        ("nrf52840dk_nrf52840", True),
        ("thingy53/nrf5340/cpuapp", True),
        ("nrf5340dk", False),
        ("nrf5340dk/nrf5340/cpuapp/ns", False),
        ("nrf5340dk@2.0.0/nrf5340/cpuapp", False),
        ("nrf5340dk_nrf5340_cpuapp_ns", False),
        ("nrf5340dk_nrf5340_cpunet", False),
        ("nrf5340dk/nrf5340/cpunet", False),
    ],
)
def test_build_for_another_board(
    board: BoardType, tmp_path: Path, name: str, is_foreign: bool
) -> None:
    """CONFIG_BOARD says it, as each SDK writes it."""
    config = tmp_path / "zephyr/.config"
    config.parent.mkdir()
    config.write_text(f'CONFIG_BOARD="{name}"\n')
    texts = said(inspect_path(tmp_path, board))
    assert (f"CONFIG_BOARD is {name}: this is a build for another board" in texts) == is_foreign


def test_package_of_the_nrf5_sdk(tmp_path: Path) -> None:
    """It was "files: Field required. Use the package as the build made it."."""
    path = tmp_path / "app_dfu.zip"
    manifest = {
        "manifest": {"application": {"bin_file": "nrf52840_xxaa.bin", "dat_file": "nrf52840.dat"}}
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("nrf52840_xxaa.bin", bytes(100))
        archive.writestr("nrf52840.dat", bytes(100))
    for command in (("inspect", path), ("resign", path, "--output", tmp_path / "b.zip")):
        text = refusal(*command)
        assert "nRF5 SDK" in text
        assert "another format altogether" in text
        assert "Field required" not in text


@pytest.fixture
def multi_image(demo: DemoSource, tmp_path: Path) -> Path:
    """As dfu_multi_image_tool.py makes it of both cores' images."""
    with zipfile.ZipFile(demo.app_and_network_update) as archive:
        images = [archive.read(n) for n in sorted(archive.namelist()) if n.endswith(".bin")]
    header = cbor2.dumps(
        {"img": [{"id": number, "size": len(image)} for number, image in enumerate(images)]}
    )
    path = tmp_path / "dfu_multi_image.bin"
    path.write_bytes(struct.pack("<H", len(header)) + header + b"".join(images))
    return path


def test_multi_image_is_read(board: BoardType, multi_image: Path) -> None:
    """Each image with its number and its place in the file."""
    contents = inspect_path(multi_image, board)
    assert contents.container is Container.MULTI_IMAGE
    assert [(one.name, one.role) for one in contents.images] == [
        ("image 0", Role.APPLICATION),
        ("image 1", Role.NETWORK_CORE),
    ]
    first, second = contents.images
    assert second.offset_bytes == first.offset_bytes + first.size_bytes
    assert all(one.hash_is_right and one.signature_is_right for one in contents.images)
    assert "SMP takes its images one by one" in said(contents)


def test_multi_image_that_is_cut_off(multi_image: Path) -> None:
    """The header says how long it should be."""
    multi_image.write_bytes(multi_image.read_bytes()[:-1])
    assert "cut off" in refusal("inspect", multi_image)


def test_multi_image_is_no_update(demo: DemoSource, multi_image: Path, tmp_path: Path) -> None:
    """Neither as it is, nor under another name, nor in a package of its own."""
    renamed = tmp_path / "dfu_multi_image.zip"
    renamed.write_bytes(multi_image.read_bytes())
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"files": [{"file": multi_image.name}]}))
        archive.write(multi_image, multi_image.name)
    for path in (multi_image, renamed, package):
        for command in (
            ("preflight", "--installed", demo.baseline, path),
            ("resign", path, "--output", tmp_path / f"next{path.suffix}"),
        ):
            text = refusal(*command)
            assert "SMP takes its images one by one" in text
            assert "dfu_application.zip" in text


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x00",
        struct.pack("<H", 40) + b"\xa1cimg" + bytes(40),
        struct.pack("<H", 17) + b"\xa1cimg\x81\xa2bid\x00dsize\xff",
        struct.pack("<H", 0xFFFF) + b"\xa1cimg",
        struct.pack("<H", 18) + cbor2.dumps({"img": [{"id": 0, "size": -5}]}),
    ],
)
def test_what_only_begins_like_a_multi_image(written: Write, content: bytes) -> None:
    """A header that cannot be read is none."""
    text = refusal("inspect", written("a.bin", content + bytes(4096)))
    assert "nothing that is known" in text


def test_multi_image_of_a_build_folder(board: BoardType, multi_image: Path) -> None:
    """Its images are not counted for others: it is shown."""
    folder = multi_image.parent
    (container,) = (one.container for one in inspect_path(folder, board).files)
    assert container is Container.MULTI_IMAGE
