"""A rule knows one cause: how it shows, why it happens, what to do about it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known, Origin

_MOST_SHOWN = 6


class Confidence(Enum):
    """How sure a finding is.

    CERTAIN: the board or a tool said so in words. LIKELY: several lines together leave little
    else. POSSIBLE: worth checking.
    """

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Weight(Enum):
    """What a finding means for the answer.

    CAUSE: it explains a failure. CONSEQUENCE: it follows from another cause where there is one.
    ADVICE: worth doing beside a cause. NOTE: harmless, explained so that nobody looks for it.
    """

    CAUSE = "cause"
    CONSEQUENCE = "consequence"
    ADVICE = "advice"
    NOTE = "note"


@dataclass(frozen=True)
class Shown:
    """One piece of evidence: a line of an input, or a fact of the package."""

    origin: Origin
    line_number: int | None
    text: str

    @classmethod
    def of(cls, seen: Seen | Known, origin: Origin = Origin.LOG) -> "Shown":
        """From a line."""
        match seen:
            case Known():
                return cls(seen.origin, seen.seen.line_number, seen.seen.text.strip())
            case Seen():
                return cls(origin, seen.line_number, seen.text.strip())


@dataclass(frozen=True)
class Finding:
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
        """Refuse a finding without evidence."""
        if not self.shown:
            raise ValueError("a finding needs at least one line that shows it")


Find: TypeAlias = Callable[[Case], "Finding | None"]


@dataclass(frozen=True)
class Rule:
    """One cause.

    Args:
        name: its code, by which programs and docs/diagnosis.md refer to it.
        cause: one sentence; `{name}` is filled in from the finding.
        remedy: one or two sentences with the literal command or Kconfig option.
        find: looks for it in a case.
        weight: what it means for the answer.
        asks_for: what to capture to be sure, where it is not.
    """

    name: str
    cause: str
    remedy: str
    find: Find
    weight: Weight = Weight.CAUSE
    asks_for: str = ""


def fill_in(text: str, values: dict[str, str]) -> str:
    """A rule's text with the finding's values; what is not known stays readable."""
    return re.sub(r"\{(\w+)\}", lambda place: values.get(place[1], f"<{place[1]}>"), text)


def shown_of(lines: Iterable[Known | Seen], origin: Origin = Origin.LOG) -> tuple[Shown, ...]:
    """The lines as evidence, in their order: each once, of many the first ones and the last."""
    unique = sorted(
        dict.fromkeys(Shown.of(line, origin) for line in lines),
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
) -> Finding | None:
    """A finding from lines; None where there are none."""
    shown = shown_of(lines, origin)
    if not shown:
        return None
    texts = {name: str(value) for name, value in {**(values or {}), **more_values}.items()}
    return Finding(shown, confidence, texts, weight)


def says(
    *names: str, confidence: Confidence = Confidence.CERTAIN, also: tuple[str, ...] = ()
) -> Find:
    """Finds any line of these patterns; `also` are shown beside it."""

    def find(case: Case) -> Finding | None:
        hits = case.known(*names)
        if not hits:
            return None
        groups = {name: text for name, text in hits[0].hit.groups.items() if text is not None}
        beside = [line for line in case.known(*also) if case.same_boot(line, hits[0])]
        return found((*hits, *beside), confidence, values=groups)

    return find
