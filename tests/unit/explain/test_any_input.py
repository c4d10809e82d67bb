"""Whatever is given: an answer, never a crash, never a cause without lines."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.bootlog.catalogue import CATALOGUE, LogPattern
from pytest_nrf_fota.bootlog.catalogue.host import HOST_LINES
from pytest_nrf_fota.bootlog.matching import LineMatcher
from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.explain.text import explanation_text, short_text
from tests.unit.explain.width import fits

_EXAMPLES = sorted({e for pattern in (*CATALOGUE, *HOST_LINES) for e in pattern.examples})
_LINES = st.one_of(st.sampled_from(_EXAMPLES), st.text(max_size=60))
_WIDTH = 80


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_LINES, max_size=60), st.lists(_LINES, max_size=20))
def test_any_lines_give_an_answer(log: list[str], client: list[str]) -> None:
    """Lines of all kinds, in any order, cut by anything."""
    explanation = explain(case_of_text("\n".join(log), "\n".join(client)))
    assert explanation.answer
    for found in (*explanation.causes, *explanation.advice, *explanation.notes):
        assert found.shown
        assert found.cause
    assert all(fits(line, _WIDTH) for line in explanation_text(explanation, _WIDTH))
    assert list(short_text(explanation))
    assert explanation.to_json().startswith("{")


@pytest.mark.parametrize("seed", range(12))
def test_long_mixtures_give_an_answer(seed: int) -> None:
    """Hundreds of lines, some of them cut or doubled, as a bad cable leaves them."""
    rng = random.Random(seed)
    lines = []
    for _ in range(400):
        line = rng.choice(_EXAMPLES)
        if rng.random() < 0.2 and len(line) > 4:
            cut = rng.randrange(1, len(line) - 1)
            line = rng.choice((line[cut:], line[:cut], line[:cut] + line[cut - 1 :]))
        lines.append(line)
    explanation = explain(case_of_text("\n".join(lines)))
    assert explanation.answer


@pytest.mark.parametrize("pattern", HOST_LINES, ids=lambda pattern: pattern.name)
def test_examples_of_host_lines_match(pattern: LogPattern) -> None:
    """The catalogue's own promise, kept by ours."""
    assert pattern.examples
    for example in pattern.examples:
        assert LineMatcher((pattern,)).facts(example).hits, example
