"""The application is replaced over the air; runs on any board, whatever its interfaces are made of.

Each upgrade is judged by what the UART says once the image is pending, by the image list, and by
the flash.
"""

import re
from dataclasses import replace

import pytest

from pytest_nrf_fota import (
    BoardError,
    Dut,
    FirmwareSource,
    ImageState,
    LogPosition,
    Outcome,
    Upgrade,
    Variant,
    assert_upgraded,
)
from pytest_nrf_fota.firmware.damage import lose_magic

pytestmark = pytest.mark.needs("image_group")

INVALID_IMAGE = "Image in the secondary slot is not valid!"
ERASED_IN_SILENCE = "MCUboot prints nothing, and the update is gone"
# A MCUboot that swaps, one that overwrites.
OLDER_REFUSED = r"erased due to downgrade prevention|[Ii]nsufficient version in secondary slot"
# How servers of SMP version 2 and 1 name what is wrong with an upload.
TOO_LARGE = r"IMAGE_TOO_LARGE|EUNKNOWN"
NO_MAGIC = r"HEADER_MAGIC|EINVAL"


@pytest.mark.needs("revert")
def test_app_upgrade_confirm(dut: Dut, firmware: FirmwareSource) -> None:
    """An application that was confirmed after its test boot stays.

    Evidence: MCUboot's swap of type test, `confirmed` in the image list, and the new application on
    UART, SMP and SWD after another reset, which would have reverted it.
    """
    dut.prepare(firmware.baseline)
    since = dut.position("a test boot that is confirmed")
    upgrade = dut.start_upgrade(firmware.app_update)
    _send(dut, upgrade)
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    assert not _running(dut).confirmed
    upgrade.confirm_if_proven(verdict)
    assert _running(dut).confirmed
    dut.reset()
    _assert_swaps(dut, since, ["test", None])
    assert_upgraded(upgrade.verdict())


@pytest.mark.needs("revert")
def test_app_upgrade_revert(dut: Dut, firmware: FirmwareSource) -> None:
    """An application that was not confirmed after its test boot is gone after the next reset.

    Evidence: it ran on the test boot; then MCUboot's swap back, and the old one on UART, SMP and
    SWD.
    """
    dut.prepare(firmware.baseline)
    since = dut.position("a test boot that nobody confirms")
    upgrade = dut.start_upgrade(firmware.app_update)
    _send(dut, upgrade)
    assert_upgraded(upgrade.verdict())
    dut.reset()
    _assert_swaps(dut, since, ["test", "revert"])
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "reverted to the old application" in verdict.reason


@pytest.mark.needs("revert")
def test_app_upgrade_permanent(dut: Dut, firmware: FirmwareSource) -> None:
    """An application that is set pending permanently needs no confirmation.

    Evidence: MCUboot's own `Swap type: perm`, `confirmed` in the image list though nobody confirmed
    it, and the new application on UART, SMP and SWD after another reset.
    """
    dut.prepare(firmware.baseline)
    since = dut.position("no test boot")
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending(permanent=True)
    upgrade.reset()
    assert _running(dut).confirmed
    dut.reset()
    _assert_swaps(dut, since, ["perm", None])
    assert_upgraded(upgrade.verdict())


@pytest.mark.nightly
@pytest.mark.needs("set_pending")
def test_app_upgrade_repeated_10_times(dut: Dut, firmware: FirmwareSource) -> None:
    """Ten upgrades one after the other, to and fro between two applications, without a recover.

    Evidence: each is proven on UART, SMP and SWD against the one before.
    """
    dut.prepare(firmware.baseline)
    packages = (firmware.app_update, firmware.variant(Variant.APP_OLDER))
    for number in range(10):
        assert_upgraded(dut.upgrade(packages[number % 2]))


@pytest.mark.needs("set_pending")
def test_app_upgrade_same_version(dut: Dut, firmware: FirmwareSource) -> None:
    """Another build of the same version replaces the old one: the version is not what counts.

    Evidence: MCUboot's swap, and another hash under the same version in image list and flash.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.variant(Variant.APP_SAME_VERSION))
    before = upgrade.images_before[0]
    _send(dut, upgrade)
    assert_upgraded(upgrade.verdict())
    now = _running(dut)
    assert now.version == before.version
    assert now.hash == upgrade.file.image.hash != before.hash


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(Variant.APP_UNSIGNED, marks=pytest.mark.needs("signature"), id="unsigned"),
        pytest.param(Variant.APP_WRONG_KEY, marks=pytest.mark.needs("signature"), id="wrong_key"),
        pytest.param(Variant.APP_TAMPERED, id="tampered"),
        pytest.param(Variant.APP_TRUNCATED, id="truncated"),
    ],
)
def test_app_upgrade_bad_signature(dut: Dut, firmware: FirmwareSource, variant: Variant) -> None:
    """An image that is not what its builder signed becomes pending, and MCUboot refuses it.

    Evidence: MCUboot's refusal since it was pending, or, where it prints nothing, that it erased
    the image; the old application on UART, SMP and SWD.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.variant(variant))
    _send(dut, upgrade)
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert re.search(f"{INVALID_IMAGE}|{ERASED_IN_SILENCE}", verdict.reason), str(verdict)


def test_app_upgrade_downgrade_rejected(dut: Dut, firmware: FirmwareSource) -> None:
    """A MCUboot that knows no way back to lower versions refuses one that is signed rightly.

    Evidence: MCUboot's line on it since it was pending, or, where it runs the highest version
    whatever is sent, the version that it took; the newer application on UART, SMP and SWD.
    """
    dut.prepare(firmware.variant(Variant.BASELINE_NO_DOWNGRADE))
    assert_upgraded(dut.upgrade(firmware.app_update))
    upgrade = dut.start_upgrade(firmware.variant(Variant.APP_OLDER))
    _send(dut, upgrade)
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    why = OLDER_REFUSED if dut.board.boot.takes_pending_images else "takes the highest version"
    assert re.search(why, verdict.reason), str(verdict)


def test_app_upgrade_too_large_rejected(dut: Dut, firmware: FirmwareSource) -> None:
    """What no slot can hold is refused: at once, or where the slot ends (NCS 2.3).

    Evidence: the SMP server's refusal with its code; the image list and a reset show the old one.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.variant(Variant.APP_TOO_LARGE))
    with pytest.raises(BoardError, match="refused to upload") as refusal:
        upgrade.upload()
    assert refusal.match(TOO_LARGE)
    _expect_unchanged(dut, upgrade)


def test_app_upgrade_without_magic_rejected(dut: Dut, firmware: FirmwareSource) -> None:
    """What does not begin as an MCUboot image is refused with the first chunk.

    Evidence: the SMP server's refusal with its code; the image list and a reset show the old one.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    with pytest.raises(BoardError, match="refused to upload") as refusal:
        upgrade.upload(replace(upgrade.file, data=lose_magic(upgrade.file.data)))
    assert refusal.match(NO_MAGIC)
    _expect_unchanged(dut, upgrade)


@pytest.mark.needs("set_pending")
def test_app_upgrade_half_a_file_not_pending(dut: Dut, firmware: FirmwareSource) -> None:
    """A file that ends in the middle of its payload is no image: the board cannot set it pending.

    Evidence: the half lies in the secondary slot (SWD), the server refuses its hash, MCUboot sees
    nothing to do.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    half = upgrade.file.data[: len(upgrade.file.data) // 2]
    upgrade.upload(replace(upgrade.file, data=half))
    slot = dut.board.slots.secondary
    is_there = half in dut.read_memory(slot.address, slot.size)
    assert is_there, "the half does not lie in the secondary slot"
    with pytest.raises(BoardError, match="refused to test image"):
        upgrade.set_pending(upgrade.file)
    since = dut.position("reset")
    dut.reset()
    _assert_swaps(dut, since, [None])
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "the image was not set pending" in verdict.reason


def test_app_upgrade_without_reset_not_proven(dut: Dut, firmware: FirmwareSource) -> None:
    """An image that is set pending and never booted is no upgrade.

    Evidence: no boot on the UART since, every image of the package pending in the list,
    the old application in image list and flash.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    _upload(dut, upgrade)
    upgrade.set_pending()
    if dut.board.boot.takes_pending_images:
        waiting = {state.hash for state in dut.mcumgr.get_image_list() if state.pending}
        assert waiting == {file.image.hash for file in upgrade.files}
    verdict = upgrade.verdict()
    assert verdict.outcome is Outcome.NOT_UPGRADED, str(verdict)
    assert "was not reset since" in verdict.reason


def test_app_upgrade_build_time_changes(dut: Dut, firmware: FirmwareSource) -> None:
    """What a person looks for first: the application prints another build time than before.

    Evidence: the application's own line on the UART, besides what UART, SMP and SWD say.
    """
    dut.prepare(firmware.baseline)
    upgrade = dut.start_upgrade(firmware.app_update)
    _upload(dut, upgrade)
    # It may come after the line that says that the application is ready.
    before = dut.last_boot().build_time
    if before is None:
        pytest.skip("the log of its boot shows no build time")
    upgrade.set_pending()
    upgrade.reset()
    assert_upgraded(upgrade.verdict())
    assert dut.last_boot().build_time not in (None, before)


def _upload(dut: Dut, upgrade: Upgrade) -> None:
    """Where nothing is set pending, only the list tells that the image is there."""
    upgrade.upload()
    assert upgrade.file.image.hash in [state.hash for state in dut.mcumgr.get_image_list()]


def _send(dut: Dut, upgrade: Upgrade) -> None:
    _upload(dut, upgrade)
    upgrade.set_pending()
    upgrade.reset()


def _assert_swaps(dut: Dut, since: LogPosition, expected: list[str | None]) -> None:
    """What MCUboot did on each boot since then, where it says so.

    A build without a log says nothing, and early releases decide without a word of the swap itself:
    there SMP and SWD have shown what became of it.
    """
    boots = dut.boots_since(since)
    assert len(boots) == len(expected)
    if any(boot.mcuboot_speaks for boot in boots):
        swaps = [[swap.decided for swap in boot.swaps_of_app] for boot in boots]
        assert [one[-1] if one else None for one in swaps] == expected


def _running(dut: Dut) -> ImageState:
    dut.connect()
    return next(state for state in dut.mcumgr.get_image_list() if state.active)


def _expect_unchanged(dut: Dut, upgrade: Upgrade) -> None:
    assert _running(dut) == upgrade.images_before[0]
    assert dut.reset().reached_app
    assert _running(dut) == upgrade.images_before[0]
