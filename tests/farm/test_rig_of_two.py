"""One test with two kits: the second comes from the same desk, and never in a deadlock."""

import pytest

from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting
from tests.farm.reading import read_until

FIRST, SECOND, THIRD = "1050000001", "1050000002", "1050000003"
TWO = """
from meeting import meet
from pytest_nrf_fota import Dut, DutFactory

def test_two(dut: Dut, dut_factory: DutFactory) -> None:
    second = dut_factory()
    assert second.console.port != dut.console.port
    meet(f"{dut.name} {second.name}")
"""
# Each takes its own kit, and then wants that of the other.
CROSSED = """
from meeting import meet

def test_crossed(dut, dut_factory):
    meet(dut.name)
    try:
        dut_factory()
    finally:
        meet("over")
"""


def test_two_kits_in_one_test(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Another run takes the third; the second is free again behind the test."""
    (desk.work / "test_two.py").write_text(TWO)
    run = desk.pytest()
    assert meeting.wait() == f"{FIRST} {SECOND}"
    code, output = finish(desk.pytest(f"--device-id={SECOND}"))
    assert code == pytest.ExitCode.USAGE_ERROR and f"(pid {run.pid})" in output
    meeting.let_go()
    code, output = finish(run)
    assert code == 0, output


@pytest.mark.long_proof
def test_the_second_kit_has_a_tag(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    (desk.work / "test_two.py").write_text(TWO.replace("factory()", "factory(tag='ppk2')"))
    run = desk.pytest(desk.write_map({THIRD: {"fixtures": ["ppk2"]}}))
    assert meeting.wait() == f"{FIRST} {THIRD}"
    meeting.let_go()
    code, output = finish(run)
    assert code == 0, output


@pytest.mark.long_proof
def test_two_that_want_each_others_kit(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Both end at their deadline, and say who has what they wanted."""
    desk.attach(FIRST, SECOND)
    (desk.work / "test_crossed.py").write_text(CROSSED)
    runs = [desk.pytest("--wait-for-kit=1") for _ in range(2)]
    assert {meeting.wait() for _ in runs} == {FIRST, SECOND}
    meeting.let_go(2)
    # Neither gives its kit to the other that still waits.
    assert [meeting.wait() for _ in runs] == ["over", "over"]
    meeting.let_go(2)
    ended = [finish(run) for run in runs]
    assert {code for code, _ in ended} == {pytest.ExitCode.TESTS_FAILED}
    for (_, output), other in zip(ended, reversed(runs), strict=True):
        assert "after 1 s" in output and f"(pid {other.pid})" in output


WANTS_ANOTHER = "def test_two(dut, dut_factory):\n    dut_factory()\n"


@pytest.mark.long_proof
@pytest.mark.parametrize(
    ("attached", "workers", "said"),
    [
        (
            (FIRST,),
            (),
            ("This session itself has the only kit that fits", "Attach a second kit that fits"),
        ),
        (
            (FIRST, SECOND),
            ("-n", "auto"),
            ("This session itself has all 2 kits that fit", "-n 1 for tests that need two kits"),
        ),
    ],
)
def test_what_the_session_has_itself_is_not_waited_for(
    desk: Desk,
    finish: Finish,
    attached: tuple[str, ...],
    workers: tuple[str, ...],
    said: tuple[str, str],
) -> None:
    """It gives none back before it ends; how long `--wait-for-kit` says makes no difference."""
    desk.attach(*attached)
    (desk.work / "test_two.py").write_text(WANTS_ANOTHER)
    code, output = finish(desk.pytest("--wait-for-kit=100000", *workers))
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert all(words in output for words in said)
    assert "waiting up to" not in output


@pytest.mark.long_proof
def test_who_waits_in_a_test_says_for_whom(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Before it has what it wants, though pytest captures what tests print."""
    desk.attach(FIRST, SECOND)
    (desk.work / "test_one.py").write_text(
        "from meeting import meet\ndef test(dut):\n    meet('here')\n"
    )
    other = desk.pytest(f"--device-id={SECOND}", "test_one.py")
    meeting.wait()
    (desk.work / "test_two.py").write_text(WANTS_ANOTHER)
    waiting = desk.pytest("--wait-for-kit=600", "test_two.py")
    printed = read_until(waiting, "waiting up to 600 s for 1 kit")
    assert f"{FIRST}: this session has it" in printed and f"(pid {other.pid})" in printed
    meeting.let_go()
    assert finish(other)[0] == 0
    code, output = finish(waiting)
    assert code == 0, output


@pytest.mark.long_proof
@pytest.mark.parametrize("has_map", [False, True])
def test_a_tag_that_no_kit_has_is_the_tests_mistake(
    desk: Desk, finish: Finish, has_map: bool
) -> None:
    """The message names no option that nobody gave."""
    (desk.work / "test_two.py").write_text(WANTS_ANOTHER.replace("()\n", "(tag='nope')\n"))
    code, output = finish(desk.pytest(*([desk.write_map()] if has_map else [])))
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "dut_factory(tag='nope')" in output
    assert ("has no tag nope" in output) == has_map
    assert "--board-tag" not in output


@pytest.mark.long_proof
def test_a_worker_s_claim_names_the_session_s_command(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """Where pytest's configuration names the board, each worker claims its kit itself."""
    (desk.work / "pytest.ini").write_text("[pytest]\npythonpath = .\nnrf_fota_board = nrf5340dk\n")
    (desk.work / "test_one.py").write_text(
        "from meeting import meet\ndef test(dut):\n    meet('here')\n"
    )
    command = ("-m", "pytest", "-p", "no:cacheprovider", "--runner=nrfutil")
    run = desk.start(*command, "-n", "1", "test_one.py")
    meeting.wait()
    code, output = finish(desk.pytest(f"--device-id={FIRST}"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "pytest -p no:cacheprovider --runner=nrfutil -n 1 test_one.py (gw0)" in output
    meeting.let_go()
    code, output = finish(run)
    assert code == 0, output
