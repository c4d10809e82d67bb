"""Runs that want more kits than there are: recorders show nobody on a kit that others have."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.record.events import RunStarted, ToolCalled, UnitTaken
from pytest_nrf_fota.record.recorder import read_recording
from tests.farm.conftest import SERIAL_NUMBERS, Finish
from tests.farm.desk import Desk

RUNS = 3
# A test of one's own: flash, boot, look, so that each wire is used.
UPGRADES = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_flashed(dut, firmware, number):
    dut.prepare(firmware.baseline)
    dut.connect()
    assert dut.mcumgr.get_image_list()
"""


@dataclass(frozen=True)
class Stay:
    """From the first to the last event that a worker of a run wrote about one kit."""

    kit: str
    run: Path
    worker: str
    begins: datetime
    ends: datetime


@pytest.mark.long_proof
def test_no_two_runs_are_on_a_kit_at_once(desk: Desk, finish: Finish) -> None:
    """Three runs with two workers each on three kits, started together; each waits for its turn."""
    (desk.work / "test_mine.py").write_text(UPGRADES)
    firmware = DemoSource(load_board("nrf5340dk_sim"), desk.work.parent / "firmware")
    folders = [desk.work / f"run{number}" for number in range(RUNS)]
    runs = [
        desk.pytest(
            *("-n", "2", "--wait-for-kit=120", desk.write_map(), f"--run-dir={folder}"),
            *(f"--baseline={firmware.baseline}", f"--update={firmware.mcuboot_update}"),
        )
        for folder in folders
    ]
    for code, output in (finish(run) for run in runs):
        assert code == 0, output
        assert "2 passed" in output
    stays = [stay for folder in folders for stay in _stays(folder)]
    assert len({stay.run for stay in stays}) == RUNS
    assert {stay.kit for stay in stays} <= set(SERIAL_NUMBERS)
    # Two workers of each run, and a kit that both of two runs had: there was something to share.
    assert len(stays) == 2 * RUNS > len({stay.kit for stay in stays})
    for kit in SERIAL_NUMBERS:
        on_it = sorted((s for s in stays if s.kit == kit), key=lambda stay: stay.begins)
        for earlier, later in pairwise(on_it):
            assert earlier.ends < later.begins, (earlier, later)


def _stays(run: Path) -> list[Stay]:
    """One for each worker, its look at the kit before the first test included.

    Every call of the tool was for the kit that it has.
    """
    stays = []
    for worker in sorted(run.glob("gw*")):
        times: list[datetime] = []
        units: set[str] = set()
        calls: list[ToolCalled] = []
        for path in worker.rglob("recorder.jsonl"):
            lines = read_recording(path)
            (started,) = (line.event for line in lines if isinstance(line.event, RunStarted))
            begins = datetime.fromisoformat(started.wall_clock)
            times += [begins, begins + timedelta(seconds=lines[-1].t_s)]
            units |= {line.event.unit for line in lines if isinstance(line.event, UnitTaken)}
            calls += [line.event for line in lines if isinstance(line.event, ToolCalled)]
        (unit,) = units
        for call in calls:
            assert "--serial-number" not in call.command or unit.zfill(12) in call.command
        stays.append(Stay(unit, run, worker.name, min(times), max(times)))
    return stays
