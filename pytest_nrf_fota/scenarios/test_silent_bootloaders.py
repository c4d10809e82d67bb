"""Upgrades, refusals and reverts under bootloaders that print nothing, as production builds.

The UART then has no opinion about what MCUboot did, and what NSIB chose. The application's own
lines, the image list and the flash decide.
"""

import pytest

from pytest_nrf_fota import (
    Dut,
    FirmwareSource,
    Outcome,
    Says,
    Source,
    Variant,
    Verdict,
    assert_upgraded,
)

pytestmark = pytest.mark.needs("image_group", "set_pending")

SILENT = [
    pytest.param(Variant.BASELINE_SILENT_MCUBOOT, id="mcuboot"),
    pytest.param(
        Variant.BASELINE_SILENT_BOOTLOADERS, marks=pytest.mark.needs("nsib"), id="bootloaders"
    ),
]
by_silent_baseline = pytest.mark.parametrize("baseline", SILENT)


@by_silent_baseline
def test_silent_app_upgrade(dut: Dut, firmware: FirmwareSource, baseline: Variant) -> None:
    """An application is replaced and stays, though no bootloader says so.

    Evidence: no line of MCUboot in any boot; a boot of the application since, then the image list
    and the flash; the same after another reset.
    """
    _prepare(dut, firmware, baseline)
    since = dut.position("a silent upgrade")
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    upgrade.reset()
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    assert _says(verdict, Source.SMP) is _says(verdict, Source.SWD) is Says.NEW
    upgrade.confirm_if_proven(verdict)
    dut.reset()
    assert_upgraded(upgrade.verdict())
    boots = dut.boots_since(since)
    assert [boot.reached_app for boot in boots] == [True, True]
    assert [boot.mcuboot for boot in boots] == [None, None]


@by_silent_baseline
@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(Variant.APP_WRONG_KEY, marks=pytest.mark.needs("signature"), id="wrong_key"),
        pytest.param(Variant.APP_TAMPERED, id="tampered"),
    ],
)
def test_silent_app_refused(
    dut: Dut, firmware: FirmwareSource, baseline: Variant, variant: Variant
) -> None:
    """MCUboot refuses an image without a word.

    Evidence: the old application in image list and flash; the update is gone from the secondary
    slot, and the UART has no opinion.
    """
    _prepare(dut, firmware, baseline)
    upgrade = dut.start_upgrade(firmware.variant(variant))
    upgrade.upload()
    upgrade.set_pending()
    assert any(state.slot == 1 and state.pending for state in dut.mcumgr.get_image_list())
    upgrade.reset()
    verdict = upgrade.verdict()
    _expect_old(verdict)
    assert "MCUboot prints nothing" in verdict.reason
    assert "refuses" in verdict.reason


@by_silent_baseline
def test_silent_app_not_marked(dut: Dut, firmware: FirmwareSource, baseline: Variant) -> None:
    """An image that nobody set pending is no upgrade under a silent MCUboot either.

    Evidence: the old application in image list and flash; the update waits in the secondary slot.
    """
    _prepare(dut, firmware, baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    dut.reset()
    verdict = upgrade.verdict()
    _expect_old(verdict)
    assert "never set pending" in verdict.reason
    waiting = {state.hash for state in dut.mcumgr.get_image_list() if state.slot == 1}
    assert waiting == {upgrade.file.image.hash}


@pytest.mark.needs("revert")
@by_silent_baseline
def test_silent_app_revert(dut: Dut, firmware: FirmwareSource, baseline: Variant) -> None:
    """A test boot that nobody confirms is taken back without a word.

    Evidence: the update ran on the test boot (image list, flash); after the next reset the old one
    does.
    """
    _prepare(dut, firmware, baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())
    dut.reset()
    verdict = upgrade.verdict()
    _expect_old(verdict)
    assert "reverted to the old application" in verdict.reason


@pytest.mark.needs("nsib", "mcuboot_update")
def test_silent_mcuboot_upgrade(dut: Dut, firmware: FirmwareSource) -> None:
    """MCUboot is replaced though NSIB does not say what it chooses.

    Evidence: no line of NSIB in any boot; the file is for the slot that NSIB does not start (SWD),
    and after the boots that it takes S1 holds it with the higher version.
    """
    _prepare(dut, firmware, Variant.BASELINE_SILENT_BOOTLOADERS)
    since = dut.position("a silent upgrade of MCUboot")
    verdict = dut.upgrade(firmware.mcuboot_update)
    assert_upgraded(verdict)
    assert _says(verdict, Source.SWD) is Says.NEW
    assert all(boot.nsib_slot is None for boot in dut.boots_since(since))


@pytest.mark.needs("nsib", "mcuboot_update")
def test_silent_mcuboot_refused(dut: Dut, firmware: FirmwareSource) -> None:
    """NSIB refuses a MCUboot without a word, and invalidates it.

    Evidence: the invalidated fw_info in S1 over SWD.
    """
    _prepare(dut, firmware, Variant.BASELINE_SILENT_BOOTLOADERS)
    verdict = dut.upgrade(firmware.variant(Variant.MCUBOOT_TAMPERED))
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert _says(verdict, Source.SWD) is Says.OLD
    assert "NSIB refused the update in S1 and invalidated it" in verdict.reason


def _prepare(dut: Dut, firmware: FirmwareSource, baseline: Variant) -> None:
    boot = dut.prepare(firmware.variant(baseline))
    assert not boot.mcuboot_speaks, boot.summary()
    if baseline is Variant.BASELINE_SILENT_BOOTLOADERS:
        assert boot.nsib is None, boot.summary()


def _says(verdict: Verdict, source: Source) -> Says:
    return next(item.says for item in verdict.evidence if item.source is source)


def _expect_old(verdict: Verdict) -> None:
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert _says(verdict, Source.UART) is Says.UNKNOWN
    assert _says(verdict, Source.SMP) is _says(verdict, Source.SWD) is Says.OLD
