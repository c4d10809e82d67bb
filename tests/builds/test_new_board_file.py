"""Board files that `nrf-fota board-file` makes of builds: chip and radio."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from pytest_nrf_fota.boards.board import Slot
from pytest_nrf_fota.boards.board_file import load_board, own_settings
from pytest_nrf_fota.builds.board_text import board_file_text
from pytest_nrf_fota.builds.build import read_build
from pytest_nrf_fota.builds.fitted_board import fit_board
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.mcuboot_mode import app_of
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.kit import KitSettings

from .shapes import SHAPES
from .west_build import WestBuild

BLUETOOTH = "CONFIG_MCUMGR_TRANSPORT_BT=y"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build, whose settings each test rewrites."""
    made = tmp_path_factory.mktemp("west")
    WestBuild(SHAPES[0], made).first()
    return made / "build_v1"


@pytest.mark.parametrize("name", ["ncs-2.9-nsib-own-layout", "ncs-2.9-nrf52840"])
def test_board_file_starts_from_the_kit_with_the_builds_chip(name: str, tmp_path: Path) -> None:
    """And loads: slots, names and radio of the build, memories of the chip."""
    shape = next(shape for shape in SHAPES if shape.name == name)
    build = WestBuild(shape, tmp_path).first()
    output = tmp_path / "mine.toml"
    result = CliRunner().invoke(app, ["board-file", str(build), f"--output={output}"])
    assert result.exit_code == 0, result.output
    board = load_board("mine", [tmp_path])
    assert (board.base, board.soc) == (f"{shape.soc.name}dk", shape.soc)
    assert board.slots.primary == shape.slots.primary
    assert board.radio.name == f"{shape.soc.title} FOTA"


@pytest.mark.parametrize(
    ("name", "has_flash"), [("ncs-2.9-alone-offset-slot", True), ("ncs-2.3-nsib-internal", False)]
)
def test_flash_with_the_update_slot_stays(name: str, has_flash: bool, tmp_path: Path) -> None:
    """Without a zephyr.dts, too: on a board without that flash nothing erases an update that a
    test left there, and the next test starts with it.
    """
    shape = next(shape for shape in SHAPES if name.startswith(shape.name))
    if not has_flash:
        secondary = Slot(address=0x90000, size=0x68000)
        primary = Slot(address=0x28000, size=0x68000)
        slots = shape.slots.model_copy(update={"primary": primary, "secondary": secondary})
        shape = replace(shape, slots=slots)
    build = WestBuild(shape, tmp_path).first()
    output = tmp_path / "mine.toml"
    result = CliRunner().invoke(app, ["board-file", str(build), f"--output={output}"])
    assert result.exit_code == 0, result.output
    board = load_board("mine", [tmp_path])
    assert (board.external_flash is not None) is has_flash
    assert ("a guess: nrf5340dk's, the build has no zephyr.dts" in output.read_text()) is has_flash


@pytest.fixture
def folder_without_bluetooth(folder: Path, tmp_path: Path) -> Path:
    """A copy of it, of an application without Bluetooth and SMP."""
    copied = tmp_path / "build"
    shutil.copytree(folder, copied)
    config = copied / "zephyr" / ".config"
    words = ("CONFIG_BT", "MCUMGR")
    kept = [x for x in config.read_text().splitlines() if not any(word in x for word in words)]
    config.write_text("\n".join(kept) + "\n")
    return copied


@pytest.mark.parametrize(
    ("base", "ready"),
    [("nrf5340dk", "build time: "), ("nrf5340dk_sim", "Application started")],
)
def test_board_file_of_a_build_without_bluetooth(
    folder_without_bluetooth: Path, tmp_path: Path, base: str, ready: str
) -> None:
    """By another wire, and with another last line of a boot than the one about advertising."""
    build = read_build(folder_without_bluetooth)
    (tmp_path / "mine.toml").write_text(board_file_text(build, load_board(base), "mine", None))
    board = load_board("mine", [tmp_path])
    assert (board.radio.kind, board.radio.bluetooth) == ("serial_over_console", False)
    assert board.boot.app_ready == ready
    assert not app_of(board).bluetooth


@pytest.mark.parametrize("kind", ["ble", "serial_over_console"])
def test_a_build_says_whether_it_has_bluetooth(folder_without_bluetooth: Path, kind: str) -> None:
    """A virtual kit's application starts it all the same where SMP has no other wire."""
    board = load_board("nrf5340dk_sim")
    board = board.model_copy(update={"radio": board.radio.model_copy(update={"kind": kind})})
    build = read_build(folder_without_bluetooth)
    fitted = fit_board(board, build, (), own_settings("nrf5340dk_sim"))
    assert fitted.radio.bluetooth is False
    assert app_of(fitted).bluetooth is (kind == "ble")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ((BLUETOOTH,), "ble"),
        ((BLUETOOTH, "CONFIG_MCUMGR_TRANSPORT_UART=y"), "ble"),
        (("CONFIG_MCUMGR_TRANSPORT_SHELL=y",), "serial_over_console"),
        # The kit's devicetree gives SMP the console's UART.
        (("CONFIG_MCUMGR_TRANSPORT_UART=y",), "serial_over_console"),
        (("CONFIG_MCUMGR_SMP_UART=y",), "serial_over_console"),
    ],
)
def test_board_file_of_each_wire_is_one_that_loads(
    folder: Path, tmp_path: Path, options: tuple[str, ...], kind: str
) -> None:
    config = folder / "zephyr" / ".config"
    kept = [line for line in config.read_text().splitlines() if "MCUMGR" not in line]
    config.write_text("\n".join((*kept, *options)) + "\n")
    text = board_file_text(read_build(folder), load_board("nrf5340dk"), "mine", None)
    (tmp_path / "mine.toml").write_text(text)
    assert load_board("mine", [tmp_path]).radio.kind == kind


def test_sectors_of_the_builds_mcuboot(tmp_path: Path) -> None:
    """The virtual kit's notes how far a swap came at the same place (seen with NCS 2.5.0)."""
    build = WestBuild(next(s for s in SHAPES if s.name == "ncs-2.9-nsib-own-layout"), tmp_path)
    folder = build.first()
    (config,) = folder.glob("mcuboot/zephyr/.config")
    config.write_text(config.read_text() + "CONFIG_BOOT_MAX_IMG_SECTORS=512\n")
    board = load_board("nrf5340dk_sim")
    fitted = fit_board(board, read_build(folder), (), own_settings("nrf5340dk_sim"))
    assert TypeAdapter(KitSettings).validate_json(kit_settings_json(fitted)).max_sectors == 512
    assert TypeAdapter(KitSettings).validate_json(kit_settings_json(board)).max_sectors == 256
