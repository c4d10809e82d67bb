"""Keys are changed over the air: the application's by updating MCUboot, NSIB's by revocation.

MCUboot holds the application's public key, so a new
MCUboot brings a new key; NSIB holds its keys in OTP and gives up the lower ones for a higher one.
"""

import pytest

from pytest_nrf_fota import Dut, FirmwareSource, Outcome, Variant, assert_upgraded
from pytest_nrf_fota.firmware.provisioning import ProvisionedKey, parse_provisioning
from pytest_nrf_fota.scenarios.silence import swapped_or_silent

pytestmark = pytest.mark.needs("nsib", "mcuboot_update", "image_group", "signature")

INVALID_IMAGE = "Image in the secondary slot is not valid!"


def test_key_rotation_app_key(dut: Dut, firmware: FirmwareSource) -> None:
    """From the old key to the new one through a MCUboot that knows both; no reset is harmful.

    Evidence: the application of the new key is refused by the first MCUboot and taken by the
    second; the third, with the new key alone, refuses the old key's application by its own line
    and runs on with the new one.
    """
    dut.prepare(firmware.baseline)
    _expect_refusal(dut, firmware, Variant.APP_NEXT_KEY)
    assert_upgraded(dut.upgrade(firmware.variant(Variant.MCUBOOT_TWO_APP_KEYS)))
    assert_upgraded(dut.upgrade(firmware.variant(Variant.APP_NEXT_KEY)))
    assert_upgraded(dut.upgrade(firmware.variant(Variant.MCUBOOT_NEXT_APP_KEY)))
    _expect_refusal(dut, firmware, None)


@pytest.mark.needs("second_reset")
def test_key_rotation_app_key_between_two_resets(dut: Dut, firmware: FirmwareSource) -> None:
    """Without a MCUboot that knows both keys: the application is sent before MCUboot changes.

    Between the two resets the old MCUboot still runs and the new one waits in its slot, so both
    change with the second. Evidence: one boot shows the new MCUboot and its swap of the new
    application; afterwards the old key's application is refused.
    """
    dut.prepare(firmware.baseline)
    bootloader = dut.start_upgrade(firmware.variant(Variant.MCUBOOT_NEXT_APP_KEY))
    bootloader.upload()
    bootloader.set_pending()
    bootloader.reset()
    application = dut.start_upgrade(firmware.variant(Variant.APP_NEXT_KEY))
    application.upload()
    application.set_pending()
    boot = application.reset()
    assert boot.nsib_slot == 1
    assert swapped_or_silent(boot), boot.summary()
    verdict = application.verdict()
    assert_upgraded(verdict)
    application.confirm_if_proven(verdict)
    assert_upgraded(bootloader.verdict())
    _expect_refusal(dut, firmware, None)


def test_key_rotation_app_key_in_one_step_stops_board(dut: Dut, firmware: FirmwareSource) -> None:
    """What not to do: a MCUboot with the new key alone does not start the installed application.

    Evidence: NSIB starts the new MCUboot, which refuses what lies in the primary slot and stops.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.variant(Variant.MCUBOOT_NEXT_APP_KEY))
    upgrade.upload()
    upgrade.set_pending()
    since = dut.position("reset into a MCUboot with another key")
    if upgrade.expected_resets > 1:
        upgrade.reset()
        since = dut.start_reset()
    else:
        dut.connect()
        dut.mcumgr.reset_device()
    boot_s = dut.board.timeouts.boot_s
    dut.console.expect("Unable to find bootable image", since=since, within_s=boot_s)
    boot = dut.last_boot()
    assert boot.nsib_slot == 1
    assert any("Image in the primary slot is not valid!" in line for line in boot.refusals)
    assert not boot.reached_app


def test_key_rotation_nsib_key_revoked(dut: Dut, firmware: FirmwareSource) -> None:
    """A MCUboot that is signed with NSIB's second key revokes the first one permanently.

    Evidence: NSIB's `Invalidating key 0.` and the word in OTP over SWD; a later version that is
    signed with the first key, which NSIB would have taken before, is refused because of that.
    """
    dut.prepare(firmware.variant(Variant.BASELINE_TWO_NSIB_KEYS))
    assert [key.invalidated for key in _nsib_keys(dut)] == [False, False]
    since = dut.position("MCUboot of the second key")
    assert_upgraded(dut.upgrade(firmware.variant(Variant.MCUBOOT_NEXT_NSIB_KEY)))
    assert "Invalidating key 0." in dut.console.text_since(since)
    assert [key.invalidated for key in _nsib_keys(dut)] == [True, False]
    since = dut.position("MCUboot of the first key")
    verdict = dut.upgrade(firmware.mcuboot_raised(2))
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "Public key didn't match" in verdict.reason
    assert "Key 0 has been invalidated, try next." in dut.console.text_since(since)
    assert dut.last_boot().nsib_slot == 1


def _expect_refusal(dut: Dut, firmware: FirmwareSource, variant: Variant | None) -> None:
    """None stands for the update that is signed with today's key."""
    upgrade = dut.start_upgrade(firmware.variant(variant) if variant else firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    upgrade.reset()
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert INVALID_IMAGE in verdict.reason


def _nsib_keys(dut: Dut) -> tuple[ProvisionedKey, ...]:
    address = dut.board.slots.provisioning_address
    assert address is not None
    provisioning = parse_provisioning(dut.read_memory, address)
    assert provisioning is not None
    return provisioning.keys
