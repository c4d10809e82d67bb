"""MCUboot itself is replaced over the air, on boards where NSIB chooses between S0 and S1."""

import pytest

from pytest_nrf_fota.dut import Dut
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.firmware.source import FirmwareSource
from pytest_nrf_fota.verdict.evidence import Outcome, UpgradeNotProvenError, assert_upgraded

pytestmark = pytest.mark.needs("nsib")


def test_mcuboot_upgrade(dut: Dut, firmware: FirmwareSource) -> None:
    """The new MCUboot runs after two resets: NSIB's and MCUboot's own lines, fw_info in flash."""
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))


def test_mcuboot_upgrade_there_and_back(dut: Dut, firmware: FirmwareSource) -> None:
    """From S1 the next update goes to S0 again; the same version does not replace it."""
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    assert upgrade.file.s_slot == 0


def test_mcuboot_upgrade_with_same_fw_info_version_keeps_the_old_one(
    dut: Dut, firmware: FirmwareSource
) -> None:
    """A MCUboot whose FW_INFO version was not raised is copied, and NSIB goes on with the old."""
    dut.prepare(firmware.baseline)
    verdict = dut.upgrade(firmware.mcuboot_same_version)
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "NSIB kept slot 0" in verdict.reason
    with pytest.raises(UpgradeNotProvenError, match="CONFIG_FW_INFO_FIRMWARE_VERSION"):
        assert_upgraded(verdict)


def test_mcuboot_upgrade_with_both_files_sent_marks_nothing(
    dut: Dut, firmware: FirmwareSource
) -> None:
    """The second file overwrites the first, whose hash is then unknown: the thread's failure."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    (file_for_running_slot,) = upgrade.other_files
    upgrade.upload(file_for_running_slot)
    upgrade.upload()
    with pytest.raises(BoardError, match=r"EINVAL|HASH_NOT_FOUND"):
        upgrade.mark(file_for_running_slot)
    dut.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "nothing was pending at the reset" in verdict.reason


def test_mcuboot_upgrade_without_reset_is_not_proven(dut: Dut, firmware: FirmwareSource) -> None:
    """An image that is marked and never booted is no upgrade."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    upgrade.upload()
    upgrade.mark()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "was not reset since" in verdict.reason


@pytest.mark.needs("second_reset")
def test_mcuboot_upgrade_needs_the_second_reset(dut: Dut, firmware: FirmwareSource) -> None:
    """After the first reset the new MCUboot lies in its slot, and the old one still runs."""
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    upgrade.upload()
    upgrade.mark()
    upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "reset once more" in verdict.reason
    dut.reset()
    assert_upgraded(upgrade.verdict())
