"""Why an upgrade did not happen, in words that name the cause."""

from dataclasses import replace

import pytest

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.findings.evidence import Says, Source
from pytest_nrf_fota.firmware.fw_info import INVALIDATION_WORD, VALID, FwInfo
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.app_evidence import AppIdentity
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import Outcome
from pytest_nrf_fota.verdict.facts import AppUpdate, Facts, Marking, McubootUpdate, Watch
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState
from pytest_nrf_fota.verdict.wording import verdict_of
from tests.unit.boot_lines import APP_LINES, boot_of, boots_of, mcuboot_lines, nsib_lines

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


def test_what_runs_behind_a_refused_mark_is_not_the_update() -> None:
    refused = Marking(refusal="rc 8 (HASH_NOT_FOUND)")
    facts = Facts([_boot()], update=_APP, marking=refused, must_be_ready=True)
    assert verdict_of(replace(facts, marking=Marking())).ending is Ending.NOT_READY
    assert verdict_of(facts).ending is Ending.CLIENT_FAILED


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
            [_boot("test"), _boot("revert", reached_app=False), _boot(swapped=True)],
            "reverted to the old application",
        ),
        ([_boot("test"), _boot(swapped=True)], "no line shows if it was a revert"),
        ([_boot("test", swapped=False)], "saw a pending image and reported no swap"),
    ],
)
def test_reasons_of_an_application(boots: list[Boot], words: str) -> None:
    assert words in _why(boots)[1]


@pytest.mark.parametrize(("listed", "ending"), [(_OLD, "REVERTED"), (_NEW, "UNKNOWN")])
def test_a_revert_without_a_line_shows_in_the_image_list(listed: AppIdentity, ending: str) -> None:
    """MCUboot of NCS 1.5 prints what it decided, and no line of the swap."""
    boots = [_boot("test", swapped=False), _boot("revert", swapped=False)]
    runs = ImageState(0, 0, str(listed.version), listed.hash, True, False, True, True, False)
    facts = Facts(boots, images=[runs], update=_APP, marking=Marking(was_tried=True))
    verdict = verdict_of(facts)
    assert verdict.ending is Ending[ending]
    assert ("reverted to the old application" in verdict.reason) is (listed is _OLD)


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
            [_boot("perm"), boot_of(*nsib_lines(0, 14), *mcuboot_lines(), *APP_LINES)],
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


_BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***"
_CUT = [
    _BANNER,
    "I: Starting bootloader",
    "I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3",
    "I: Secondary image: magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1",
    "I: Image index: 0, Swap type: perm",
    "I: Starting swap using move algorithm.",
]
_NO_IMAGE = "E: Unable to find bootable image"
_ENDED = "I: Primary image: magic=good, swap_type=0x3, copy_done=0x1, image_ok=0x1"
_BEGUN = "I: Primary image: magic=good, swap_type=0x{}, copy_done=0x3, image_ok=0x3"
_JUMP = "I: Bootloader chainload address offset: 0x28000"


def _mcuboot(*says: str, starts: bool = True) -> Boot:
    end = [_JUMP, *APP_LINES] if starts else []
    return boot_of(_BANNER, "I: Starting bootloader", *says, *end)


def _log(*boots: Boot) -> list[Boot]:
    """Boots of one log: their lines numbered through."""
    return [*boots_of("\n".join(line.text for boot in boots for line in boot.lines))]


@pytest.mark.parametrize(
    ("after", "ending", "words"),
    [
        (_mcuboot("I: Swap type: none"), Ending.GIVEN_UP, "knew nothing of it afterwards"),
        (
            _mcuboot("I: Swap type: perm", "E: Image in the secondary slot is not valid!"),
            Ending.GIVEN_UP,
            "refused what it left",
        ),
        (_mcuboot(_NO_IMAGE, starts=False), Ending.SPOILT, "cannot go on: 'E: Unable to find"),
        (
            _mcuboot("I: Starting swap using move algorithm.", _NO_IMAGE, starts=False),
            Ending.SPOILT,
            "went on, and found no whole image: 'E: Unable to find",
        ),
    ],
)
def test_a_cut_swap_that_nothing_came_of(after: Boot, ending: Ending, words: str) -> None:
    found = _why(_log(boot_of(*_CUT), after))
    assert found[0] is ending
    assert found[1].startswith("MCUboot was interrupted in a swap")
    assert words in found[1]
    assert "in between" in found[1]


def test_a_boot_that_ends_in_front_of_mcuboot_gives_no_swap_up() -> None:
    nsib = boot_of(_BANNER, *nsib_lines(0, 14), "Setting monotonic counter (version: 14, slot: 0)")
    assert _why(_log(boot_of(*_CUT), nsib))[0] is Ending.NO_BOOT


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        # Cut behind the exchange: the trailer is complete.
        ([_ENDED, "I: Image index: 0, Swap type: none"], Says.NEW),
        ([_BEGUN.format(2), "I: Starting swap using move algorithm."], Says.NEW),
        ([_BEGUN.format(4), "I: Starting swap using move algorithm."], Says.OLD),
    ],
)
def test_trailers_tell_what_a_cut_swap_was(lines: list[str], says: Says) -> None:
    boots = [_mcuboot(*lines)] if lines[0] != _ENDED else _log(boot_of(*_CUT), _mcuboot(*lines))
    verdict = verdict_of(Facts(boots=boots, update=_APP))
    assert [item.says for item in verdict.evidence if item.source is Source.UART] == [says]


_BURNT_S1 = (
    "Attempting to boot slot 1.",
    "Firmware has been invalidated: 0x00000000.",
    "Attempting to boot slot 0.",
    "Firmware signature verified.",
    "Firmware version 14",
)


def test_nsib_refusing_an_s_slot_refuses_no_application() -> None:
    """It does so in each boot, whatever is updated meanwhile."""
    boot = boot_of(*_BURNT_S1, *mcuboot_lines("test", swaps=False), *APP_LINES)
    assert boot.refusals
    assert "NSIB" not in _why([boot])[1]
    assert _why([boot])[0] is Ending.UNKNOWN
    reverted = [_boot("test"), boot_of(*_BURNT_S1, *mcuboot_lines("revert"), *APP_LINES)]
    assert _why(reverted)[0] is Ending.REVERTED


def test_a_copy_behind_which_mcuboot_resets_by_itself_is_no_cut_swap() -> None:
    """MCUboot of NCS 2.7, where it overwrites: lines of the virtual kit."""
    copied = boot_of(
        "I: Starting bootloader 14",
        "I: Image index: 0, Swap type: perm",
        "I: Image 0 upgrade secondary slot -> primary slot",
        "I: Erasing the primary slot",
        "I: Image 0 copying the secondary slot to the primary slot: 0x9b48 bytes",
    )
    slots = (_slot(14, holds_update=True), _slot(14, holds_update=False))
    update = McubootUpdate(replace(_TARGET, version=14), *slots)
    ending, reason = _why([copied, _boot()], update)
    assert ending is Ending.NOT_CHOSEN
    assert "is not higher" in reason


def test_a_refusal_is_of_the_slot_that_was_updated() -> None:
    boot = boot_of(*_BURNT_S1, *mcuboot_lines(), *APP_LINES)
    burnt = _slot(15, holds_update=True, burnt=True)
    kept = _slot(14, holds_update=False)
    ending, reason = _why([boot], McubootUpdate(_TARGET, burnt, kept))
    assert ending is Ending.REFUSED
    assert "Firmware has been invalidated" in reason
    # It was invalidated before the update came: NSIB chooses before MCUboot copies.
    two_resets = replace(_TARGET, resets_needed=2)
    copied_since = McubootUpdate(two_resets, _slot(15, holds_update=True), kept)
    silent = boot_of(*_BURNT_S1, *APP_LINES)
    assert _why([silent], copied_since)[0] is Ending.NEEDS_RESET
    into_s0 = McubootUpdate(replace(_TARGET, s_slot=0), _slot(13, holds_update=False), kept)
    ending, reason = _why([boot], into_s0)
    assert ending is Ending.NOT_PENDING
    assert "nothing into S0" in reason


def test_a_board_that_was_reset_behind_a_gap_is_not_said_to_be_unreset() -> None:
    for watch, words in (
        (Watch(gaps=2, resets=1), "the console was away 2 times since"),
        (Watch(resets=1), "though the board was reset"),
    ):
        verdict = verdict_of(Facts(update=_APP, memory_unread="not asked", watch=watch))
        assert verdict.ending is Ending.UNKNOWN
        assert words in verdict.reason
        assert verdict.outcome is Outcome.UNPROVEN


def test_what_was_printed_before_the_last_reset_is_not_what_runs() -> None:
    """A campaign's case: a silent MCUboot was cut in the revert and found nothing to start."""
    facts = Facts(
        [_boot("test")],
        update=replace(_APP, running=_NEW),
        watch=Watch(resets=2, lacks_last_boot=True),
    )
    dead = verdict_of(facts)
    assert (dead.outcome, dead.ending) == (Outcome.UNPROVEN, Ending.NO_BOOT)
    assert "no boot was seen since the last reset" in dead.reason
    answering = verdict_of(replace(facts, images=(_state(_NEW.hash),)))
    assert answering.outcome is Outcome.UPGRADED
    seen = verdict_of(replace(facts, watch=Watch(resets=2)))
    assert seen.outcome is Outcome.UPGRADED


def _state(image_hash: bytes, *, slot: int = 0, confirmed: bool = True) -> ImageState:
    is_active = slot == 0
    return ImageState(0, slot, "1.0.0", image_hash, True, False, confirmed, is_active, False)


def test_behind_a_gap_an_answer_of_the_new_application_proves_it() -> None:
    images = (_state(_NEW.hash), _state(_OLD.hash, slot=1))
    update = replace(_APP, running=_NEW)
    for watch, outcome in (
        (Watch(gaps=1, resets=1), Outcome.UPGRADED),
        # Nobody reset it, and nobody saw a boot: whoever answers may have run all the time.
        (Watch(gaps=1), Outcome.UNPROVEN),
        (Watch(resets=1), Outcome.UNPROVEN),
    ):
        assert verdict_of(Facts(update=update, images=images, watch=watch)).outcome is outcome


def test_no_mcuboot_is_told_to_be_reset_once_more_behind_a_gap() -> None:
    """The copy was seen, and the boot after it was missed."""
    slots = (_slot(15, holds_update=True), _slot(14, holds_update=False))
    update = McubootUpdate(replace(_TARGET, resets_needed=2), *slots)
    boots = [boot_of(*nsib_lines(0, 14), *mcuboot_lines("perm"), *APP_LINES)]
    assert _why(boots, update)[0] is Ending.NEEDS_RESET
    gap = Facts(boots=boots, update=update, watch=Watch(gaps=1, resets=2))
    assert verdict_of(gap).outcome is Outcome.UPGRADED
    early = verdict_of(replace(gap, watch=Watch(gaps=1, resets=1)))
    assert (early.outcome, early.ending) == (Outcome.UNPROVEN, Ending.NEEDS_RESET)


_SILENT = boot_of(*APP_LINES)


@pytest.mark.parametrize(
    ("images", "boots", "ending", "words"),
    [
        ((_state(_OLD.hash),), 1, Ending.REFUSED, "gone from the secondary slot"),
        (
            (_state(_OLD.hash), _state(_NEW.hash, slot=1)),
            2,
            Ending.REVERTED,
            "reverted to the old application",
        ),
        ((_state(_OLD.hash), _state(_NEW.hash, slot=1)), 1, Ending.UNKNOWN, "no other interface"),
        ((_state(_OLD.hash), _state(b"?", slot=1)), 2, Ending.UNKNOWN, "no other interface"),
        (None, 2, Ending.UNKNOWN, "no other interface"),
    ],
)
def test_what_a_silent_mcuboot_did_shows_in_the_image_list(
    images: tuple[ImageState, ...] | None, boots: int, ending: Ending, words: str
) -> None:
    verdict = verdict_of(Facts(boots=[_SILENT] * boots, update=_APP, images=images))
    assert verdict.outcome is Outcome.NOT_UPGRADED
    assert verdict.ending is ending
    assert words in verdict.reason


def test_a_new_application_that_is_not_confirmed_is_unconfirmed() -> None:
    update = replace(_APP, running=_NEW)
    for confirmed, ending in ((False, Ending.TESTED), (True, Ending.UPGRADED)):
        images = (_state(_NEW.hash, confirmed=confirmed), _state(_OLD.hash, slot=1))
        verdict = verdict_of(Facts(boots=[_SILENT], update=update, images=images))
        assert (verdict.outcome, verdict.ending) == (Outcome.UPGRADED, ending)


@pytest.mark.parametrize(
    ("boots", "needed", "outcome"),
    [(1, 1, Outcome.UPGRADED), (1, 2, Outcome.UNPROVEN), (2, 2, Outcome.UPGRADED)],
)
def test_a_silent_nsib_has_chosen_once_it_was_reset_behind_the_copy(
    boots: int, needed: int, outcome: Outcome
) -> None:
    slots = (_slot(15, holds_update=True), _slot(14, holds_update=False))
    update = McubootUpdate(replace(_TARGET, resets_needed=needed), *slots)
    assert verdict_of(Facts(boots=[_SILENT] * boots, update=update)).outcome is outcome
