"""One run on kits of two types: each test runs once, on a kit that has what it needs."""

import os
import signal

import pytest

from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting

FIRST, SECOND, THIRD = "1050000001", "1050000002", "1050000003"
# The nRF5340 DK has NSIB, the nRF52840 DK has not; neither has its faults injected.
TESTS = """
import os
import pytest
from meeting import meet

@pytest.mark.needs("nsib")
@pytest.mark.parametrize("number", range(3))
def test_nsib(dut, board, number):
    meet(f"nsib {dut.name} {board.name} {os.getpid()}")

@pytest.mark.parametrize("number", range(3))
def test_any(dut, board, number):
    meet(f"any {dut.name} {board.name} {os.getpid()}")

@pytest.mark.needs("fault_injection")
def test_on_none(dut):
    raise AssertionError
"""
BOARDS = {FIRST: "nrf5340dk", SECOND: "nrf52840dk"}


@pytest.fixture
def options(desk: Desk) -> tuple[str, ...]:
    """Two kits, of a type each."""
    (desk.work / "test_mine.py").write_text(TESTS)
    desk.attach(FIRST, SECOND)
    given = desk.write_map({number: {"platform": board} for number, board in BOARDS.items()})
    return ("--also-board=nrf52840dk", given)


@pytest.mark.long_proof
def test_each_test_runs_where_it_can(
    desk: Desk, meeting: Meeting, finish: Finish, options: tuple[str, ...]
) -> None:
    """Both boards work at once, and one is skipped: no board can run it."""
    run = desk.pytest("-n", "auto", "-rs", *options)
    came = [meeting.wait().split() for _ in range(2)]
    assert {number for _, number, _, _ in came} == {FIRST, SECOND}
    meeting.let_go(6)
    came += [meeting.wait().split() for _ in range(4)]
    code, output = finish(run)
    assert code == 0, output
    assert "6 passed, 1 skipped" in output and "has no fault_injection" in output
    assert all(BOARDS[number] == board for _, number, board, _ in came)
    assert {number for kind, number, _, _ in came if kind == "nsib"} == {FIRST}


@pytest.mark.long_proof
def test_a_killed_worker_is_replaced_on_its_board(
    desk: Desk, meeting: Meeting, finish: Finish, options: tuple[str, ...]
) -> None:
    """Nobody else could run what it had before it."""
    run = desk.pytest("-n", "auto", *options)
    came = {number: pid for _, number, _, pid in (meeting.wait().split() for _ in range(2))}
    os.kill(int(came[FIRST]), signal.SIGKILL)
    # One more: who is being killed may still take one.
    meeting.let_go(6)
    later = [meeting.wait().split() for _ in range(4)]
    code, output = finish(run)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 failed, 5 passed, 1 skipped" in output
    assert {number for kind, number, _, _ in later if kind == "nsib"} == {FIRST}
    assert came[FIRST] not in {pid for _, _, _, pid in later}


@pytest.mark.long_proof
def test_two_runs_that_name_the_boards_in_another_order(
    desk: Desk, meeting: Meeting, finish: Finish, options: tuple[str, ...]
) -> None:
    """Neither keeps a kit that the other waits for."""
    (desk.work / "test_mine.py").write_text(
        "from meeting import meet\ndef test_any(dut, board):\n    meet(board.name)\n"
    )
    holder = desk.pytest("-n", "auto", *options)
    meeting.wait()
    crossed = ("--board=nrf52840dk", "--also-board=nrf5340dk", options[1])
    waiting = [
        desk.pytest("-n", "auto", "--wait-for-kit=45", *given) for given in (options, crossed)
    ]
    for run in waiting:
        assert run.stdout is not None
        assert "waiting up to 45 s" in run.stdout.readline()
    # All that they want is free at the same moment.
    meeting.let_go(len(waiting) + 1)
    for run in (holder, *waiting):
        code, output = finish(run)
        assert code == 0, output


@pytest.mark.long_proof
def test_what_cannot_be_mixed(desk: Desk, finish: Finish, options: tuple[str, ...]) -> None:
    """A usage error, with what to do."""
    for given, words in (
        (options, "How many workers each of several boards gets"),
        (("-n", "auto", options[0]), "Nobody says which kit is which board."),
        (("-n", "auto", "--maxprocesses=1", *options), "1 workers are too few for 2 boards."),
        (("-n", "auto", "--also-board=nrf5340dk", options[1]), "No kit is left for nrf5340dk."),
        (("-n", "auto", "--also-board=nrf5340dk_sim", options[1]), "kits on USB"),
        (("-n", "auto", "--baseline=nrf52840dk=none.hex", *options), "none.hex"),
    ):
        code, output = finish(desk.pytest(*given))
        assert code == pytest.ExitCode.USAGE_ERROR and words in output, output
