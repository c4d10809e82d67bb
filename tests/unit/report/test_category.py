"""Kinds of failures, and codes of their causes."""

import re
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import (
    BoardError,
    ConnectionBrokeError,
    ConsoleLostError,
    FaultNotStruckError,
    InputError,
    LineNotSeenError,
)
from pytest_nrf_fota.findings.finding import Finding, Weight
from pytest_nrf_fota.findings.probe_faults import ProbeFault
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.record.events import FailureExplained
from pytest_nrf_fota.report import category as module
from pytest_nrf_fota.report.category import Category, category_of, code_of
from pytest_nrf_fota.report.why import failure_of
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import UpgradeNotProvenError, Verdict

DIAGNOSIS = Path(__file__).parents[3] / "docs" / "diagnosis.md"


def test_codes_are_those_of_the_diagnosis() -> None:
    """Each once: a renamed or misspelt one would sort nothing."""
    known = set(re.findall(r"^\| `(\w+)`", DIAGNOSIS.read_text(encoding="utf-8"), re.MULTILINE))
    sorted_codes = [code for codes, _ in module._BY_CODE for code in codes]
    assert set(sorted_codes) <= known
    assert len(sorted_codes) == len(set(sorted_codes))


def test_no_title_begins_as_another() -> None:
    titles = [category.title for category in Category]
    assert not [
        (one, other) for one in titles for other in titles if one != other and other.startswith(one)
    ]


def _not_proven(ending: Ending) -> UpgradeNotProvenError:
    return UpgradeNotProvenError(Verdict("x", (), ending=ending))


@pytest.mark.parametrize(
    ("error", "code", "category"),
    [
        # A test setup problem stays one, whatever the logs show besides.
        (ConsoleLostError("gone"), "cpu_fault", Category.RIG),
        (InputError("no such file"), "", Category.HARNESS),
        (FaultNotStruckError("never struck"), "cpu_fault", Category.HARNESS),
        (_not_proven(Ending.NOT_CHOSEN), "nsib_version_not_raised", Category.NOT_NEWER),
        (_not_proven(Ending.REVERTED), "cpu_fault", Category.CRASH),
        (_not_proven(Ending.REFUSED), "refused", Category.REFUSED),
        (_not_proven(Ending.NO_SIGN), "no_sign", Category.UNPROVEN),
        (ConnectionBrokeError("lost"), "connection_broke_error", Category.LINK),
        (BoardError("no"), "board_error", Category.UNPROVEN),
        (LineNotSeenError("not seen"), "", Category.UNPROVEN),
        (AssertionError("1 == 2"), "assertion_error", Category.UNPROVEN),
        (AttributeError("typo"), "attribute_error", Category.HARNESS),
    ],
)
def test_category(error: BaseException, code: str, category: Category) -> None:
    assert category_of(error, code) is category


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (_not_proven(Ending.NOT_PENDING), "not_pending"),
        (LineNotSeenError("x"), "line_not_seen_error"),
        (KeyError("x"), "key_error"),
    ],
)
def test_code_without_a_log(error: BaseException, code: str) -> None:
    assert code_of(error) == code


def test_logs_say_more_than_the_exception() -> None:
    notes = Finding("stale_external_flash", "old", weight=Weight.ADVICE)
    cause = Finding("image_not_signed", "not signed", "Sign it.")
    explained = FailureExplained(ending="refused", causes=(notes, cause), text="")
    told = failure_of(_not_proven(Ending.REFUSED), explained)
    assert (told.category, told.cause, told.remedy) == (
        *(Category.REFUSED, "image_not_signed", "Sign it."),
    )


def test_fault_of_a_tool_is_its_cause() -> None:
    fault = next(iter(ProbeFault))
    told = failure_of(ProbeFaultError(fault, "it failed", where="x", next_step="Look."), None)
    assert told.category is Category.RIG and told.cause == re.sub(r"\W+", "_", fault.value)
    assert (told.headline, told.remedy) == ("it failed", "Look.")
