"""Files that no board may take over SMP; its application goes on as if nothing had been."""

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut import Dut
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.firmware.damage import grow_beyond, lose_magic
from pytest_nrf_fota.firmware.source import FirmwareSource

pytestmark = pytest.mark.needs("image_group")


def test_image_without_magic_is_refused(dut: Dut, firmware: FirmwareSource) -> None:
    """What does not begin as an MCUboot image is refused with the first chunk."""
    _expect_refusal(dut, firmware, lose_magic(_update(dut, firmware)))


def test_image_larger_than_its_slot_is_refused(dut: Dut, firmware: FirmwareSource) -> None:
    """What no slot can hold is refused: at once, or where the slot ends (NCS 2.3)."""
    slot_size_bytes = dut.board.slots.secondary.size
    _expect_refusal(dut, firmware, grow_beyond(_update(dut, firmware), slot_size_bytes))


def _update(dut: Dut, firmware: FirmwareSource) -> bytes:
    dut.prepare(firmware.baseline)
    return dut.start_upgrade(firmware.app_update).file.data


def _expect_refusal(dut: Dut, firmware: FirmwareSource, image: bytes) -> None:
    (before,) = dut.mcumgr.get_image_list()
    with pytest.raises(BoardError, match="refused to upload"):
        dut.mcumgr.image_upload(image, deadline=Deadline.after(60))
    dut.connect()
    assert dut.mcumgr.get_image_list()[0] == before
    assert dut.reset().reached_app
