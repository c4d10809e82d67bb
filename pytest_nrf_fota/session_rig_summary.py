"""Where the terminal is: what became of kits, and the exit code of a run that only lost some."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.report.tries import AGAIN_PROPERTY
from pytest_nrf_fota.run_settings import BOARD_KEY
from pytest_nrf_fota.session_farm import has_leases
from pytest_nrf_fota.session_lost_kits import (
    GIVEN_BACK_PROPERTY,
    INFRASTRUCTURE_PROPERTY,
    LOST_PROPERTY,
    NEWS_PROPERTY,
    NOT_RUN_PROPERTY,
    QUARANTINED_PROPERTY,
    hand_over,
    not_given_out,
    property_of,
)

if TYPE_CHECKING:
    from pytest_nrf_fota.farm.suspicion import Suspect

RIG_LOST_EXIT_CODE = 75
"""The run's exit code where nothing failed but rigs: EX_TEMPFAIL of BSD's sysexits.h, "try again
later". pytest's own are 0 to 5.
"""

_SHOWN_TESTS = 5


@dataclass
class _Account:
    """What was heard of kits."""

    failed: set[str] = field(default_factory=set)
    rig_errors: list[str] = field(default_factory=list)
    run_again: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    suspects: "list[Suspect]" = field(default_factory=list)


_account_key: pytest.StashKey[_Account] = pytest.StashKey()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen, in a session with a board."""
    config = session.config
    if BOARD_KEY not in config.stash or hasattr(config, "workerinput"):
        return
    account = config.stash[_account_key] = _Account()
    config.pluginmanager.register(_Listener(config, account), "nrf_fota_rig_listener")


class _Listener:
    """Hears all reports, before pytest's session does, which counts them.

    Args:
        config: of the session.
        account: is written.
    """

    def __init__(self, config: pytest.Config, account: _Account) -> None:
        self._config = config
        self._account = account

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Hand tests over, and note what is a test setup problem."""
        hand_over(self._config, report)
        self._note(report)
        self._quarantine_here(report)
        news = [str(value) for name, value in report.user_properties if name == NEWS_PROPERTY]
        self._account.news += news
        aside = property_of(report, QUARANTINED_PROPERTY)
        self._account.quarantined += [aside] if aside is not None else []
        yield
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None:
            return
        for line in news:
            terminal.ensure_newline()
            terminal.write_line(f"nrf-fota: {line}", yellow=True)

    def _note(self, report: pytest.TestReport) -> None:
        account = self._account
        if report.failed:
            if property_of(report, INFRASTRUCTURE_PROPERTY) is not None:
                account.rig_errors.append(report.nodeid)
            else:
                account.failed.add(report.nodeid)
        elif report.skipped and property_of(report, AGAIN_PROPERTY) is not None:
            account.run_again.append(property_of(report, AGAIN_PROPERTY) or "")
        elif (
            report.skipped
            and property_of(report, NOT_RUN_PROPERTY) is not None
            and property_of(report, GIVEN_BACK_PROPERTY) is None
        ):
            account.not_run.append(report.nodeid)

    def _quarantine_here(self, report: pytest.TestReport) -> None:
        """A worker on another host has noted it there; whoever leases looks at notes here."""
        number = property_of(report, LOST_PROPERTY)
        if number is None or not has_leases(self._config):
            return
        from pytest_nrf_fota.errors import RigError
        from pytest_nrf_fota.farm.quarantine import add_quarantine
        from pytest_nrf_fota.report.session import session_path

        why = property_of(report, INFRASTRUCTURE_PROPERTY) or "lost"
        try:
            add_quarantine(number, why, str(session_path(self._config)))
        except RigError as error:
            self._account.news.append(f"{error.what} {error.where}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> "tuple[str, str, str | tuple[str, dict[str, bool]]] | None":
        """Words of their own for what is neither passed nor failed."""
        if not isinstance(report, pytest.TestReport) or not report.skipped:
            return None
        if property_of(report, GIVEN_BACK_PROPERTY) is not None:
            return "", "", ""
        if property_of(report, AGAIN_PROPERTY) is not None:
            return "infrastructure", "I", ("INFRASTRUCTURE", {"yellow": True})
        if property_of(report, NOT_RUN_PROPERTY) is not None:
            return "not run", "-", ("NOT RUN", {"yellow": True})
        return None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Rigs that were lost are no failed firmware, and no success either."""
    account = session.config.stash.get(_account_key, None)
    if account is None:
        return
    account.not_run += not_given_out(session.config)
    _look_for_suspects(session.config, account)
    is_over = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if is_over and not account.failed and (account.rig_errors or account.not_run):
        session.exitstatus = RIG_LOST_EXIT_CODE


def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> None:
    """What became of kits, once more, and what was not run because of it."""
    account = config.stash.get(_account_key, None)
    if account is None or not (account.news or account.not_run or account.suspects):
        return
    terminalreporter.section("nRF FOTA: kits")
    for line in (*account.news, *account.run_again):
        terminalreporter.write_line(line, yellow=True)
    count = len(account.not_run)
    if count:
        names = ", ".join(account.not_run[:_SHOWN_TESTS])
        more = f" and {count - _SHOWN_TESTS} more" if count > _SHOWN_TESTS else ""
        were = "test was" if count == 1 else "tests were"
        terminalreporter.write_line(
            f"{count} {were} not run, because no kit is left: {names}{more}", red=True
        )
    for suspect in account.suspects:
        terminalreporter.write_line(f"the kit {suspect.kit} is {suspect}", yellow=True)
    if account.quarantined:
        from pytest_nrf_fota.farm.quarantine import clearing_command

        terminalreporter.write_line(
            "`nrf-fota boards` shows what is quarantined and why. When somebody has looked at it: "
            f"{clearing_command([*dict.fromkeys(account.quarantined)])}"
        )
    if (account.rig_errors or count) and not account.failed:
        terminalreporter.write_line(
            f"Nothing failed but kits: exit code {RIG_LOST_EXIT_CODE}.", red=True
        )


def _look_for_suspects(config: pytest.Config, account: _Account) -> None:
    """Kits of this run that fail where others pass, as far as this host's notes tell."""
    from pytest_nrf_fota.errors import RigError
    from pytest_nrf_fota.farm.kit_results import all_histories
    from pytest_nrf_fota.farm.quarantine import add_quarantine
    from pytest_nrf_fota.farm.suspicion import suspects
    from pytest_nrf_fota.report.session import session_path

    if not config.stash[BOARD_KEY].provided_by.has_probe_tool:
        return
    run = str(session_path(config))
    try:
        histories = all_histories()
        for suspect in suspects(histories):
            last = histories[suspect.kit].last
            if last is None or last.run != run:
                continue
            account.suspects.append(suspect)
            if config.getoption("nrf_fota_quarantine_suspects"):
                add_quarantine(suspect.kit, str(suspect), run)
                account.quarantined.append(suspect.kit)
                account.news.append(f"the kit {suspect.kit} is quarantined: {suspect}")
    except RigError as error:
        account.news.append(f"{error.what} {error.where}")
