"""Put a case and all rules together into what is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.explain.board_words import board_words
from pytest_nrf_fota.explain.boot_line import boot_line
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.last_attempt import start_of_last_attempt
from pytest_nrf_fota.explain.rule import Match, Rule
from pytest_nrf_fota.explain.rules import all_rules
from pytest_nrf_fota.explain.rules.test_run import TEST_SAW
from pytest_nrf_fota.explain.rules.unknown_error import ERROR_LOGGED
from pytest_nrf_fota.explain.upgrade_story import SENTENCES, Story, upgrade_story
from pytest_nrf_fota.findings.cause import fill_in
from pytest_nrf_fota.findings.finding import Confidence, Finding, Origin, Shown, Weight
from pytest_nrf_fota.verdict.boots import gave_up_of
from pytest_nrf_fota.verdict.ending import Ending, Upgraded

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType

_FIRST_BOOTS = 4
_LAST_BOOTS = 6
_WEIGHTS = (Weight.CAUSE, Weight.CONSEQUENCE, Weight.ADVICE, Weight.NOTE)
_CONFIDENCES = (Confidence.CERTAIN, Confidence.LIKELY, Confidence.POSSIBLE)


class Status(Enum):
    """What it comes to, and the command's exit code."""

    FINE = 0
    CAUSE_FOUND = 1
    NOT_ENOUGH_EVIDENCE = 3


@dataclass(frozen=True)
class BootSummary:
    """One boot of the log."""

    number: int
    line_number: int
    text: str


@dataclass(frozen=True)
class Explanation:
    """The whole answer.

    Args:
        answer: one or two sentences.
        outcome: the first of them: what became of the upgrade, without the cause.
        happened: whether an upgrade happened.
        ending: how it ended, in words that programs may rely on.
        why: the evidence of the answer, with `shown`.
        boots: the boots, the middle of very many left out; `boot_count` counts all.
        causes: what explains it, most likely first.
        advice, notes: worth doing; harmless but seen.
        capture_next: what to capture where evidence lacks.
    """

    answer: str
    outcome: str
    happened: Upgraded
    ending: str
    why: str
    shown: tuple[Shown, ...]
    boots: tuple[BootSummary, ...]
    boot_count: int
    causes: tuple[Finding, ...]
    advice: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    capture_next: tuple[str, ...]
    status: Status

    def to_json(self) -> str:
        """As JSON text; enums by their value."""
        from pydantic import TypeAdapter

        return TypeAdapter(Explanation).dump_json(self, indent=2).decode()


def explain(
    case: Case, rules: Sequence[Rule] | None = None, board: "BoardType | None" = None
) -> Explanation:
    """What happened in a case, and why. Raises `ExtensionError`.

    Args:
        case: the log and what was given with it.
        rules: all registered ones where none are given.
        board: whose flash, speed and addresses remedies name; None for the nRF5340 DK's.
    """
    story = upgrade_story(case)
    hits = findings(case, all_rules() if rules is None else rules, story, board)
    causes = [e for e in hits if e.weight in (Weight.CAUSE, Weight.CONSEQUENCE)]
    status = _status(case, story, causes)
    return Explanation(
        answer=_answer(case, story, causes, status),
        outcome=f"{SENTENCES[story.ending]}.",
        happened=story.happened,
        ending=story.ending.value,
        why=story.why,
        shown=story.shown,
        boots=_boots(case),
        boot_count=case.boots.boot_count,
        causes=tuple(causes),
        advice=tuple(e for e in hits if e.weight is Weight.ADVICE),
        notes=tuple(e for e in hits if e.weight is Weight.NOTE),
        capture_next=_capture_next(case, story, causes, status, board_words(board)),
        status=status,
    )


def findings(
    case: Case, rules: Sequence[Rule], story: Story, board: "BoardType | None" = None
) -> list[Finding]:
    """What the rules find, most likely first; `board` is for the values in their texts."""
    words = board_words(board)
    hits: list[Finding] = []
    may_be_healthy = not _is_broken(case)
    begin = start_of_last_attempt(case, story)
    for rule in rules:
        match = rule.find(case)
        if match is not None:
            weight = _weight(case, rule, match, story, begin)
            values = {**words, **match.values}
            is_gentle = may_be_healthy or match.confidence is Confidence.POSSIBLE
            told = rule.told
            if rule.gentle and is_gentle:
                told = replace(told, remedy=rule.gentle)
            hit = told.found(values, match.shown, match.confidence, weight)
            hits.append(replace(hit, cause=hit.cause[:1].upper() + hit.cause[1:]))
    hits = _without_needless_errors(hits, story)
    return sorted(
        hits, key=lambda hit: (_WEIGHTS.index(hit.weight), _CONFIDENCES.index(hit.confidence))
    )


def _is_broken(case: Case) -> bool:
    """Whether lines say that the board starts nothing: it gave up, crashed, or boots in a loop.

    Where the log only ends too early, it may be healthy.
    """
    last = case.boots.last_boot
    if last is None:
        return False
    looping = [loop for loop in case.boots.loops if not loop.reached_app or loop.fault is not None]
    ends_in_loop = any(loop.first_boot + loop.count > case.boots.boot_count for loop in looping)
    gave_up = bool(gave_up_of(last)) and not last.reached_app
    return gave_up or bool(last.faults) or ends_in_loop


def _without_needless_errors(hits: Sequence[Finding], story: Story) -> list[Finding]:
    """What no rule knows is a cause only where nothing else is one."""
    others = [
        hit
        for hit in hits
        if hit.code not in (ERROR_LOGGED, TEST_SAW)
        and hit.weight in (Weight.CAUSE, Weight.CONSEQUENCE)
    ]
    if others:
        return [hit for hit in hits if hit.code not in (ERROR_LOGGED, TEST_SAW)]
    is_cause = story.happened is not Upgraded.YES and story.ending not in _NOTHING_ATTEMPTED
    weight = Weight.CAUSE if is_cause else Weight.NOTE
    return [replace(hit, weight=weight) if hit.code == ERROR_LOGGED else hit for hit in hits]


def _started_since(case: Case, shown: Sequence[Shown]) -> bool:
    """Whether what is shown is of boots that started nothing, and the last one runs."""
    last = case.boots.last_boot
    if last is None or not last.reached_app or last.faults:
        return False
    boots = [
        next((b for b in case.boots.boots if _holds(b, one.line_number or 0)), None)
        for one in shown
    ]
    return all(
        boot is not None and boot is not last and not boot.reached_app and gave_up_of(boot)
        for boot in boots
    )


def _holds(boot: Boot, line_number: int) -> bool:
    return boot.first.line_number <= line_number <= boot.last.line_number


def _weight(case: Case, rule: Rule, match: Match, story: Story, begin: int) -> Weight:
    """What went wrong before the last attempt, or before an upgrade that lasts, is history."""
    weight = match.weight or rule.weight
    in_log = [shown for shown in match.shown if shown.origin is Origin.LOG]
    if in_log and len(in_log) == len(match.shown):
        last = max(shown.line_number or 0 for shown in in_log)
        is_over = last < begin or _started_since(case, in_log)
        if is_over and weight in (Weight.CAUSE, Weight.CONSEQUENCE):
            return Weight.NOTE
    if story.happened is not Upgraded.YES or weight is Weight.NOTE or rule.name == TEST_SAW:
        return weight
    done = max((s.line_number or 0 for s in story.shown), default=0)
    is_history = all(
        shown.origin is not Origin.LOG or (shown.line_number or 0) <= done for shown in match.shown
    )
    if story.ending is Ending.NEEDS_RESET and rule.name == "nsib_second_reset":
        return weight
    return Weight.NOTE if is_history else weight


def _status(case: Case, story: Story, causes: Sequence[Finding]) -> Status:
    sure = [e for e in causes if e.confidence is not Confidence.POSSIBLE]
    if sure:
        return Status.CAUSE_FOUND
    if story.happened is Upgraded.YES:
        return Status.FINE
    if story.ending is Ending.NOT_ATTEMPTED:
        last = case.boots.last_boot
        heard = last is None or last.reached_app
        return Status.FINE if heard else Status.NOT_ENOUGH_EVIDENCE
    if story.ending is Ending.NO_SIGN:
        return Status.NOT_ENOUGH_EVIDENCE
    if story.happened is Upgraded.NO:
        return Status.CAUSE_FOUND
    return Status.NOT_ENOUGH_EVIDENCE


def _answer(case: Case, story: Story, causes: Sequence[Finding], status: Status) -> str:
    sentence = SENTENCES[story.ending]
    if story.ending is Ending.PROBABLY:
        sentence = f"{sentence}: {story.why}"
    errors = case.known("error_line")
    match status:
        case Status.FINE if story.ending is Ending.NOT_ATTEMPTED and not causes:
            if errors:
                return f"{sentence}. The log holds an error: {errors[0].seen.text.strip()!r}."
            return f"{sentence}, and nothing is wrong in this log."
        case Status.NOT_ENOUGH_EVIDENCE if story.ending is Ending.NOT_ATTEMPTED:
            return f"Not enough evidence. {sentence}; no line of the application follows."
        case Status.NOT_ENOUGH_EVIDENCE if story.ending in (Ending.NOT_HEARD, Ending.PROBABLY):
            return f"Not enough evidence. {sentence}."
        case Status.NOT_ENOUGH_EVIDENCE:
            answer = f"Not enough evidence. {sentence}: {story.why}."
            return f"{answer} Possible: {causes[0].cause}" if causes else answer
        case _:
            pass
    if not causes:
        if story.ending in _WHY_IS_TOLD:
            return f"{sentence}: {story.why}."
        return f"{sentence}."
    top = causes[0]
    if status is Status.FINE:
        return f"{sentence}. Worth checking ({top.confidence.value}): {top.cause}"
    if top.code in _SAY_THE_SAME:
        return f"{sentence}."
    if story.ending in _NOT_ABOUT_AN_UPGRADE:
        # The log is not about an upgrade; what is wrong in it comes first.
        hedge = "" if top.confidence is Confidence.CERTAIN else f"{_HEDGES[top.confidence]}: "
        return f"{hedge}{top.cause} ({sentence}.)"
    return f"{sentence}. Cause ({top.confidence.value}): {top.cause}"


_HEDGES = {Confidence.LIKELY: "Likely", Confidence.POSSIBLE: "Possible"}
_NOTHING_ATTEMPTED = (Ending.NOT_ATTEMPTED, Ending.NO_SIGN)
_NOT_ABOUT_AN_UPGRADE = (
    *_NOTHING_ATTEMPTED,
    *(Ending.UNKNOWN, Ending.CLIENT_FAILED, Ending.NOT_FLASHED),
)
# Nothing says why; what is known is said.
_WHY_IS_TOLD = (Ending.NOT_TAKEN, Ending.CLIENT_FAILED, Ending.NOT_FLASHED)


# Their cause is the ending's own sentence.
_SAY_THE_SAME = ("nothing_pending", "pending_not_reset")


def _boots(case: Case) -> tuple[BootSummary, ...]:
    boots = case.boots.boots
    if len(boots) > _FIRST_BOOTS + _LAST_BOOTS:
        boots = (*boots[:_FIRST_BOOTS], *boots[-_LAST_BOOTS:])
    return tuple(
        BootSummary(boot.number, boot.first.line_number, boot_line(boot, case.lines))
        for boot in boots
    )


_CAPTURE_BOOT = (
    "The application core's UART ({baudrate} 8N1, the VCOM port that prints `*** Booting`) from "
    "before the upload to 10 s after the reset, from its first line on: "
    "`picocom -b {baudrate} --logfile uart.log /dev/serial/by-id/usb-SEGGER_J-Link_*-if02`."
)
_CAPTURE_CLIENT = (
    "The client's side, and give it with --smp: `smpmgr ... image state-read` (or `mcumgr image "
    "list`, or the phone app's log) before the upload, after it and after the reset."
)
_CAPTURE_MCUBOOT = (
    "MCUboot's own lines: it prints none here. Build it with `CONFIG_LOG=y`, "
    "`CONFIG_MCUBOOT_LOG_LEVEL_INF=y` and `CONFIG_UART_CONSOLE=y` (child_image/mcuboot.conf or "
    "sysbuild/mcuboot.conf)."
)
_CAPTURE_SWAP = "The rest of the swap: a swap from external flash takes up to two minutes."
_CAPTURE_APP = (
    "The application's first lines: does it print on this UART at all, at {baudrate} baud? If it "
    "does, it was not started, or it hangs."
)
_CAPTURE_AFTER = (
    "The boot behind the upload: reset the board (`nrfjprog --pinreset`) while the capture runs."
)
_CAPTURE_LIST = (
    "Which version runs now: `smpmgr ... image state-read`, or the shell command `mcuboot`."
)


def _capture_next(
    case: Case,
    story: Story,
    causes: Sequence[Finding],
    status: Status,
    words: Mapping[str, str],
) -> tuple[str, ...]:
    """What would settle the question; nothing where it is settled."""
    asked = [e.asks_for for e in causes[:3] if e.asks_for]
    asked = [f"{text[:1].upper()}{text[1:]}." for text in asked]
    certain = [e for e in causes if e.confidence is Confidence.CERTAIN]
    explained = any(e.weight is Weight.CAUSE for e in certain)
    if status is Status.FINE or (explained and story.ending is not Ending.UNKNOWN):
        return ()
    wanted: list[str] = []
    if story.ending is Ending.CUT:
        wanted.append(_CAPTURE_SWAP)
    if not explained and story.ending is Ending.GIVEN_UP:
        wanted.append(_CAPTURE_LIST)
    if not explained and story.ending in (Ending.UNKNOWN, Ending.NOT_HEARD, Ending.PROBABLY):
        wanted += _for_unknown(case)
    if story.ending in (Ending.NOT_HEARD, Ending.NOT_ATTEMPTED) and not explained:
        wanted.append(_CAPTURE_APP)
    if (
        story.ending in (Ending.NOT_MARKED, Ending.UPLOADED)
        and not case.has_client
        and not case.listed
    ):
        wanted.append(_CAPTURE_AFTER)
    needs_client = (
        story.ending in (Ending.NOT_PENDING, Ending.NOT_MARKED, Ending.UPLOADED, Ending.NOT_TAKEN)
        and not explained
    )
    if needs_client and not case.has_client and not case.listed:
        wanted.append(_CAPTURE_CLIENT)
    if _mcuboot_is_silent(case) and not explained:
        wanted.append(_CAPTURE_MCUBOOT)
    return tuple(fill_in(text, words) for text in dict.fromkeys((*wanted, *asked)))


def _for_unknown(case: Case) -> list[str]:
    wanted = []
    if not case.boots.boots or case.boots.begins_in_boot or not _has_bootloader(case):
        wanted.append(_CAPTURE_BOOT)
    wanted.append(_CAPTURE_LIST)
    if not case.has_client and not case.listed:
        wanted.append(_CAPTURE_CLIENT)
    return wanted


def _has_bootloader(case: Case) -> bool:
    return any(span.stage is not Stage.APP for boot in case.boots.boots for span in boot.stages)


def _mcuboot_is_silent(case: Case) -> bool:
    """Boots run through to an application, and none has a line of MCUboot.

    One that defers its log prints where it has time to: in a boot that takes an update.
    """
    whole = [b for b in case.boots.boots if b.reached_app and not b.start_is_missing]
    if not whole or not _has_bootloader(case):
        return False
    return all(
        b.mcuboot is None or not (b.mcuboot.started or b.mcuboot.decisions or b.mcuboot.swaps)
        for b in case.boots.boots
    )
