"""Uploads that ended with their connection."""

from pytest_nrf_fota.bootlog.client_side import ClientStep, Operation, Problem
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Match, Rule, found
from pytest_nrf_fota.findings.finding import Confidence

_ENDED = (Problem.DISCONNECTED, Problem.TIMEOUT, Problem.BROKEN_OFF)


def lost_uploads(case: Case) -> tuple[ClientStep, ...]:
    """Uploads whose connection was lost after the server had answered to a packet.

    Before its first answer the server erases the slot, which is another cause.
    """
    return tuple(
        step
        for step in case.client.steps_of(Operation.UPLOAD)
        if step.problem is Problem.DISCONNECTED and step.board_booted is None and step.offset
    )


def _connection_lost(case: Case) -> Match | None:
    step = next(reversed(lost_uploads(case)), None)
    if step is None or _was_done_later(case, step):
        return None
    return found(
        _evidence(step, step.board_disconnected),
        Confidence.CERTAIN,
        origin=case.client_origin,
        place=_place(step),
    )


def _board_was_reset(case: Case) -> Match | None:
    steps = [
        step
        for step in case.client.steps_of(Operation.UPLOAD)
        if step.problem in _ENDED and step.board_booted is not None
    ]
    if not steps or _was_done_later(case, steps[-1]):
        return None
    return found(
        _evidence(steps[-1], steps[-1].board_booted),
        Confidence.CERTAIN,
        origin=case.client_origin,
        place=_place(steps[-1]),
    )


def _was_done_later(case: Case, lost: ClientStep) -> bool:
    return any(
        step.problem is None and step.seen.line_number > lost.seen.line_number
        for step in case.client.steps_of(Operation.UPLOAD)
    )


def _evidence(step: ClientStep, board: Seen | None) -> list[Seen]:
    return [seen for seen in (step.seen, board, step.problem_seen) if seen is not None]


def _place(step: ClientStep) -> str:
    """A printed log may tell percent only, which stands as so many of 100."""
    if step.offset is None or not step.size_bytes:
        return "before the server answered"
    return f"{100 * step.offset // step.size_bytes} % were there"


RULES = (
    Rule(
        "board_reset_during_upload",
        "The board was reset while the upload was under way ({place}), and with it the server "
        "forgot the upload.",
        "Read the UART in front of that boot for a crash, and exclude watchdog and supply; then "
        "upload again: it begins at offset 0.",
        _board_was_reset,
    ),
    Rule(
        "connection_lost_during_upload",
        "The connection was lost while the upload was under way ({place}).",
        "Connect again and upload the same file: the server goes on where it was, until a reset. "
        "If it comes again, bring the radios closer and read the reason in the UART log: 0x08 is "
        "a link that went silent (range, interference, a CPU that stood still in a flash erase: "
        "raise the supervision timeout), 0x13 a client that hung up.",
        _connection_lost,
    ),
)
