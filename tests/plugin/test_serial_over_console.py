"""SMP over a kit's UART, the shell's or one of its own, in place of Bluetooth."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.long_proof

UPGRADE = """
from pytest_nrf_fota.verdict.evidence import assert_upgraded

def test_app_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
    assert "serial SMP on the console" in dut.wires.radio.description
"""
BOARD_FILE = """
name = "wired"
base = "nrf5340dk_sim"

[radio]
kind = "serial_over_console"
"""


def test_application_upgrade_over_the_shells_uart(user_folder: pytest.Pytester) -> None:
    """One UART carries log, shell and SMP; nothing of Bluetooth is used or asked for."""
    Path("boards").mkdir()
    Path("boards/wired.toml").write_text(BOARD_FILE)
    user_folder.makepyfile(test_mine=UPGRADE)
    arguments = ("--board=wired", "--board-dir=boards")
    user_folder.runpytest_subprocess(*arguments).assert_outcomes(passed=1)
    refused = user_folder.runpytest_subprocess(*arguments, "--radio=bleak")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*--radio is for boards on BLE; wired is not*"])


def test_upload_that_a_reset_ends_is_not_begun_anew_in_silence(
    user_folder: pytest.Pytester,
) -> None:
    """The scenarios of it, unchanged: a UART has no connection whose loss would tell."""
    Path("boards").mkdir()
    Path("boards/wired.toml").write_text(BOARD_FILE)
    scenarios = Path(__file__).parents[1] / "hil" / "test_robustness.py"
    result = user_folder.runpytest_subprocess(
        *("--board=wired", "--board-dir=boards", str(scenarios), "-k", "reset_during_upload")
    )
    result.assert_outcomes(passed=2)


OWN_PORT = """
name = "wired"
base = "nrf5340dk_sim"

[radio]
kind = "serial"
vcom = 2
"""


def test_application_upgrade_over_a_uart_of_its_own(user_folder: pytest.Pytester) -> None:
    """The console shows no byte of it, and the scenarios run unchanged."""
    Path("boards").mkdir()
    Path("boards/wired.toml").write_text(OWN_PORT)
    user_folder.makepyfile(test_mine=UPGRADE.replace("on the console", "on a port of its own"))
    arguments = ("--board=wired", "--board-dir=boards")
    result = user_folder.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1)
    logs = list(Path().glob("nrf_fota_runs/*/**/uart.log"))
    assert logs and not any(b"\x06\x09" in log.read_bytes() for log in logs)
    smp_logs = list(Path().glob("nrf_fota_runs/*/**/uart_smp.log"))
    assert any(b"\x06\x09" in log.read_bytes() for log in smp_logs)
    scenarios = Path(__file__).parents[1] / "hil" / "test_app_upgrade.py"
    chosen = "confirm or revert or bad_signature or half_a_file"
    result = user_folder.runpytest_subprocess(*arguments, str(scenarios), "-k", chosen)
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) >= 4
    assert not {"failed", "errors"} & set(outcomes)
