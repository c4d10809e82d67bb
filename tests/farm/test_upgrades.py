"""Upgrades on two kits at once: their consoles, probes and radios do not mix."""

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting

FIRST, SECOND = "1050000001", "1050000002"
# Both are at their kits before one begins.
UPGRADES = """
import pytest
from meeting import meet
from pytest_nrf_fota import assert_upgraded

@pytest.mark.parametrize("number", range(2))
def test_upgrade(dut, firmware, number):
    meet(dut.name)
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
"""


@pytest.mark.long_proof
def test_each_worker_upgrades_its_own_kit(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Flashed and read through the tool, sent by radio, proven by console and memory."""
    (desk.work / "test_mine.py").write_text(UPGRADES)
    firmware = DemoSource(load_board("nrf5340dk_sim"), desk.work.parent / "firmware")
    desk.attach(FIRST, SECOND)
    run = desk.pytest(
        *("-n", "auto", desk.write_map()),
        *(f"--baseline={firmware.baseline}", f"--update={firmware.mcuboot_update}"),
    )
    assert {meeting.wait(), meeting.wait()} == {FIRST, SECOND}
    meeting.let_go(2)
    code, output = finish(run)
    assert code == 0, output
    assert "2 passed" in output
    shown = output.partition("nRF FOTA: results")[2]
    assert shown.count(": UPGRADED") == shown.count("SWD:  new ") == 2, shown
    assert {number: len(callers) for number, callers in desk.callers().items()} == {
        FIRST: 1,
        SECOND: 1,
    }
