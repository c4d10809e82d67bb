"""What is said of a build folder as a whole, in the shapes that public builds have."""

import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.fw_info import MAGIC, STRUCT, VALID, FwInfo
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.inspection.inspect_path import inspect_path
from tests.unit.imgtool_specimens import imgtool_sign

from .words import level_of, said

KEY = signing_key_for_tests("whole")
NETWORK_FLASH = 0x01000000
# Partitions of a Thingy:53 build with MCUboot alone.
PARTITIONS = """\
mcuboot: {address: 0x0, end_address: 0xc000, region: flash_primary, size: 0xc000}
mcuboot_primary: {address: 0xc000, end_address: 0x100000, region: flash_primary, size: 0xf4000}
mcuboot_secondary: {address: 0x0, end_address: 0xf4000, region: external_flash, size: 0xf4000}
"""
# As Zephyr's devicetree of the kit has it in every build.
DEVICETREE = """\
/dts-v1/;
/ { soc { #address-cells = <1>; #size-cells = <1>;
  flash@0 { compatible = "soc-nv-flash"; reg = <0x0 0x100000>;
    partitions { compatible = "fixed-partitions"; #address-cells = <1>; #size-cells = <1>;
      partition@0 { label = "mcuboot"; reg = <0x0 0x10000>; };
      partition@10000 { label = "image-0"; reg = <0x10000 0x40000>; };
      partition@80000 { label = "image-1"; reg = <0x80000 0x40000>; };
    }; }; }; };
"""
APP_CORE = 'CONFIG_BOARD="nrf5340dk"\nCONFIG_SOC="nrf5340"\nCONFIG_SOC_NRF5340_CPUAPP=y\n'
NETWORK_CORE = 'CONFIG_BOARD="nrf5340dk"\nCONFIG_SOC="nrf5340"\nCONFIG_SOC_NRF5340_CPUNET=y\n'
NRF52 = 'CONFIG_BOARD="xiao_ble"\nCONFIG_SOC="nrf52840"\nCONFIG_SOC_NRF52840=y\n'
THINGY = APP_CORE.replace("nrf5340dk", "thingy53")
GENERATED = 'CONFIG_SECURE_BOOT=y\nCONFIG_SB_SIGNING_KEY_FILE=""\n'


def configure(build: Path, **images: str) -> Path:
    """Writes partitions.yml and a .config for each image."""
    build.mkdir(parents=True, exist_ok=True)
    (build / "partitions.yml").write_text(PARTITIONS)
    for name, text in images.items():
        config = build / name / "zephyr/.config"
        config.parent.mkdir(parents=True)
        config.write_text(text)
    return build


def complete(build: Path) -> Path:
    """Writes merged.hex and a signed image."""
    boot = build_payload(0, 0x8000, McubootDescription(), keys=(KEY.public_key(),))
    image = imgtool_sign(build_payload(0xC200, 0x2000, AppDescription()), KEY)
    write_hex(build / "merged.hex", [Segment(0, boot), Segment(0xC000, image)])
    signed = build / "myapp/zephyr/zephyr.signed.bin"
    signed.parent.mkdir(parents=True, exist_ok=True)
    signed.write_bytes(image)
    return build


def with_network_core(build: Path, demo: DemoSource) -> Path:
    """Writes merged_CPUNET.hex."""
    segments = [one for one in read_hex(demo.baseline) if one.address >= NETWORK_FLASH]
    path = build / "merged_CPUNET.hex"
    write_hex(path, [one for one in segments if one.address < 0x10000000])
    return path


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A complete one of sysbuild, for the kit's application core."""
    app = APP_CORE + "CONFIG_BOOTLOADER_MCUBOOT=y\n"
    mcuboot = APP_CORE + "CONFIG_MCUBOOT=y\nCONFIG_BOOT_UPGRADE_ONLY=y\n"
    return complete(configure(tmp_path / "build", myapp=app, mcuboot=mcuboot))


def test_application_without_a_bootloader(board: BoardType, tmp_path: Path) -> None:
    """Its devicetree has slots all the same, and the application lies where they would."""
    zephyr = tmp_path / "zephyr"
    zephyr.mkdir()
    (tmp_path / "CMakeCache.txt").write_text("")
    (zephyr / ".config").write_text(APP_CORE)
    (zephyr / "zephyr.dts").write_text(DEVICETREE)
    write_hex(zephyr / "zephyr.hex", [Segment(0, build_payload(0, 0x20000, AppDescription()))])
    contents = inspect_path(tmp_path, board)
    texts = said(contents)
    assert "There is no MCUboot in this build (CONFIG_BOOTLOADER_MCUBOOT is off)" in texts
    assert "nothing uses them" in texts
    assert "MCUboot lies at 0" not in texts
    assert "the build's is taken" not in texts
    (file,) = contents.files
    assert file.path == str(zephyr / "zephyr.hex")
    of_file = said(inspect_path(zephyr / "zephyr.hex", board))
    assert "no MCUboot in this build" in of_file
    assert "Slots are those of its build" not in of_file


def test_partitions_without_a_slot(board: BoardType, tmp_path: Path) -> None:
    """An application that fills the flash."""
    configure(tmp_path, myapp=APP_CORE)
    (tmp_path / "partitions.yml").write_text(
        "app: {address: 0x0, end_address: 0x100000, region: flash_primary, size: 0x100000}\n"
    )
    texts = said(inspect_path(tmp_path, board))
    assert "There is no MCUboot in this build" in texts
    assert "no NSIB" not in texts


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("merged.hex", "warning build: The build"),
        ("myapp/zephyr/zephyr.signed.bin", "There is a hex file, and no update"),
    ],
)
def test_build_that_west_did_not_finish(
    board: BoardType, build: Path, demo: DemoSource, missing: str, words: str
) -> None:
    """Settings and partitions are there from the first second on."""
    with_network_core(build, demo)
    assert "warning build:" not in said(inspect_path(build, board))
    (build / missing).unlink()
    texts = said(inspect_path(build, board))
    assert words in texts
    assert "Run `west build` to its end" in texts
    assert "warning network core" not in texts


def test_network_core_of_a_build(board: BoardType, build: Path, demo: DemoSource) -> None:
    """Its file lies beside merged.hex, and is named where that is looked at alone."""
    merged = build / "merged.hex"
    assert "network core: None" in said(inspect_path(build, board))
    assert "network core: None" in said(inspect_path(merged, board))
    beside = with_network_core(build, demo)
    assert "network core" not in said(inspect_path(build, board))
    texts = said(inspect_path(merged, board))
    assert f"network core: Not in this file; {beside} has it." in texts
    assert "None" not in texts


def test_both_cores_in_one_file_beside(board: BoardType, build: Path, demo: DemoSource) -> None:
    """What child-image builds make; it needs no second file."""
    both = build / "merged_domains.hex"
    network = with_network_core(build, demo)
    write_hex(both, [*read_hex(build / "merged.hex"), *read_hex(network)])
    texts = said(inspect_path(build / "merged.hex", board))
    assert f"{both} has what both cores need" in texts


def test_network_core_of_files_without_their_build(
    board: BoardType, build: Path, demo: DemoSource, tmp_path: Path
) -> None:
    """As an archive of a release has them: nothing but the hex files."""
    release = tmp_path / "release"
    release.mkdir()
    for path in (build / "merged.hex", with_network_core(build, demo)):
        path.rename(release / path.name)
    texts = said(inspect_path(release / "merged.hex", board))
    assert f"Not in this file; {release / 'merged_CPUNET.hex'} has it." in texts


def test_bluetooth_without_its_controller(board: BoardType, build: Path) -> None:
    """No note then, but a warning: nothing would advertise."""
    config = build / "myapp/zephyr/.config"
    config.write_text(config.read_text() + "CONFIG_BT_HCI_IPC=y\n")
    assert "warning network core: None, and the application's Bluetooth" in said(
        inspect_path(build, board)
    )


def test_part_of_a_build_needs_no_network_core(board: BoardType, build: Path) -> None:
    """MCUboot's own hex file is flashed together with others."""
    part = build / "mcuboot/zephyr/zephyr.hex"
    boot = build_payload(0, 0x8000, McubootDescription(), keys=(KEY.public_key(),))
    write_hex(part, [Segment(0, boot)])
    assert "network core" not in said(inspect_path(part, board))
    outside = build.parent / "elsewhere/mcuboot.hex"
    outside.parent.mkdir()
    write_hex(outside, [Segment(0, boot)])
    assert "network core" not in said(inspect_path(outside, board))


def test_chip_without_a_network_core(board: BoardType, tmp_path: Path) -> None:
    """A build for an nRF52840 lacks nothing; it is for another chip."""
    build = configure(
        tmp_path,
        myapp=NRF52 + "CONFIG_BOOTLOADER_MCUBOOT=y\n",
        mcuboot=NRF52 + "CONFIG_MCUBOOT=y\n",
    )
    complete(build)
    contents = inspect_path(build, board)
    texts = said(contents)
    assert "network core" not in texts
    assert "for another chip (nrf52840)" in texts
    assert "board-file" not in texts
    assert "network core" not in said(inspect_path(build / "merged.hex", board))


def test_another_board_with_the_same_chip(board: BoardType, tmp_path: Path) -> None:
    """One remark for all images, no two that contradict each other, and what to do."""
    net = NETWORK_CORE.replace("nrf5340dk", "thingy53_nrf5340_cpunet")
    build = configure(
        tmp_path,
        myapp=THINGY + "CONFIG_BOOTLOADER_MCUBOOT=y\n",
        mcuboot=THINGY + "CONFIG_MCUBOOT=y\n",
        hci_ipc=net,
    )
    complete(build)
    remarks = inspect_path(build, board).remarks
    (one,) = (remark for remark in remarks if "CONFIG_BOARD" in remark.cause)
    assert (
        "CONFIG_BOARD is thingy53_nrf5340_cpunet, thingy53: this is a build for another board"
        in one.cause
    )
    assert "The slots are taken from the build." in one.cause
    assert f"nrf-fota board-file {build}" in one.remedy
    assert "does not hold" not in said(inspect_path(build, board))


@pytest.mark.parametrize(
    ("images", "level", "words"),
    [
        ({"hci_ipc": NETWORK_CORE + GENERATED}, "warning", "A b0n that checks signatures refuses"),
        (
            {
                "hci_ipc": NETWORK_CORE + GENERATED,
                "b0n": NETWORK_CORE
                + "CONFIG_IS_SECURE_BOOTLOADER=y\nCONFIG_SB_VALIDATE_FW_HASH=y\n",
            },
            "note",
            "this b0n checks the hash alone",
        ),
        ({"mcuboot": APP_CORE + "CONFIG_MCUBOOT=y\n" + GENERATED}, "warning", "NSIB's key is"),
    ],
    ids=("b0n", "b0n without signatures", "NSIB"),
)
def test_generated_key(
    board: BoardType, tmp_path: Path, images: dict[str, str], level: str, words: str
) -> None:
    """Whose key it is: a build without NSIB may still have b0n on the network core."""
    build = configure(tmp_path, myapp=APP_CORE + "CONFIG_BOOTLOADER_MCUBOOT=y\n", **images)
    (found,) = (
        r for r in inspect_path(build, board).remarks if "SIGNING_KEY_FILE" in r.shown[0].text
    )
    assert level_of(found) == level
    assert words in found.cause
    assert ("NSIB" in found.cause) == ("NSIB" in words)


@pytest.mark.parametrize(
    ("settings", "whose"), [("", None), ("NETCORE", "b0n"), ("APPCORE", "NSIB's key")]
)
def test_generated_key_of_sysbuild(
    board: BoardType, tmp_path: Path, settings: str, whose: str | None
) -> None:
    """The setting is there in every sysbuild; which bootloaders there are says what it is for."""
    build = configure(tmp_path, myapp=APP_CORE + "CONFIG_BOOTLOADER_MCUBOOT=y\n")
    config = build / "zephyr/.config"
    config.parent.mkdir()
    on = f"SB_CONFIG_SECURE_BOOT_{settings}=y\n" if settings else ""
    config.write_text(f'SB_CONFIG_SECURE_BOOT_SIGNING_KEY_FILE=""\n{on}')
    found = [r for r in inspect_path(build, board).remarks if "SIGNING_KEY_FILE" in r.shown[0].text]
    assert [whose in one.cause for one in found if whose] == ([True] if whose else [])
    assert len(found) == (whose is not None)


def test_room_as_the_builds_mcuboot_updates(board: BoardType, build: Path) -> None:
    """One that overwrites needs no sector to move by, and no status bytes."""
    (image,) = (image for one in inspect_path(build, board).files for image in one.images)
    assert image.room_bytes == 0xF4000 - 40
    config = build / "mcuboot/zephyr/.config"
    config.write_text(config.read_text().replace("UPGRADE_ONLY", "SWAP_USING_MOVE"))
    (image,) = (image for one in inspect_path(build, board).files for image in one.images)
    assert image.room_bytes == 0xF4000 - 2 * 0x1000
    alone = inspect_path(build / "myapp/zephyr/zephyr.signed.bin", board)
    assert alone.images[0].room_bytes == image.room_bytes


def test_b0n_is_named(demo: DemoSource, build: Path) -> None:
    """Nothing checks it, and it is what checks the firmware behind it."""
    path = with_network_core(build, demo)
    info = FwInfo(0, STRUCT.size, 0x4000, 1, NETWORK_FLASH, NETWORK_FLASH, VALID).pack()
    b0n = bytes(0x200) + info.ljust(0x3E00, b"\x5a")
    firmware = [one for one in read_hex(path) if one.address >= NETWORK_FLASH + len(b0n)]
    write_hex(path, [Segment(NETWORK_FLASH, b0n), *firmware])
    text = CliRunner().invoke(app, ["inspect", str(path)]).stdout
    assert "b0n, fw_info at 0x1000200" in text
    assert "b0n key" in text
    assert "NSIB key" not in text
    assert "no signature" not in text


def test_nsib_is_named(demo: DemoSource, tmp_path: Path) -> None:
    """Nothing checks it; that of NCS 2.5.0 has its fw_info at 0x200, and 23,704 bytes."""
    nsib_bytes = 0x5C98
    info = FwInfo(0, STRUCT.size, nsib_bytes, 1, 0, 0, VALID).pack()
    nsib = bytes(0x200) + info.ljust(nsib_bytes - 0x200, b"\x5a")
    path = tmp_path / "merged.hex"
    others = [one for one in read_hex(demo.baseline) if one.address >= 0x8000]
    write_hex(path, [Segment(0, nsib), *others])
    text = CliRunner().invoke(app, ["inspect", str(path)]).stdout
    assert "NSIB, fw_info at 0x200" in text
    assert "unknown" not in text
    assert "no signature" not in text


def test_nsibs_words_are_no_fw_info(board: BoardType, tmp_path: Path) -> None:
    """NSIB of another chip holds the magic as constants: one struct, not three."""
    magic = MAGIC[:8] + (0x00005B02).to_bytes(4, "little")
    info = FwInfo(0, STRUCT.size, 0x4000, 1, 0x8200, 0x8200, VALID).pack()
    constants = magic + struct.pack("<5I", 0x200, 0x8000, 1, 0x8200, 0x8200) + bytes(100)
    path = tmp_path / "merged.hex"
    write_hex(path, [Segment(0, bytes(0x200) + constants), Segment(0x8400, magic + info[12:])])
    contents = inspect_path(path, board)
    assert contents.other_chips == ("nRF91",)
    assert [r.shown[0].text for r in contents.remarks if "nRF91" in r.cause] == [
        "fw_info at 0x8400"
    ]
    assert "network core" not in said(contents)


def test_image_for_another_chip(board: BoardType, tmp_path: Path) -> None:
    """Said once, without asking whether it is; and a file with nothing else says what to give."""
    magic = MAGIC[:8] + (0x00005B02).to_bytes(4, "little")
    info = FwInfo(0, STRUCT.size, 0x4000, 1, 0x8200, 0x8200, VALID).pack()
    code = bytes(0x200) + magic + info[12:].ljust(0x1000, b"\x5a")
    path = tmp_path / "app_update.bin"
    path.write_bytes(imgtool_sign(code, KEY))
    texts = said(inspect_path(path, board))
    assert "Its fw_info is for nRF91: this image is for another chip." in texts
    assert "Is it for another board" not in texts
    path.write_bytes(code)
    with pytest.raises(PackageError, match="for another chip") as caught:
        inspect_path(path, board)
    assert caught.value.next_step == f"Give a file of a build for {board.name}."
