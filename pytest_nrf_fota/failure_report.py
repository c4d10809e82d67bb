"""pytest's report of a failed test: what failed, and what the logs show of it."""

from weakref import WeakSet

import pytest

from pytest_nrf_fota import reporting
from pytest_nrf_fota.report import failure
from pytest_nrf_fota.report.session import run_folder
from pytest_nrf_fota.run_settings import BOARD_KEY

_told_key: pytest.StashKey[WeakSet[BaseException]] = pytest.StashKey()


def tell_failure(
    item: pytest.Item,
    call: "pytest.CallInfo[None]",
    excinfo: "pytest.ExceptionInfo[BaseException]",
    report: pytest.TestReport,
) -> None:
    """Say in the report what failed, and what the logs show of it."""
    told = item.config.stash.setdefault(_told_key, WeakSet())
    if excinfo.value in told:
        report.when = "setup"
        report.longrepr = failure.repeated_report(excinfo)
        reporting.note_failure(item, excinfo.value, None)
        return
    short = failure.short_report(excinfo, item.path)
    if short is not None and not item.config.getoption("fulltrace"):
        report.longrepr = short
    if failure.is_no_result(excinfo):
        # pytest counts a failure outside the call phase as an error in every format.
        report.when = "setup"
    if failure.is_rig_error(excinfo):
        told.add(excinfo.value)
        board_name = item.config.stash[BOARD_KEY].name
        radios: list[str] = item.config.getoption("nrf_fota_radio")
        report.sections.append(failure.rig_section(board_name, radios))
    recording = run_folder(item.config).recorder.path
    tail = failure.uart_tail(recording, excinfo) if recording is not None else None
    if tail is not None:
        report.sections.append(tail)
    # Behind the teardown the recorder's file is closed.
    is_open = recording is not None and call.when != "teardown"
    board = item.config.stash[BOARD_KEY]
    explained = failure.explain_failure(recording, board) if recording and is_open else None
    if explained is not None:
        run_folder(item.config).recorder.record(explained)
        report.sections.append(failure.explanation_section(explained))
    reporting.note_failure(item, excinfo.value, explained)
