"""A finding: a code, why something is so, what to do about it, and the lines that show it."""

from dataclasses import dataclass
from enum import Enum


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

    CAUSE: it explains a failure, or makes one likely. CONSEQUENCE: it follows from another cause
    where there is one. ADVICE: worth doing beside a cause. NOTE: harmless, explained so that nobody
    looks for it.
    """

    CAUSE = "cause"
    CONSEQUENCE = "consequence"
    ADVICE = "advice"
    NOTE = "note"


class Origin(Enum):
    """Which input a line comes from."""

    LOG = "log"
    CLIENT = "smp"
    PACKAGE = "package"
    FILE = "file"


@dataclass(frozen=True)
class Shown:
    """One piece of evidence: a line of an input, a fact of the package, a place in a file."""

    origin: Origin
    line_number: int | None
    text: str


@dataclass(frozen=True)
class Finding:
    """One cause that was found.

    Args:
        code: which one, by its name in docs/diagnosis.md; it does not change.
        cause: one sentence.
        remedy: one or two sentences with the literal command or Kconfig option; may be empty.
        shown: what shows it.
        confidence: how sure it is.
        weight: what it means for the answer.
        asks_for: what to capture to be sure, where it is not.
    """

    code: str
    cause: str
    remedy: str = ""
    shown: tuple[Shown, ...] = ()
    confidence: Confidence = Confidence.CERTAIN
    weight: Weight = Weight.CAUSE
    asks_for: str = ""
