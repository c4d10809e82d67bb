"""Pages of real runs on the virtual kit, and a browser to look at them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.timeline.browser import Browser, open_browser

RUNS = """
import pytest
from pytest_nrf_fota import Variant, assert_upgraded

def test_upgraded(dut, firmware):
    dut.prepare(firmware.baseline)
    assert dut.upgrade(firmware.mcuboot_update)

def test_refused(dut, firmware):
    dut.prepare(firmware.baseline)
    assert dut.upgrade(firmware.variant(Variant.MCUBOOT_TAMPERED))

def test_reverted(dut, firmware):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    upgrade.reset()
    dut.reset()
    assert_upgraded(upgrade.verdict())

def test_cut(dut, firmware, faults):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    faults.reset_at_upload_byte(len(upgrade.file.data) // 2)
    upgrade.upload()

def test_crash(dut, firmware):
    dut.prepare(firmware.baseline)
    assert dut.upgrade(firmware.variant(Variant.APP_FAULTS_IN_BOOT))
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="session")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page for each way in which an upgrade may end, by the name of its test."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "test_runs.py").write_text(RUNS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "--board=nrf5340dk_sim", "--timeline=all"]
    run = folder / "run"
    ran = subprocess.run(
        [*command, f"--run-dir={run}", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout
    found = {page.parent.name.rpartition("--test_")[2]: page for page in run.rglob("timeline.html")}
    assert sorted(found) == ["crash", "cut", "refused", "reverted", "upgraded"], ran.stdout
    return found
