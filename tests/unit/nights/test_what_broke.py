"""What is injected into simulated nights is the first thing that the report says."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pytest_nrf_fota.nights.headline import Kind, day
from pytest_nrf_fota.nights.history import history_of
from pytest_nrf_fota.nights.night_report import NightReport, State, report_of
from pytest_nrf_fota.nights.store import open_store
from pytest_nrf_fota.record.result import CauseOfFailure, Measured, TestOutcome, TestResult
from tests.unit.nights.month import (
    FIRST_EVENING,
    LINK,
    LOW_VOLTAGE,
    SIGNATURE,
    Farm,
    Injected,
    night_date,
    report_on,
)

FARM = Farm(nights=14, kits=8, scenarios=24)
BROKEN = Injected(broken_scenario="test_cut_swap_case_08", broken_since=9)
DYING = Injected(dying_kit="1050012335", dying_since=6)
SLOW = Injected(slow_kit="1050012349", slow_since=5)
SEEDS = pytest.mark.parametrize("seed", [1, 2, 3])
# What stands below is noise: single failures and errors of the setup.
TROUBLE = 25.0


def farm(injected: Injected, seed: int) -> Farm:
    """The small farm, with what is wrong in it."""
    return replace(FARM, injected=injected, seed=seed)


@SEEDS
@pytest.mark.parametrize("shares_tests", [False, True], ids=["each on all", "each once"])
def test_noise_alone_is_no_trouble(seed: int, shares_tests: bool) -> None:
    report = report_on(farm(Injected(), seed), shares_tests=shares_tests)
    assert [one.what for one in report.headlines if one.weight >= TROUBLE] == []


@SEEDS
def test_regression(seed: int) -> None:
    report = report_on(farm(BROKEN, seed))
    first = report.headlines[0]
    assert first.kind is Kind.REGRESSION
    assert first.what == "test_cut_swap_case_08 fails on all 8 kits."
    assert first.since == f"Since the night of {day(night_date(9))} (5 nights)."
    assert first.cause == "image_of_another_key"
    assert first.why.startswith("MCUboot refused the image")
    assert "The firmware changed with it: build-1402 to build-1403." in first.why
    assert "key" in first.remedy
    assert len(first.rows) == 8


@SEEDS
def test_dying_kit(seed: int) -> None:
    first = report_on(farm(DYING, seed)).headlines[0]
    assert (first.kind, first.kits) == (Kind.KIT, ("1050012335",))
    assert first.what.startswith("Kit 1050012335 is ")
    assert first.cause == "probe_low_voltage"
    # The first nights, with 1 or 2 failures, do not stand out from chance.
    assert any(day(night_date(night)) in first.since for night in (6, 7, 8, 9))


@pytest.mark.parametrize(
    ("failures", "said"),
    [((0, 1, 2, 4, 6, 8), "is getting worse"), ((0, 6, 5, 7, 6, 6), "is failing")],
)
def test_whether_a_kit_gets_worse(failures: Sequence[int], said: str) -> None:
    def of_kit(night: int, kit: str, scenario: int) -> TestResult:
        is_bad = kit == "1" and scenario < failures[night]
        name = f"test_{(scenario + night) % 10}"
        return result(night, name, kit, "error" if is_bad else "passed", LOW_VOLTAGE)

    nights = [[of_kit(n, kit, one) for kit in "1234" for one in range(10)] for n in range(6)]
    first = reported(*nights).headlines[0]
    last = ", ".join(map(str, failures[1:]))
    lost = f"{failures[-1]} of its 10 tests are lost ({last} in its last nights)"
    assert first.what == f"Kit 1 {said}: {lost}, in {failures[-1]} scenarios."


@SEEDS
def test_slow_adapter(seed: int) -> None:
    first = report_on(farm(SLOW, seed)).headlines[0]
    assert (first.kind, first.kits) == (Kind.SLOW_KIT, ("1050012349",))
    assert first.what.startswith("Upload throughput of kit 1050012349 fell from 2")
    assert "; the other kits have 2" in first.what
    assert first.since == f"Since the night of {day(night_date(5))} (9 nights)."


@SEEDS
def test_where_each_scenario_runs_once_in_a_night(seed: int) -> None:
    """On whichever kit is free; what is behind it is found over nights."""
    large = replace(farm(BROKEN, seed), scenarios=70)
    first = report_on(large, shares_tests=True).headlines[0]
    assert (first.kind, first.scenarios) == (Kind.REGRESSION, ("test_cut_swap_case_08",))
    assert day(night_date(9)) in first.since

    dying = replace(large, injected=DYING)
    first = report_on(dying, shares_tests=True).headlines[0]
    assert (first.kind, first.kits) == (Kind.KIT, ("1050012335",))

    slow = replace(large, injected=SLOW)
    first = report_on(slow, shares_tests=True).headlines[0]
    assert (first.kind, first.kits) == (Kind.SLOW_KIT, ("1050012349",))


def test_all_three_by_weight() -> None:
    injected = replace(
        BROKEN,
        dying_kit=DYING.dying_kit,
        dying_since=6,
        slow_kit=SLOW.slow_kit,
        slow_since=5,
    )
    report = report_on(farm(injected, 5))
    kinds = [one.kind for one in report.headlines[:3]]
    assert kinds == [Kind.REGRESSION, Kind.KIT, Kind.SLOW_KIT]
    assert [kit.kit for kit in report.kits[:2]] == ["1050012335", "1050012349"]
    assert report.matrix[0][0] == "test_cut_swap.py::test_cut_swap_case_08"
    assert report.firmware[0].cause == "image_of_another_key"
    assert {group.cause for group in report.rig} == {"probe_low_voltage"}
    (upload,) = [
        one
        for one in report.trends
        if one.metric.name == "upload throughput" and one.metric.board == "nrf5340dk"
    ]
    assert {(kit, night) for kit, night, _ in upload.outliers} == {
        ("1050012349", night) for night in range(5, 14)
    }


def result(
    night: int,
    scenario: str,
    kit: str,
    outcome: TestOutcome = "passed",
    cause: CauseOfFailure | None = None,
    **more: object,
) -> TestResult:
    """One execution, made by hand."""
    is_bad = outcome in ("failed", "error")
    return TestResult(
        node_id=f"tests/hil/test_a.py::{scenario}",
        board="nrf5340dk",
        kit=kit,
        outcome=outcome,
        side=("rig" if outcome == "error" else "firmware") if is_bad else "",
        causes=(cause or SIGNATURE,) if is_bad else (),
        started=FIRST_EVENING + timedelta(days=night),
        host="lab1",
    ).model_copy(update=more)


def reported(*nights: list[TestResult]) -> NightReport:
    """The report of nights, each a run."""
    with open_store(Path(":memory:")) as store:
        for number, night in enumerate(nights):
            store.put(f"run{number}", [(str(n), "", one) for n, one in enumerate(night)])
        dates = store.nights(night_date(len(nights)), 30)
        return report_of(history_of(dates, store.rows(dates), store.values(dates)))


def test_scenarios_with_one_cause_are_one_thing() -> None:
    """A wrong key breaks each upgrade, and is said once."""
    names = [f"test_{letter}" for letter in "abcdef"]
    good = [result(0, name, kit) for name in names for kit in ("1", "2")]
    bad = [result(1, name, kit, "failed") for name in names for kit in ("1", "2")]
    (first, *rest) = reported(good, bad).headlines
    assert first.what == "6 scenarios fail on both kits."
    assert first.scenarios == tuple(names)
    assert not rest


def test_one_cause_in_scenarios_that_ran_once_each() -> None:
    """As `-n auto` gives them out: no scenario has failed twice, the cause has."""
    names = [f"test_{letter}" for letter in "abcd"]
    good = [result(0, name, kit) for name, kit in zip(names, "1122", strict=True)]
    bad = [result(1, name, kit, "failed") for name, kit in zip(names, "2211", strict=True)]
    (only,) = reported(good, bad).headlines
    assert only.kind is Kind.REGRESSION
    assert only.what == "test_a, test_b, test_c, test_d fail on both kits."


@pytest.mark.parametrize(("kits", "cause"), [("1111", SIGNATURE), ("1112", LINK), ("1222", LINK)])
def test_scenarios_that_failed_once_by_chance(kits: str, cause: CauseOfFailure) -> None:
    """On one kit, or with a code that many things have."""
    names = [f"test_{letter}" for letter in "abcd"]
    good = [result(0, name, "1") for name in names] + [result(0, "test_e", kit) for kit in "123"]
    bad = [result(1, n, kit, "failed", cause) for n, kit in zip(names, kits, strict=True)]
    more = [result(1, "test_e", kit) for kit in "123"]
    report = reported(good, [*bad, *more])
    assert Kind.REGRESSION not in {one.kind for one in report.headlines}
    assert report.headlines[0].cause == cause.code


def test_a_failure_on_one_of_several_kits_is_no_regression() -> None:
    report = reported(
        [result(0, "test_a", kit) for kit in "123"],
        [result(1, "test_a", "1", "failed"), result(1, "test_a", "2"), result(1, "test_a", "3")],
    )
    (only,) = report.headlines
    assert (only.kind, only.what) == (Kind.FAILURE, "test_a failed on kit 1.")
    assert only.since == "First time in 2 nights."
    assert report.matrix[0][1][0].now.state is State.MIXED


def test_a_failure_on_half_of_the_kits_is_no_regression() -> None:
    """It may be a revision of the board; the kits are named."""
    nights = [
        [result(n, "test_a", kit, "failed" if kit in "12" and n else "passed") for kit in "1234"]
        for n in range(4)
    ]
    (only,) = reported(*nights).headlines
    assert (only.kind, only.kits) == (Kind.FAILURE, ("1", "2"))
    assert only.what == "test_a failed on 2 of 4 kits: 1, 2."
    assert only.since == f"Failed there 4 times before, last on {day(night_date(2))}."


def test_what_passed_later_in_the_night_is_not_broken() -> None:
    """A developer runs it again and again, until it works."""
    later = FIRST_EVENING + timedelta(hours=1)
    report = reported(
        [
            result(0, "test_a", "1", "failed"),
            result(0, "test_a", "1", "failed", started=later),
            result(0, "test_a", "1", started=later + timedelta(hours=1)),
        ]
    )
    (only,) = report.headlines
    assert only.kind is Kind.FAILURE
    assert only.since == "It passed there later that night."


def test_kits_of_one_host_with_the_same_error_are_the_hosts() -> None:
    kits = [str(number) for number in range(8)]
    names = ("test_a", "test_b", "test_c", "test_d")
    good = [result(0, name, kit, host="lab2") for name in names for kit in kits]
    bad = [
        result(1, name, kit, "error", LOW_VOLTAGE, host="lab1")
        if kit in "012"
        else result(1, name, kit, host="lab2")
        for name in names
        for kit in kits
    ]
    first = reported(good, bad).headlines[0]
    assert first.kind is Kind.HOST
    assert first.what.startswith("3 kits of host lab1 have the same trouble")
    assert first.kits == ("0", "1", "2")


def test_kit_that_did_not_run() -> None:
    nights = [[result(n, "test_a", kit) for kit in "123"] for n in range(5)]
    nights.append([result(5, "test_a", kit) for kit in "12"])
    (only,) = reported(*nights).headlines
    assert (only.kind, only.kits) == (Kind.MISSING, ("3",))
    assert only.what == "Kit 3 did not run; 2 of 3 did."
    assert day(night_date(4)) in only.since


def test_what_passes_again_is_said() -> None:
    report = reported(
        [result(0, "test_a", kit, "failed") for kit in "12"],
        [result(1, "test_a", kit) for kit in "12"],
    )
    assert not report.headlines
    assert [cell.scenario for cell in report.found.fixed] == ["test_a.py::test_a"]


def test_never_passed() -> None:
    nights = [[result(n, "test_a", kit, "failed") for kit in "12"] for n in range(3)]
    (only,) = reported(*nights).headlines
    assert only.since == f"It has never passed in the 3 nights since {day(night_date(0))}."


def test_never_passed_in_its_first_night() -> None:
    (only,) = reported([result(0, "test_a", kit, "failed") for kit in "12"]).headlines
    first = f"failed first in the night of {day(night_date(0))}."
    assert only.since == f"It has never passed, and {first}"


def test_flakes() -> None:
    """On a second try, and with the same firmware on the same kit; else it is a change."""
    report = reported(
        [
            result(0, "test_again", "1", "failed", LINK),
            result(0, "test_again", "1", try_number=2),
            result(0, "test_same", "1", "failed", LINK, firmware_id="a"),
            result(0, "test_other", "1", "failed", LINK, firmware_id="a"),
            result(0, "test_unknown", "1", "failed", LINK),
        ],
        [
            result(1, "test_same", "1", firmware_id="a"),
            result(1, "test_other", "1", firmware_id="b"),
            result(1, "test_unknown", "1"),
        ],
    )
    found = {one.cell.scenario.partition("::")[2]: one for one in report.flakes}
    assert set(found) == {"test_again", "test_same"}
    assert (found["test_again"].second_tries, found["test_again"].changes) == (1, 0)
    assert (found["test_same"].second_tries, found["test_same"].changes) == (0, 1)
    assert not report.headlines


def tries_of(report: NightReport) -> dict[str, tuple[list[tuple[int, str]], bool]]:
    """Of each scenario the tries in its cell, and whether it is a flake."""
    return {
        scenario.partition("::")[2]: (
            [(row.try_number, row.outcome) for row in cell.tries],
            cell.is_flake,
        )
        for scenario, (cell,) in report.matrix
    }


def test_repetitions_are_one_scenario() -> None:
    """Each counts, also where one of them was run again; what did both is a flake."""
    node = "tests/hil/test_a.py::test_a"

    def repeated(number: int, outcome: TestOutcome = "passed", **more: object) -> TestResult:
        name = f"test_a[{number}-3]"
        return result(0, name, "1", outcome, LINK, repeats=node, **more)

    report = reported(
        [
            repeated(1),
            repeated(2, "failed"),
            repeated(2, try_number=2),
            repeated(3, "failed"),
            result(0, "test_b[1-3]", "1"),
        ]
    )
    assert (report.total.passed, report.total.failed, report.second_tries) == (3, 1, 1)
    known = tries_of(report)
    assert known["test_a"] == (
        [(1, "passed"), (1, "failed"), (2, "passed"), (1, "failed")],
        True,
    )
    # Its parameter looks like a repetition, and is none.
    assert known["test_b[1-3]"] == ([], False)


def test_a_kit_that_was_lost_is_said_and_is_no_flake() -> None:
    """On a spare in the same process, and by another worker; nobody else's tries are joined."""
    lost, later = CauseOfFailure(code="kit_lost", text="gone"), timedelta(seconds=9)
    report = reported(
        [
            result(0, "test_a", "1", "error", lost, run_again="here", worker="gw0"),
            result(0, "test_a", "2", try_number=2, worker="gw0"),
            result(0, "test_b", "4", "error", lost, run_again="by others", worker="gw1"),
            result(0, "test_b", "2", worker="gw0", started=FIRST_EVENING + later),
            # Each worker ran it, as with --dist each.
            result(0, "test_c", "2", worker="gw0"),
            result(0, "test_c", "4", worker="gw1"),
        ]
    )
    assert (report.total.ran, report.total.passed, report.second_tries) == (4, 4, 2)
    assert [one.what for one in report.headlines] == [
        "Kit 1 was lost in test_a, which ran again on 2 and passed.",
        "Kit 4 was lost in test_b, which ran again on 2 and passed.",
    ]
    both = [(1, "error"), (2, "passed")]
    assert tries_of(report) == {
        "test_a": (both, False),
        "test_b": (both, False),
        "test_c": ([], False),
    }
    assert {kit.kit: (kit.now.rig, kit.now.ran) for kit in report.kits} == {
        "1": (1, 1),
        "2": (0, 3),
        "4": (1, 2),
    }


def test_a_lost_kit_without_a_spare_is_an_error() -> None:
    """Another worker was to run it, and none did."""
    report = reported([result(0, "test_a", "1", "error", LOW_VOLTAGE, run_again="by others")])
    assert (report.total.rig, report.total.ran, report.second_tries) == (1, 1, 0)


def test_errors_of_the_setup_are_no_failures() -> None:
    """A scenario that could not run on any kit is no regression."""
    report = reported(
        [result(0, "test_a", kit) for kit in "12"],
        [result(1, "test_a", kit, "error", LOW_VOLTAGE) for kit in "12"],
    )
    assert Kind.REGRESSION not in {one.kind for one in report.headlines}
    assert not report.firmware
    assert [group.cause for group in report.rig] == ["probe_low_voltage"]
    assert (report.total.failed, report.total.rig) == (0, 2)


def test_slower_on_all_kits() -> None:
    def swap(night: int, kit: str) -> TestResult:
        took_s = (12.0 if night < 6 else 18.0) + 0.1 * int(kit)
        measured = (Measured(name="swap time", value=took_s, unit="s"),)
        return result(night, "test_a", kit, measurements=measured)

    (only,) = reported(*([swap(n, kit) for kit in "123"] for n in range(8))).headlines
    assert only.kind is Kind.SLOWER
    assert only.what == "Swap time rose from 12.2 to 18.2 s on all kits of nrf5340dk."
    assert only.since == f"Since the night of {day(night_date(6))} (2 nights)."


def test_a_kit_that_is_worse_by_chance_is_not_slow() -> None:
    """Where all kits scatter that much."""
    rng = random.Random(1)

    def upload(night: int, kit: str) -> TestResult:
        speed = 15.0 if (night, kit) == (9, "1") else rng.uniform(12.0, 28.0)
        measured = (Measured(name="upload throughput", value=speed, unit="kB/s"),)
        return result(night, "test_a", kit, measurements=measured)

    report = reported(*([upload(n, kit) for kit in "1234"] for n in range(10)))
    assert not report.headlines


def test_a_test_that_began_before_moves_its_run() -> None:
    """Workers are read one after the other; the run's night is that of its first test."""
    late = result(1, "test_a", "1", started=FIRST_EVENING + timedelta(hours=15))
    with open_store(Path(":memory:")) as store:
        assert store.put("run", [("a", "", late)]) == night_date(1)
        assert store.put("run", [("b", "", result(0, "test_b", "1"))]) == night_date(0)
        assert store.put("run", [("c", "", late)]) == night_date(0)


def test_a_run_folder_that_is_used_again_is_two_runs() -> None:
    """As with a fixed --run-dir: each session belongs to its own night."""
    with open_store(Path(":memory:")) as store:
        first = result(0, "test_a", "1", session="a")
        again = result(1, "test_a", "1", session="b")
        assert store.put("run", [("test", "", first), ("test--2", "", again)]) == night_date(1)
        assert store.nights(night_date(1), 30) == (night_date(0), night_date(1))
        assert store.stamps("run") == {"test": "", "test--2": ""}


def test_a_result_that_comes_later_replaces_the_recorder() -> None:
    with open_store(Path(":memory:")) as store:
        store.put("run", [("test", "1", result(0, "test_a", "1", "unknown"))])
        store.put("run", [("test", "2", result(0, "test_a", "1", session="a"))])
        nights = store.nights(night_date(1), 30)
        assert [row.outcome for row in store.rows(nights)] == ["passed"]


def test_runs_belong_to_the_night_in_which_they_began() -> None:
    """From noon to noon; a run that goes on past noon is not cut in two."""
    report = reported(
        [
            result(0, "test_a", "1"),
            result(0, "test_b", "1", started=FIRST_EVENING + timedelta(hours=20)),
        ]
    )
    assert report.nights == (night_date(0),)
    assert report.total.ran == 2
