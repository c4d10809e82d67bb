"""One step of first contact: what it does to the kit, and what it found."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.first_contact.bench import Bench


class Result(Enum):
    """What became of a step. HELD: it is as this package takes it to be."""

    HELD = "held"
    NOT_HELD = "did not hold"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Found:
    """What a step found out, in a sentence or several."""

    result: Result
    text: str


def held(is_so: bool, text: str) -> Found:
    """What was found, and whether it is as it is taken to be."""
    return Found(Result.HELD if is_so else Result.NOT_HELD, text)


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        name: what it is about.
        does: what it does to the kit, as a sentence that a person agrees to.
        run: does it. Raises `SkippedError` where it cannot be done, `FotaError` where it fails.
        erases: whether it erases or writes what a person may want to keep.
    """

    name: str
    does: str
    run: Callable[[Bench], Found]
    erases: bool = False


@dataclass(frozen=True)
class Done:
    """A step that is over."""

    step: Step
    found: Found
    duration_s: float
