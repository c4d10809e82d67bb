"""Which lines decided a verdict: those of its evidence, and those that its reason quotes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.bootlog.report import Boot, Seen
from pytest_nrf_fota.findings.evidence import Evidence, Source
from pytest_nrf_fota.record.events import FactsJudged, VerdictReached
from pytest_nrf_fota.timeline.uart_boots import texts
from pytest_nrf_fota.timeline.values import Tone
from pytest_nrf_fota.verdict.boots import sign_of_boots

_QUOTED = re.compile(r"""'([^'\n]{6,})'|"([^"\n]{6,})\"""")
_SHORTEST_PIECE_CHARS = 8
_MOST_LINES = 10


@dataclass(frozen=True)
class DecidingLine:
    """A line of the board that a verdict has as evidence.

    Args:
        uart_line: its number in uart.log.
        text: the line.
        why: the piece of evidence, or of the reason, that it shows.
        tone: GOOD where it speaks for the update.
    """

    uart_line: int
    text: str
    why: str
    tone: Tone


def deciding_lines(
    verdict: VerdictReached, facts: FactsJudged | None, boots: Sequence[Boot]
) -> tuple[DecidingLine, ...]:
    """The lines of the boots that were judged, in order; at most ten.

    Args:
        verdict: what was said of them.
        facts: what it was judged from.
        boots: those since the update was set pending.
    """
    found: dict[int, DecidingLine] = {}
    tone = Tone.GOOD if verdict.outcome == "upgraded" else Tone.BAD
    for line in _quoted(verdict.reason, texts(boots)):
        found.setdefault(line.line_number, _deciding(line, "the reason quotes it", tone))
    sign = sign_of_boots(boots, of_app=_is_app(facts))
    for line in sign.seen:
        found.setdefault(line.line_number, _deciding(line, sign.why, tone))
    for item in verdict.evidence:
        if item.source is Source.UART:
            for line in _shown_by(item, boots[-1:]):
                why = f"evidence: {item.detail}"
                found.setdefault(line.line_number, _deciding(line, why, tone_of(item)))
    kept = sorted(found.values(), key=lambda one: (one.tone is not tone, one.uart_line))
    return tuple(sorted(kept[:_MOST_LINES], key=lambda one: one.uart_line))


def tone_of(item: Evidence) -> Tone:
    """How evidence is to be taken: by what it says of the update."""
    if item.says.is_contrary:
        return Tone.BAD
    return Tone.GOOD if item.says.value == "new" else Tone.PLAIN


def _deciding(line: Seen, why: str, tone: Tone) -> DecidingLine:
    return DecidingLine(line.line_number, line.text, why, tone)


def _is_app(facts: FactsJudged | None) -> bool:
    first = facts.updates[0] if facts is not None and facts.updates else None
    return isinstance(first, dict) and first.get("kind") == "app"


def _quoted(reason: str, lines: Iterable[Seen]) -> list[Seen]:
    quoted = {first or second for first, second in _QUOTED.findall(reason)}
    # As Python's repr wrote them.
    quoted |= {text.replace("\\'", "'").replace("\\\\", "\\") for text in quoted}
    return [line for line in lines if line.text.strip() in quoted]


def _shown_by(item: Evidence, boots: Sequence[Boot]) -> list[Seen]:
    """The lines that evidence names in its words, as `Boot.summary` makes them."""
    pieces = [piece.strip() for piece in re.split(r"[,;]", item.detail)]
    pieces = [piece for piece in pieces if len(piece) >= _SHORTEST_PIECE_CHARS]
    shown = [line for line in texts(boots) if any(piece in line.text for piece in pieces)]
    for boot in boots:
        if boot.nsib is not None and any(piece.startswith("NSIB boots") for piece in pieces):
            shown += [attempt.seen for attempt in boot.nsib.attempts[-1:]]
    return shown
