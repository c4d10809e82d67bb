"""A case that hangs, or takes its worker along, is a result; the others go on."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota.campaign.campaign import Settings, run_campaign
from pytest_nrf_fota.campaign.case import Case
from pytest_nrf_fota.campaign.pool import Pool, Runner
from pytest_nrf_fota.campaign.result import Answer, Result
from tests.unit.campaign import runners

WITHIN_S = 6.0


def cases(count: int) -> list[Case]:
    return [Case(1, number, "nrf5340dk_sim", "2.3") for number in range(count)]


def results(folder: Path, make: Callable[[Path], Runner], count: int) -> dict[int, Result]:
    found = Pool(folder, 2, WITHIN_S, make).run(cases(count))
    return {result.case.number: result for result in found if result is not None}


@pytest.mark.parametrize(
    ("make", "answer", "said"),
    [(runners.hanging, Answer.HANG, "runners.py"), (runners.dying, Answer.LOST, "exit code 7")],
)
def test_case_that_does_not_end_is_a_result(
    make: Callable[[Path], Runner], answer: Answer, said: str, tmp_path: Path
) -> None:
    found = results(tmp_path, make, 4)

    assert [found[number].answer for number in range(4)] == [Answer.UPGRADED, answer] * 2
    assert said in found[1].said
    assert not multiprocessing.active_children()


@pytest.mark.long_proof
def test_campaign_counts_hangs_and_saves_them(tmp_path: Path) -> None:
    settings = Settings(2, seed=3, output=tmp_path, workers=2, case_within_s=WITHIN_S)
    said: list[str] = []

    tally = run_campaign(settings, said.append, runners.hanging)

    assert tally.lies == 1
    assert (tmp_path / "hang" / "3-1.json").is_file()
    assert "hang: 1" in (tmp_path / "summary.txt").read_text(encoding="utf-8")
    assert any(line.startswith("hang: case 3/1") for line in said)


def test_end_of_a_campaign_leaves_no_worker(tmp_path: Path) -> None:
    """As Ctrl-C ends it: in the middle."""
    running = Pool(tmp_path, 2, WITHIN_S, runners.hanging).run(cases(100))
    assert next(result for result in running if result is not None).answer is Answer.UPGRADED

    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)

    assert not multiprocessing.active_children()
