"""Allure's pages of a run, as Allure 2 and 3 make them, opened and clicked through."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.plugin.browser import Browser, browser, needed_program, npm_program, served

pytest.importorskip("pytest_rerunfailures")

RUN = '''
import os
import signal

import pytest

from pytest_nrf_fota import Variant, assert_upgraded

tries = []


def test_upgrade(dut, firmware):
    """An upgrade that works."""
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))


@pytest.mark.flaky(reruns=1)
def test_second_try(dut, firmware):
    tries.append(1)
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    if len(tries) > 1:
        upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())


@pytest.mark.parametrize(
    "variant",
    [Variant.MCUBOOT_SAME_VERSION, Variant.APP_UNSIGNED, Variant.APP_FAULTS_IN_BOOT],
    ids=lambda one: one.value,
)
def test_bad(dut, firmware, variant):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.variant(variant)))


def test_lost_kit(dut, firmware, unit):
    dut.prepare(firmware.baseline)
    os.kill(unit.pid, signal.SIGKILL)
    dut.reset()


def test_not_asked(dut):
    dut.prepare_everything()
'''
CATEGORIES = (
    *("Test setup", "Update not newer", "Refused by a bootloader", "Firmware crashed"),
    "Harness or test",
)
FAILED = (
    "cause: nsib_version_not_raised",
    "what to do: Raise `CONFIG_FW_INFO_FIRMWARE_VERSION`",
    "prepare the board: merged.hex",
    "upgrade: mcuboot_same_version.zip",
    "dut: close UART, SMP and SWD",
    "unit: give the kit back",
)
PASSED = (
    "MCUboot 14 in S0 -> 15 in S1: UPGRADED",
    "S1: version 15, S0: version 14; NSIB starts S1",
    "upload throughput:",
    "unit: take a kit",
)


@pytest.fixture
def results(user_folder: pytest.Pytester) -> Path:
    """Results of a run with failures of several kinds."""
    user_folder.makepyfile(test_mine=RUN)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--alluredir=results")
    result.assert_outcomes(passed=2, failed=4, errors=1)
    return user_folder.path / "results"


def _generate(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        # Else Allure 2's pages want to load Google's tag manager; Allure 3.18's do in any case.
        env={**os.environ, "ALLURE_NO_ANALYTICS": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long_proof
def test_pages_of_allure_3(results: Path, tmp_path: Path) -> None:
    """Overview, a failed test, a passed one, one that was run again, and kinds of failures."""
    program = npm_program(".bin/allure")
    config = str(results / "allurerc.json")
    _generate(program, "generate", "-c", config, "-o", "page", str(results), cwd=tmp_path)
    with browser(tmp_path / "pictures") as page, served(tmp_path / "page") as url:
        page.open(url)
        page.see("nRF FOTA", "nrf5340dk_sim", "Virtual nRF5340 DK", "test_upgrade")
        page.picture("allure-3-overview")
        page.click("test_bad[mcuboot_same_version]")
        page.see("Category: Update not newer", *FAILED)
        page.picture("allure-3-failed")
        assert "<lambda>" not in page.text()
        _open_afresh(page, url, "test_upgrade")
        page.see(*PASSED)
        page.picture("allure-3-passed")
        _open_afresh(page, url, "test_second_try")
        page.see("Flaky", "It was run before:", "try 1: Not proven [", "the image was never set")
        page.picture("allure-3-second-try")
        _open_afresh(page, url, "Categories")
        page.see(*CATEGORIES)
        page.click("Update not newer")
        page.see("nsib_version_not_raised")
        page.picture("allure-3-categories")


@pytest.mark.long_proof
def test_pages_of_allure_2(results: Path, tmp_path: Path) -> None:
    """The same, as far as Allure 2 has it."""
    program = npm_program("allure-commandline/bin/allure")
    needed_program("java")
    _generate(program, "generate", str(results), "-o", "page", cwd=tmp_path)
    with browser(tmp_path / "pictures") as page, served(tmp_path / "page") as url:
        page.open(url)
        page.see("nrf5340dk_sim", "Virtual nRF5340 DK", *CATEGORIES)
        page.picture("allure-2-overview")
        for test, texts in (
            ("test_bad[mcuboot_same_version]", FAILED),
            ("test_upgrade", PASSED),
            ("test_second_try", ("It was run before:", "try 1: Not proven [")),
        ):
            _open_afresh(page, url, "Suites", "test_mine", test, "Set up", "Tear down")
            page.see(*texts)
            page.picture(f"allure-2-{test.partition('[')[0]}")
        assert not [line for line in page.console() if "google" in line]


def _open_afresh(page: Browser, url: str, *places: str) -> None:
    page.open(url)
    for place in places:
        page.click(place)


@pytest.mark.long_proof
def test_history_goes_on_from_kit_to_kit(user_folder: pytest.Pytester) -> None:
    """A kit is no part of a test's identity, a board type is."""
    user_folder.makepyfile(test_mine="def test_it(dut):\n    pass\n")
    ids = []
    for number, (board, options) in enumerate(
        (
            ("nrf5340dk_sim", ()),
            # The kit has the worker's name.
            ("nrf5340dk_sim", ("-n", "1")),
            ("nrf52840dk_sim", ()),
        )
    ):
        folder = f"results{number}"
        user_folder.runpytest_subprocess("--board", board, f"--alluredir={folder}", *options)
        (path,) = (user_folder.path / folder).glob("*-result.json")
        told = json.loads(path.read_text())
        kits = [one["value"] for one in told["labels"] if one["name"] == "kit"]
        ids.append((*kits, told["historyId"]))
    (main, first), (worker, second), (_, other) = ids
    assert main != worker and first == second != other
