"""Boards whose MCUboot runs the valid image of the highest version, and takes no pending image.

The update is put into the idle slot by the probe, where an upload is not what a test is about.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota import BoardError, Dut, FirmwareSource, Outcome, Upgrade, assert_upgraded
from pytest_nrf_fota.boards.board import Slot
from pytest_nrf_fota.firmware.damage import change_payload, lose_end_of_payload, lose_magic
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex

pytestmark = pytest.mark.needs("highest_version")


def test_higher_version_in_the_idle_slot_runs(
    dut: Dut, firmware: FirmwareSource, tmp_path: Path
) -> None:
    """It runs after the next reset and every other one: nothing reverts.

    Evidence: the new application on UART, SMP and SWD after each of two resets.
    """
    upgrade = _prepared(dut, firmware)
    _put(dut, dut.board.slots.secondary, upgrade.file.data, tmp_path)
    upgrade.set_pending()
    dut.reset()
    assert_upgraded(upgrade.verdict())
    dut.reset()
    assert_upgraded(upgrade.verdict())


def test_lower_version_in_the_idle_slot_does_not_run(
    dut: Dut, firmware: FirmwareSource, tmp_path: Path
) -> None:
    """The other way round: the update lies in the first slot, the baseline in the second.

    Evidence: MCUboot's `Image version` and what lies in RAM; UART, SMP and SWD.
    """
    upgrade = _prepared(dut, firmware)
    slots = dut.board.slots
    baseline = dut.read_memory(slots.primary.address, slots.primary.size)
    _put(dut, slots.secondary, baseline, tmp_path)
    _put(dut, slots.primary, upgrade.file.data, tmp_path)
    upgrade.set_pending()
    dut.reset()
    assert_upgraded(upgrade.verdict())


@pytest.mark.parametrize("damage", [change_payload, lose_end_of_payload])
def test_damaged_higher_version_is_removed(
    damage: Callable[[bytes], bytes], dut: Dut, firmware: FirmwareSource, tmp_path: Path
) -> None:
    """MCUboot tries it first, refuses it, and falls back to what ran before.

    Evidence: MCUboot's line on it after the reset, the old application on UART, SMP and SWD, and an
    image list without the damaged one.
    """
    upgrade = _prepared(dut, firmware)
    _put(dut, dut.board.slots.secondary, damage(upgrade.file.data), tmp_path)
    upgrade.set_pending()
    dut.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "Image in the secondary slot is not valid!" in verdict.reason
    assert [state.slot for state in dut.mcumgr.get_image_list()] == [0]


def test_idle_slot_without_magic_is_not_considered(
    dut: Dut, firmware: FirmwareSource, tmp_path: Path
) -> None:
    """What does not begin as an image is no image to MCUboot, and so nothing to refuse.

    Evidence: the version that MCUboot prints as taken, and the old application on UART, SMP and
    SWD.
    """
    upgrade = _prepared(dut, firmware)
    _put(dut, dut.board.slots.secondary, lose_magic(upgrade.file.data), tmp_path)
    upgrade.set_pending()
    dut.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "it takes the highest version that is valid" in verdict.reason


def test_set_pending_is_refused(dut: Dut, firmware: FirmwareSource) -> None:
    """Neither test nor confirm means anything to such a bootloader.

    Evidence: the SMP server's refusal of both, with its code.
    """
    upgrade = _prepared(dut, firmware)
    running = upgrade.images_before[0].hash
    with pytest.raises(BoardError, match="ENOTSUP"):
        dut.mcumgr.image_test(running)
    with pytest.raises(BoardError, match="ENOTSUP"):
        dut.mcumgr.image_confirm()


def _prepared(dut: Dut, firmware: FirmwareSource) -> Upgrade:
    dut.prepare(firmware.baseline)
    return dut.start_upgrade(firmware.app_update)


def _put(dut: Dut, slot: Slot, image: bytes, folder: Path) -> None:
    hex_file = folder / "image.hex"
    write_hex(hex_file, [Segment(slot.address, image)])
    dut.program(hex_file)
