"""Which tests of a run get a time line, and where a user finds it."""

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.deadline import Deadline

TESTS = """
import pytest

def test_refused(dut, firmware):
    from pytest_nrf_fota import Variant

    dut.prepare(firmware.baseline)
    assert dut.upgrade(firmware.variant(Variant.MCUBOOT_TAMPERED))

def test_passes(dut, firmware):
    dut.prepare(firmware.baseline)

@pytest.fixture
def breaks_behind_it():
    yield
    raise RuntimeError("the lamp is off")

def test_breaks_in_teardown(breaks_behind_it, dut, firmware):
    dut.prepare(firmware.baseline)

@pytest.mark.needs("serial_recovery")
def test_is_skipped(dut):
    pass

def test_without_a_board():
    assert 1 == 2
"""


def _pages(user_folder: pytest.Pytester) -> dict[str, str]:
    run = user_folder.path / "run"
    return {page.parent.name.rpartition("--")[2]: page.read_text() for page in run.rglob("*.html")}


def _run(user_folder: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    user_folder.makepyfile(test_mine=TESTS)
    return user_folder.runpytest_subprocess(
        "--board=nrf5340dk_sim", f"--run-dir={user_folder.path / 'run'}", *arguments
    )


@pytest.mark.parametrize(
    "workers",
    [(), pytest.param(("-n1",), marks=pytest.mark.long_proof)],
    ids=["one process", "xdist"],
)
def test_failing_tests_have_one_that_terminal_junit_and_allure_name(
    workers: tuple[str, ...], user_folder: pytest.Pytester
) -> None:
    """By a path in the run's folder; a failing teardown counts."""
    xml, allure = user_folder.path / "j.xml", user_folder.path / "allure"
    result = _run(user_folder, f"--junitxml={xml}", f"--alluredir={allure}", *workers)
    pages = _pages(user_folder)
    assert sorted(pages) == ["test_breaks_in_teardown", "test_refused"]
    part = "gw0/" if workers else ""
    shown = f"{part}test_mine.py--test_refused/timeline.html"
    result.stdout.fnmatch_lines(["FAILED *test_refused", f"    time line: {shown}"])
    cases = ElementTree.parse(xml).iter("testcase")
    named = [
        (case.get("name"), one.get("value")) for case in cases for one in case.iter("property")
    ]
    assert ("test_refused", shown) in named
    found = {
        one["name"]: [(a["name"], a["type"]) for a in one.get("attachments", ())]
        for one in (json.loads(path.read_text()) for path in allure.glob("*-result.json"))
    }
    with_page = {name for name, ones in found.items() if ("time line", "text/html") in ones}
    assert with_page == {"test_refused", "test_breaks_in_teardown"}


def test_a_page_shows_how_the_test_ended(user_folder: pytest.Pytester) -> None:
    """Also what pytest alone knows, and what explain's rules found."""
    _run(user_folder)
    refused, teardown = (
        _pages(user_folder)["test_refused"],
        _pages(user_folder)["test_breaks_in_teardown"],
    )
    assert "<title>FAILED: test_mine.py::test_refused</title>" in refused
    assert "Failed to validate, permanently invalidating!" in refused
    assert "<code>nsib_" in refused, "a cause of explain's"
    assert "<title>ERROR: test_mine.py::test_breaks_in_teardown</title>" in teardown
    assert "RuntimeError: the lamp is off" in teardown


@pytest.mark.parametrize(
    ("given", "pages"),
    [
        (["--timeline=all"], ["test_breaks_in_teardown", "test_passes", "test_refused"]),
        (["--timeline=none"], []),
        (["-o", "nrf_fota_timeline=none"], []),
    ],
    ids="-".join,
)
@pytest.mark.long_proof
def test_the_user_chooses(given: list[str], pages: list[str], user_folder: pytest.Pytester) -> None:
    """By option or by setting."""
    _run(user_folder, *given)
    assert sorted(_pages(user_folder)) == pages


def test_a_misspelt_setting_ends_the_run_at_once(user_folder: pytest.Pytester) -> None:
    """Not behind the first failing test."""
    result = _run(user_folder, "-o", "nrf_fota_timeline=always")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nrf_fota_timeline = always*failed, all, none*"])


@pytest.mark.long_proof
def test_a_page_that_cannot_be_made_ends_no_test(user_folder: pytest.Pytester) -> None:
    """Where it would be is said why not."""
    user_folder.makeconftest(
        """
        import pathlib

        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_teardown(item):
            for recorder in pathlib.Path("run").rglob("*refused/recorder.jsonl"):
                (recorder.parent / "timeline.html").mkdir()
        """
    )
    result = _run(user_folder, "-k", "refused")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["    time line: not made: IsADirectoryError: *"])


def test_a_killed_run_has_one_by_command(user_folder: pytest.Pytester) -> None:
    """SIGKILL in the middle of an upgrade."""
    user_folder.makepyfile(
        test_mine="""
        import os
        import signal

        def test_it(dut, firmware):
            dut.prepare(firmware.baseline)
            upgrade = dut.start_upgrade(firmware.app_update)
            with dut.recorder.step("a step of the test"):
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    run = user_folder.path / "run"
    command = [sys.executable, "-m", "pytest", "--board=nrf5340dk_sim", f"--run-dir={run}"]
    ended = subprocess.run(
        command, cwd=user_folder.path, capture_output=True, timeout=Deadline.after(120).remaining_s
    )
    assert ended.returncode == -signal.SIGKILL
    (recorder,) = run.rglob("recorder.jsonl")
    recorder.write_bytes(recorder.read_bytes()[:-10])
    answered = CliRunner().invoke(app, ["timeline", str(run)])
    page = recorder.with_name("timeline.html")
    assert (answered.exit_code, answered.output) == (0, f"{page}\n")
    assert "BROKEN OFF" in page.read_text()


def test_command_takes_a_test_a_run_or_a_file(user_folder: pytest.Pytester, tmp_path: Path) -> None:
    """And refuses what is none of these."""
    _run(user_folder, "--timeline=none", "-k", "refused or passes")
    run = user_folder.path / "run"
    folder = next(run.glob("*refused"))
    invoke = CliRunner().invoke
    page = tmp_path / "page.html"
    assert invoke(app, ["timeline", str(folder), "-o", str(page)]).exit_code == 0
    assert "Failed to validate, permanently invalidating!" in page.read_text()
    assert invoke(app, ["timeline", str(folder / "recorder.jsonl")]).exit_code == 0
    assert len(invoke(app, ["timeline", str(run)]).output.splitlines()) == 2
    for arguments, said in (
        ([str(run), "-o", str(page)], "does not fit into one page"),
        ([str(folder / "uart.log")], "no flight recorder"),
        ([str(tmp_path)], "holds no recorder.jsonl"),
        ([str(tmp_path / "gone")], "No such file or folder"),
    ):
        answered = invoke(app, ["timeline", *arguments])
        assert (answered.exit_code, said in answered.output) == (2, True), answered.output
