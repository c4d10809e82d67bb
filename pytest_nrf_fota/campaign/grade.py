"""A result held against the truth: right, or which kind of miss."""

from enum import Enum

from typing_extensions import assert_never

from pytest_nrf_fota.campaign.causes import NAMED_BY, Injected, can_be_named, injected_into
from pytest_nrf_fota.campaign.result import Answer, Result
from pytest_nrf_fota.campaign.witness import Truth


class Miss(Enum):
    """What was wrong with an answer."""

    FALSE_UPGRADED = "false UPGRADED"
    FALSE_NOT_UPGRADED = "false NOT UPGRADED"
    FALSE_CONTRADICTION = "false CONTRADICTION"
    FOREIGN_ERROR = "foreign exception"
    KIT_FAILED = "the kit failed"
    HANG = "hang"
    WORKER_DIED = "worker died"
    UNPROVEN = "unproven though proof was there"
    REFUSED = "refused without a reason"
    CAUSE = "cause not named"

    @property
    def is_lie(self) -> bool:
        """Whether one of them is too many."""
        return self not in (Miss.UNPROVEN, Miss.REFUSED, Miss.CAUSE)


def miss_of(result: Result) -> Miss | None:
    """The gravest thing that is wrong with a result; None where it is right."""
    match result.answer:
        case Answer.HANG:
            return Miss.HANG
        case Answer.LOST:
            return Miss.WORKER_DIED
        case Answer.FOREIGN_ERROR:
            return Miss.FOREIGN_ERROR
        case Answer.KIT_FAILED:
            return Miss.KIT_FAILED
        case Answer.NOT_PREPARED:
            return None
        case Answer.REFUSED:
            return None if injected_into(result.case) else Miss.REFUSED
        case Answer.UPGRADED:
            is_false = result.truth in (Truth.NO, Truth.UNUSABLE)
            return Miss.FALSE_UPGRADED if is_false else None
        case Answer.CONTRADICTION:
            return None if result.truth is Truth.MOVING else Miss.FALSE_CONTRADICTION
        case Answer.NOT_UPGRADED:
            if result.truth is Truth.YES:
                return Miss.FALSE_NOT_UPGRADED
            return _miss_of_cause(result)
        case Answer.UNPROVEN | Answer.NO_VERDICT:
            if result.truth is Truth.YES:
                return Miss.UNPROVEN if result.case.is_console_whole else None
            return _miss_of_cause(result)
        case _:
            assert_never(result.answer)


def single_cause(result: Result) -> Injected | None:
    """What was injected, where that is one nameable thing, and the update is of no use."""
    causes = injected_into(result.case)
    if len(causes) != 1:
        return None
    (cause,) = causes
    did_not_work = result.truth in (Truth.NO, Truth.UNUSABLE)
    has_answer = result.answer in (Answer.NOT_UPGRADED, Answer.UNPROVEN, Answer.NO_VERDICT)
    is_asked = did_not_work and has_answer and can_be_named(result.case, cause)
    return cause if is_asked else None


def names_cause(result: Result) -> bool:
    """Whether the verdict's ending is one that names what was injected."""
    endings = set().union(*(NAMED_BY[cause] for cause in injected_into(result.case)))
    return result.ending in {ending.name for ending in endings}


def _miss_of_cause(result: Result) -> Miss | None:
    return Miss.CAUSE if single_cause(result) is not None and not names_cause(result) else None
