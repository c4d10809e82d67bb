"""Codes: one for each cause, and the same cause wherever one stands twice."""

import re

import pytest

from pytest_nrf_fota.explain.board_words import board_words
from pytest_nrf_fota.explain.rules import RULES
from pytest_nrf_fota.findings.cause import Cause
from pytest_nrf_fota.findings.file_causes import FILE_CAUSES
from pytest_nrf_fota.findings.finding import Confidence, Origin, Shown
from pytest_nrf_fota.findings.gate_causes import GATE_CAUSES

_ALL = (*GATE_CAUSES.values(), *FILE_CAUSES.values())


@pytest.mark.parametrize("cause", _ALL, ids=lambda cause: cause.code)
def test_a_code_is_a_name(cause: Cause) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]+", cause.code)
    assert not cause.asks_for


def test_a_gate_without_a_remedy_has_that_of_a_rule() -> None:
    without = {code for code, cause in GATE_CAUSES.items() if not cause.remedy}
    assert without - {rule.name for rule in RULES} == {"update_does_not_run"}


def test_values_are_filled_in_and_what_is_unknown_stays_readable() -> None:
    cause = Cause("full", "{name} is full", "`{erase_flash}` on {port}", asks_for="{name}")
    shown = Shown(Origin.LOG, 3, "full")
    values = {**board_words(None), "name": "S0"}
    finding = cause.found(values, [shown], Confidence.LIKELY)
    assert finding.cause == "S0 is full"
    assert finding.remedy == "`flash erase mx25r6435f@0 0 800000` on <port>"
    assert (finding.shown, finding.asks_for) == ((shown,), "S0")
    assert not cause.found(values, [shown]).asks_for, "what is certain asks for nothing"
