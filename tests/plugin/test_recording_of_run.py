"""A run's folder becomes a recording that can be replayed, also where the run was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.recordings.read import RecordedPart, read_packed
from tests.recordings.replay import replay

pytestmark = pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only")
_TESTS = """
import os, signal
from pytest_nrf_fota import assert_upgraded

def test_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))

def test_killed(dut, firmware):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    def kill(done_bytes):
        if done_bytes > 20000:
            os.kill(os.getpid(), signal.SIGKILL)
    upgrade.upload(on_progress=kill)
"""


def test_both_are_replayed(tmp_path: Path) -> None:
    """The first with its verdict, the second up to where it was killed."""
    (tmp_path / "test_it.py").write_text(_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--board=nrf5340dk_sim", "--run-dir=run", "test_it.py"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        timeout=240,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    zip_file = tmp_path / "out.zip"
    answered = CliRunner().invoke(app, ["recording", str(tmp_path / "run"), f"--output={zip_file}"])
    assert answered.exit_code == 0, answered.output
    recording = read_packed(zip_file)
    by_title = {part.title.partition("::")[2]: part for part in recording.parts}

    def again(part: RecordedPart) -> None:
        assert replay(recording, part, tmp_path / part.title.partition("::")[2]) == part.expected

    upgraded, killed = by_title["test_upgrade"], by_title["test_killed"]
    assert [verdict.partition(":")[0] for verdict in upgraded.expected.verdicts] == ["upgraded"]
    assert killed.expected.boots and not killed.expected.verdicts
    again(upgraded)
    again(killed)
