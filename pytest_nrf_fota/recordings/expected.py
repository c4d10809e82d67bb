"""What was found when a run was recorded, from its events: what a replay has to find again."""

from collections.abc import Iterator, Sequence

from pytest_nrf_fota.bootlog.facts.boot import BoardPatterns
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.record.events import (
    ProbeOperation,
    Recorded,
    ToolCalled,
    UartLine,
    VerdictReached,
)
from pytest_nrf_fota.recordings.boot_line import boot_line
from pytest_nrf_fota.recordings.schema import Expected, OperationEnd

# Between a call's end and that of the operation that it is a part of; both are rounded.
_CLOCK_S = 0.001


def expected_of(events: Sequence[Recorded], patterns: BoardPatterns | None) -> Expected:
    """What the events show.

    Args:
        events: of one part, by time.
        patterns: how its board's lines look; None where the recording does not tell its board.
    """
    reader = BootReader(patterns)
    reader.feed_lines(
        LogLine(one.t_s, one.event.text) for one in events if isinstance(one.event, UartLine)
    )
    return Expected(
        operations=tuple(end for _, end in operations_of(events)),
        boots=tuple(boot_line(boot) for boot in reader.boots() if not boot.start_is_missing),
        verdicts=tuple(
            f"{one.event.outcome}: {one.event.reason or one.event.subject}"
            for one in events
            if isinstance(one.event, VerdictReached)
        ),
    )


def operations_of(events: Sequence[Recorded]) -> Iterator[tuple[Recorded, OperationEnd]]:
    """The probe's operations that called its tool, each with what it came to."""
    called_at_s: float | None = None
    for one in events:
        match one.event:
            case ToolCalled():
                called_at_s = one.t_s
            case ProbeOperation() as event:
                began_at_s = one.t_s - event.duration_s - _CLOCK_S
                if called_at_s is not None and called_at_s >= began_at_s:
                    end = event.fault or ("failed" if event.error else "")
                    yield (
                        one,
                        OperationEnd(operation=event.operation, detail=event.detail, fault=end),
                    )
                called_at_s = None
            case _:
                pass
