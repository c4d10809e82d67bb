"""The lines at the end of a session: results and their evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.record.events import VerdictReached
from pytest_nrf_fota.verdict.evidence import Outcome

# A verdict that a passed test wanted to see can be a refusal, so the test's own result is shown.
_SIGNS = {"passed": "PASSED", "failed": "FAILED", "skipped": "SKIPPED"}


@dataclass(frozen=True)
class TestVerdicts:
    """The verdicts that one execution of a test reached, and why it failed, in one line.

    `time_line` is its page, relative to the run's folder; `which_try` says where the evidence of
    this execution is, where its test ran more than once.
    """

    __test__ = False

    node_id: str
    test_outcome: str
    verdicts: tuple[VerdictReached, ...]
    failure: str = ""
    time_line: str = ""
    which_try: str = ""


def summary_lines(
    tests: Sequence[TestVerdicts],
    missing: Sequence[tuple[str, str]] = (),
    retries: Sequence[tuple[str, str]] = (),
) -> tuple[str, ...]:
    """Plain text, one block per test.

    Args:
        tests: the verdicts of each test.
        missing: tests skipped for want of firmware, and why.
        retries: tests in which the probe's tool was asked once more, for what, and why.
    """
    lines = [f"SKIPPED {node_id}: {reason}" for node_id, reason in missing]
    for test in tests:
        lines.append(f"{_SIGNS.get(test.test_outcome, test.test_outcome.upper())} {test.node_id}")
        if test.which_try:
            lines.append(f"    {test.which_try}")
        if test.failure:
            lines.append(f"    {test.failure}")
        if test.time_line:
            lines.append(f"    time line: {test.time_line}")
        has_passed = test.test_outcome == "passed"
        for verdict in test.verdicts:
            lines += [f"    {line}" for line in verdict_lines(verdict, has_passed=has_passed)]
    lines += [f"probe asked once more in {node_id}: {why}" for node_id, why in retries]
    return tuple(lines)


def verdict_lines(verdict: VerdictReached, *, has_passed: bool) -> tuple[str, ...]:
    """A verdict and its evidence; `has_passed` is whether the test wanted to see just that."""
    is_accepted = has_passed and verdict.outcome != Outcome.UPGRADED.value
    remark = " (the test passed)" if is_accepted else ""
    lines = [f"{verdict.subject}: {verdict.outcome.upper()}{remark}"]
    if verdict.reason:
        lines.append(f"  why: {verdict.reason}")
    if verdict.preflight:
        lines.append(f"  preflight: {verdict.preflight}")
    lines += [f"  note: {note}" for note in verdict.notes]
    return (*lines, *(f"  {item.line()}" for item in verdict.evidence))
