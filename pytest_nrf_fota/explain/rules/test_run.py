"""What a test run saw of the new firmware where no line of the board says it."""

from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Match, Rule, found
from pytest_nrf_fota.findings.finding import Confidence

TEST_SAW = "test_saw"


def _test_saw(case: Case) -> Match | None:
    said = case.test_saw
    text = said[-1].text if said else ""
    return found(said, Confidence.LIKELY, origin=case.client_origin, said=text)


RULES = (
    Rule(
        TEST_SAW,
        "The test saw it fail: {said}",
        "Read the board's last lines in its uart.log. A new application that hangs, crashes or "
        "refuses the client is reverted by the next reset, unless it was confirmed.",
        _test_saw,
    ),
)
