"""Demonstration packages look as those of the release that the board file names."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from pydantic import JsonValue

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.fw_info import find_fw_info
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.package_kind import PackageKind

CHILD = ("2.3", "2.6")
SYSBUILD = ("2.9", "3.0")
S_FILES = {
    "2.3": ["signed_by_mcuboot_and_b0_s0_image_update.bin",
            "signed_by_mcuboot_and_b0_s1_image_update.bin"],
    "2.6": ["signed_by_mcuboot_and_b0_s0_image_update.bin",
            "signed_by_mcuboot_and_b0_s1_image_update.bin"],
    "2.9": ["signed_by_mcuboot_and_b0_mcuboot.bin", "signed_by_mcuboot_and_b0_s1_image.bin"],
    "3.0": ["signed_by_mcuboot_and_b0_mcuboot.bin", "signed_by_mcuboot_and_b0_s1_image.bin"],
}  # fmt: skip
# With child images and with sysbuild, as in packages that others built with NCS 2.1 to 3.0.
APP_CORE = (("nrf5340dk_nrf5340_cpuapp", "nRF5340_CPUAPP_QKAA"), ("nrf5340dk", "nrf5340"))
NETWORK_CORE = (
    ("nrf5340dk_nrf5340_cpunet", "nRF5340_CPUNET_QKAA"),
    ("nrf5340dk/nrf5340/cpunet", "nrf5340"),
)


def board_of(ncs: str, folder: Path, *, has_network_slots: bool = False) -> BoardType:
    slots = (
        "[slots]\nsecondary_network = { address = 0x100D8000, size = 0x40000 }\n"
        if has_network_slots
        else ""
    )
    (folder / "mine.toml").write_text(
        f'name = "mine"\ntitle = "mine"\nbase = "nrf5340dk_sim"\nplatforms = []\n'
        f'{slots}[boot]\nncs = "{ncs}"\n'
    )
    return load_board("mine", (folder,))


def manifest_of(package: Path) -> dict[str, JsonValue]:
    with ZipFile(package) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert isinstance(manifest, dict)
    return manifest


def files_of(package: Path) -> list[dict[str, JsonValue]]:
    files = manifest_of(package)["files"]
    assert isinstance(files, list)
    return [entry for entry in files if isinstance(entry, dict)]


@pytest.mark.parametrize("ncs", CHILD + SYSBUILD)
class TestEachRelease:
    def test_mcuboot(self, ncs: str, tmp_path: Path) -> None:
        board = board_of(ncs, tmp_path)
        path = DemoSource(board, tmp_path).mcuboot_update

        package = read_package(path, package_target(board))

        assert package.kind is PackageKind.MCUBOOT
        assert [file.name for file in package.files] == S_FILES[ncs]
        assert [file.s_slot for file in package.files] == [0, 1]
        assert manifest_of(path)["format-version"] == (0 if ncs in CHILD else 1)
        entries = files_of(path)
        assert [entry.get("slot") for entry in entries] == (
            ["0", "1"] if ncs == "3.0" else [None, None]
        )
        assert {entry["version_B0"] for entry in entries} == {"1" if ncs in CHILD else "15"}
        assert all("image_index" not in entry for entry in entries)
        assert {(entry["board"], entry["soc"]) for entry in entries} == {APP_CORE[ncs in SYSBUILD]}
        assert manifest_of(path)["name"] == ("nrf5340_fota" if ncs in CHILD else "mcuboot")

    def test_application(self, ncs: str, tmp_path: Path) -> None:
        board = board_of(ncs, tmp_path)
        path = DemoSource(board, tmp_path).app_update

        (file,) = read_package(path, package_target(board)).files

        assert file.image_index == 0
        (entry,) = files_of(path)
        assert ("image_index" in entry) == (ncs in SYSBUILD)
        assert (entry["board"], entry["soc"]) == APP_CORE[ncs in SYSBUILD]
        assert file.name == ("app_update.bin" if ncs in CHILD else "nrf5340_fota.signed.bin")
        assert manifest_of(path)["name"] == "nrf5340_fota"

    def test_application_and_network_core(self, ncs: str, tmp_path: Path) -> None:
        board = board_of(ncs, tmp_path, has_network_slots=True)
        path = DemoSource(board, tmp_path).app_and_network_update

        app, network = read_package(path, package_target(board)).files

        assert (app.image_index, network.image_index) == (0, 1)
        assert network.image.reset_vector in range(0x01008800, 0x01040000)
        entry = files_of(path)[1]
        assert (entry["slot_index_primary"], entry["slot_index_secondary"]) == ("3", "4")
        assert (entry["board"], entry["soc"]) == NETWORK_CORE[ncs in SYSBUILD]
        assert network.name == ("net_core_app_update.bin" if ncs in CHILD else "ipc_radio.bin")
        assert entry["load_address"] == 0x01008800


def test_a_package_for_the_network_core_alone_is_not_for_this_core(tmp_path: Path) -> None:
    """Only an image with a number of its own may name the other core."""
    board = board_of("2.9", tmp_path, has_network_slots=True)
    path = DemoSource(board, tmp_path).app_and_network_update
    with ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries["manifest.json"])
    manifest["files"][1]["image_index"] = "0"
    entries["manifest.json"] = json.dumps(manifest).encode()
    with ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)

    with pytest.raises(PackageError, match="nrf5340dk/nrf5340/cpunet"):
        read_package(path, package_target(board))


def test_the_baseline_holds_both_cores(tmp_path: Path) -> None:
    segments = read_hex(DemoSource(board_of("2.3", tmp_path), tmp_path).baseline)

    def read(address: int, size_bytes: int) -> bytes:
        segment = next(s for s in segments if s.address <= address < s.end)
        start = address - segment.address
        return segment.data[start : start + size_bytes]

    info = find_fw_info(read, 0x01008800)
    assert info is not None
    assert (info.version, info.firmware_address) == (1, 0x01008800)
    assert read(0x01008580 + 0x28, 4) == (0x01008800).to_bytes(4, "little")
