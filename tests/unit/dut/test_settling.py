"""A new firmware that does not stay up is not proven, whatever it printed first."""

from pathlib import Path

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from tests.unit.dut.opened_dut import opened_dut


def _verdict_on(app: AppDescription, folder: Path, *, permanent: bool, settle_s: float) -> Verdict:
    board = load_board("nrf5340dk_sim")
    boot = board.boot.model_copy(update={"settle_s": settle_s})
    board = board.model_copy(update={"boot": boot})
    good = DemoSource(board, folder / "good")
    other = DemoSource(board, folder / "other", app)
    with opened_dut(board, folder) as dut:
        dut.prepare(good.baseline)
        upgrade = dut.start_upgrade(other.app_update)
        upgrade.upload()
        upgrade.set_pending(permanent=permanent)
        upgrade.reset()
        return upgrade.verdict()


def test_an_application_that_a_watchdog_resets_for_ever_is_not_proven(tmp_path: Path) -> None:
    """Each time it became ready before: the ready line alone proves nothing that lasts."""
    app = AppDescription(watchdog_reset_after_s=0.5)
    verdict = _verdict_on(app, tmp_path, permanent=True, settle_s=5.0)
    assert verdict.outcome is Outcome.UNPROVEN, str(verdict)
    assert "does not stay up" in verdict.reason


def test_a_test_image_that_a_watchdog_resets_is_reverted(tmp_path: Path) -> None:
    """The interfaces are asked again behind the boot that took it back: none contradicts."""
    app = AppDescription(watchdog_reset_after_s=0.5)
    verdict = _verdict_on(app, tmp_path, permanent=False, settle_s=5.0)
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "reverted to the old application" in verdict.reason


def test_one_that_stays_up_says_how_long_it_was_watched(tmp_path: Path) -> None:
    verdict = _verdict_on(AppDescription(), tmp_path, permanent=True, settle_s=0.1)
    assert verdict.outcome is Outcome.UPGRADED, str(verdict)
    (note,) = verdict.notes
    assert note.endswith("it did not boot again")
