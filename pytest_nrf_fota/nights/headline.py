"""One thing that a night's page says first: what broke, on which kit, since when, and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from pytest_nrf_fota.nights.store import Row


class Kind(Enum):
    """What kind of trouble it is."""

    REGRESSION = "regression"
    KIT = "failing kit"
    HOST = "failing host"
    SLOW_KIT = "slow kit"
    SLOWER = "slower on all kits"
    MISSING = "kits that did not run"
    RIG = "test setup"
    FAILURE = "single failure"
    NO_RESULT = "no result"


@dataclass(frozen=True)
class Headline:
    """One trouble, with all that a reader needs to go on.

    Args:
        weight: what stands first; see `ranking.py`.
        what: one sentence: what broke, and where.
        since: since when, in words.
        why: one or two sentences.
        cause: the code that most of its failures have; empty where nothing failed.
        remedy: what to do; may be empty.
        rows: its failures in the reported night.
    """

    kind: Kind
    weight: float
    what: str
    since: str = ""
    why: str = ""
    cause: str = ""
    remedy: str = ""
    kits: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


def main_cause(rows: Sequence[Row]) -> Row:
    """The failure that stands for others: of the most frequent code, the latest with a text."""
    ((code, _),) = Counter(row.cause for row in rows).most_common(1)
    same = [row for row in rows if row.cause == code]
    return next((row for row in reversed(same) if row.cause_text), same[-1])


def named(names: Sequence[str], at_most: int = 3) -> str:
    """Names in a sentence; of many, the first."""
    if len(names) <= at_most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:at_most])} and {len(names) - at_most} more"


def short_scenario(scenario: str) -> str:
    """The test's name without its file."""
    return scenario.partition("::")[2] or scenario


def day(night: date) -> str:
    """A night as people write it: `Tue 17 Nov`."""
    return f"{night:%a} {night.day} {night:%b}"


def counted(count: int, noun: str) -> str:
    """`1 kit`, `3 kits`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def sentence(text: str) -> str:
    """A text that ends as a sentence."""
    text = text.strip()
    return text if not text or text[-1] in ".!?:" else f"{text}."
