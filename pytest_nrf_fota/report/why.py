"""The facts of a test, from pytest's side: why it failed, and what it ran on."""

import re

import pytest

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import FotaError, RigError
from pytest_nrf_fota.findings.finding import Finding, Weight
from pytest_nrf_fota.record.events import FailureExplained
from pytest_nrf_fota.record.run import TestFiles, installed_versions
from pytest_nrf_fota.report.category import category_of, code_of
from pytest_nrf_fota.report.facts import Failure, TestFacts, room_of
from pytest_nrf_fota.report.failure import headline_of
from pytest_nrf_fota.report.summary import verdict_lines

# What a product stands or falls with; of other tests nothing is known.
_CRITICAL_ROOMS = frozenset(("app_upgrade", "mcuboot_upgrade", "multi_image"))
_OF_NORDIC = "nrf"
_REPETITION = "__pytest_repeat_step_number"


def failure_of(error: BaseException, explained: FailureExplained | None) -> Failure:
    """Why a test failed: from what the logs show, else from the exception."""
    finding = _first_cause(explained)
    if isinstance(error, RigError) or finding is None:
        code = _fault_of(error) or code_of(error)
        remedy = error.next_step if isinstance(error, FotaError) else ""
    else:
        code, remedy = finding.code, finding.remedy
    return Failure(category_of(error, code), code, headline_of(error), remedy)


def tell(
    item: pytest.Item, board: BoardType, files: TestFiles | None, failure: Failure | None
) -> TestFacts:
    """The facts of an execution; its number is 1 until it is counted."""
    room = room_of(item.nodeid)
    is_nightly = item.get_closest_marker("nightly") is not None
    unit = files.unit if files is not None else None
    measurements = files.measurements if files is not None else ()
    return TestFacts(
        board=unit.board if unit is not None else board.name,
        kit=unit.unit if unit is not None else "",
        ncs=board.boot.ncs if board.soc.name.startswith(_OF_NORDIC) else "",
        room=room,
        failure=failure,
        versions=tuple(installed_versions().items()),
        story=tuple(
            line
            for verdict in (files.verdicts if files is not None else ())
            for line in verdict_lines(verdict, has_passed=failure is None)
        ),
        measurements=tuple((one.name, one.text) for one in measurements),
        severity="minor" if is_nightly else "critical" if room in _CRITICAL_ROOMS else "normal",
    )


def same_test(item: pytest.Item) -> str:
    """What all executions of a test have in common, also those of pytest-repeat."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or _REPETITION not in callspec.params:
        return item.nodeid
    number = int(callspec.params[_REPETITION]) + 1
    return re.sub(rf"(\[|-){number}-\d+(?=\]|-)", r"\1", item.nodeid, count=1)


def _first_cause(explained: FailureExplained | None) -> Finding | None:
    causes = explained.causes if explained is not None else ()
    return next((one for one in causes if one.weight is Weight.CAUSE), None)


def _fault_of(error: BaseException) -> str:
    """The kind of a probe tool's failure (`findings/probe_faults.py`)."""
    fault = getattr(getattr(error, "fault", None), "value", "")
    return re.sub(r"\W+", "_", str(fault)).strip("_")
