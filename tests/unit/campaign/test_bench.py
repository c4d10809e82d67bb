"""A campaign that cannot fail proves nothing: each kind of lie is told once, and is found."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.campaign.bench import Bench
from pytest_nrf_fota.campaign.case import ArmedFault, Case, Fault, Package, Stage, State, Step
from pytest_nrf_fota.campaign.grade import Miss, miss_of
from pytest_nrf_fota.campaign.result import Answer, Result, read_result, to_json
from pytest_nrf_fota.campaign.witness import Truth
from pytest_nrf_fota.dut.upgrade import Upgrade
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.sim.app.images import ImageManager
from pytest_nrf_fota.verdict.evidence import Verdict

GOOD = Case(1, 0, "nrf5340dk_mcuboot_sim", "2.9")
NOT_PENDING = replace(GOOD, number=1, steps=(Step.UPLOAD, Step.RESET))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.close()


def say_always(monkeypatch: pytest.MonkeyPatch, *said: Says) -> None:
    evidence = tuple(Evidence(Source.UART, says, "sabotage") for says in said)
    monkeypatch.setattr(Upgrade, "judge", lambda upgrade: Verdict("sabotage", evidence))


@pytest.mark.parametrize(
    ("case", "answer", "truth", "ending"),
    [
        (GOOD, Answer.UPGRADED, Truth.YES, "TESTED"),
        (NOT_PENDING, Answer.NOT_UPGRADED, Truth.NO, "NOT_MARKED"),
        (replace(GOOD, package=Package.APP_WRONG_KEY), Answer.NOT_UPGRADED, Truth.NO, "REFUSED"),
        (
            Case(1, 0, "nrf5340dk_sim", "2.3", State.S1_RUNS, Package.MCUBOOT),
            Answer.UPGRADED,
            Truth.YES,
            "UPGRADED",
        ),
        (
            Case(1, 0, "nrf5340dk_sim_netcore", "2.9", package=Package.APP_AND_NETWORK),
            Answer.UPGRADED,
            Truth.YES,
            "UPGRADED",
        ),
        (
            replace(GOOD, fault=ArmedFault(Fault.POWER_CUT, 2, 60)),
            Answer.UPGRADED,
            Truth.YES,
            "TESTED",
        ),
    ],
    ids=["good", "not pending", "wrong key", "MCUboot from S1", "both cores", "power cut"],
)
def test_verdict_is_held_against_what_runs(
    bench: Bench, case: Case, answer: Answer, truth: Truth, ending: str
) -> None:
    result = bench.run(case)

    assert (result.answer, result.truth, result.ending) == (answer, truth, ending), str(result)
    assert miss_of(result) is None


def test_new_that_is_always_said_is_false(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    say_always(monkeypatch, Says.NEW)

    assert miss_of(bench.run(NOT_PENDING)) is Miss.FALSE_UPGRADED
    assert miss_of(bench.run(GOOD)) is None


def test_old_that_is_always_said_is_false(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    say_always(monkeypatch, Says.OLD)

    assert miss_of(bench.run(GOOD)) is Miss.FALSE_NOT_UPGRADED
    assert miss_of(bench.run(NOT_PENDING)) is Miss.CAUSE


def test_contradiction_on_a_board_at_rest_is_false(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_always(monkeypatch, Says.OLD, Says.NEW)

    assert miss_of(bench.run(GOOD)) is Miss.FALSE_CONTRADICTION


def test_nothing_that_is_always_said_is_unproven(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_always(monkeypatch, Says.UNKNOWN)

    assert miss_of(bench.run(GOOD)) is Miss.UNPROVEN
    assert miss_of(bench.run(replace(GOOD, lost_per_mille=1))) is None


def test_exception_of_others_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(upgrade: Upgrade) -> Verdict:
        raise KeyError("sabotage")

    monkeypatch.setattr(Upgrade, "judge", judge)
    result = bench.run(GOOD)

    assert miss_of(result) is Miss.FOREIGN_ERROR
    assert "KeyError: 'sabotage'" in result.said


@pytest.mark.long_proof
def test_exception_of_the_kit_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def upload(manager: ImageManager, *request: object, **options: object) -> object:
        raise ZeroDivisionError("sabotage")

    monkeypatch.setattr(ImageManager, "upload", upload)
    result = bench.run(GOOD)

    assert miss_of(result) is Miss.KIT_FAILED
    assert "ZeroDivisionError: sabotage" in result.said


def test_silent_bootloader_prints_nothing_on_the_console(bench: Bench) -> None:
    result = bench.run(replace(GOOD, silent=(Stage.MCUBOOT,)))
    bootloader = [line for line in result.printed if "Bootloader chainload" in line]

    assert result.truth is Truth.YES
    assert bootloader and all(line.startswith("- ") for line in bootloader)


def test_application_of_another_client_is_not_the_update(bench: Bench) -> None:
    """It runs: the kit's truth tells the two apart."""
    steps = (Step.UPLOAD, Step.OTHER_UPGRADE, Step.RESET)
    result = bench.run(replace(GOOD, steps=steps))

    assert result.truth is Truth.NO
    assert any("Swap type: test" in line for line in result.printed)


def test_saved_case_gives_the_same_again(bench: Bench, tmp_path: Path) -> None:
    case = replace(GOOD, fault=ArmedFault(Fault.CONNECTION_LOST, 0, 500), lost_per_mille=20)
    first = bench.run(case)
    saved = tmp_path / "case.json"
    saved.write_text(to_json(first), encoding="utf-8")

    read = read_result(saved)
    assert read == first

    def said(result: Result) -> tuple[object, ...]:
        # How long the board was watched is this host's time, in steps of a tenth of a second.
        verdict = re.sub(r"watched for [\d.]+ s", "watched", result.said)
        return result.answer, result.truth, result.ending, verdict, result.steps

    assert said(bench.run(read.case)) == said(first)


def test_file_that_is_no_case_is_refused(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text("{}", encoding="utf-8")

    with pytest.raises(InputError, match="no case of a campaign"):
        read_result(tmp_path / "case.json")
