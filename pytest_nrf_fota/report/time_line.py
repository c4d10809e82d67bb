"""A time line for each test of a run that is worth one, where the run writes them."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import pytest

from pytest_nrf_fota.record.events import PhaseEnded
from pytest_nrf_fota.record.run import TestFiles
from pytest_nrf_fota.report.session import (
    TIME_LINE_PROPERTY,
    allure_is_on,
    headline_of,
    run_folder,
    session_path,
)
from pytest_nrf_fota.report.tries import ATTACHED_PROPERTY

if TYPE_CHECKING:
    from pytest_nrf_fota.timeline.values import Result

Wanted: TypeAlias = Literal["failed", "all", "none"]
WANTED: tuple[Wanted, ...] = get_args(Wanted)
INI_NAME = "nrf_fota_timeline"

_failed_key: pytest.StashKey[bool] = pytest.StashKey()
_skipped_key: pytest.StashKey[bool] = pytest.StashKey()


def record_phase(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Tell the recorder how a phase ended, while its file is open.

    A call whose failure says nothing about the firmware is reported as a failing setup.
    """
    if call.when == "setup":
        item.stash[_failed_key] = False
        item.stash[_skipped_key] = report.skipped
    item.stash[_failed_key] = item.stash.get(_failed_key, False) or report.failed
    if call.when == "teardown" or (call.when == "setup" and report.passed):
        return
    is_error = report.failed and report.when == "setup"
    why = "" if report.passed else headline_of(report)
    run_folder(item.config).recorder.record(
        PhaseEnded(
            phase="setup" if call.when == "setup" else "call",
            outcome="error" if is_error else report.outcome,
            why=why,
        )
    )


def write_time_line(
    item: pytest.Item, files: TestFiles, report: pytest.TestReport
) -> list[tuple[str, object]]:
    """Write a test's page where the session wants it, attach it, and name it for the report.

    `report` is that of the teardown. The page is a help: whatever is wrong with it, or with the
    disk, ends no test, and is said in its place.
    """
    wanted = wanted_pages(item.config)
    has_failed = item.stash.get(_failed_key, False) or report.failed
    has_run = not item.stash.get(_skipped_key, False)
    if wanted == "none" or not (has_failed or (wanted == "all" and has_run)):
        return []
    try:
        page = _write(files.recorder, _of_teardown(report))
    except Exception as error:
        return [(TIME_LINE_PROPERTY, f"not made: {type(error).__name__}: {error}")]
    shown: list[tuple[str, object]] = [
        (TIME_LINE_PROPERTY, _shown(page, session_path(item.config)))
    ]
    if allure_is_on(item.config):
        from pytest_nrf_fota.report.allure_report import attach_time_line

        shown.append((ATTACHED_PROPERTY, attach_time_line(item.config, page)))
    return shown


def wanted_pages(config: pytest.Config) -> Wanted:
    """Which tests get a page: the option, else the ini setting, else those that failed.

    Raises `pytest.UsageError` for an ini setting that is none of these.
    """
    given = config.getoption("nrf_fota_timeline") or str(config.getini(INI_NAME)) or "failed"
    if given not in WANTED:
        raise pytest.UsageError(f"{INI_NAME} = {given}: it is one of {', '.join(WANTED)}")
    return cast("Wanted", given)


def _write(recorder: Path, result: "Result | None") -> Path:
    # Imported here: a run without a page needs none of it.
    from pytest_nrf_fota.timeline.write import PAGE_NAME, write_page

    page = recorder.with_name(PAGE_NAME)
    write_page(recorder, page, result)
    return page


def _of_teardown(report: pytest.TestReport) -> "Result | None":
    """What the recorder cannot hold: its file was closed before."""
    if not report.failed:
        return None
    from pytest_nrf_fota.timeline.values import Result

    return Result("error", headline_of(report))


def _shown(page: Path, run: Path) -> str:
    return page.relative_to(run).as_posix() if page.is_relative_to(run) else str(page)
