"""What this session's tests leave behind for the report of a night."""

import os
import uuid
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.run_settings import BOARD_KEY, GIVEN_KEY

if TYPE_CHECKING:
    from pytest_nrf_fota.record.run import TestFiles
    from pytest_nrf_fota.report.test_result import Executions
    from pytest_nrf_fota.report.tries import Attachments

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Names the file whose Markdown GitHub Actions shows on a run's page (docs.github.com, *Workflow
commands*, "Adding a job summary")."""

_firmware_key: pytest.StashKey[str] = pytest.StashKey()
_session_key: pytest.StashKey[str] = pytest.StashKey()


def note_phase(item: pytest.Item, call: "pytest.CallInfo[None]", report: pytest.TestReport) -> None:
    """Remember how a phase of a test went."""
    phase = call.when if call.when in ("setup", "call", "teardown") else ""
    _executions(item.config).note(phase, report, call.excinfo.value if call.excinfo else None)


def keep(item: pytest.Item, files: "TestFiles") -> None:
    """Write the result of a test whose phases are over. Never raises for want of a disk."""
    from pytest_nrf_fota.report.hiding import secrets_of
    from pytest_nrf_fota.report.test_result import Given, keep_result
    from pytest_nrf_fota.report.tries import repetition_of
    from pytest_nrf_fota.session_kits import kit_name
    from pytest_nrf_fota.session_lost_kits import lost_kit_of

    board = item.config.stash.get(BOARD_KEY, None)
    repetition = repetition_of(item)
    kit_lost, run_again = lost_kit_of(item)
    given = Given(
        board="" if board is None else board.name,
        kit="" if board is None else kit_name(item.config, board),
        ncs="" if board is None else board.boot.ncs,
        firmware_id=firmware_id(item.config),
        session=_session_id(item.config),
        kit_lost=kit_lost,
        run_again=run_again,
        repeats="" if repetition is None else repetition.of,
    )
    mask = secrets_of(item.config).masked_report
    keep_result(files.folder, item.nodeid, _executions(item.config), files.facts, given, mask)


def allure_attachments(config: pytest.Config) -> "Attachments | None":
    """Where Allure's copies of time lines are; None where it writes none."""
    from pytest_nrf_fota.report.hiding import mask_of, pseudonyms_of
    from pytest_nrf_fota.report.tries import Attachments

    given: str | None = config.getoption("allure_report_dir", None)
    if not given:
        return None
    # Tests may have gone elsewhere meanwhile.
    folder, pseudonyms = Path(config.invocation_params.dir, given), pseudonyms_of(config)
    know_kit = (lambda kit: None) if pseudonyms is None else pseudonyms.add_kit
    return Attachments(folder, mask_of(config), know_kit)


def write_step_summary(config: pytest.Config) -> None:
    """In GitHub Actions say on the run's page what failed, on which kit, and why. Never raises."""
    path = os.environ.get(STEP_SUMMARY, "")
    if not path or hasattr(config, "workerinput"):
        return
    from pytest_nrf_fota.nights.step_summary import append_step_summary
    from pytest_nrf_fota.report.session import session_path

    append_step_summary(Path(path), session_path(config))


def _executions(config: pytest.Config) -> "Executions":
    from pytest_nrf_fota.report.test_result import EXECUTIONS_KEY, Executions

    return config.stash.setdefault(EXECUTIONS_KEY, Executions())


def _session_id(config: pytest.Config) -> str:
    """The same in all workers: a run folder may be given to several sessions."""
    known = config.stash.get(_session_key, None)
    if known is None:
        own: str = getattr(config, "workerinput", {}).get("testrunuid", "")
        known = config.stash[_session_key] = own or uuid.uuid4().hex
    return known


def firmware_id(config: pytest.Config) -> str:
    """The same for runs that were given the same firmware, by its bytes."""
    known = config.stash.get(_firmware_key, None)
    if known is None:
        known = config.stash[_firmware_key] = _hashed(config)
    return known


def _hashed(config: pytest.Config) -> str:
    given = config.stash.get(GIVEN_KEY, None)
    board = config.stash.get(BOARD_KEY, None)
    if given is None or board is None:
        return ""
    baseline = [file.path for file in given.baseline.picked] if given.baseline else []
    files = [*baseline, *given.updates.picked]
    if not files:
        from importlib.metadata import version

        return f"demonstration {version('pytest-nrf-fota')}, NCS {board.boot.ncs}"
    try:
        hashes = sorted(sha256(path.read_bytes()).hexdigest() for path in files)
    except OSError:
        return ""
    return sha256("".join(hashes).encode()).hexdigest()[:12]
