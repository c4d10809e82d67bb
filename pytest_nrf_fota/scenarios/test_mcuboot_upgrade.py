"""MCUboot itself is replaced over the air, on boards where NSIB chooses between S0 and S1.

Each upgrade is judged by NSIB's and MCUboot's lines once the image is pending, by the image list,
and by the fw_info in S0 and S1, read over SWD.
"""

import re
from pathlib import Path

import pytest

from pytest_nrf_fota import (
    BoardError,
    Dut,
    FirmwareSource,
    Outcome,
    UpgradeNotProvenError,
    Variant,
    assert_upgraded,
)
from pytest_nrf_fota.firmware.fw_info import FwInfo, find_fw_info
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.firmware.provisioning import CounterArea, CounterKind, parse_provisioning
from pytest_nrf_fota.scenarios.silence import swapped_or_silent

pytestmark = pytest.mark.needs("nsib", "mcuboot_update")


def test_mcuboot_upgrade_s0_to_s1(dut: Dut, firmware: FirmwareSource) -> None:
    """From S0, the file for S1 is sent, and NSIB starts it.

    Evidence: NSIB's slot and `Firmware version`, MCUboot's marker, the update in S1 over SWD.
    """
    assert dut.prepare(firmware.baseline).nsib_slot == 0
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
    assert dut.last_boot().nsib_slot == 1


def test_mcuboot_upgrade_s1_to_s0(dut: Dut, firmware: FirmwareSource) -> None:
    """The next update goes back to S0, which the flashed MCUboot ran from.

    Evidence: the same as for S1, with the slots exchanged.
    """
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
    in_s1 = dut.last_boot()
    assert_upgraded(dut.upgrade(firmware.mcuboot_raised(2)))
    in_s0 = dut.last_boot()
    assert (in_s1.nsib_slot, in_s0.nsib_slot) == (1, 0)
    # Of two equal versions NSIB would start the one in S0 as well.
    assert (in_s0.firmware_version or 0) > (in_s1.firmware_version or 0)


@pytest.mark.nightly
def test_mcuboot_upgrade_back_and_forth(dut: Dut, firmware: FirmwareSource) -> None:
    """Ten versions one after the other, each in the slot that the one before does not run from.

    Evidence: each is proven on its own, and NSIB names the slots in turn.
    """
    slot = dut.prepare(firmware.baseline).nsib_slot
    for steps in range(1, 11):
        assert_upgraded(dut.upgrade(firmware.mcuboot_raised(steps)))
        assert slot is not None
        slot = 1 - slot
        assert dut.last_boot().nsib_slot == slot


@pytest.mark.needs("second_reset")
def test_mcuboot_upgrade_needs_second_reset(dut: Dut, firmware: FirmwareSource) -> None:
    """After the first reset the new MCUboot lies in its slot, and the old one still runs.

    Evidence: the swap and the old NSIB lines in one boot, the new ones in the next.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    upgrade.upload()
    upgrade.set_pending()
    boot = upgrade.reset()
    verdict = upgrade.verdict()
    # That the old one runs no line shows where MCUboot prints none.
    expected = Outcome.NOT_UPGRADED if boot.mcuboot_speaks else Outcome.UNPROVEN
    assert verdict.outcome is expected, str(verdict)
    assert "reset once more" in verdict.reason
    dut.reset()
    assert_upgraded(upgrade.verdict())


def test_mcuboot_upgrade_without_reset_not_proven(dut: Dut, firmware: FirmwareSource) -> None:
    """An image that is set pending and never booted is no upgrade.

    Evidence: no boot on the UART since, the update pending in the image list.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    upgrade.upload()
    upgrade.set_pending()
    waiting = [state.hash for state in dut.mcumgr.get_image_list() if state.pending]
    assert waiting == [upgrade.file.image.hash]
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "was not reset since" in verdict.reason


@pytest.mark.needs("wrong_file_cleanup")
def test_mcuboot_upgrade_wrong_variant_cleaned(dut: Dut, firmware: FirmwareSource) -> None:
    """The file for the slot that runs is refused by MCUboot, and makes room for the right one.

    Evidence: MCUboot's line on it, an empty secondary slot in the image list, then the upgrade.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    (file_for_running_slot,) = upgrade.other_files
    upgrade.upload(file_for_running_slot)
    upgrade.set_pending(file_for_running_slot)
    upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "Image in slot is for wrong s0/s1 image" in verdict.reason
    assert [state.slot for state in dut.mcumgr.get_image_list()] == [0]
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))


@pytest.mark.needs("wrong_file_stays", "external_flash", "flash_shell")
def test_mcuboot_upgrade_wrong_variant_stays(dut: Dut, firmware: FirmwareSource) -> None:
    """Releases without that clean-up pass over the file in silence, and it blocks the next one.

    Evidence: it is pending before and after the reset, the next upload is refused; once the
    external flash is erased, the right file is taken.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    (file_for_running_slot,) = upgrade.other_files
    upgrade.upload(file_for_running_slot)
    upgrade.set_pending(file_for_running_slot)
    upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "MCUboot copied nothing into S1" in verdict.reason
    waiting = [state.hash for state in dut.mcumgr.get_image_list() if state.pending]
    assert waiting == [file_for_running_slot.image.hash]
    with pytest.raises(BoardError, match=r"refused to upload .*(ENOENT|NO_FREE_SLOT)"):
        upgrade.upload()
    dut.erase_external_flash()
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))


def test_mcuboot_upgrade_both_variants_sent(dut: Dut, firmware: FirmwareSource) -> None:
    """The second file overwrites the first, so the hash of the first is then unknown.

    Evidence: each file in the image list after its upload, the refusal of the first one's hash,
    and the second one still waiting after the reset.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    (file_for_running_slot,) = upgrade.other_files
    for file in (file_for_running_slot, upgrade.file):
        upgrade.upload(file)
        uploaded = [state.hash for state in dut.mcumgr.get_image_list() if state.slot == 1]
        assert uploaded == [file.image.hash]
    with pytest.raises(BoardError, match=r"EINVAL|HASH_NOT_FOUND"):
        upgrade.set_pending(file_for_running_slot)
    since = dut.position("reset")
    dut.reset()
    assert [boot.swapped for boot in dut.boots_since(since)] == [False]
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "nothing was pending at the reset" in verdict.reason
    second = (upgrade.file.image.hash or b"").hex()[:8]
    assert re.search(rf"uploaded last was another: \S+, {second}", verdict.reason)


def test_mcuboot_upgrade_same_fw_version_keeps_old(dut: Dut, firmware: FirmwareSource) -> None:
    """A MCUboot whose FW_INFO version was not raised is copied, and NSIB goes on with the old.

    Evidence: equal versions in S0 and S1 over SWD, NSIB's lines name the old slot.
    """
    dut.prepare(firmware.baseline)
    verdict = dut.upgrade(firmware.mcuboot_same_version)
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    if dut.runs_preflight:
        assert verdict.preflight.startswith("NO - NSIB keeps S0"), str(verdict)
    assert "NSIB kept slot 0" in verdict.reason
    assert not dut.last_boot().swapped, "NSIB has not chosen since the copy"
    with pytest.raises(UpgradeNotProvenError, match="CONFIG_FW_INFO_FIRMWARE_VERSION"):
        assert_upgraded(verdict)
    old, new = _fw_info(dut, 0), _fw_info(dut, 1)
    assert old.version == new.version
    assert old.is_valid
    assert new.is_valid


def test_mcuboot_upgrade_package_version_not_newer(dut: Dut, firmware: FirmwareSource) -> None:
    """NSIB asks for FW_INFO's version alone; imgtool's may even be lower than that of the old one.

    Evidence: imgtool's version of the update is below that of the MCUboot in the other slot, and
    the upgrade is proven.
    """
    dut.prepare(firmware.baseline)
    first = dut.start_upgrade(firmware.mcuboot_update)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
    package = firmware.variant(Variant.MCUBOOT_LOW_PACKAGE_VERSION)
    assert dut.start_upgrade(package).file.image.version < first.file.image.version
    assert_upgraded(dut.upgrade(package))


def test_mcuboot_upgrade_unprovisioned_key_rejected(dut: Dut, firmware: FirmwareSource) -> None:
    """MCUboot copies what NSIB has no key for; NSIB refuses it permanently and starts the old one.

    Evidence: NSIB's line on the key, the invalidated fw_info in S1 over SWD.
    """
    dut.prepare(firmware.baseline)
    verdict = dut.upgrade(firmware.variant(Variant.MCUBOOT_UNPROVISIONED_KEY))
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "Public key didn't match" in verdict.reason
    assert not _fw_info(dut, 1).is_valid
    assert dut.last_boot().nsib_slot == 0


def test_mcuboot_upgrade_tampered_invalidated_by_nsib(dut: Dut, firmware: FirmwareSource) -> None:
    """A changed bit that MCUboot cannot see is seen by NSIB, which refuses the image permanently.

    Evidence: NSIB's error of a wrong signature, the invalidated fw_info in S1 over SWD.
    """
    dut.prepare(firmware.baseline)
    since = dut.position("tampered MCUboot")
    verdict = dut.upgrade(firmware.variant(Variant.MCUBOOT_TAMPERED))
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "permanently invalidating" in verdict.reason
    assert "Firmware validation failed with error -102." in dut.console.text_since(since)
    assert not _fw_info(dut, 1).is_valid
    assert dut.last_boot().nsib_slot == 0


def test_mcuboot_upgrade_then_app_upgrade(dut: Dut, firmware: FirmwareSource) -> None:
    """The new MCUboot does its own work: it takes an application.

    Evidence: both upgrades are proven, and the same boot shows the new MCUboot and the swap.
    """
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    boot = upgrade.reset()
    assert_upgraded(upgrade.verdict())
    assert boot.nsib_slot == 1
    assert swapped_or_silent(boot), boot.summary()


@pytest.mark.needs("rollback_protection")
def test_mcuboot_upgrade_counter_advances(dut: Dut, firmware: FirmwareSource) -> None:
    """NSIB writes the new version into its monotonic counter, once.

    Evidence: NSIB's line on the first boot of the new version and not on the next; OTP over SWD.
    """
    boot = dut.prepare(firmware.baseline)
    assert _counter(dut).value >> 1 == boot.firmware_version
    since = dut.position("before the upgrade")
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
    new_version = dut.last_boot().firmware_version
    set_to = [boot.counter_set_to for boot in dut.boots_since(since)]
    assert [version for version in set_to if version is not None] == [new_version]
    assert _counter(dut).value >> 1 == new_version
    assert dut.reset().counter_set_to is None


@pytest.mark.needs("rollback_protection")
def test_mcuboot_upgrade_counter_blocks_downgrade(
    dut: Dut, firmware: FirmwareSource, tmp_path: Path
) -> None:
    """After an upgrade the old MCUboot does not start any more, even where nothing else is left.

    Evidence: S1 is erased over SWD; NSIB compares the old version with the counter, invalidates it
    (over SWD) and gives up. Only a recover helps then.
    """
    old_version = dut.prepare(firmware.baseline).firmware_version
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
    new_version = dut.last_boot().firmware_version
    assert _fw_info(dut, 0).is_valid
    s1 = dut.board.slots.s1
    assert s1 is not None
    blank = tmp_path / "blank_s1.hex"
    write_hex(blank, [Segment(s1.address, b"\xff" * s1.size)])
    dut.program(blank)
    since = dut.start_reset()
    boot_s = dut.board.timeouts.boot_s
    dut.console.expect("No bootable image found", since=since, within_s=boot_s)
    assert (
        f"Firmware version ({old_version}) is smaller than monotonic counter ({new_version})."
    ) in dut.console.text_since(since)
    assert not _fw_info(dut, 0).is_valid


def _fw_info(dut: Dut, s_slot: int) -> FwInfo:
    slot = (dut.board.slots.s0, dut.board.slots.s1)[s_slot]
    assert slot is not None
    info = find_fw_info(dut.read_memory, slot.address)
    assert info is not None, f"S{s_slot} holds no fw_info"
    return info


def _counter(dut: Dut) -> CounterArea:
    address = dut.board.slots.provisioning_address
    assert address is not None
    provisioning = parse_provisioning(dut.read_memory, address)
    assert provisioning is not None
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE)
    if counter is None:
        pytest.skip("this NSIB was provisioned without a monotonic counter")
    return counter
