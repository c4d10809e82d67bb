"""Why an upgrade did not happen, in words that name the cause."""

import pytest

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.firmware.fw_info import VALID, FwInfo
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState
from pytest_nrf_fota.verdict.reason import app_reason, common_reason, mcuboot_reason
from tests.unit.boot_lines import APP_LINES, boot_of, mcuboot_lines

_TARGET = McubootTarget(
    s_slot=1,
    version=15,
    firmware=b"",
    image_hash=b"",
    version_before=14,
    marker=15,
    marker_before=14,
)


def _boot(
    swap_type: str | None = None,
    *,
    swapped: bool | None = None,
    refusals: tuple[str, ...] = (),
    reached_app: bool = True,
) -> Boot:
    lines = mcuboot_lines(swap_type, swaps=swapped, says=refusals)
    return boot_of(*lines, *(APP_LINES if reached_app else []))


def _slot(version: int, *, holds_update: bool) -> SlotState:
    return SlotState(FwInfo(0x18200, 60, 1, version, 0x18200, 0x18200, VALID), holds_update)


def test_a_refusal_to_set_it_pending_is_named_first() -> None:
    reason = common_reason(
        [_boot(refusals=("E: Image in the secondary slot is not valid!",))],
        "rc 3 (EINVAL)",
        was_set_pending=True,
    )
    assert reason == (
        "nothing was pending at the reset: the image was not set pending: rc 3 (EINVAL)"
    )


def test_an_image_that_was_never_set_pending() -> None:
    assert "never set pending" in common_reason([_boot()], None, was_set_pending=False)


def test_a_board_that_was_not_reset() -> None:
    assert "not reset since" in common_reason([], None, was_set_pending=True)


def test_the_bootloaders_own_words_come_before_a_missing_application() -> None:
    refusals = ("E: Image in the secondary slot is not valid!", "E: Unable to find bootable image")
    refused = _boot(refusals=refusals)
    reason = common_reason([refused, _boot(reached_app=False)], None, was_set_pending=True)
    assert reason == (
        "the bootloader refused the image: "
        "'E: Image in the secondary slot is not valid!', 'E: Unable to find bootable image'"
    )


def test_a_last_boot_without_application() -> None:
    reason = common_reason([_boot(), _boot(reached_app=False)], None, was_set_pending=True)
    assert reason == "the last boot did not reach the application"
    assert common_reason([_boot(reached_app=False), _boot()], None, was_set_pending=True) == ""


@pytest.mark.parametrize(
    ("boots", "words"),
    [
        ([_boot()], "swapped nothing: it saw no pending image"),
        ([_boot(), _boot()], "swapped nothing: it saw no pending image"),
        ([_boot("test"), _boot("revert")], "reverted to the old application"),
        ([_boot("test"), _boot("revert"), _boot()], "reverted to the old application"),
        (
            [_boot("test"), _boot("revert"), _boot(swapped=True)],
            "reverted to the old application",
        ),
        ([_boot("test", swapped=False)], "saw a pending image and reported no swap"),
    ],
)
def test_reasons_of_an_application(boots: list[Boot], words: str) -> None:
    assert words in app_reason(boots)


def test_an_application_that_was_swapped_in_has_no_reason_of_its_own() -> None:
    assert app_reason([_boot("test")]) == ""
    assert app_reason([_boot("test"), _boot()]) == ""


@pytest.mark.parametrize(
    ("target_slot", "other_slot", "boots", "words"),
    [
        (
            _slot(13, holds_update=False),
            _slot(14, holds_update=False),
            [_boot()],
            "nothing into S1",
        ),
        (
            _slot(15, holds_update=True),
            _slot(15, holds_update=False),
            [_boot("perm"), _boot()],
            "NSIB kept slot 0: the update's FW_INFO version 15 is not higher than 15; raise "
            "CONFIG_FW_INFO_FIRMWARE_VERSION",
        ),
        (
            _slot(15, holds_update=True),
            _slot(14, holds_update=False),
            [_boot("perm")],
            "NSIB chooses between the slots only at the next reset: reset once more",
        ),
        (
            _slot(15, holds_update=True),
            _slot(14, holds_update=False),
            [_boot("perm"), _boot()],
            "NSIB did not choose S1 though its version is higher",
        ),
    ],
    ids=["not copied", "tie", "one reset", "unexplained"],
)
def test_reasons_of_a_bootloader(
    target_slot: SlotState, other_slot: SlotState, boots: list[Boot], words: str
) -> None:
    assert words in mcuboot_reason(boots, target_slot, other_slot, _TARGET)
