"""What an earlier test left in the external flash is erased, and never under an upload."""

import pytest

from pytest_nrf_fota import BoardError, Dut, FirmwareSource, Upgrade, assert_upgraded

pytestmark = pytest.mark.needs("external_flash", "image_group")

ERASED = b"\xff"


@pytest.mark.needs("flash_shell")
def test_clean_up_by_shell(dut: Dut, firmware: FirmwareSource) -> None:
    """The shell erases the whole external flash; the application runs on meanwhile.

    Evidence: the memory itself, read over SWD before and after, and no boot in between.
    """
    upgrade = _with_dirty_flash(dut, firmware)
    since = dut.position("clean-up")
    dut.erase_external_flash()
    _assert_erased(dut, upgrade)
    assert dut.boots_since(since) == ()


@pytest.mark.needs("probe_erase")
def test_clean_up_by_probe(dut: Dut, firmware: FirmwareSource) -> None:
    """The probe erases it too, for applications without a shell; the board boots after a reset.

    Evidence: the memory itself, and MCUboot that sees nothing pending.
    """
    upgrade = _with_dirty_flash(dut, firmware)
    dut.erase_external_flash_by_probe()
    _assert_erased(dut, upgrade)
    since = dut.position("boot with an erased external flash")
    dut.reset()
    (boot,) = dut.boots_since(since)
    assert boot.reached_app
    assert not boot.wanted_swap


@pytest.mark.needs("flash_shell", "set_pending")
def test_clean_up_refused_while_upload_runs(dut: Dut, firmware: FirmwareSource) -> None:
    """Erasing under an upload is refused with that reason, and the upload is none the worse.

    Evidence: the harness's error, and the upgrade that follows is proven.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    refusals: list[str] = []

    def erase(done_bytes: int) -> None:
        if done_bytes < len(upgrade.file.data) and not refusals:
            try:
                dut.erase_external_flash()
            except BoardError as refused:
                refusals.append(refused.what)

    upgrade.upload(on_progress=erase)
    assert ["while an upload writes to it" in refusal for refusal in refusals] == [True]
    upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())
    dut.erase_external_flash()


def _with_dirty_flash(dut: Dut, firmware: FirmwareSource) -> Upgrade:
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    is_uploaded = upgrade.file.data in _secondary(dut, upgrade)
    assert is_uploaded, "the file does not lie in the secondary slot"
    return upgrade


def _assert_erased(dut: Dut, upgrade: Upgrade) -> None:
    held = _secondary(dut, upgrade)
    # Where CI is set, pytest shows all differences of two values, for minutes with a memory.
    is_erased = held == ERASED * len(held)
    assert is_erased, "the secondary slot is not erased"


def _secondary(dut: Dut, upgrade: Upgrade) -> bytes:
    # An upload may begin at the slot's second sector (swap using offset).
    size_bytes = min(len(upgrade.file.data) + 0x2000, dut.board.slots.secondary.size)
    return dut.read_memory(dut.board.slots.secondary.address, size_bytes)
