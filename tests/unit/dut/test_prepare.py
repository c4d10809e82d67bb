"""What an earlier test left on the board is gone after `prepare`."""

from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from tests.unit.board_of_release import board_of_release
from tests.unit.dut.opened_dut import opened_dut


@pytest.mark.parametrize("ncs", ["2.6", "2.7", "3.0"])
def test_a_stale_update_of_mcuboot_does_not_survive(ncs: str, tmp_path: Path) -> None:
    """From NCS 2.7 on MCUboot resets the board after it: the last boot shows no swap."""
    board = board_of_release(ncs)
    firmware = DemoSource(board, tmp_path / "firmware")
    with opened_dut(board, tmp_path) as dut:
        dut.prepare(firmware.baseline)
        upgrade = dut.start_upgrade(firmware.mcuboot_update)
        upgrade.upload()
        upgrade.set_pending()

        assert dut.prepare(firmware.baseline).nsib_slot == 0
        assert dut.reset().nsib_slot == 0
