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

@pytest.mark.parametrize("number", range(6))
def test_on_a_kit(dut, unit, number):
    meet(f"{unit.name} {os.getpid()} {dut.wires.radio.description}")
"""


@pytest.fixture(autouse=True)
def _user_tests(desk: Desk) -> None:
    (desk.work / "test_mine.py").write_text(ON_KITS)


def test_auto_is_one_worker_for_each_free_kit(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """One kit is another run's; each worker keeps its own kit, with the radio beside it."""
    other = desk.pytest(f"--device-id={SECOND}", "test_mine.py::test_on_a_kit[0]")
    assert meeting.wait().split()[0] == SECOND
    run = desk.pytest("-n", "auto", desk.write_map())
    came = [meeting.wait().split(maxsplit=2) for _ in range(2)]
    assert {number for number, _, _ in came} == {FIRST, THIRD}
    for number, _, radio in came:
        assert desk.units[number].hci in radio
    meeting.let_go(7)
    came += [meeting.wait().split(maxsplit=2) for _ in range(4)]
    assert len({(number, process) for number, process, _ in came}) == 2
    assert finish(other)[0] == 0
    code, output = finish(run)
    assert code == 0, output
    assert f"nrf-fota: kits {FIRST}, {THIRD}" in output and "6 passed" in output


@pytest.mark.long_proof
def test_more_workers_than_kits(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Than there are, or than are free: nothing is collected, no worker starts."""
    code, output = finish(desk.pytest("-n", "4"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "4 workers want a kit each, and 3 may be taken." in output
    other = desk.pytest("test_mine.py::test_on_a_kit[0]")
    meeting.wait()
    code, output = finish(desk.pytest("-n", "3"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert f"{FIRST}: held by " in output and f"(pid {other.pid})" in output
    assert SECOND not in output.partition("where:")[2]
    meeting.let_go()
    assert finish(other)[0] == 0


@pytest.mark.long_proof
def test_the_replacement_of_a_killed_worker_takes_its_kit(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """No other run gets it in between: the session keeps its claim."""
    desk.attach(FIRST, SECOND)
    run = desk.pytest("-n", "2")
    (kit, killed, *_), (other_kit, other, *_) = (meeting.wait().split() for _ in range(2))
    os.kill(int(killed), signal.SIGKILL)
    number, replacement, *_ = meeting.wait().split()
    assert number == kit and replacement not in (killed, other)
    code, output = finish(desk.pytest())
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert output.count(f"(pid {run.pid})") == 2
    meeting.let_go(6)
    code, output = finish(run)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 failed, 5 passed" in output and "replacing crashed worker" in output
    assert desk.callers() == {kit: [killed, replacement], other_kit: [other]}


@pytest.mark.long_proof
def test_a_killed_controller_frees_all_its_kits(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """Once its workers, which end by themselves, have let go of them."""
    desk.attach(FIRST, SECOND)
    run = desk.pytest("-n", "2")
    first = {meeting.wait().split()[1] for _ in range(2)}
    run.send_signal(signal.SIGKILL)
    finish(run)
    after = desk.pytest("-n", "auto")
    second = {meeting.wait().split()[1] for _ in range(2)}
    assert len(first | second) == 4
    meeting.let_go(6)
    code, output = finish(after)
    assert code == 0, output
    for callers in desk.callers().values():
        assert len(callers) == 2 and callers[0] in first and callers[1] in second


@pytest.mark.long_proof
def test_a_worker_that_hangs_keeps_its_kit(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Its session is gone, and it may still be at the kit: the next run does not touch that."""
    desk.attach(FIRST)
    run = desk.pytest("-n", "1")
    worker = meeting.wait().split()[1]
    os.kill(int(worker), signal.SIGSTOP)
    try:
        run.kill()
        run.wait(60)
        code, output = finish(desk.pytest("test_mine.py::test_on_a_kit[0]"))
    finally:
        os.kill(int(worker), signal.SIGKILL)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 error" in output and "is still used by a process whose session is gone" in output
    assert desk.callers() == {FIRST: [worker]}


@pytest.mark.long_proof
def test_kits_of_two_types_in_one_map(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """A run for each board, at the same time: each takes those that are its own."""
    given = desk.write_map(
        {
            FIRST: {"platform": "nrf5340dk/nrf5340/cpuapp"},
            SECOND: {"platform": "nrf52840dk/nrf52840"},
            THIRD: {"platform": "nrf5340dk/nrf5340/cpuapp/ns"},
        }
    )
    runs = [
        desk.pytest(f"--board={board}", "-n", "auto", given)
        for board in ("nrf5340dk", "nrf52840dk")
    ]
    assert {meeting.wait().split()[0] for _ in range(3)} == {FIRST, SECOND, THIRD}
    meeting.let_go(12)
    (first, output), (second, other_output) = (finish(run) for run in runs)
    assert (first, second) == (0, 0), output + other_output
    assert f"kits {FIRST}, {THIRD}" in output and f"kit {SECOND}" in other_output
    assert {number: len(callers) for number, callers in desk.callers().items()} == {
        FIRST: 1,
        SECOND: 1,
        THIRD: 1,
    }


@pytest.mark.long_proof
def test_two_runs_that_both_want_all_kits(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Started at once: what one does not get, it waits for, or takes behind the other."""
    runs = [desk.pytest("-n", "2", "--wait-for-kit=60") for _ in range(2)]
    meeting.let_go(12)
    for code, output in (finish(run) for run in runs):
        assert code == 0, output
        assert "6 passed" in output
    # Nobody comes back to a kit that somebody else had meanwhile.
    for callers in desk.callers().values():
        assert len(callers) == len(set(callers))
