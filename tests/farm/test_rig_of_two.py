"""One test with two kits: the second comes from the same desk, and never in a deadlock."""

import pytest

from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting

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
    dut_factory()
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
    ended = [finish(run) for run in runs]
    assert {code for code, _ in ended} == {pytest.ExitCode.TESTS_FAILED}
    for (_, output), other in zip(ended, reversed(runs), strict=True):
        assert "after 1 s" in output and f"(pid {other.pid})" in output
