"""What an earlier test left on the board is gone after `prepare`."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from tests.unit.board_of_release import board_of_release


@pytest.mark.parametrize("ncs", ["2.6", "2.7", "3.0"])
def test_a_stale_update_of_mcuboot_does_not_survive(ncs: str, tmp_path: Path) -> None:
    """From NCS 2.7 on MCUboot resets the board after it: the last boot shows no swap."""
    board = board_of_release(ncs)
    firmware = DemoSource(board, tmp_path / "firmware")
    with ExitStack() as stack:
        recorder = FlightRecorder()
        recorder.open(tmp_path / "recorder.jsonl", "test")
        stack.callback(recorder.close)
        unit = SimUnit(board, "kit", tmp_path / "kit")
        stack.callback(unit.release)
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        stack.callback(dut.close)
        dut.prepare(firmware.baseline)
        upgrade = dut.start_upgrade(firmware.mcuboot_update)
        upgrade.upload()
        upgrade.set_pending()

        assert dut.prepare(firmware.baseline).nsib_slot == 0
        assert dut.reset().nsib_slot == 0
