"""`nrf-fota demo-firmware`: the demonstration firmware as files, for boards of one's own, too."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.hex_file import memory_reader, read_hex
from pytest_nrf_fota.firmware.mcuboot_image import HEADER, ImageHeader

OWN_PRIMARY = 0x18000
OWN_BOARD = f"""
name = "own"
title = "My product"
base = "nrf5340dk_mcuboot_sim"
[slots]
primary = {{ address = {OWN_PRIMARY:#x}, size = 0xE0000 }}
secondary = {{ address = 0x10000000, size = 0xE0000 }}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["demo-firmware", *(str(argument) for argument in arguments)]
    )


@pytest.fixture
def own_boards(tmp_path: Path) -> Path:
    folder = tmp_path / "boards"
    folder.mkdir()
    (folder / "own.toml").write_text(OWN_BOARD)
    return folder


def test_its_files_fit_the_own_board(own_boards: Path, tmp_path: Path) -> None:
    """And are those that it prints; without NSIB there is no package for MCUboot."""
    folder = tmp_path / "firmware"
    result = run(folder, "--board=own", f"--board-dir={own_boards}")
    assert result.exit_code == 0, result.output
    printed = [Path(line) for line in result.stdout.splitlines()]
    assert printed == [folder / "merged.hex", folder / "dfu_application.zip"]
    assert sorted(folder.iterdir()) == sorted(printed)
    read = memory_reader(read_hex(folder / "merged.hex"))
    assert str(ImageHeader.parse(read(OWN_PRIMARY, HEADER.size)).version) == "1.0.0"


def test_board_folders_can_be_several(own_boards: Path, tmp_path: Path) -> None:
    """The board is found in whichever has it."""
    empty = tmp_path / "none"
    empty.mkdir()
    folders = (f"--board-dir={empty}", f"--board-dir={own_boards}")
    assert run(tmp_path / "firmware", "--board=own", *folders).exit_code == 0


def test_an_own_board_is_unknown_without_its_folder(tmp_path: Path) -> None:
    """Refused with the names that there are, and nothing is written."""
    result = run(tmp_path / "firmware", "--board=own")
    assert result.exit_code != 0
    assert "'own'" in result.output
    assert "nrf5340dk_sim" in result.output
    assert not (tmp_path / "firmware").exists()


def test_without_options_it_is_for_the_virtual_kit_with_nsib(tmp_path: Path) -> None:
    """Which has a package for MCUboot, too."""
    result = run(tmp_path / "firmware")
    assert result.exit_code == 0, result.output
    names = [Path(line).name for line in result.stdout.splitlines()]
    assert names == ["merged.hex", "dfu_application.zip", "dfu_mcuboot.zip"]
