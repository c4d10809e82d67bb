"""The gates that an update has to pass, and how it passed them."""

from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.findings.finding import Finding


class Result(Enum):
    """How a gate was passed. NOTE is worth knowing and stops nothing."""

    OK = "ok"
    NO = "NO"
    NOTE = "note"
    NOT_REACHED = "-"


@dataclass(frozen=True)
class Gate:
    """One gate.

    Args:
        code: which one, for programs; the same for each core.
        name: what it is called.
        result: how it was passed.
        detail: what was seen there.
        finding: why not, and what to do; None unless the result is NO.
    """

    code: str
    name: str
    result: Result = Result.NOT_REACHED
    detail: str = ""
    finding: Finding | None = None
