"""Where a pytest session writes, and what it found out."""

import os
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
    """Collects outcomes and verdicts where the terminal is: under xdist in the controller."""

    def __init__(self) -> None:
        self.tests: list[TestVerdicts] = []
        self.missing: list[tuple[str, str]] = []
        self.retries: list[tuple[str, str]] = []
        self.probe_reads: list[str] = []
        self.has_tried = False
        self._outcomes: dict[str, str] = {}
        self._failures: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of one phase of a test; the first bad outcome counts.

        Each execution of a test that is run again counts on its own.
        """
        outcome = self._outcomes.get(report.nodeid, "passed")
        if outcome == "passed":
            outcome = self._outcomes[report.nodeid] = report.outcome
        if report.outcome not in ("passed", "skipped"):
            self._failures.setdefault(report.nodeid, headline_of(report))
        verdicts = tuple(
            VerdictReached.model_validate_json(str(value))
            for name, value in report.user_properties
            if name == VERDICT_PROPERTY
        )
        self.missing += [
            (report.nodeid, str(value))
            for name, value in report.user_properties
            if name == MISSING_PROPERTY and report.skipped
        ]
        if report.when == "teardown":
            self.retries += [
                (report.nodeid, str(value))
                for name, value in report.user_properties
                if name == RETRY_PROPERTY
            ]
        for name, value in report.user_properties:
            if name == READS_PROPERTY and str(value) not in self.probe_reads:
                self.probe_reads.append(str(value))
        if report.when == "teardown":
            uses_board = any(name == FOLDER_PROPERTY for name, _ in report.user_properties)
            self.has_tried = self.has_tried or (uses_board and outcome != "skipped")
            failure = self._failures.pop(report.nodeid, "")
            self._outcomes.pop(report.nodeid, None)
            if verdicts or (uses_board and failure):
                pages = [str(v) for name, v in report.user_properties if name == TIME_LINE_PROPERTY]
                time_line = "".join(pages[-1:]) if failure else ""
                self.tests.append(
                    TestVerdicts(report.nodeid, outcome, verdicts, failure, time_line)
                )

    @property
    def has_proven_nothing(self) -> bool:
        """Whether tests asked for firmware that cannot be made, and no test tried anything."""
        return bool(self.missing) and not self.has_tried


def headline_of(report: pytest.TestReport) -> str:
    """Why a phase failed, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr or "")
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
