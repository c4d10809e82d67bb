"""What an earlier test left on the board is gone after `prepare`."""

from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.variant import Variant
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


def test_a_stale_update_that_keeps_the_baseline_from_starting_is_erased(tmp_path: Path) -> None:
    """MCUboot takes it in each first boot, and it crashes: no shell can erase anything."""
    board = load_board("nrf5340dk_sim")
    firmware = DemoSource(board, tmp_path / "firmware")
    with opened_dut(board, tmp_path) as dut:
        dut.prepare(firmware.baseline)
        upgrade = dut.start_upgrade(firmware.variant(Variant.APP_FAULTS_IN_BOOT))
        upgrade.upload()
        upgrade.set_pending(permanent=True)

        assert dut.prepare(firmware.baseline).app_ready
        assert not dut.reset().wanted_swap


def test_a_stale_update_that_a_silent_mcuboot_takes_does_not_survive(tmp_path: Path) -> None:
    """Nothing in the log says that it did."""
    board = load_board("nrf5340dk_sim")
    firmware = DemoSource(board, tmp_path / "firmware")
    baseline = firmware.variant(Variant.BASELINE_SILENT_MCUBOOT)
    with opened_dut(board, tmp_path) as dut:
        dut.prepare(baseline)
        upgrade = dut.start_upgrade(firmware.app_update)
        upgrade.upload()
        upgrade.set_pending(permanent=True)

        dut.prepare(baseline)
        dut.connect()
        assert dut.mcumgr.get_image_list() == upgrade.images_before
