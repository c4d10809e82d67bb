"""A test that passed has proven something, or says that it has not."""

import pytest

TESTS = """
import pytest


@pytest.fixture
def prepared(dut, firmware):
    dut.prepare(firmware.baseline)
    return dut


def test_power_cut_that_never_comes(prepared, firmware, faults):
    faults.cut_power_at_operation(10_000_000)
    assert prepared.upgrade(firmware.app_update)


def test_line_that_never_comes(prepared, faults):
    faults.noise_at_log_line("never printed", b"x")
    faults.lose_connection_at_upload_byte(5)


def test_fault_that_may_stay_away(prepared, faults):
    faults.reset_at_upload_byte(5)
    faults.end()


def test_failure_that_keeps_the_fault_away(prepared, faults):
    faults.reset_at_upload_byte(5)
    assert False, "a failure of its own"


def test_verdict_that_nobody_looks_at(prepared, firmware):
    prepared.upgrade(firmware.app_update)


def test_verdict_of_single_steps_that_nobody_looks_at(prepared, firmware):
    upgrade = prepared.start_upgrade(firmware.app_update)
    upgrade.upload()
    prepared.reset()
    upgrade.verdict()


def test_verdict_whose_reason_is_looked_at(prepared, firmware):
    upgrade = prepared.start_upgrade(firmware.app_update)
    upgrade.upload()
    prepared.reset()
    assert "never set pending" in upgrade.verdict().reason
"""


def test_what_proves_nothing_is_no_plain_pass(user_folder: pytest.Pytester) -> None:
    """An ERROR for a fault that never struck, a warning for a verdict that nobody looked at."""
    user_folder.makepyfile(test_mine=TESTS)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--dut-scope=session")
    result.assert_outcomes(passed=4, failed=1, errors=2, warnings=2)
    result.stdout.fnmatch_lines_random(
        [
            "*what it armed never struck: cut_power_at_operation(10000000).",
            "*never struck: noise_at_log_line('never printed', b'x'), "
            "lose_connection_at_upload_byte(5).",
            "*call faults.end() in the test.",
            "*IgnoredVerdictWarning: *test_verdict_that_nobody_looks_at passed without a look at "
            "its verdict, <UPGRADED: *assert_upgraded(dut.upgrade(...))*",
            "*test_verdict_of_single_steps_that_nobody_looks_at passed without*<NOT UPGRADED: *",
        ]
    )
    result.stdout.no_fnmatch_line("*Test setup problem*")


FORGETS_TO_SET_PENDING = """
def test_forgets(dut, firmware):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    upgrade.upload()
    dut.reset()
    assert upgrade.verdict()
"""


def test_forgotten_set_pending_is_judged_by_the_boot_that_was_seen(
    user_folder: pytest.Pytester,
) -> None:
    """The UART's evidence is that boot, and the reason is what was forgotten."""
    user_folder.makepyfile(test_mine=FORGETS_TO_SET_PENDING)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*why: the image was never set pending*", "*UART: old*NSIB boots slot 0*"]
    )
    result.stdout.no_fnmatch_line("*no boot was seen*")
