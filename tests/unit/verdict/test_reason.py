"""Why an upgrade did not happen, in words that name the cause."""

import pytest

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.firmware.fw_info import INVALIDATION_WORD, VALID, FwInfo
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.verdict.app_evidence import AppIdentity
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import Outcome
from pytest_nrf_fota.verdict.facts import AppUpdate, Facts, Marking, McubootUpdate
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState
from pytest_nrf_fota.verdict.wording import verdict_of
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


_OLD, _NEW = (AppIdentity(ImageVersion(1, minor, 0), bytes([minor]) * 32) for minor in (0, 1))
_APP = AppUpdate(_NEW, before=_OLD, running=_OLD)


def _why(
    boots: list[Boot],
    update: AppUpdate | McubootUpdate = _APP,
    *,
    refusal: str | None = None,
    was_set_pending: bool = True,
) -> tuple[Ending, str]:
    marking = Marking(was_set_pending, refusal)
    verdict = verdict_of(Facts(boots=boots, update=update, marking=marking))
    return verdict.ending, verdict.reason


def _boot(
    swap_type: str | None = None,
    *,
    swapped: bool | None = None,
    refusals: tuple[str, ...] = (),
    reached_app: bool = True,
) -> Boot:
    lines = mcuboot_lines(swap_type, swaps=swapped, says=refusals)
    return boot_of(*lines, *(APP_LINES if reached_app else []))


def _slot(version: int, *, holds_update: bool, burnt: bool = False) -> SlotState:
    valid_word = VALID & INVALIDATION_WORD if burnt else VALID
    info = FwInfo(0x18200, 60, 1, version, 0x18200, 0x18200, valid_word)
    return SlotState(info, holds_update)


def test_a_refusal_to_set_it_pending_is_named_first() -> None:
    boots = [_boot(refusals=("E: Image in the secondary slot is not valid!",))]
    assert _why(boots, refusal="rc 3 (EINVAL)") == (
        Ending.CLIENT_FAILED,
        "nothing was pending at the reset: the image was not set pending: rc 3 (EINVAL)",
    )


def test_an_image_that_was_never_set_pending() -> None:
    ending, reason = _why([_boot()], was_set_pending=False)
    assert ending is Ending.NOT_MARKED
    assert "never set pending" in reason


def test_a_board_that_was_not_reset() -> None:
    ending, reason = _why([])
    assert ending is Ending.NOT_RESET
    assert "not reset since" in reason


def test_the_bootloaders_own_words_come_before_a_missing_application() -> None:
    refusals = ("E: Image in the secondary slot is not valid!", "E: Unable to find bootable image")
    refused = _boot(refusals=refusals)
    assert _why([refused, _boot(reached_app=False)]) == (
        Ending.REFUSED,
        "the bootloader refused the image: "
        "'E: Image in the secondary slot is not valid!', 'E: Unable to find bootable image'",
    )


def test_a_last_boot_without_application() -> None:
    assert _why([_boot(), _boot(reached_app=False)]) == (
        Ending.NO_BOOT,
        "the last boot did not reach the application",
    )
    assert _why([_boot(reached_app=False), _boot()])[0] is Ending.NOT_PENDING


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
    assert words in _why(boots)[1]


def test_an_application_that_was_swapped_in_has_no_reason_of_its_own() -> None:
    for boots in ([_boot("test")], [_boot("test"), _boot()]):
        verdict = verdict_of(Facts(boots=boots, update=_APP))
        assert (verdict.outcome, verdict.reason) == (Outcome.CONTRADICTION, "")


@pytest.mark.parametrize(
    ("target_slot", "other_slot", "boots", "words", "ending"),
    [
        (
            _slot(13, holds_update=False),
            _slot(14, holds_update=False),
            [_boot()],
            "nothing into S1",
            Ending.NOT_PENDING,
        ),
        (
            _slot(15, holds_update=True),
            _slot(15, holds_update=False),
            [_boot("perm"), _boot()],
            "NSIB kept slot 0: the update's FW_INFO version 15 is not higher than 15; raise "
            "CONFIG_FW_INFO_FIRMWARE_VERSION",
            Ending.NOT_CHOSEN,
        ),
        (
            _slot(15, holds_update=True),
            _slot(14, holds_update=False),
            [_boot("perm")],
            "NSIB chooses between the slots only at the next reset: reset once more",
            Ending.NEEDS_RESET,
        ),
        (
            _slot(15, holds_update=True),
            _slot(14, holds_update=False),
            [_boot("perm"), _boot()],
            "NSIB did not choose S1 though its version is higher",
            Ending.UNKNOWN,
        ),
        (
            _slot(15, holds_update=True, burnt=True),
            _slot(14, holds_update=False),
            [_boot("perm"), _boot()],
            "NSIB refused the update in S1 and invalidated it",
            Ending.REFUSED,
        ),
    ],
    ids=["not copied", "tie", "one reset", "unexplained", "invalidated"],
)
def test_reasons_of_a_bootloader(
    target_slot: SlotState, other_slot: SlotState, boots: list[Boot], words: str, ending: Ending
) -> None:
    found, reason = _why(boots, McubootUpdate(_TARGET, target_slot, other_slot))
    assert found is ending
    assert words in reason
