"""The application is replaced over the air; runs on any board, whatever its wires are made of."""

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut import Dut
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.firmware.source import FirmwareSource
from pytest_nrf_fota.verdict.evidence import Outcome, assert_upgraded

pytestmark = pytest.mark.needs("image_group")


def test_app_upgrade(dut: Dut, firmware: FirmwareSource) -> None:
    """The new application runs after the swap, and still runs after another reset."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.mark()
    upgrade.reset()
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    upgrade.confirm_if_proven(verdict)
    dut.reset()
    assert_upgraded(upgrade.verdict())


@pytest.mark.needs("revert")
def test_app_upgrade_reverts_when_not_confirmed(dut: Dut, firmware: FirmwareSource) -> None:
    """Without a confirmation the next reset brings the old application back."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.mark()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())
    dut.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "reverted to the old application" in verdict.reason


def test_app_upgrade_with_truncated_payload_is_refused(dut: Dut, firmware: FirmwareSource) -> None:
    """MCUboot refuses an image that lost its end, and the old application goes on."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_truncated)
    upgrade.upload()
    upgrade.mark()
    upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "Image in the secondary slot is not valid!" in verdict.reason


@pytest.mark.needs("image_marking")
def test_app_upgrade_with_truncated_file_cannot_be_marked(
    dut: Dut, firmware: FirmwareSource
) -> None:
    """A file that ends in the middle of its payload is no image: the board cannot mark it."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    half = upgrade.file.data[: len(upgrade.file.data) // 2]
    dut.mcumgr.image_upload(half, deadline=Deadline.after(60))
    with pytest.raises(BoardError, match="refused to test image"):
        upgrade.mark()
    dut.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "the image was not marked" in verdict.reason


def test_app_upgrade_without_reset_is_not_proven(dut: Dut, firmware: FirmwareSource) -> None:
    """An image that is marked and never booted is no upgrade."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.mark()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "was not reset since" in verdict.reason
