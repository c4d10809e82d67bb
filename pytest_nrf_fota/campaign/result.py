"""What a case came to, and as a file that can be run again."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pytest_nrf_fota.campaign.case import Case
from pytest_nrf_fota.campaign.witness import Truth
from pytest_nrf_fota.errors import InputError


class Answer(Enum):
    """What the harness said of the upgrade, or how it failed to."""

    UPGRADED = "upgraded"
    NOT_UPGRADED = "not upgraded"
    CONTRADICTION = "contradiction"
    UNPROVEN = "unproven"
    REFUSED = "refused"
    NO_VERDICT = "no verdict"
    NOT_PREPARED = "not prepared"
    FOREIGN_ERROR = "foreign exception"
    KIT_FAILED = "the kit failed"
    HANG = "hang"
    LOST = "worker died"


@dataclass(frozen=True)
class Result:
    """What was found in one case.

    Args:
        case: the case.
        answer: the harness's.
        truth: the kit's; None where nothing could be asked.
        ending: the verdict's, by its name; empty without a verdict.
        said: the verdict, or the error, in its own words.
        steps: errors of single steps.
        seen: what the kit's witness saw.
        printed: what the kit printed since the upgrade began; what was lost has a `-`.
        cpu_s, wall_s: what it cost.
    """

    case: Case
    answer: Answer
    truth: Truth | None = None
    ending: str = ""
    said: str = ""
    steps: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    cpu_s: float = 0.0
    wall_s: float = 0.0

    def __str__(self) -> str:
        """For people, everything."""
        truth = "unknown" if self.truth is None else self.truth.value
        lines = [str(self.case), f"  answer: {self.answer.value}; truth: the update {truth}"]
        lines += [f"  {line}" for line in self.said.splitlines()]
        lines += [f"  step: {step}" for step in self.steps]
        lines += [f"  kit: {line}" for line in self.seen]
        lines += [f"    {line}" for line in self.printed]
        return "\n".join(lines)


_RESULT = TypeAdapter(Result)


def to_json(result: Result) -> str:
    """The file's text."""
    return _RESULT.dump_json(result, indent=2).decode() + "\n"


def read_result(path: Path) -> Result:
    """Read a saved result. Raises `InputError`."""
    try:
        return _RESULT.validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"This is no case of a campaign: {error.errors()[0]['msg']}",
            where=str(path),
            next_step="Give a file that `nrf-fota campaign run` has saved.",
        ) from error
