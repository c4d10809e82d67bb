"""Cases are decided by seed and number, and fit their boards."""

from collections import Counter

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.campaign.case import Case, Fault, Package, State, Step
from pytest_nrf_fota.campaign.draw import BOARDS, draw_case
from pytest_nrf_fota.campaign.result import Answer, Result
from pytest_nrf_fota.campaign.table import Tally
from pytest_nrf_fota.campaign.witness import Truth

CASES = [draw_case(1, number) for number in range(3000)]


def test_seed_and_number_decide() -> None:
    assert draw_case(1, 42) == draw_case(1, 42)
    assert draw_case(1, 42) != draw_case(1, 43)
    assert draw_case(1, 42) != draw_case(2, 42)


def test_everything_is_drawn() -> None:
    """What never comes is not tested by any campaign."""
    assert {case.board for case in CASES} == set(BOARDS)
    assert {case.ncs for case in CASES} == set(RELEASES)
    assert {case.package for case in CASES} == set(Package)
    assert {case.state for case in CASES} == set(State)
    assert {case.fault.kind for case in CASES} == set(Fault)
    assert {step for case in CASES for step in case.steps} == set(Step)
    assert any(case.silent for case in CASES) and any(case.lost_per_mille for case in CASES)


def test_cases_fit_their_boards() -> None:
    for case in CASES:
        assert not case.package.is_bootloader or "mcuboot" not in case.board, case
        assert not case.package.has_network_core or case.board == "nrf5340dk_sim_netcore", case
        assert case.fault.step < len(case.steps), case


def test_tables_hold_each_answer_once() -> None:
    tally = Tally()
    case = Case(1, 0, "nrf5340dk_sim", "2.3")
    for answer, truth in (
        (Answer.UPGRADED, Truth.YES),
        (Answer.UPGRADED, Truth.NO),
        (Answer.UNPROVEN, Truth.YES),
        (Answer.NOT_UPGRADED, Truth.NO),
    ):
        tally.add(Result(case, answer, truth))
    head, *rows = tally.lines()

    assert Counter(head.split()) >= Counter(["upgraded", "not", "upgraded", "unproven"])
    assert rows[0].split() == ["does", "not", "run", "1", "1", "."]
    assert rows[1].split() == ["runs,", "console", "whole", "1", ".", "1"]
    assert (tally.lies, tally.unproven_share) == (1, 0.5)
    assert "false UPGRADED: 1" in rows
