"""pytest hooks: what reports tell of a test, and what they must not tell. No logic."""

import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
from _pytest._code.code import ExceptionRepr

from pytest_nrf_fota.report.facts import Executions, TestFacts
from pytest_nrf_fota.report.hiding import (
    begin_hiding,
    finish_hiding,
    mask_of,
    pseudonyms_of,
    secrets_of,
)
from pytest_nrf_fota.report.live_output import begin_masking_output, release_output
from pytest_nrf_fota.report.masking import (
    mask_logs,
    mask_report,
    mask_warning,
    masked_json,
    masked_shown,
)
from pytest_nrf_fota.report.session import allure_is_on, session_path
from pytest_nrf_fota.run_settings import BOARD_KEY

if TYPE_CHECKING:
    from pytest_nrf_fota.record.events import FailureExplained
    from pytest_nrf_fota.record.run import TestFiles
    from pytest_nrf_fota.report.facts import Failure
    from pytest_nrf_fota.report.written_reports import WrittenReports

_failure_key: "pytest.StashKey[Failure]" = pytest.StashKey()
_executions_key: pytest.StashKey[Executions] = pytest.StashKey()


def begin(config: pytest.Config) -> None:
    """Take part in this session's reports, now that its board is known."""
    begin_hiding(config, config.stash[BOARD_KEY].radio)
    config.stash[_executions_key] = Executions()
    config.pluginmanager.register(ReportHooks(config), "nrf_fota_reporting")


def begin_execution(item: pytest.Item) -> None:
    """Forget why the execution before failed, where a test is run again."""
    if _failure_key in item.stash:
        del item.stash[_failure_key]


def note_failure(
    item: pytest.Item, error: BaseException, explained: "FailureExplained | None"
) -> None:
    """Remember why a test failed; the first failure of an execution counts."""
    from pytest_nrf_fota.report.why import failure_of

    if _failure_key not in item.stash:
        item.stash[_failure_key] = failure_of(error, explained)


def facts_at_end(item: pytest.Item, files: "TestFiles | None") -> TestFacts:
    """What reports tell of an execution, once its fixtures are gone; Allure is told at once."""
    from pytest_nrf_fota.report.why import same_test, tell

    facts = tell(
        item,
        item.config.stash[BOARD_KEY],
        files,
        item.stash.get(_failure_key, None),
    )
    pseudonyms = pseudonyms_of(item.config)
    if pseudonyms is not None:
        pseudonyms.add_kit(facts.kit)
    facts = item.config.stash[_executions_key].numbered(same_test(item), facts)
    if allure_is_on(item.config):
        from pytest_nrf_fota.report.allure_report import tell_facts

        tell_facts(item.config, facts)
    return facts


def hide(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport) -> None:
    """Mask a report that is complete, in a session with a board."""
    if BOARD_KEY in config.stash:
        mask_report(report, mask_of(config))


class ReportHooks:
    """Hooks of a session with a board."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._written: WrittenReports | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self) -> Generator[None, None, None]:
        """Stand before what writes reports, now that all of it is there."""
        mask_logs(self._config, mask_of(self._config))
        begin_masking_output(self._config, secrets_of(self._config))
        if allure_is_on(self._config):
            from pytest_nrf_fota.report.allure_report import begin_allure

            begin_allure(self._config, session_path(self._config))
        if not hasattr(self._config, "workerinput"):
            from pytest_nrf_fota.report.written_reports import WrittenReports, session_values

            values = session_values(self._config.stash[BOARD_KEY])
            self._written = WrittenReports(self._config, values)
            self._written.begin()
        yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: "pytest.FixtureDef[object]") -> None:
        """For pytest a test's arguments are fixtures as well; in Allure they are no rows."""
        if allure_is_on(self._config):
            from pytest_nrf_fota.report.allure_report import leave_out_arguments

            leave_out_arguments(self._config, fixturedef)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """A module that cannot be imported shows its lines."""
        report = yield
        hide(self._config, report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: ExceptionRepr) -> None:
        """Where pytest itself or a plugin breaks, values are shown, too."""
        masked_shown(excrepr, mask_of(self._config))

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Before the summary, or xdist's controller, gets it."""
        mask_warning(warning_message, mask_of(self._config))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Under xdist in the controller as well."""
        release_output(self._config)
        if self._written is not None:
            self._written.take(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Write what belongs to no test, and look once more at what others wrote."""
        yield
        if self._written is not None:
            self._written.finish(mask_of(self._config))
            finish_hiding(self._config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """pytest-html: columns for board, kit and cause."""
        from pytest_nrf_fota.report.html_columns import add_headings

        add_headings(cells)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """pytest-html: the same of one phase of a test."""
        from pytest_nrf_fota.report.html_columns import add_cells

        if self._written is not None:
            add_cells(cells, self._written.of(report))

    @pytest.hookimpl(optionalhook=True)
    def pytest_json_modifyreport(self, json_report: dict[str, object]) -> None:
        """pytest-json-report: the facts; and log messages, which it keeps itself, are masked."""
        from pytest_nrf_fota.report.json_report import add_facts

        add_facts(json_report, self._written.session if self._written is not None else {})
        mask = mask_of(self._config)
        json_report.update({key: masked_json(value, mask) for key, value in json_report.items()})
