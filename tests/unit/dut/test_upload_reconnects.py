"""An upload whose connection breaks in the middle goes on over a new one, where that is wanted."""

from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.errors import ConnectionBrokeError
from pytest_nrf_fota.verdict.evidence import Outcome
from tests.unit.dut.opened_dut import opened_dut


def test_an_upload_goes_on_over_a_new_connection(tmp_path: Path) -> None:
    """Once broken and once made anew; a second break is one too many."""
    board = load_board("nrf5340dk_sim")
    firmware = DemoSource(board, tmp_path / "firmware")
    with opened_dut(board, tmp_path) as dut:
        dut.prepare(firmware.baseline)
        upgrade = dut.start_upgrade(firmware.app_update)
        half_bytes = len(upgrade.file.data) // 2
        reached: list[int] = []
        dut.faults.lose_connection_at_upload_byte(half_bytes // 2)
        with pytest.raises(ConnectionBrokeError):
            upgrade.upload()
        dut.faults.lose_connection_at_upload_byte(half_bytes)
        upgrade.upload(on_progress=reached.append, reconnects=1)
        assert reached == sorted(reached)
        assert reached[-1] == len(upgrade.file.data)
        upgrade.set_pending()
        upgrade.reset()
        assert upgrade.verdict().outcome is Outcome.UPGRADED
