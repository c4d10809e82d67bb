"""Errors that no rule knows: they are shown, so that nobody is told that nothing is wrong."""

from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Match, Rule, found
from pytest_nrf_fota.findings.finding import Confidence

ERROR_LOGGED = "error_logged"


def _errors(case: Case) -> Match | None:
    lines = case.known("error_line")
    text = lines[0].text("text") if lines else ""
    module = lines[0].text("module") if lines else ""
    return found(
        lines, Confidence.POSSIBLE, text=text, module=module or "a program", count=len(lines)
    )


RULES = (
    Rule(
        ERROR_LOGGED,
        "{module} logged an error that no rule knows: {text}",
        "Look the line up in the source of its module; nothing here says whether it has to do "
        "with an update.",
        _errors,
    ),
)
