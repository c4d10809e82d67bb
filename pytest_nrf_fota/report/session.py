"""Where a pytest session writes, and what it found out."""

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.record.events import VerdictReached
from pytest_nrf_fota.record.run import RunFolder, TestFiles
from pytest_nrf_fota.report.hiding import secrets_of
from pytest_nrf_fota.report.long_steps import show_steps_of
from pytest_nrf_fota.report.summary import TestVerdicts
from pytest_nrf_fota.report.tries import (
    AGAIN_PROPERTY,
    ATTACHED_PROPERTY,
    REPEATED_PROPERTY,
    TRY_PROPERTY,
    Attachments,
    FinishedTry,
    link_tries,
)

VERDICT_PROPERTY = "nrf_fota_verdict"
FOLDER_PROPERTY = "nrf_fota_folder"
MISSING_PROPERTY = "nrf_fota_missing"
RETRY_PROPERTY = "nrf_fota_retry"
READS_PROPERTY = "nrf_fota_probe_reads"
TIME_LINE_PROPERTY = "nrf_fota_timeline"
WORKER_INPUT_KEY = "nrf_fota_run_dir"

_path_key: pytest.StashKey[Path] = pytest.StashKey()
_run_key: pytest.StashKey[RunFolder] = pytest.StashKey()


def worker_name() -> str:
    """`gw0`, `gw1`, ... under xdist, else `main`."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def worker_count(config: pytest.Config) -> int:
    """How many xdist workers this process will start; 0 without xdist, and in a worker."""
    if config.getoption("dist", "no") == "no":
        return 0
    # `-n 2` becomes two specifications, and `2*popen` is one for two (xdist's documentation).
    specifications: list[str] = config.getoption("tx", None) or []
    counts = [text.partition("*")[0] for text in specifications]
    return sum(int(count) if count.isdecimal() else 1 for count in counts)


def session_path(config: pytest.Config) -> Path:
    """The run folder of the whole session; xdist's workers share their controller's."""
    path = config.stash.get(_path_key, None)
    if path is None:
        given: Path | None = config.getoption("nrf_fota_run_dir")
        of_controller = getattr(config, "workerinput", {}).get(WORKER_INPUT_KEY)
        if of_controller is not None:
            path = Path(of_controller)
        elif given is not None:
            path = given.resolve()
        else:
            now = datetime.now().strftime("%Y%m%d-%H%M%S")
            path = config.rootpath / "nrf_fota_runs" / f"{now}-{os.getpid()}"
        config.stash[_path_key] = path
    return path


def worker_path(config: pytest.Config) -> Path:
    """This process's part of the run folder."""
    name = worker_name()
    return session_path(config) if name == "main" else session_path(config) / name


def require_writable(config: pytest.Config) -> None:
    """Raise `InputError` where the run folder cannot be made; leaves nothing behind."""
    path = session_path(config)
    try:
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        # Tried instead of asked for: root has every permission, and still /proc, a full disk or a
        # read-only share refuses.
        with TemporaryDirectory(prefix=".nrf_fota_", dir=existing) as folder:
            (Path(folder) / "file").write_bytes(b"written")
    except OSError as error:
        raise InputError(
            "The folder for logs and flight recorders cannot be written: "
            f"{error.strerror or error}.",
            where=str(path),
            next_step="Give another one: --run-dir=DIR",
        ) from error


def run_folder(config: pytest.Config) -> RunFolder:
    """This process's run folder, made on first use."""
    run = config.stash.get(_run_key, None)
    if run is None:
        run = RunFolder(worker_path(config), secrets_of(config))
        show_steps_of(run.recorder, config)
        if allure_is_on(config):
            from pytest_nrf_fota.report.allure_report import allure_step

            run.recorder.step_observers.append(allure_step)
        config.stash[_run_key] = run
    return run


def allure_is_on(config: pytest.Config) -> bool:
    """Whether allure-pytest writes results."""
    return bool(config.getoption("allure_report_dir", None))


def properties_of(files: TestFiles) -> list[tuple[str, object]]:
    """What a test report carries from an xdist worker to its controller, and into JUnit XML."""
    properties: list[tuple[str, object]] = []
    for verdict in files.verdicts:
        properties += [
            ("nrf_fota_outcome", verdict.outcome),
            ("nrf_fota_reason", verdict.reason),
            (VERDICT_PROPERTY, verdict.model_dump_json()),
        ]
    properties += [
        (RETRY_PROPERTY, f"{retry.operation}: {retry.fault}: {retry.error}")
        for retry in files.retries
    ]
    properties += [(READS_PROPERTY, found) for found in files.probe_reads]
    return [*properties, (FOLDER_PROPERTY, str(files.folder))]


class VerdictCollector:
    """Collects outcomes and verdicts where the terminal is: under xdist in the controller.

    Args:
        run: the run's folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._executions: list[tuple[str, int, TestVerdicts]] = []
        self._tries: dict[str, list[FinishedTry]] = {}
        self.missing: list[tuple[str, str]] = []
        self.retries: list[tuple[str, str]] = []
        self.probe_reads: list[str] = []
        self.has_tried = False
        self._outcomes: dict[str, str] = {}
        self._failures: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of one phase of a test; the first bad outcome counts.

        Each execution of a test that is run again counts on its own, and is numbered before others
        see its report.
        """
        outcome = self._outcomes.get(report.nodeid, "passed")
        if outcome == "passed":
            again = _values(report, AGAIN_PROPERTY)
            outcome = _outcome_of(report, is_infrastructure=bool(again))
            self._outcomes[report.nodeid] = outcome
            if again:
                self._failures[report.nodeid] = again[0]
        if report.outcome not in ("passed", "skipped"):
            self._failures.setdefault(report.nodeid, headline_of(report))
        if report.skipped:
            self.missing += [(report.nodeid, why) for why in _values(report, MISSING_PROPERTY)]
        for found in _values(report, READS_PROPERTY):
            if found not in self.probe_reads:
                self.probe_reads.append(found)
        if report.when == "teardown":
            self.retries += [(report.nodeid, why) for why in _values(report, RETRY_PROPERTY)]
            self._finish(report, outcome)

    def _finish(self, report: pytest.TestReport, outcome: str) -> None:
        failure = self._failures.pop(report.nodeid, "")
        self._outcomes.pop(report.nodeid, None)
        folders = _values(report, FOLDER_PROPERTY)
        self.has_tried = self.has_tried or bool(folders and outcome != "skipped")
        verdicts = tuple(
            VerdictReached.model_validate_json(text) for text in _values(report, VERDICT_PROPERTY)
        )
        if not folders:
            return
        test = "".join(_values(report, REPEATED_PROPERTY)[:1]) or report.nodeid
        tries = self._tries.setdefault(test, [])
        pages = _values(report, TIME_LINE_PROPERTY)
        time_line = "".join(pages[-1:]) if failure else ""
        attached = "".join(_values(report, ATTACHED_PROPERTY)[-1:])
        tries.append(FinishedTry(outcome, Path(folders[-1]), attached))
        # A worker has counted its own tries alone.
        replaced = (TRY_PROPERTY, ATTACHED_PROPERTY)
        others = [one for one in report.user_properties if one[0] not in replaced]
        report.user_properties = [*others, (TRY_PROPERTY, str(len(tries)))]
        self._executions.append(
            (test, len(tries), TestVerdicts(report.nodeid, outcome, verdicts, failure, time_line))
        )

    @property
    def tests(self) -> list[TestVerdicts]:
        """What the summary shows: executions with a verdict or a failure, and those with others."""
        found = []
        for test, number, one in self._executions:
            tries = self._tries[test]
            if len(tries) > 1:
                folder = tries[number - 1].folder
                known = (
                    folder.relative_to(self._run) if folder.is_relative_to(self._run) else folder
                )
                which = f"try {number} of {len(tries)}: {known.as_posix()}"
                found.append(replace(one, which_try=which))
            elif one.verdicts or one.failure:
                found.append(one)
        return found

    def link_tries(self, attachments: Attachments | None) -> None:
        """Tell the folders and pages of tests that ran more than once of each other."""
        for tries in self._tries.values():
            if len(tries) > 1:
                link_tries(tries, self._run, attachments)

    @property
    def has_proven_nothing(self) -> bool:
        """Whether tests asked for firmware that cannot be made, and no test tried anything."""
        return bool(self.missing) and not self.has_tried


def _outcome_of(report: pytest.TestReport, *, is_infrastructure: bool) -> str:
    """In pytest's words: what fails outside of the test's own code is an error."""
    if is_infrastructure and report.skipped:
        return "infrastructure"
    return "error" if report.failed and report.when != "call" else report.outcome


def _values(report: pytest.TestReport, name: str) -> list[str]:
    return [str(value) for key, value in report.user_properties if key == name]


def headline_of(report: pytest.TestReport) -> str:
    """Why a phase failed, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr or "")
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
