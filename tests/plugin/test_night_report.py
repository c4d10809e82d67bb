"""Real runs on virtual kits, with failures made on purpose, and what is reported of them."""

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.nights.collect import make_report
from pytest_nrf_fota.nights.headline import Kind
from pytest_nrf_fota.nights.markdown import markdown_of
from pytest_nrf_fota.nights.page import write_page
from pytest_nrf_fota.record.result import RESULT_NAME, TestResult, read_result, write_result

pytest.importorskip("pytest_rerunfailures")
pytest.importorskip("xdist")

TESTS = """
import os
import signal

import pytest

from pytest_nrf_fota import Variant, assert_upgraded

IS_BROKEN = "BROKEN" in os.environ
tries = []


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_upgrade(dut, firmware, number):
    dut.prepare(firmware.baseline)
    wrong = firmware.variant(Variant.APP_WRONG_KEY) if IS_BROKEN else firmware.app_update
    assert_upgraded(dut.upgrade(wrong))


def test_flaky(dut, firmware):
    tries.append(1)
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    if not IS_BROKEN or len(tries) > 1:
        upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())


def test_killer(dut, firmware, unit):
    dut.prepare(firmware.baseline)
    if IS_BROKEN:
        os.kill(unit.pid, signal.SIGKILL)
    dut.reset()


def test_own_error(dut):
    if IS_BROKEN:
        raise LookupError("of the test itself")


@pytest.mark.skip(reason="not now")
def test_skipped(dut):
    pass


@pytest.mark.needs("serial_recovery")
def test_needs(dut):
    pass
"""


def run(folder: pytest.Pytester, name: str, *more: str) -> Path:
    """A run of two workers; returns its folder."""
    folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "-n", "2", "--reruns", "1", f"--run-dir=runs/{name}", *more)
    )
    return folder.path / "runs" / name


def results(run_folder: Path) -> dict[str, list[TestResult]]:
    """All results of a run by the test's name, in the order of the tries."""
    found: dict[str, list[TestResult]] = {}
    for path in sorted(run_folder.glob(f"*/*/{RESULT_NAME}")):
        result = read_result(path)
        found.setdefault(result.node_id.partition("::")[2], []).append(result)
    return {name: sorted(some, key=lambda one: one.try_number) for name, some in found.items()}


def to_the_night_before(run_folder: Path) -> None:
    """As if it had been run a day earlier."""
    for path in run_folder.glob(f"*/*/{RESULT_NAME}"):
        result = read_result(path)
        earlier = result.started - timedelta(days=1)
        write_result(path, result.model_copy(update={"started": earlier}))


@pytest.mark.long_proof
def test_two_nights(user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good one, then one with a wrong key, a dead kit, a flake and an error of the test."""
    user_folder.makepyfile(test_mine=TESTS)
    to_the_night_before(run(user_folder, "good"))
    monkeypatch.setenv("BROKEN", "1")
    summary = user_folder.path / "summary.md"
    summary.write_text("of another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    broken = run(user_folder, "broken")
    _results_are_whole(results(broken))
    _summary_is_short(summary.read_text())

    made = make_report([user_folder.path / "runs"])
    report = made.report
    assert len(report.nights) == 2
    first = report.headlines[0]
    assert (first.kind, first.cause) == (Kind.REGRESSION, "image_of_another_key")
    assert first.scenarios == tuple(f"test_upgrade[{n}]" for n in range(1, 5))
    assert "New since the night of" in first.since
    assert {group.cause for group in report.rig} == {"probe_failed"}
    assert "lookup_error" in {group.cause for group in report.firmware}
    (flake,) = (one for one in report.flakes if one.cell.scenario == "test_mine.py::test_flaky")
    assert flake.second_tries == 1
    page = write_page(report, user_folder.path / "page", made.store_folder)
    assert "../runs/broken/gw" in page.read_text()
    assert "test\\_own\\_error" in markdown_of(report)


def _results_are_whole(found: dict[str, list[TestResult]]) -> None:
    wrong, again = found["test_upgrade[1]"]
    assert (wrong.outcome, wrong.side, wrong.phase) == ("failed", "firmware", "call")
    assert (wrong.try_number, again.try_number) == (1, 2)
    assert wrong.causes[0].code == "image_of_another_key"
    assert wrong.causes[-1].code == "verdict_refused"
    assert wrong.verdicts[0].outcome == "not upgraded"
    assert wrong.board == "nrf5340dk_sim"
    assert wrong.kit == f"nrf5340dk_sim-{wrong.worker}"
    assert (wrong.ncs, wrong.firmware) == ("2.3", {"image 0": "1.0.0"})
    assert wrong.firmware_id.startswith("demonstration ")
    assert wrong.host and wrong.versions["pytest"] and wrong.duration_s > 0
    assert {one.name for one in wrong.measurements} >= {"upload throughput", "boot time"}
    assert wrong.steps_s.keys() >= {"upload", "set pending"}

    # Both workers.
    assert len({one.worker for some in found.values() for one in some}) == 2
    assert len({one.session for some in found.values() for one in some}) == 1
    assert wrong.session

    assert [one.outcome for one in found["test_flaky"]] == ["failed", "passed"]
    assert found["test_flaky"][0].causes[0].code == "nothing_pending"
    killed = found["test_killer"][-1]
    assert (killed.outcome, killed.side, killed.phase) == ("error", "rig", "call")
    assert killed.causes[0].code == "probe_failed"
    own = found["test_own_error"][-1]
    assert (own.outcome, own.side) == ("failed", "test")
    assert own.causes[-1].text == "LookupError: of the test itself"
    assert [one.outcome for one in found["test_skipped"]] == ["skipped"]
    assert [one.outcome for one in found["test_needs"]] == ["skipped"]


def _summary_is_short(text: str) -> None:
    assert text.startswith("of another step\n## nRF FOTA\n")
    assert "4 scenarios fail" in text or "test\\_upgrade" in text
    assert "`image_of_another_key`" in text
    assert "nrf5340dk\\_sim-gw" in text
    assert len(text) < 5000


def test_a_run_without_a_worker(user_folder: pytest.Pytester) -> None:
    """Its tests are in the run folder itself."""
    user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--run-dir=runs/one")
    result = read_result(next((user_folder.path / "runs" / "one").glob(f"*/{RESULT_NAME}")))
    assert (result.outcome, result.kit, result.worker) == ("passed", "nrf5340dk_sim-main", "main")
    report = make_report([user_folder.path / "runs" / "one"]).report
    assert (report.total.passed, report.headlines) == (1, ())


@pytest.mark.long_proof
def test_a_run_folder_that_is_used_again(user_folder: pytest.Pytester) -> None:
    """A fixed --run-dir: each session is told apart, and is no second try of the other."""
    for _ in range(2):
        user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--run-dir=runs/one")
    found = [read_result(one) for one in (user_folder.path / "runs").glob(f"*/*/{RESULT_NAME}")]
    assert len({one.session for one in found}) == 2
    assert {one.try_number for one in found} == {1}
    report = make_report([user_folder.path / "runs"]).report
    assert (report.total.passed, report.second_tries) == (2, 0)


WAITS = """
import pathlib
import time


def test_waits(dut, firmware):
    dut.prepare(firmware.baseline)
    pathlib.Path("waits").touch()
    while True:
        time.sleep(0.05)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_run_that_was_killed(user_folder: pytest.Pytester) -> None:
    """Its recorder tells board, kit and host; there is no result, and that is said."""
    user_folder.makepyfile(test_mine=WAITS)
    arguments = ["--board", "nrf5340dk_sim", "--run-dir=runs/killed", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=user_folder.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = Deadline.after(60)
        while not (user_folder.path / "waits").exists():
            assert process.poll() is None and not deadline.expired
    finally:
        process.kill()
        process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL
    report = make_report([user_folder.path / "runs" / "killed"]).report
    (only,) = report.headlines
    assert only.what == "1 test left no result: nrf5340dk_sim-main."
    assert report.total.unknown == 1


@pytest.mark.parametrize("summary", ["missing/summary.md", "folder"])
@pytest.mark.long_proof
def test_a_summary_that_cannot_be_written_fails_nothing(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, summary: str
) -> None:
    (user_folder.path / "folder").mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", summary)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--run-dir=runs/one")
    assert result.ret == 0
    result.stderr.fnmatch_lines([f"nrf-fota: no step summary in {summary}: *"])


def test_a_run_without_a_board_says_nothing(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = user_folder.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    user_folder.makepyfile(test_mine="def test_a(): pass")
    user_folder.runpytest_subprocess().assert_outcomes(passed=1)
    assert not summary.exists()


def test_a_command_on_a_real_run(user_folder: pytest.Pytester) -> None:
    user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--run-dir=runs/one")
    command = "from pytest_nrf_fota.cli import app; app()"
    said = subprocess.run(
        [sys.executable, "-c", command, "report", "runs", "--json"],
        cwd=user_folder.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(said.stdout)["total"]["passed"] == 1
