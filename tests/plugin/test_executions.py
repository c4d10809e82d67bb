"""A test that runs more than once: each execution has its own folder, recorder and verdict."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.report.tries import ATTACHED_PROPERTY

pytest.importorskip("pytest_rerunfailures")
pytest.importorskip("pytest_repeat")

FLAKY = """
from pytest_nrf_fota import assert_upgraded

tries = []


def test_flaky(dut, firmware):
    tries.append(1)
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    if len(tries) > 1:
        upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())
"""
FAILS_ONCE = """
from pathlib import Path

import pytest

@pytest.mark.parametrize("made", ["kept"])
def test_upgrade(dut, made):
    try:
        Path("failed").mkdir()
    except FileExistsError:
        return
    assert dut.name == "?"
"""


def told(user_folder: pytest.Pytester, name: str) -> list[list[str | None]]:
    """A property's values in JUnit XML, of each execution."""
    return [
        [one.get("value") for one in case.iter("property") if one.get("name") == name]
        for case in ET.parse(user_folder.path / "junit.xml").iter("testcase")
    ]


def attached_page(folder: Path, result: dict[str, list[dict[str, str]]]) -> str:
    """The time line that a result of Allure has."""
    (source,) = [one["source"] for one in result["attachments"] if one["name"] == "time line"]
    return (folder / source).read_text()


def test_each_try_of_a_rerun_has_its_own_proof(user_folder: pytest.Pytester) -> None:
    """The first is refused, the second is proven, and neither shows the other's words."""
    user_folder.makepyfile(test_mine=FLAKY)
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "--reruns=1", "--run-dir=runs"),
        *("--junitxml=junit.xml", "--alluredir=allure", "--timeline=all"),
    )
    result.stdout.fnmatch_lines(
        [
            "RERUN *test_flaky",
            "    try 1 of 2: test_mine.py--test_flaky",
            "    not upgraded: the image was never set pending*",
            "    application *: NOT UPGRADED",
            "PASSED *test_flaky",
            "    try 2 of 2: test_mine.py--test_flaky--2",
            "    application *: UPGRADED",
            "logs and flight recorders: *",
        ]
    )
    summary = "\n".join(result.outlines).partition("nRF FOTA: results")[2]
    assert summary.count("    application 1.0.0") == 2
    folders = sorted(path.name for path in (user_folder.path / "runs").glob("test_mine*"))
    assert len(folders) == 2
    for folder, swap in zip(folders, ("none", "test"), strict=True):
        log = (user_folder.path / "runs" / folder / "uart.log").read_text()
        assert log.count("Starting swap using") == (swap == "test")
    assert told(user_folder, "nrf_fota_outcome") == [["not upgraded"], ["upgraded"]]
    assert told(user_folder, "nrf_fota_try") == [["1"], ["2"]]
    runs = user_folder.path / "runs"
    assert told(user_folder, "nrf_fota_folder") == [[str(runs / folder)] for folder in folders]
    first, second = ((runs / folder / "timeline.html").read_text() for folder in folders)
    assert "<title>FAILED: test_mine.py::test_flaky (try 1 of 2)</title>" in first
    assert "<title>PASSED: test_mine.py::test_flaky (try 2 of 2)</title>" in second
    assert f'href="../{folders[1]}/timeline.html">2 passed' in first
    assert f'href="../{folders[0]}/timeline.html">1 failed' in second
    reported = CliRunner().invoke(app, ["report", str(runs)]).output
    assert ": 1 tests, 1 passed, 0 failed, 0 lost to the test setup, 1 run again\n" in reported
    assert "Flaky in this night: test_flaky on nrf5340dk_sim.\n" in reported
    # A page that is made afterwards knows them, too.
    assert CliRunner().invoke(app, ["timeline", str(runs / folders[0])]).exit_code == 0
    assert "(try 1 of 2)</title>" in (runs / folders[0] / "timeline.html").read_text()
    found = [
        json.loads(path.read_text()) for path in (user_folder.path / "allure").glob("*-result.json")
    ]
    assert sorted(one["status"] for one in found) == ["failed", "passed"]
    for one in found:
        names = [attached["name"] for attached in one["attachments"]]
        assert names.count("verdict") == 1
        page = attached_page(user_folder.path / "allure", one)
        number, kit = (1, "failed") if one["status"] == "failed" else (2, "passed")
        assert f"test_flaky (try {number} of 2)</title>" in page
        assert f'<b aria-current="page">{number} {kit} on nrf5340dk_sim-' in page
        # Allure gives files other names, so there is nothing that a link could lead to.
        assert 'id="tries"' in page and 'href="../' not in page
    assert told(user_folder, ATTACHED_PROPERTY) == [[], []]


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.long_proof)])
def test_tries_in_allure_without_names(
    user_folder: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """The copy of a time line knows the tries also where it is not the same as the page."""
    user_folder.makepyfile(test_mine=FAILS_ONCE)
    user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "--count=2", "--run-dir=runs", "--timeline=all"),
        *("--alluredir=allure", "--anonymise", *workers),
    )
    results = sorted((user_folder.path / "allure").glob("*-result.json"))
    pages = [attached_page(results[0].parent, json.loads(one.read_text())) for one in results]
    assert sorted(re.findall(r"\((try \d of \d)\)</title>", "".join(pages))) == [
        "try 1 of 2",
        "try 2 of 2",
    ]
    for page in pages:
        assert "1 failed" in page.partition('id="tries"')[2].partition("</nav>")[0]


@pytest.mark.parametrize(
    "workers",
    [(), pytest.param(("-n", "2"), marks=pytest.mark.long_proof)],
    ids=["one process", "xdist"],
)
def test_each_repetition_is_a_try(user_folder: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """`--count` of pytest-repeat: whichever process ran them, they are numbered and linked."""
    user_folder.makepyfile(test_mine=FAILS_ONCE)
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "--count=2", "--run-dir=runs", "--junitxml=junit.xml"),
        *workers,
    )
    result.assert_outcomes(passed=1, failed=1)
    numbers = [number for (number,) in told(user_folder, "nrf_fota_try")]
    paths = [Path(str(value)) for (value,) in told(user_folder, "nrf_fota_folder")]
    by_number = sorted(zip(map(str, numbers), paths, strict=True))
    assert [number for number, _ in by_number] == ["1", "2"]
    folders = [path for _, path in by_number]
    below = [path.relative_to(user_folder.path / "runs").as_posix() for path in folders]
    assert told(user_folder, "nrf_fota_repeats") == [["test_mine.py::test_upgrade[kept]"]] * 2
    for number, name in enumerate(below, 1):
        result.stdout.fnmatch_lines([f"    try {number} of 2: {name.replace('[', '[[]')}"])
    assert sorted(name[-10:] for name in below) == ["[kept-1-2]", "[kept-2-2]"]
    for path in folders:
        assert (path / "recorder.jsonl").is_file() and (path / "uart.log").is_file()
    reported = CliRunner().invoke(app, ["report", str(user_folder.path / "runs")]).output
    assert ": 2 tests, 1 passed, 1 failed, 0 lost to the test setup\n" in reported
    assert "1. test_upgrade[kept] failed on kit nrf5340dk_sim-" in reported
    (page,) = (user_folder.path / "runs").rglob("timeline.html")
    other = next(path for path in folders if path != page.parent)
    (href,) = re.findall(r'href="(\.\.[^"]+)">\d passed', page.read_text())
    assert (page.parent / unquote(href)).resolve() == other


KILLS = """
import os
import signal

from pytest_nrf_fota import assert_upgraded


def test_killer(dut, firmware, unit):
    dut.prepare(firmware.baseline)
    os.kill(unit.pid, signal.SIGKILL)
    dut.reset()


def test_next(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
"""


@pytest.mark.long_proof
def test_a_kit_that_is_killed_costs_one_test(user_folder: pytest.Pytester) -> None:
    """The next one gets a fresh kit, and says so in its recorder."""
    user_folder.makepyfile(test_mine=KILLS)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--run-dir=runs")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["PASSED *test_next"])
    recorder = next((user_folder.path / "runs").glob("*test_next/recorder.jsonl")).read_text()
    assert "a fresh one is started" in recorder
