"""Tests that cut a board's power, as users write them."""

import pytest

FORGETS_THE_POWER = """
def test_reset(dut, firmware, faults):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    faults.cut_power_at_operation(20)
    upgrade.reset()

def test_upload(dut, firmware, faults):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    faults.cut_power_at_operation(20)
    upgrade.upload()

def test_after_them(dut, firmware):
    dut.prepare(firmware.baseline)
    assert dut.upgrade(firmware.app_update)
"""


@pytest.mark.long_proof
def test_power_that_a_test_forgets_is_named(user_folder: pytest.Pytester) -> None:
    """Instead of a time-out, whatever was under way; the next test has power."""
    user_folder.makepyfile(test_mine=FORGETS_THE_POWER)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(passed=1, failed=2)
    cut, remedy = "E *The board has no power: `faults` cut it.", "E *faults.restore_power()*"
    result.stdout.fnmatch_lines([cut, remedy, cut, remedy])
