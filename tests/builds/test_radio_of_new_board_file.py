"""How SMP reaches a build's application, as `nrf-fota board-file` reads it from its `.config`."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.builds.board_text import board_file_text
from pytest_nrf_fota.builds.build import read_build

from .shapes import SHAPES
from .west_build import WestBuild

BLUETOOTH = "CONFIG_MCUMGR_TRANSPORT_BT=y"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build, whose settings each test rewrites."""
    made = tmp_path_factory.mktemp("west")
    WestBuild(SHAPES[0], made).first()
    return made / "build_v1"


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
