"""A rule knows one cause: how it shows, why it happens, what to do about it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.findings.cause import Cause
from pytest_nrf_fota.findings.finding import Confidence, Origin, Shown, Weight

_MOST_SHOWN = 6


@dataclass(frozen=True)
class Match:
    """A rule's hit.

    Args:
        shown: the lines that show it; never empty, because a missing line alone proves nothing.
        confidence: how sure it is.
        values: what the rule's texts leave open as `{name}`.
        weight: where it differs from the rule's.
    """

    shown: tuple[Shown, ...]
    confidence: Confidence
    values: dict[str, str] = field(default_factory=dict)
    weight: Weight | None = None

    def __post_init__(self) -> None:
        """Refuse a match without evidence."""
        if not self.shown:
            raise ValueError("a match needs at least one line that shows it")


Find: TypeAlias = Callable[[Case], "Match | None"]


@dataclass(frozen=True)
class Rule:
    """One cause.

    Args:
        name: its code, by which programs and docs/diagnosis.md refer to it.
        cause: one sentence; `{name}` is filled in from the match, or the board (board_words.py).
        remedy: one or two sentences with the literal command or Kconfig option.
        find: looks for it in a case.
        weight: what it means for the answer.
        asks_for: what to capture to be sure, where it is not.
        gentle: the remedy for a board that may be healthy, which erases and recovers nothing;
            empty where `remedy` is such a one.
    """

    name: str
    cause: str
    remedy: str
    find: Find
    weight: Weight = Weight.CAUSE
    asks_for: str = ""
    gentle: str = ""

    @property
    def told(self) -> Cause:
        """What it says."""
        return Cause(self.name, self.cause, self.remedy, self.weight, self.asks_for)


def shown_line(line: Seen | Known, origin: Origin = Origin.LOG) -> Shown:
    """A line as evidence; `origin` is for one that does not know its own."""
    if isinstance(line, Known):
        return shown_line(line.seen, line.origin)
    return Shown(origin, line.line_number, line.text.strip())


def shown_of(lines: Iterable[Known | Seen], origin: Origin = Origin.LOG) -> tuple[Shown, ...]:
    """The lines as evidence, in their order: each once, of many the first ones and the last."""
    unique = sorted(
        dict.fromkeys(shown_line(line, origin) for line in lines),
        key=lambda shown: (shown.origin.value, shown.line_number or 0),
    )
    if len(unique) > _MOST_SHOWN:
        unique = [*unique[: _MOST_SHOWN - 1], unique[-1]]
    return tuple(unique)


def found(
    lines: Iterable[Known | Seen],
    confidence: Confidence = Confidence.CERTAIN,
    *,
    weight: Weight | None = None,
    origin: Origin = Origin.LOG,
    values: Mapping[str, object] | None = None,
    **more_values: object,
) -> Match | None:
    """A match from lines; None where there are none."""
    shown = shown_of(lines, origin)
    if not shown:
        return None
    texts = {name: str(value) for name, value in {**(values or {}), **more_values}.items()}
    return Match(shown, confidence, texts, weight)


@dataclass(frozen=True)
class FindLines:
    """Finds any line of the patterns `names`; lines of `also` in the same boot are shown beside it.

    A value and no closure, so that its names can be compared with those that are registered.
    """

    names: tuple[str, ...]
    confidence: Confidence
    also: tuple[str, ...]

    def __call__(self, case: Case) -> Match | None:
        """The match, with the groups of the first line."""
        hits = case.known(*self.names)
        if not hits:
            return None
        groups = {name: text for name, text in hits[0].hit.groups.items() if text is not None}
        beside = [line for line in case.known(*self.also) if case.same_boot(line, hits[0])]
        return found((*hits, *beside), self.confidence, values=groups)


def says(
    *names: str, confidence: Confidence = Confidence.CERTAIN, also: tuple[str, ...] = ()
) -> FindLines:
    """Finds any line of these patterns; `also` are shown beside it."""
    return FindLines(names, confidence, also)
