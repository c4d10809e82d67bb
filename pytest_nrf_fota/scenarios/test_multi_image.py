"""The network core is replaced over the air, alone or together with the application."""

import re

import pytest

from pytest_nrf_fota import Dut, FirmwareSource, Outcome, Says, Variant, assert_upgraded

pytestmark = pytest.mark.needs("netcore_slots", "set_pending")

FAILED = "Network core update failed"
PENDING_IN_SILENCE = "MCUboot prints nothing, and image 1 is still pending"


def test_multi_image(dut: Dut, firmware: FirmwareSource) -> None:
    """One package replaces both cores' firmware by one reset, the network core pending first.

    Evidence: both UARTs, where MCUboot prints anything; the image list, the primary slot and the
    network core's flash over SWD.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.variant(Variant.APP_AND_NETWORK))
    assert [file.image_index for file in upgrade.files] == [1, 0]
    upgrade.upload()
    upgrade.set_pending()
    boot = upgrade.reset()
    assert_upgraded(upgrade.verdict())
    assert not boot.mcuboot_speaks or sorted(boot.overwritten) == [0, 1]


def test_netcore_only(dut: Dut, firmware: FirmwareSource) -> None:
    """The network core's firmware is replaced, and the application goes on as it is.

    Evidence: the network core's own UART and its flash; the image list before and after.
    """
    dut.prepare(firmware.baseline)
    dut.connect()
    (app_before,) = dut.mcumgr.get_image_list()
    verdict = dut.upgrade(firmware.variant(Variant.NETWORK_ONLY))
    assert_upgraded(verdict)
    assert {item.about for item in verdict.evidence} == {"network core"}
    dut.connect()
    assert dut.mcumgr.get_image_list() == (app_before,)


def test_netcore_failure_reported(dut: Dut, firmware: FirmwareSource) -> None:
    """An image that b0n refuses stays out, whatever becomes of the application beside it.

    Evidence: MCUboot's and b0n's own words, or, where they print nothing, that the image is still
    pending; the old firmware in the network core's flash.
    """
    dut.prepare(firmware.baseline)
    verdict = dut.upgrade(firmware.variant(Variant.APP_AND_BAD_NETWORK))
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert re.search(f"{FAILED}|{PENDING_IN_SILENCE}", verdict.reason), str(verdict)
    said = {item.says for item in verdict.evidence if item.about == "network core"}
    # No application answers over SMP where MCUboot gives up, as some releases do.
    assert said - {Says.UNKNOWN} == {Says.OLD}, str(verdict)
    if dut.network_console is not None:
        printed = dut.network_console.text_since(dut.network_opened_at).splitlines()
        lines = [line for line in printed if line.strip() and not line.startswith("***")]
        assert not lines or any("Unable to find valid firmware inside" in line for line in lines)


def test_netcore_uploaded_and_not_pending_stays_old(dut: Dut, firmware: FirmwareSource) -> None:
    """An image for the network core that nobody set pending is not taken at a reset.

    Evidence: both images in the list after the upload; after the reset MCUboot saw one of them
    pending, and the network core's flash holds the old firmware.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.variant(Variant.APP_AND_NETWORK))
    upgrade.upload()
    uploaded = [state.hash for state in dut.mcumgr.get_image_list() if state.slot == 1]
    assert sorted(uploaded) == sorted(file.image.hash or b"" for file in upgrade.files)
    upgrade.set_pending(upgrade.file)
    upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "it saw no pending image 1" in verdict.reason
