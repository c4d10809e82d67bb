"""A test that runs more than once: each execution has its own folder, recorder and verdict."""

import json
import xml.etree.ElementTree as ET

import pytest

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
ONCE = """
from pytest_nrf_fota import assert_upgraded


def test_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
"""


def test_each_try_of_a_rerun_has_its_own_proof(user_folder: pytest.Pytester) -> None:
    """The first is refused, the second is proven, and neither shows the other's words."""
    user_folder.makepyfile(test_mine=FLAKY)
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "--reruns=1", "--run-dir=runs"),
        *("--junitxml=junit.xml", "--alluredir=allure"),
    )
    result.stdout.fnmatch_lines(
        [
            "RERUN *test_flaky",
            "    not upgraded: the image was never set pending*",
            "    application *: NOT UPGRADED",
            "PASSED *test_flaky",
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
    cases = list(ET.parse(user_folder.path / "junit.xml").iter("testcase"))
    told = [
        [one.get("value") for one in case.iter("property") if one.get("name") == name]
        for case in cases
        for name in ("nrf_fota_outcome",)
    ]
    assert told == [["not upgraded"], ["upgraded"]]
    found = [
        json.loads(path.read_text()) for path in (user_folder.path / "allure").glob("*-result.json")
    ]
    assert sorted(one["status"] for one in found) == ["failed", "passed"]
    for one in found:
        names = [attached["name"] for attached in one["attachments"]]
        assert names.count("verdict") == 1


@pytest.mark.long_proof
def test_each_repetition_has_its_own_proof(user_folder: pytest.Pytester) -> None:
    """`--count` of pytest-repeat."""
    user_folder.makepyfile(test_mine=ONCE)
    result = user_folder.runpytest_subprocess(
        "--board", "nrf5340dk_sim", "--count=2", "--run-dir=runs"
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "PASSED *test_upgrade[[]1-2]",
            "    *: UPGRADED",
            "PASSED *test_upgrade[[]2-2]",
            "    *: UPGRADED",
        ]
    )
    assert len(list((user_folder.path / "runs").glob("test_mine*/recorder.jsonl"))) == 2


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
