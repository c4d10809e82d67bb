"""A test that passed has proven something, or says that it has not."""

import json
import re

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board

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
    """An ERROR for a fault that never struck, a failure for a no that nobody looked at.

    A verdict that is UPGRADED and that nobody looked at is a warning.
    """
    user_folder.makepyfile(test_mine=TESTS)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--dut-scope=session")
    result.assert_outcomes(passed=3, failed=2, errors=2, warnings=1)
    result.stdout.fnmatch_lines_random(
        [
            "*what it armed never struck: cut_power_at_operation(10000000) (* flash operations "
            "since).",
            "*never struck: noise_at_log_line('never printed', b'x') (* log lines since, none of "
            "them fits), lose_connection_at_upload_byte(5) (no byte was written).",
            "*call faults.end() in the test.",
            "*IgnoredVerdictWarning: *test_verdict_that_nobody_looks_at passed without a look at "
            "its verdict, <UPGRADED: *assert_upgraded(dut.upgrade(...))*",
            "*The test never looked at its verdict, <NOT UPGRADED: *",
            "FAILED *test_verdict_of_single_steps_that_nobody_looks_at*",
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


FAR_UPLOAD = """
def test_far(dut, firmware, faults):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    faults.lose_connection_at_upload_byte(dut.board.slots.secondary.size - 1)
    upgrade.upload()


def test_erase(dut, firmware, faults):
    faults.noise_at_log_line("Jumping to nowhere", b"x")
    dut.prepare(firmware.baseline)
"""


def test_a_fault_that_never_struck_names_how_far_it_got(user_folder: pytest.Pytester) -> None:
    """An upload that ends before its byte, and lines that do not fit."""
    user_folder.makepyfile(test_mine=FAR_UPLOAD)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = "\n".join(result.outlines)
    written = re.search(r"lose_connection_at_upload_byte\(\d+\) \((\d+) bytes were written", lines)
    assert written is not None
    assert int(written[1]) > 0x18000
    assert re.search(r"\([1-9]\d+ log lines since, none of them fits\)", lines)


ON_ITS_WAY = """
import pytest

from pytest_nrf_fota import BoardError, Outcome, assert_upgraded


def send(dut, firmware):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    return upgrade


def test_pending(dut, firmware):
    send(dut, firmware)
    for package in (firmware.app_update, firmware.mcuboot_update):
        with pytest.raises(BoardError, match="is pending already") as caught:
            dut.start_upgrade(package)
        assert "dut.reset()" in caught.value.next_step


def test_on_trial(dut, firmware):
    upgrade = send(dut, firmware)
    upgrade.reset()
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    assert "not confirmed" in " ".join(verdict.notes)
    with pytest.raises(BoardError, match="test image that a reset would revert") as caught:
        dut.upgrade(firmware.mcuboot_update)
    assert "image_confirm" in caught.value.next_step
    assert upgrade.confirm_if_proven(verdict)
    verdict = upgrade.verdict()
    assert "not confirmed" not in " ".join(verdict.notes)
    # Nothing is in the way any more.
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))


def test_another_image_is_not_confirmed(dut, firmware):
    upgrade = send(dut, firmware)
    upgrade.reset()
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    dut.reset()
    with pytest.raises(BoardError, match="Another image runs than was judged"):
        upgrade.confirm_if_proven(verdict)


def test_lost_answer_to_the_reset(dut, firmware, faults, monkeypatch):
    upgrade = send(dut, firmware)
    ask = dut.mcumgr.reset_device

    def ask_of_a_board_that_is_gone():
        dut.probe.reset(dut.board.probe.reset, dut._probe_deadline())
        ask()

    monkeypatch.setattr(dut.mcumgr, "reset_device", ask_of_a_board_that_is_gone)
    upgrade.reset()
    assert_upgraded(upgrade.verdict())


def test_lost_identity_line(dut, firmware, monkeypatch):
    from pytest_nrf_fota import Source, Says
    upgrade = send(dut, firmware)
    upgrade.reset()
    last = dut.last_boot
    from dataclasses import replace
    def without_identity():
        boot = last()
        return replace(boot, app=replace(boot.app, identity_address=None))
    monkeypatch.setattr(dut, "last_boot", without_identity)
    dut._built_name = None
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    assert {i.says for i in verdict.evidence if i.source is Source.SMP} == {Says.NEW}


def test_refused_mark_is_no_upgrade_by_another_swap(dut, firmware):
    dut.prepare(firmware.baseline)
    from pytest_nrf_fota import Variant
    upgrade = dut.start_upgrade(firmware.app_update)
    other = dut.start_upgrade(firmware.variant(Variant.APP_OLDER))
    upgrade.upload()
    other.upload()
    with pytest.raises(BoardError, match="refused to test image"):
        upgrade.set_pending()
    other.set_pending()
    dut.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert not upgrade.confirm_if_proven(verdict)
    assert_upgraded(other.verdict())


def test_marked_twice(dut, firmware):
    upgrade = send(dut, firmware)
    try:
        upgrade.set_pending()
    except BoardError:
        pass
    upgrade.reset()
    assert_upgraded(upgrade.verdict())
"""


@pytest.mark.long_proof
def test_what_is_on_its_way_is_seen_before_and_behind_an_upgrade(
    user_folder: pytest.Pytester,
) -> None:
    """Pending and trial images, lost answers and lines, refused marks: each by a user's test."""
    user_folder.makepyfile(test_mine=ON_ITS_WAY)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "-rA")
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*note: it is not confirmed, so the next reset*"])
    result.stdout.fnmatch_lines(["*note: watched for * s after its ready line: it did not boot*"])


TROUBLE = """
import pytest

from pytest_nrf_fota import Variant, assert_upgraded


@pytest.mark.parametrize("variant", ["app_hangs_in_boot", "app_needs_pairing"])
def test_trouble(dut, firmware, variant):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.variant(Variant(variant))))


def test_steps(dut, firmware):
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.variant(Variant.APP_FAULTS_IN_BOOT))
    upgrade.upload()
    upgrade.set_pending(permanent=True)
    upgrade.reset()
"""


@pytest.mark.long_proof
def test_a_new_image_in_trouble_is_the_first_thing_said(user_folder: pytest.Pytester) -> None:
    """It hangs, asks for pairing, or crashes: in the summary, in JUnit and in Allure."""
    user_folder.makepyfile(test_mine=TROUBLE)
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "--junitxml=junit.xml", "--alluredir=allure")
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*nRF FOTA: results*",
            "FAILED *test_trouble[[]app_hangs_in_boot]",
            "    unproven: the application started and never became ready; its last line was *",
            "FAILED *test_trouble[[]app_needs_pairing]",
            "    *pairing*",
            "*note: it could not be confirmed: *pairing*",
            "FAILED *test_steps",
            "    The application crashes in each boot, 3 times so far: *FATAL ERROR*",
            "*why: the application crashes in each boot, *MPU FAULT*",
        ]
    )
    junit = (user_folder.path / "junit.xml").read_text()
    assert "started and never became ready" in junit
    found = [
        json.loads(path.read_text()) for path in (user_folder.path / "allure").glob("*-result.json")
    ]
    messages = {one["name"]: (one["status"], one["statusDetails"]["message"]) for one in found}
    status, message = messages["test_trouble[app_hangs_in_boot]"]
    assert status == "failed"
    assert "never became ready" in message
    assert "pairing" in messages["test_trouble[app_needs_pairing]"][1]
    assert "crashes in each boot" in messages["test_steps"][1]


@pytest.mark.long_proof
def test_a_run_without_any_firmware_is_not_green(user_folder: pytest.Pytester) -> None:
    """No update and no keys: all is skipped, and the exit code says so."""
    user_folder.makepyfile(
        test_mine="""
def test_update(dut, firmware):
    dut.upgrade(firmware.app_update)


def test_nothing_of_a_board():
    pass
"""
    )
    hex_file = DemoSource(load_board("nrf5340dk_sim"), user_folder.path).baseline
    given = (f"--baseline={hex_file}", "-p", "no:cacheprovider")
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", *given)
    result.assert_outcomes(skipped=1, passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["Nothing was proven: *"])
    # Near miss: something was tried; and a skip for want of a capability is none of firmware.
    user_folder.makepyfile(
        test_mine="""
import pytest


def test_update(dut, firmware):
    dut.upgrade(firmware.app_update)


def test_baseline(dut, firmware):
    assert dut.prepare(firmware.baseline)
"""
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", *given)
    result.assert_outcomes(skipped=1, passed=1)
    assert result.ret == pytest.ExitCode.OK
    user_folder.makepyfile(
        test_mine="""
import pytest


@pytest.mark.needs("serial_recovery")
def test_other(dut, firmware):
    pass
"""
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", *given)
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.OK
