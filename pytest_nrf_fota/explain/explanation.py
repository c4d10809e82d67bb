"""Put a case and all rules together into what is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.explain.board_words import board_words
from pytest_nrf_fota.explain.boot_line import boot_line
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Match, Rule
from pytest_nrf_fota.explain.rules import all_rules
from pytest_nrf_fota.explain.upgrade_story import SENTENCES, Story, upgrade_story
from pytest_nrf_fota.findings.cause import fill_in
from pytest_nrf_fota.findings.finding import Confidence, Finding, Origin, Shown, Weight
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
    status = _status(story, causes)
    return Explanation(
        answer=_answer(story, causes, status),
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
    for rule in rules:
        match = rule.find(case)
        if match is not None:
            weight = _weight(rule, match, story)
            values = {**words, **match.values}
            hit = rule.told.found(values, match.shown, match.confidence, weight)
            hits.append(replace(hit, cause=hit.cause[:1].upper() + hit.cause[1:]))
    return sorted(
        hits, key=lambda hit: (_WEIGHTS.index(hit.weight), _CONFIDENCES.index(hit.confidence))
    )


def _weight(rule: Rule, match: Match, story: Story) -> Weight:
    """What went wrong before an upgrade that happened and lasts is history."""
    weight = match.weight or rule.weight
    if story.happened is not Upgraded.YES or weight is Weight.NOTE:
        return weight
    done = max((s.line_number or 0 for s in story.shown), default=0)
    is_history = all(
        shown.origin is not Origin.LOG or (shown.line_number or 0) <= done for shown in match.shown
    )
    if story.ending is Ending.NEEDS_RESET and rule.name == "nsib_second_reset":
        return weight
    return Weight.NOTE if is_history else weight


def _status(story: Story, causes: Sequence[Finding]) -> Status:
    sure = [e for e in causes if e.confidence is not Confidence.POSSIBLE]
    if sure:
        return Status.CAUSE_FOUND
    if story.happened is Upgraded.YES or story.ending is Ending.NOT_ATTEMPTED:
        return Status.FINE
    if story.happened is Upgraded.NO:
        return Status.CAUSE_FOUND
    return Status.NOT_ENOUGH_EVIDENCE


def _answer(story: Story, causes: Sequence[Finding], status: Status) -> str:
    sentence = SENTENCES[story.ending]
    match status:
        case Status.FINE if story.ending is Ending.NOT_ATTEMPTED and not causes:
            return f"{sentence}, and nothing is wrong in this log."
        case Status.NOT_ENOUGH_EVIDENCE:
            return f"Not enough evidence. {sentence}: {story.why}."
        case _:
            pass
    if not causes:
        return f"{sentence}."
    top = causes[0]
    if status is Status.FINE:
        return f"{sentence}. Worth checking: {top.cause}"
    if top.code in _SAY_THE_SAME:
        return f"{sentence}."
    if story.ending in (Ending.UNKNOWN, Ending.NOT_ATTEMPTED, Ending.CLIENT_FAILED):
        # The log is not about an upgrade; what is wrong in it comes first.
        return f"{top.cause} ({sentence}.)"
    return f"{sentence}. Cause ({top.confidence.value}): {top.cause}"


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
    if not explained and story.ending is Ending.UNKNOWN:
        wanted += _for_unknown(case)
    if story.ending is Ending.NOT_MARKED and not case.has_client and not case.listed:
        wanted.append(_CAPTURE_AFTER)
    needs_client = story.ending in (Ending.NOT_PENDING, Ending.NOT_MARKED) and not explained
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
    """Boots run through to an application without a line of MCUboot."""
    whole = [b for b in case.boots.boots if b.reached_app and not b.start_is_missing]
    if not whole or not _has_bootloader(case):
        return False
    return all(
        b.mcuboot is None or not (b.mcuboot.started or b.mcuboot.decisions or b.mcuboot.swaps)
        for b in whole
    )
