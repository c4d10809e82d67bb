"""The error of a probe's tool. Every exit code, `APIError` and message of the tools ends in one."""

from pytest_nrf_fota.errors import ProbeError
from pytest_nrf_fota.findings.probe_faults import TELLS_OF_LOSS, ProbeFault, fault_in, remedy

__all__ = [
    "HostGoneError",
    "ProbeFault",
    "ProbeFaultError",
    "fault_in",
    "is_protected",
    "remedy",
    "tells_of_loss",
    "tool_failed",
]


class ProbeFaultError(ProbeError):
    """The probe's tool failed; `fault` says how, the message what to do.

    Args:
        next_step: where it is another than the fault's remedy.
    """

    def __init__(self, fault: ProbeFault, what: str, *, where: str, next_step: str = "") -> None:
        self.fault = fault
        super().__init__(what, where=where, next_step=next_step or remedy(fault))


class HostGoneError(ProbeFaultError):
    """The kit's host does not answer, so no tool works there."""

    def __init__(self, what: str, *, where: str, next_step: str) -> None:
        super().__init__(ProbeFault.NOT_REACHABLE, what, where=where, next_step=next_step)


def tool_failed(
    fault: ProbeFault, tool: str, status: str, last_words: str, *, where: str
) -> ProbeFaultError:
    """The error for a call that ended badly.

    Args:
        fault: what its status and its words come to.
        tool: its name.
        status: how it ended, in its own numbers.
        last_words: what it said at the end; may be empty.
        where: the command.
    """
    words = last_words or "it said nothing"
    what = f"{tool} failed with {status}: {words}"
    if fault is ProbeFault.OTHER:
        what = f"The flash tool failed: {tool}, {status}, its last words: {words}"
    return ProbeFaultError(fault, what, where=where)


def tells_of_loss(error: BaseException) -> bool:
    """Whether a probe's error may mean that the kit is lost."""
    return isinstance(error, ProbeFaultError) and error.fault in TELLS_OF_LOSS


def is_protected(error: ProbeError) -> bool:
    """Whether the kit refused because its access port is closed."""
    return isinstance(error, ProbeFaultError) and error.fault is ProbeFault.PROTECTED
