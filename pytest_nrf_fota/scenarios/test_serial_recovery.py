"""MCUboot's serial recovery: it takes images itself, also where no application runs any more."""

import pytest

from pytest_nrf_fota import Dut, FirmwareSource, LogPosition

pytestmark = pytest.mark.needs("serial_recovery", "image_group")

# Only the begin of an image: recovery takes 128 bytes at a time, a whole one takes a minute.
BEGIN_BYTES = 1024


def test_recovery_is_entered_and_left(dut: Dut, firmware: FirmwareSource) -> None:
    """A reset over SMP leads into it, another one out of it, and the application runs again.

    Evidence: MCUboot's line, an image list in which nothing is active, the application's boot.
    """
    dut.prepare(firmware.baseline)
    running = dut.start_upgrade(firmware.app_update).images_before
    _enter_recovery(dut)
    (listed,) = dut.mcumgr.get_image_list()
    assert listed.hash == running[0].hash
    assert not listed.active
    since = dut.position("out of recovery")
    dut.mcumgr.reset_device()
    dut.wait_for_boot(since, dut.board.timeouts.boot_s)


def test_recovery_writes_what_it_is_sent(dut: Dut, firmware: FirmwareSource) -> None:
    """It overwrites the image that ran; what was broken off does not boot: MCUboot waits again.

    Evidence: the begin of the image in the primary slot over SWD, and a boot that stays in MCUboot.
    """
    dut.prepare(firmware.baseline)
    update = dut.start_upgrade(firmware.app_update).file
    _enter_recovery(dut)
    begin = update.data[:BEGIN_BYTES]
    dut.mcumgr.image_upload(begin, within_s=60)
    is_written = dut.read_memory(dut.board.slots.primary.address, len(begin)) == begin
    assert is_written, "the primary slot does not begin with what was sent"
    since = dut.position("out of recovery")
    dut.mcumgr.reset_device()
    _wait_for_recovery(dut, since)
    assert not dut.boots_since(since)[-1].reached_app


def _enter_recovery(dut: Dut) -> None:
    since = dut.position("into recovery")
    dut.mcumgr.reset_device(to_bootloader=True)
    _wait_for_recovery(dut, since)
    dut.connect()


def _wait_for_recovery(dut: Dut, since: LogPosition) -> None:
    assert dut.board.boot.recovery_ready is not None
    dut.console.expect(
        dut.board.boot.recovery_ready,
        since=since,
        within_s=dut.board.timeouts.boot_s,
        what="MCUboot's serial recovery",
    )
