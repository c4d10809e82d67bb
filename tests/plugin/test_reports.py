"""JUnit, pytest-html, pytest-json-report and Allure tell the same of each test."""

import json
import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.junit_readers import gitlab_cases, jenkins_cases

pytest.importorskip("pytest_rerunfailures")
pytest.importorskip("pytest_html")
pytest.importorskip("pytest_jsonreport")
pytest.importorskip("pytest_repeat")

RUN = """
import os
import signal

import pytest

from pytest_nrf_fota import Variant, assert_upgraded

tries = []


def test_not_newer(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.variant(Variant.MCUBOOT_SAME_VERSION)))


def test_lost_kit(dut, firmware, unit):
    dut.prepare(firmware.baseline)
    os.kill(unit.pid, signal.SIGKILL)
    dut.reset()


@pytest.mark.flaky(reruns=1)
def test_second_try(dut):
    tries.append(1)
    assert len(tries) > 1


def test_without_board():
    pass
"""
REPORTS = (
    *("--junitxml=junit.xml", "--alluredir=allure", "--html=report.html"),
    *("--self-contained-html", "--json-report", "--json-report-file=report.json"),
)


class Reports:
    """What each report of a run says."""

    def __init__(self, folder: Path) -> None:
        self.suite = next(ET.parse(folder / "junit.xml").iter("testsuite"))
        self.json: dict[str, Any] = json.loads((folder / "report.json").read_text())
        self.html = (folder / "report.html").read_text()
        self.allure: list[dict[str, Any]] = sorted(
            (json.loads(path.read_text()) for path in (folder / "allure").glob("*-result.json")),
            key=lambda one: one["start"],
        )
        self.folder = folder

    def cases(self, name: str) -> list[ET.Element]:
        """Test cases of JUnit."""
        return [case for case in self.suite.iter("testcase") if case.get("name") == name]

    def of_json(self, name: str) -> dict[str, Any]:
        """A test of pytest-json-report."""
        return next(one for one in self.json["tests"] if one["nodeid"].endswith(f"::{name}"))

    def results(self, name: str) -> list[dict[str, Any]]:
        """Results of Allure, by time."""
        return [one for one in self.allure if one["name"] == name]

    def rows(self, name: str) -> list[list[str]]:
        """Cells of pytest-html's rows, without links."""
        data = re.search(r'data-jsonblob="([^"]*)"', self.html)
        assert data is not None
        blob = json.loads(unescape(data[1]))
        rows = [
            row["resultsTableRow"]
            for test, runs in blob["tests"].items()
            for row in runs
            if f"::{name}" in test
        ]
        return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in rows]


def _properties(element: ET.Element) -> dict[str, str]:
    return {one.get("name", ""): one.get("value", "") for one in element.iter("property")}


def _labels(result: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in result["labels"]}


@pytest.fixture(
    scope="module", params=[(), pytest.param(("-n", "1"), marks=pytest.mark.long_proof)]
)
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """Of one run; with xdist facts come from a worker."""
    import os
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("reports")
    (folder / "test_mine.py").write_text(RUN)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "GITHUB_", "CI_", "GITLAB_", "JENKINS_", "BUILD_"))
        or name == "PYTEST_ADDOPTS"
    }
    gitlab = {"GITLAB_CI": "true", "CI_JOB_URL": "https://gitlab.example/j/7"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "--board", "nrf5340dk_sim", *REPORTS, *request.param],
        cwd=folder,
        env={**environment, **gitlab, "CI_JOB_NAME": "kits", "CI_PIPELINE_IID": "42"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "1 failed, 2 passed, 1 error, 1 rerun" in ran.stdout, ran.stdout
    return Reports(folder)


def test_same_facts_in_each_report(reports: Reports) -> None:
    (case,) = reports.cases("test_not_newer")
    (result,) = reports.results("test_not_newer")
    junit, allure = _properties(case), _labels(result)
    (row,) = reports.rows("test_not_newer")
    told = reports.of_json("test_not_newer")["nrf_fota"]

    facts = {
        "board": "nrf5340dk_sim",
        "ncs": "2.3",
        "room": "mine",
        "category": "not newer",
        "cause": "nsib_version_not_raised",
    }
    assert allure["kit"].startswith("nrf5340dk_sim-")
    for name, value in {**facts, "kit": allure["kit"]}.items():
        assert (junit[f"nrf_fota_{name}"], allure[name], told[name]) == (value,) * 3, name
    assert row[2:5] == [facts["board"], allure["kit"], f"Update not newer: {facts['cause']}"]
    assert junit["nrf_fota_remedy"].startswith("Raise `CONFIG_FW_INFO_FIRMWARE_VERSION`")
    assert (allure["epic"], allure["feature"], allure["severity"]) == (
        *("nrf5340dk_sim", "Mine", "normal"),
    )


def test_test_setup_is_no_failure_of_the_firmware(reports: Reports) -> None:
    (case,) = reports.cases("test_lost_kit")
    assert [one.tag for one in case] == ["properties", "error"]
    assert _properties(case)["nrf_fota_category"] == "rig"
    (result,) = reports.results("test_lost_kit")
    assert result["status"] == "broken"
    assert result["statusDetails"]["message"].startswith("Test setup: The kit did not reset")
    assert reports.of_json("test_lost_kit")["outcome"] == "error"


def test_second_try_does_not_hide_the_first(reports: Reports) -> None:
    """Two test cases, of which the first has not passed; two results of one test; both lines."""
    (first,) = reports.cases("test_second_try (try 1)")
    (second,) = reports.cases("test_second_try")
    assert [one.tag for one in first] == ["properties", "skipped"]
    skipped = first.find("skipped")
    assert skipped is not None
    assert skipped.get("message", "").startswith(
        "try 1 failed and was run again: [assertion_error]"
    )
    assert [one.tag for one in second] == ["properties"]
    assert _properties(second)["nrf_fota_earlier_try"].startswith("try 1: Not proven [assertion_")
    one, other = reports.results("test_second_try")
    assert (one["status"], other["status"]) == ("failed", "passed")
    assert one["historyId"] == other["historyId"]
    assert other["statusDetails"]["flaky"] and "try 1: Not proven" in other["description"]
    rerun, *_, passed = reports.rows("test_second_try")
    assert (rerun[0], rerun[4]) == ("Rerun", "Not proven: assertion_error")
    assert (passed[0], passed[4]) == ("Passed", "")
    assert reports.of_json("test_second_try")["nrf_fota"]["try"] == 2


def test_test_without_board_stays_as_it_is(reports: Reports) -> None:
    (case,) = reports.cases("test_without_board")
    assert case.get("classname") == "test_mine" and not _properties(case)
    (result,) = reports.results("test_without_board")
    assert "board" not in _labels(result)
    assert "nrf_fota" not in reports.of_json("test_without_board")


def test_names_that_group_well(reports: Reports) -> None:
    """Jenkins: a package for each board and folder."""
    (case,) = reports.cases("test_not_newer")
    assert case.get("classname") == "nrf5340dk_sim.test_mine"


def test_as_gitlab_reads_it(reports: Reports) -> None:
    """Grouped by board and module; no try hides another, and each says why it has not passed."""
    cases = {one.name: one for one in gitlab_cases(reports.folder / "junit.xml")}
    assert {name: (one.suite, one.status) for name, one in cases.items()} == {
        "test_not_newer": ("nrf5340dk_sim.test_mine", "failure"),
        "test_lost_kit": ("nrf5340dk_sim.test_mine", "error"),
        "test_second_try (try 1)": ("nrf5340dk_sim.test_mine", "skipped"),
        "test_second_try": ("nrf5340dk_sim.test_mine", "success"),
        "test_without_board": ("test_mine", "success"),
    }
    for one in cases.values():
        assert bool(one.output) == (one.status != "success"), one
    assert "was run again: [assertion_error]" in cases["test_second_try (try 1)"].output
    # pytest's xunit2 names no file; xunit1 does.
    assert {one.file for one in cases.values()} == {None}


def test_as_jenkins_reads_it(reports: Reports) -> None:
    """A package for each board and folder, a class for each module."""
    cases = {one.name: one for one in jenkins_cases(reports.folder / "junit.xml")}
    assert {name: (one.package, one.class_name, one.status) for name, one in cases.items()} == {
        "test_not_newer": ("nrf5340dk_sim", "test_mine", "failure"),
        "test_lost_kit": ("nrf5340dk_sim", "test_mine", "error"),
        "test_second_try (try 1)": ("nrf5340dk_sim", "test_mine", "skipped"),
        "test_second_try": ("nrf5340dk_sim", "test_mine", "passed"),
        "test_without_board": ("(root)", "test_mine", "passed"),
    }
    assert "was run again" in cases["test_second_try (try 1)"].message
    assert cases["test_not_newer"].message


def test_file_of_a_test_for_gitlab(user_folder: pytest.Pytester) -> None:
    """With it GitLab offers to copy the names of failed tests."""
    user_folder.makepyfile(**{"hil/test_deep": "def test_it(dut): assert dut.name == '?'"})
    user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "--junitxml=junit.xml", "-o", "junit_family=xunit1", "hil")
    )
    (case,) = gitlab_cases(user_folder.path / "junit.xml")
    assert (case.suite, case.name) == ("nrf5340dk_sim.hil.test_deep", "test_it")
    assert (case.file, case.status) == ("hil/test_deep.py", "failure")
    (other,) = jenkins_cases(user_folder.path / "junit.xml")
    assert (other.package, other.class_name) == ("nrf5340dk_sim.hil", "test_deep")


def test_what_holds_for_the_session(reports: Reports) -> None:
    suite = {
        one.get("name"): one.get("value") for one in reports.suite.findall("properties/property")
    }
    environment = dict(
        line.split("=", 1)
        for line in (reports.folder / "allure/environment.properties").read_text().splitlines()
    )
    for told in (suite, environment, reports.json["nrf_fota"]):
        assert told["board"] == "nrf5340dk_sim" and told["pytest-nrf-fota"]
    assert environment["kits"].startswith("nrf5340dk_sim-")
    assert "Virtual nRF5340 DK" in unescape(reports.html)


def test_ci_job_is_linked(reports: Reports) -> None:
    (result,) = reports.results("test_not_newer")
    url = "https://gitlab.example/j/7"
    assert {"type": "link", "url": url, "name": "kits #42"} in result["links"]
    executor = json.loads((reports.folder / "allure/executor.json").read_text())
    assert (executor["type"], executor["buildUrl"], executor["buildOrder"]) == ("gitlab", url, "42")


def test_each_category_has_its_rule(reports: Reports) -> None:
    """Of Allure 2 and of Allure 3, whose messages and labels they have to match."""
    for_2 = json.loads((reports.folder / "allure/categories.json").read_text())
    for_3 = json.loads((reports.folder / "allure/allurerc.json").read_text())["categories"]["rules"]
    for name, title in (("test_not_newer", "Update not newer"), ("test_lost_kit", "Test setup")):
        (result,) = reports.results(name)
        message = result["statusDetails"]["message"]
        assert [one["name"] for one in for_2 if re.fullmatch(one["messageRegex"], message)] == [
            title
        ]
        category = _labels(result)["category"]
        matching = [
            rule["name"]
            for rule in for_3
            if re.search(rule["matchers"][0]["labels"]["category"], category)
        ]
        assert matching == [title]


def test_repetitions_are_tries_of_one_test(user_folder: pytest.Pytester) -> None:
    """`--count` of pytest-repeat: one test, one history, each with its own number."""
    user_folder.makepyfile(test_mine="def test_it(dut):\n    pass\n")
    user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "--count=2", "--alluredir=allure", "--run-dir=runs")
    ).assert_outcomes(passed=2)
    told = [
        json.loads(path.read_text()) for path in (user_folder.path / "allure").glob("*-result.json")
    ]
    first, second = sorted(told, key=lambda one: one["start"])
    assert first["historyId"] == second["historyId"]
    assert first["name"] == second["name"] == "test_it"
    assert [one["value"] for one in second["parameters"] if one["name"] == "try"] == ["2"]
    assert "try 1: passed" in second["description"]
    assert not second.get("statusDetails", {}).get("flaky")
