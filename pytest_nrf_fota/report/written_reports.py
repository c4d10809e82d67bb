"""What is written where the terminal is: under xdist in the controller, from workers' reports."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.record.run import installed_versions
from pytest_nrf_fota.report.allure_files import (
    write_categories,
    write_environment,
    write_executor,
)
from pytest_nrf_fota.report.ci_job import ci_job
from pytest_nrf_fota.report.facts import TestFacts, facts_of, kits_of
from pytest_nrf_fota.report.html_columns import tell_metadata
from pytest_nrf_fota.report.junit import junit_of, tell_execution, tell_session
from pytest_nrf_fota.report.masking import Mask
from pytest_nrf_fota.report.tries import AGAIN_PROPERTY


class WrittenReports:
    """Collects facts of tests, and tells them to what writes reports here.

    Args:
        config: of this session.
        session: what holds for all of its tests, by names.
    """

    def __init__(self, config: pytest.Config, session: Mapping[str, str]) -> None:
        self._config = config
        self.session = session
        self._open: dict[tuple[str, str], list[pytest.TestReport]] = {}
        self._facts: list[TestFacts] = []
        self._of_report: dict[int, TestFacts] = {}
        # Reports are known by their ids, and so have to stay.
        self._reports: list[pytest.TestReport] = []

    def begin(self) -> None:
        """Tell what holds for all tests of the session."""
        junit = junit_of(self._config)
        if junit is not None:
            tell_session(junit, self.session)
        tell_metadata(self._config, self.session)

    def take(self, report: pytest.TestReport) -> None:
        """One phase of a test."""
        worker = str(getattr(report, "worker_id", ""))
        phases = self._open.setdefault((worker, report.nodeid), [])
        phases.append(report)
        facts = facts_of(report.user_properties)
        if facts is None:
            return
        del self._open[worker, report.nodeid]
        self._facts.append(facts)
        if self._config.getoption("htmlpath", None):
            self._reports += phases
            self._of_report |= {id(phase): facts for phase in phases}
        junit = junit_of(self._config)
        if junit is not None:
            # pytest-rerunfailures 14 tells no teardown of a try that is run again: its phases are
            # in front of those of the next one.
            ends = [str(phase.outcome) for phase in phases if not phase.passed]
            is_run_again = ends[-1:] == ["rerun"]
            # Where nobody could take it, this is the last try.
            is_handed_on = any(
                phase.skipped and name == AGAIN_PROPERTY
                for phase in phases
                for name, _ in phase.user_properties
            )
            tell_execution(
                junit, report, facts, is_run_again=is_run_again, is_handed_on=is_handed_on
            )

    def of(self, report: pytest.TestReport) -> TestFacts | None:
        """The facts of the execution that a report is of."""
        return self._of_report.get(id(report))

    def finish(self, mask: Mask) -> None:
        """Write what stands beside Allure's results."""
        given: str | None = self._config.getoption("allure_report_dir", None)
        if not given:
            return
        # Tests may have gone elsewhere meanwhile.
        folder = Path(self._config.invocation_params.dir, given)
        values = {"kits": ", ".join(kits_of(self._facts)), **self.session}
        write_categories(folder)
        write_environment(folder, {name: mask(value) for name, value in values.items()})
        job = ci_job()
        if job is not None:
            write_executor(folder, job)


def session_values(board: BoardType) -> dict[str, str]:
    """What holds for all tests of a session: the board, and versions of what it depends on."""
    ncs = board.boot.ncs if board.soc.name.startswith("nrf") else ""
    values = {"board": board.name, "board title": board.title, "NCS release": ncs}
    return {name: value for name, value in {**values, **installed_versions()}.items() if value}
