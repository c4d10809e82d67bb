"""Upgrades that are disturbed: by lost connections, resets, leftovers, noise and bad firmware."""

import re
from pathlib import Path

import pytest

from pytest_nrf_fota import (
    BoardError,
    Dut,
    Faults,
    FirmwareSource,
    NotSeenError,
    Outcome,
    Says,
    Source,
    Upgrade,
    Variant,
    Verdict,
    assert_upgraded,
)
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.scenarios.silence import reverted_or_silent, swapped_or_silent

pytestmark = pytest.mark.needs("image_group", "set_pending")

CONNECTION_BROKE = "The connection broke"
POWER_LOSS_TIMEOUT_S = 30.0
SECTOR_BYTES = 0x1000
TRAILER_BYTES = 2 * SECTOR_BYTES
MAGIC_BYTES = 4
DISTURBED_LINES = ("Starting bootloader", "chainload address", "HCI: version")
NOTHING_TO_BOOT = "Unable to find bootable image"


def test_upload_interrupted_then_resumed(dut: Dut, firmware: FirmwareSource) -> None:
    """An upload whose connection ends half-way goes on where it was, and the image runs.

    Evidence: the offset that the board asks for first, then UART, SMP and SWD.
    """
    upgrade = _start(dut, firmware)
    half_bytes = len(upgrade.file.data) // 2
    upgrade.upload_until(half_bytes)
    _finish_after_resuming(upgrade, half_bytes)


@pytest.mark.needs("ble", "fault_injection")
def test_upload_interrupted_by_lost_link_then_resumed(
    dut: Dut, firmware: FirmwareSource, faults: Faults
) -> None:
    """The same where the BLE link drops in the middle of a flash write.

    Evidence: the harness reports the broken connection; the offset that the board asks for first.
    """
    upgrade = _start(dut, firmware)
    half_bytes = len(upgrade.file.data) // 2
    faults.lose_connection_at_upload_byte(half_bytes)
    with pytest.raises(NotSeenError, match=CONNECTION_BROKE):
        upgrade.upload()
    # The write that was under way may or may not have been counted by the board.
    _finish_after_resuming(upgrade, half_bytes // 2)


@pytest.mark.needs("ble", "fault_injection")
def test_disconnect_at_every_phase(dut: Dut, firmware: FirmwareSource, faults: Faults) -> None:
    """The link drops before, in and after the upload, once the image is pending, after the reset.

    Evidence: each time the harness reports the broken connection; in the end UART, SMP and SWD.
    """
    upgrade = _start(dut, firmware)
    size_bytes = len(upgrade.file.data)
    _disconnect(dut, faults)
    for offset_bytes in (0, size_bytes // 2, size_bytes - 1):
        faults.lose_connection_at_upload_byte(offset_bytes)
        with pytest.raises(NotSeenError, match=CONNECTION_BROKE):
            upgrade.upload()
    upgrade.upload()
    _disconnect(dut, faults)
    upgrade.set_pending()
    _disconnect(dut, faults)
    upgrade.reset()
    _disconnect(dut, faults)
    assert_upgraded(upgrade.verdict())


def test_reset_during_upload(dut: Dut, firmware: FirmwareSource) -> None:
    """A reset half-way leaves the old application running; the upload begins anew and succeeds.

    Evidence: the begin of the image lies in the secondary slot, setting the half image
    pending is refused, the next upload starts at its beginning.
    """
    upgrade = _start(dut, firmware)
    half_bytes = len(upgrade.file.data) // 2
    upgrade.upload_until(half_bytes)
    slot = dut.board.slots.secondary
    # Behind the begin of the slot there may be a sector that the upload leaves free.
    written = dut.read_memory(slot.address, half_bytes + TRAILER_BYTES)
    assert upgrade.file.data[:SECTOR_BYTES] in written
    dut.reset()
    _assert_half_image_is_refused(upgrade)
    _finish_from_the_beginning(upgrade, half_bytes)


@pytest.mark.needs("fault_injection")
def test_reset_during_upload_in_a_flash_write(
    dut: Dut, firmware: FirmwareSource, faults: Faults
) -> None:
    """The same where the reset strikes in the middle of a flash write.

    Evidence: the board boots once more; setting it pending is refused; the next upload starts anew.
    """
    upgrade = _start(dut, firmware)
    half_bytes = len(upgrade.file.data) // 2
    since = dut.position("upload that a reset ends")
    faults.reset_at_upload_byte(half_bytes)
    with pytest.raises(NotSeenError, match=CONNECTION_BROKE):
        upgrade.upload()
    dut.wait_for_boot(since, dut.board.timeouts.boot_s)
    _assert_half_image_is_refused(upgrade)
    _finish_from_the_beginning(upgrade, half_bytes)


@pytest.mark.needs("swap_reset", "revert")
@pytest.mark.parametrize("erase", [1, 2, 20, 45])
def test_reset_during_swap_recovers(
    dut: Dut, firmware: FirmwareSource, faults: Faults, erase: int
) -> None:
    """A swap that a reset interrupts at one of its flash erases is finished by the next boot.

    Evidence: a boot that ends in the bootloader, one that resumes or begins anew; UART, SMP and
    SWD.
    """
    upgrade = _pending(dut, firmware)
    since = dut.position("interrupted swap")
    faults.reset_again_at_erase(erase)
    dut.wait_for_boot(since)
    *interrupted, finished = dut.boots_since(since)
    assert not any(boot.reached_app for boot in interrupted)
    assert swapped_or_silent(finished)
    assert len(interrupted) == 1 or not finished.mcuboot_speaks
    assert_upgraded(upgrade.verdict())


@pytest.mark.needs("fault_injection", "revert")
def test_reset_during_swap_by_power_cut_recovers(
    dut: Dut, firmware: FirmwareSource, faults: Faults, tmp_path: Path
) -> None:
    """A swap whose power fails in the middle of a flash operation is finished by the next boot.

    A sample of its operations. Evidence: the kit loses its power there, a boot that ends in the
    bootloader and one that reaches the application, then the update in the primary slot over SWD.
    """
    swap = _Swap(dut, firmware, faults, tmp_path)
    last = swap.count_operations()
    for operation in (1, 2, 3, last // 3, last // 2, last - 4, last):
        assert swap.cut_and_boot(operation), f"operation {operation}"


@pytest.mark.nightly
@pytest.mark.needs("fault_injection", "revert")
def test_reset_during_swap_recovers_at_every_operation(
    dut: Dut, firmware: FirmwareSource, faults: Faults, tmp_path: Path
) -> None:
    """The same for each single flash operation of the swap.

    Evidence: as for the sample, for each operation. The MCUboot of NCS 2.3 has a moment from which
    it does not come back: the primary slot's first sector erased and not yet written. Only there
    may a boot end with `Unable to find bootable image`, and there it must.
    """
    swap = _Swap(dut, firmware, faults, tmp_path)
    operations = range(1, swap.count_operations() + 1)
    lost = [operation for operation in operations if not swap.cut_and_boot(operation)]
    if dut.board.boot.survives_power_cuts:
        assert lost == []
        return
    assert lost, "a moment is known from which this MCUboot does not come back"
    assert lost == list(range(lost[0], lost[-1] + 1)), "one moment is known, not several"


def test_dirty_external_flash_then_upgrade(
    dut: Dut, firmware: FirmwareSource, tmp_path: Path
) -> None:
    """Garbage in the secondary slot, trailer included, neither boots nor spoils an upgrade.

    Evidence: the garbage is read back, the old application boots over it; then UART, SMP and SWD.
    """
    dut.prepare(firmware.baseline)
    slot = dut.board.slots.secondary
    garbage = bytes(offset * 0x9D % 251 for offset in range(slot.size))
    hex_file = tmp_path / "garbage.hex"
    write_hex(hex_file, [Segment(slot.address, garbage)])
    dut.program(hex_file)
    since = dut.position("boot with garbage in the external flash")
    dut.reset()
    assert [boot.swapped for boot in dut.boots_since(since)] == [False]
    is_dirty = dut.read_memory(slot.address, slot.size // 2) == garbage[: slot.size // 2]
    assert is_dirty, "the garbage does not lie in the secondary slot"
    upgrade = dut.start_upgrade(firmware.app_update)
    assert [state.slot for state in upgrade.images_before] == [0]
    upgrade.upload()
    upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())


@pytest.mark.needs("external_flash", "signature")
def test_stale_pending_slot(dut: Dut, firmware: FirmwareSource) -> None:
    """An update that an earlier test left pending survives a recover, and `prepare` gets rid of it.

    Evidence: MCUboot takes it right after the baseline was flashed; after `prepare` the baseline
    runs and the image list holds nothing else.
    """
    upgrade = _pending(dut, firmware)
    baseline = upgrade.images_before
    dut.flash(firmware.baseline)
    assert swapped_or_silent(dut.reset())
    dut.connect()
    assert dut.mcumgr.get_image_list()[0].hash == upgrade.file.image.hash
    # Now for the harness: once more pending, with the baseline just flashed.
    upgrade = _pending(dut, firmware)
    since = dut.position("prepare with a stale update")
    dut.prepare(firmware.baseline)
    boots = dut.boots_since(since)
    if all(boot.mcuboot_speaks for boot in boots):
        assert [boot.wanted_swap for boot in boots] == [True, False]
    dut.connect()
    assert dut.mcumgr.get_image_list() == baseline


@pytest.mark.needs("external_flash", "flash_shell")
def test_erased_external_flash_boots(dut: Dut, firmware: FirmwareSource) -> None:
    """The board boots its application although the external flash was erased under it.

    Evidence: an image lay there before and nothing does after; MCUboot sees nothing to swap.
    """
    upgrade = _pending(dut, firmware)
    slot = dut.board.slots.secondary
    # An upload may begin at the slot's second sector (swap using offset).
    size_bytes = min(len(upgrade.file.data) + 0x2000, slot.size)
    is_uploaded = upgrade.file.data in dut.read_memory(slot.address, size_bytes)
    assert is_uploaded, "the file does not lie in the secondary slot"
    dut.erase_external_flash()
    is_erased = dut.read_memory(slot.address, size_bytes) == b"\xff" * size_bytes
    assert is_erased, "the secondary slot is not erased"
    boot = dut.reset()
    assert boot.reached_app
    assert not boot.wanted_swap
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert re.search("it saw no pending image|MCUboot prints nothing", verdict.reason)


@pytest.mark.needs("revert", "ble")
def test_app_never_advertises(dut: Dut, firmware: FirmwareSource) -> None:
    """An update that runs without advertising is not proven, and the next reset takes it back.

    Evidence: no ready line although the shell answers; then MCUboot's revert.
    """
    upgrade = _pending(dut, firmware, Variant.APP_NEVER_ADVERTISES)
    with pytest.raises(NotSeenError, match="ready line was not seen"):
        upgrade.reset()
    _assert_not_ready(upgrade.verdict())
    if dut.board.console.has_shell:
        answer = dut.shell.run("kernel version", dut.board.timeouts.smp_s)
        assert any("Zephyr version" in line for line in answer)
    _assert_reverts(dut, upgrade, "never became ready")


@pytest.mark.needs("revert", "shell")
def test_app_hangs_in_boot(dut: Dut, firmware: FirmwareSource) -> None:
    """An update that hangs while it starts is not proven, and the next reset takes it back.

    Evidence: the line it stopped at, a shell that does not answer; then MCUboot's revert.
    """
    upgrade = _pending(dut, firmware, Variant.APP_HANGS_IN_BOOT)
    with pytest.raises(NotSeenError, match="ready line was not seen"):
        upgrade.reset()
    verdict = upgrade.verdict()
    _assert_not_ready(verdict)
    assert "HCI: version" in verdict.reason
    with pytest.raises(NotSeenError):
        dut.shell.run("kernel version", 1)
    _assert_reverts(dut, upgrade, "never became ready")


@pytest.mark.needs("revert")
def test_crash_of_a_test_image_reverts(dut: Dut, firmware: FirmwareSource) -> None:
    """A test image that crashes is reverted by the reset that follows by itself.

    Evidence: the fault in the log, MCUboot's revert, the old application on UART, SMP and SWD.
    """
    upgrade = _pending(dut, firmware, Variant.APP_FAULTS_IN_BOOT)
    upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "reverted to the old application" in verdict.reason
    assert "MPU FAULT" in verdict.reason


@pytest.mark.needs("revert")
def test_crash_loop_reported(dut: Dut, firmware: FirmwareSource) -> None:
    """An application that crashes in each boot is reported as that, long before any time-out.

    Evidence: the fault lines of several boots; the board is usable again after `prepare`.
    """
    upgrade = _start(dut, firmware, Variant.APP_FAULTS_IN_BOOT)
    upgrade.upload()
    upgrade.set_pending(permanent=True)
    with pytest.raises(BoardError, match="crashes in each boot, 3 times"):
        upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.UNPROVEN, str(verdict)
    assert "crashes in each boot" in verdict.reason
    assert "MPU FAULT" in verdict.reason
    assert dut.prepare(firmware.baseline).app_ready


@pytest.mark.needs("ble")
def test_pairing_required(dut: Dut, firmware: FirmwareSource) -> None:
    """An update that asks for pairing runs, and who does not pair is told so at once.

    Evidence: UART and SWD say new; SMP is refused with the reason and the setting that helps. Where
    the board file says how to pair, SMP answers.
    """
    upgrade = _pending(dut, firmware, Variant.APP_NEEDS_PAIRING)
    upgrade.reset()
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    said = {item.source: item.says for item in verdict.evidence}
    if dut.board.radio.pairing == "none":
        assert said[Source.SMP] is Says.UNKNOWN
        with pytest.raises(BoardError, match="pairing"):
            dut.connect()
    else:
        assert said[Source.SMP] is Says.NEW


@pytest.mark.needs("ble")
def test_address_changes_after_upgrade(dut: Dut, firmware: FirmwareSource) -> None:
    """An update with another BLE address is found again, by the address in its boot log.

    Evidence: two different addresses, and the new application answers SMP.
    """
    upgrade = _pending(dut, firmware, Variant.APP_CHANGES_ADDRESS)
    boot = upgrade.reset()
    assert boot.identity_address is not None
    assert boot.identity_address != upgrade.boot_before.identity_address
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    said = {item.source: item.says for item in verdict.evidence}
    assert said[Source.SMP] is Says.NEW


@pytest.mark.needs("fault_injection")
def test_uart_noise(dut: Dut, firmware: FirmwareSource, faults: Faults) -> None:
    """Noise between the lines of the boot, without line ends and with broken escapes, is survived.

    Evidence: the noise stands in the log, and the upgrade is proven all the same.
    """
    start = dut.position("boot without noise")
    upgrade = _pending(dut, firmware)
    since = dut.position("noise")
    # A silent bootloader has no line to disturb.
    lines = [line for line in DISTURBED_LINES if line in dut.console.text_since(start)]
    assert lines, "the boot without noise printed none of the lines to disturb"
    for number, line in enumerate(lines):
        faults.noise_at_log_line(line, b"\x00\xfe\xffnoise %d\x80\x1b[3" % number)
    upgrade.reset()
    for number in range(len(lines)):
        assert f"noise {number}" in dut.console.text_since(since)
    assert_upgraded(upgrade.verdict())


@pytest.mark.needs("fault_injection", "ble")
def test_usb_serial_vanishes_and_returns(
    dut: Dut, firmware: FirmwareSource, faults: Faults
) -> None:
    """The console's port goes away and comes back in the middle of an upgrade, which goes on.

    Evidence: the log holds what was printed before, not what was printed meanwhile, and the boot
    after it; UART, SMP and SWD.
    """
    upgrade = _pending(dut, firmware)
    before = dut.console.text_since(dut.opened_at)
    faults.unplug_console()
    dut.console.wait_for_port(dut.board.console.reopen_s, present=False)
    dut.connect()
    dut.mcumgr.get_image_list()  # of which the application logs a line that nobody hears
    faults.plug_in_console()
    dut.console.wait_for_port(dut.board.console.reopen_s, present=True)
    upgrade.reset()
    assert dut.console.text_since(dut.opened_at).startswith(before)
    assert dut.console.gaps == 1
    assert_upgraded(upgrade.verdict())


class _Swap:
    """One swap that is done again and again, from the same memories, and cut each time."""

    def __init__(self, dut: Dut, firmware: FirmwareSource, faults: Faults, folder: Path) -> None:
        self._dut, self._faults = dut, faults
        # A test boot whose last flag is written is over: the boot after it would revert.
        self._upgrade = _start(dut, firmware)
        self._upgrade.upload()
        self._upgrade.set_pending(permanent=True)
        slots = dut.board.slots
        self._before = folder / "before_the_swap.hex"
        # What a swap touches: the images with a sector for moving, and the trailers.
        image_bytes = len(self._upgrade.file.data) // SECTOR_BYTES * SECTOR_BYTES + 2 * SECTOR_BYTES
        pieces = [
            (slot.address + offset, size_bytes)
            for slot in (slots.primary, slots.secondary)
            for offset, size_bytes in (
                (0, image_bytes),
                (slot.size - TRAILER_BYTES, TRAILER_BYTES),
            )
        ]
        memories = [Segment(address, dut.read_memory(address, size)) for address, size in pieces]
        write_hex(self._before, memories)

    def count_operations(self) -> int:
        """Flash operations of the whole swap."""
        before = self._faults.operations_done()
        assert swapped_or_silent(self._dut.reset())
        return self._faults.operations_done() - before

    def cut_and_boot(self, operation: int) -> bool:
        """Whether the next boot finished the swap; else MCUboot lost the primary slot's begin."""
        dut = self._dut
        dut.mcumgr.disconnect()
        dut.program(self._before)
        self._faults.cut_power_at_operation(operation)
        since = dut.start_reset()
        self._faults.wait_for_power_loss(POWER_LOSS_TIMEOUT_S)
        self._faults.restore_power()
        timeouts = dut.board.timeouts
        ended = dut.console.expect(
            f"{NOTHING_TO_BOOT}|{dut.board.boot.app_ready}",
            since=since,
            within_s=timeouts.boot_s + timeouts.swap_s,
            what=f"the end of the boot after a cut at operation {operation}",
        )
        update = self._upgrade.file.data
        held = dut.read_memory(dut.board.slots.primary.address, len(update))
        if NOTHING_TO_BOOT in ended[0]:
            assert not held.startswith(update[:MAGIC_BYTES]), f"operation {operation}"
            return False
        *cut, last = dut.boots_since(since)
        assert last.reached_app, f"operation {operation}"
        # Boots that are cut under a bootloader that prints nothing leave no line.
        is_silent = not last.mcuboot_speaks
        assert is_silent or [boot.reached_app for boot in cut] == [False], f"operation {operation}"
        is_finished = held == update
        assert is_finished, f"operation {operation}: the update is not whole"
        return True


def _start(dut: Dut, firmware: FirmwareSource, variant: Variant | None = None) -> Upgrade:
    dut.prepare(firmware.baseline)
    return dut.start_upgrade(firmware.variant(variant) if variant else firmware.app_update)


def _pending(dut: Dut, firmware: FirmwareSource, variant: Variant | None = None) -> Upgrade:
    upgrade = _start(dut, firmware, variant)
    upgrade.upload()
    upgrade.set_pending()
    return upgrade


def _disconnect(dut: Dut, faults: Faults) -> None:
    dut.connect()
    faults.lose_connection()
    with pytest.raises(NotSeenError, match=CONNECTION_BROKE):
        dut.mcumgr.get_image_list()


def _finish_after_resuming(upgrade: Upgrade, least_bytes: int) -> None:
    # Not the other images, which the board has: it remembers the begun upload of one image.
    upgrade.upload(upgrade.file)
    assert upgrade.resumed_at_bytes is not None
    assert upgrade.resumed_at_bytes >= least_bytes
    _finish(upgrade)


def _finish_from_the_beginning(upgrade: Upgrade, most_bytes: int) -> None:
    upgrade.upload()
    assert upgrade.resumed_at_bytes is not None
    assert upgrade.resumed_at_bytes < most_bytes
    _finish(upgrade)


def _finish(upgrade: Upgrade) -> None:
    upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())


def _assert_half_image_is_refused(upgrade: Upgrade) -> None:
    with pytest.raises(BoardError, match="refused to test image"):
        upgrade.set_pending(upgrade.file)
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "the image was not set pending" in verdict.reason


def _assert_not_ready(verdict: Verdict) -> None:
    assert verdict.outcome is Outcome.UNPROVEN, str(verdict)
    assert "started and never became ready" in verdict.reason


def _assert_reverts(dut: Dut, upgrade: Upgrade, because: str) -> None:
    assert reverted_or_silent(dut.reset())
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "reverted to the old application" in verdict.reason
    assert because in verdict.reason
