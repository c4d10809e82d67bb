"""Two runs on one host: each has a kit of its own, or knows who has it."""

import signal
import subprocess

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting

FIRST, SECOND, THIRD = "1050000001", "1050000002", "1050000003"
# A test that is on its kit while it waits: the kit's tool was called, and its ports are open.
ON_THE_KIT = """
from meeting import meet
from pytest_nrf_fota.deadline import Deadline

def test_on_the_kit(dut, unit):
    assert dut.probe.info(Deadline.after(60)).serial_number.lstrip("0") == unit.name
    meet(unit.name)
"""


@pytest.fixture(autouse=True)
def _user_tests(desk: Desk) -> None:
    (desk.work / "test_mine.py").write_text(ON_THE_KIT)


def test_each_takes_the_next_free_kit(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Without a word of which; and the header says which."""
    first = desk.pytest()
    assert meeting.wait() == FIRST
    second = desk.pytest()
    assert meeting.wait() == SECOND
    meeting.let_go(2)
    for process, number in ((first, FIRST), (second, SECOND)):
        code, output = finish(process)
        assert code == 0, output
        assert f"nrf-fota: kit {number}" in output
    assert {number: len(callers) for number, callers in desk.callers().items()} == {
        FIRST: 1,
        SECOND: 1,
    }


def test_a_taken_kit_is_refused_at_once_with_its_holder(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """Before anything is collected: who, since when, with which command."""
    desk.attach(FIRST)
    first = desk.pytest("-k", "on_the_kit")
    meeting.wait()
    code, output = finish(desk.pytest())
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "ERROR: The kit is taken." in output
    assert f"{FIRST}: held by " in output and f"(pid {first.pid})" in output
    assert "pytest" in output and "-k on_the_kit" in output
    assert "--wait-for-kit" in output and "collected" not in output
    meeting.let_go()
    assert finish(first)[0] == 0


def _one_has_what_another_waits_for(
    desk: Desk, meeting: Meeting
) -> "tuple[subprocess.Popen[str], subprocess.Popen[str]]":
    desk.attach(FIRST)
    first = desk.pytest()
    meeting.wait()
    second = desk.pytest("--wait-for-kit=60")
    assert second.stdout is not None
    line = second.stdout.readline()
    assert "waiting up to 60 s for 1 kit" in line and f"(pid {first.pid})" in line
    return first, second


def test_who_waits_gets_the_kit_when_it_is_given_back(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """Not before: the tool's callers do not mix."""
    first, second = _one_has_what_another_waits_for(desk, meeting)
    meeting.let_go()
    assert finish(first)[0] == 0
    assert meeting.wait() == FIRST
    meeting.let_go()
    code, output = finish(second)
    assert code == 0, output
    assert desk.callers() == {FIRST: [str(first.pid), str(second.pid)]}


def test_who_waits_does_not_get_a_kit_that_was_quarantined_meanwhile(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """By who has it, or by a person: what is broken is not for the next run."""
    first, second = _one_has_what_another_waits_for(desk, meeting)
    code, output = finish(desk.nrf_fota("quarantine", "add", FIRST, "--reason=loose cable"))
    assert code == 0, output
    # Also where it is free by then.
    meeting.let_go()
    assert finish(first)[0] == 0
    code, output = finish(second)
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "The kit was quarantined meanwhile." in output and "loose cable" in output
    assert f"nrf-fota quarantine clear {FIRST}" in output


@pytest.mark.long_proof
def test_waiting_ends_at_its_deadline(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """And says who still has it."""
    desk.attach(FIRST)
    first = desk.pytest()
    meeting.wait()
    code, output = finish(desk.pytest("--wait-for-kit=0.5"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "The kit is taken after 0.5 s." in output and f"(pid {first.pid})" in output
    assert "Wait longer: --wait-for-kit" in output
    meeting.let_go()
    assert finish(first)[0] == 0


def test_a_killed_run_holds_nothing(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """The next one needs no wait; its note is the new holder's."""
    desk.attach(FIRST)
    first = desk.pytest()
    meeting.wait()
    first.send_signal(signal.SIGKILL)
    finish(first)
    second = desk.pytest()
    assert meeting.wait() == FIRST
    meeting.let_go()
    code, output = finish(second)
    assert code == 0, output


def test_a_run_that_only_collects_needs_no_kit(desk: Desk, finish: Finish) -> None:
    desk.attach()
    code, output = finish(desk.pytest("--collect-only", "-n", "2"))
    assert code == 0, output
    code, output = finish(desk.pytest())
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "No Nordic nRF5340 DK is attached." in output and "--board nrf5340dk_sim" in output


@pytest.mark.long_proof
def test_a_board_of_the_configuration_claims_its_kit_with_the_first_test_that_needs_one(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """A project's other tests run while somebody has the kit."""
    desk.attach(FIRST)
    (desk.work / "pytest.ini").write_text("[pytest]\npythonpath = .\nnrf_fota_board = nrf5340dk\n")
    (desk.work / "test_other.py").write_text("def test_no_kit(): pass\n")
    first = desk.pytest("test_mine.py")
    meeting.wait()
    code, output = finish(desk.start("-m", "pytest", "-p", "no:cacheprovider"))
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 passed, 1 error" in output and f"(pid {first.pid})" in output
    meeting.let_go()
    assert finish(first)[0] == 0


@pytest.mark.long_proof
@pytest.mark.parametrize("option", ["--device-id", "--board-tag"])
def test_a_kit_is_chosen(desk: Desk, meeting: Meeting, finish: Finish, option: str) -> None:
    """By number, or by what the map says of it; the rest is left alone."""
    given = desk.write_map({THIRD: {"rack": "3"}, SECOND: {"fixtures": ["rack:2"]}})
    for value, number in ((THIRD, THIRD), (SECOND, SECOND)):
        chosen = value if option == "--device-id" else f"rack={number[-1]}"
        run = desk.pytest(option, chosen, given)
        assert meeting.wait() == number
        meeting.let_go()
        code, output = finish(run)
        assert code == 0, output
    assert set(desk.callers()) == {SECOND, THIRD}


@pytest.mark.long_proof
def test_commands_that_touch_a_kit_take_it_alone(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """Nothing is tried, nothing written, and the holder is named."""
    run = desk.pytest(f"--device-id={FIRST}")
    meeting.wait()
    before = set(desk.work.iterdir())
    command = ("-c", "from pytest_nrf_fota.cli import app; app()")
    kit = (f"--device-id=00{FIRST}", "--runner=nrfutil")
    hex_file = DemoSource(load_board("nrf5340dk_sim"), desk.work.parent / "firmware").baseline
    for arguments, code in (
        (("first-contact", "--yes", f"--baseline={hex_file}", *kit), 2),
        (("hci-dongle", "nrf5340dk", f"--hex={hex_file}", *kit), 2),
        (("doctor", "--board=nrf5340dk", "--ask-probe", *kit), 1),
    ):
        returned, output = finish(desk.start(*command, *arguments))
        assert returned == code, output
        assert f"(pid {run.pid})" in output, arguments
    new = {path.name for path in set(desk.work.iterdir()) - before}
    assert not {name for name in new if name.endswith(".zip")}
    meeting.let_go()
    assert finish(run)[0] == 0
    assert desk.callers() == {FIRST: [str(run.pid)]}
