"""From a flight recorder to a time line: no event is kept in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pytest_nrf_fota.record.events import (
    FailureExplained,
    PhaseEnded,
    RunStarted,
    SmpMessage,
    UartLine,
    UnitTaken,
)
from pytest_nrf_fota.timeline.decisions import Decisions, with_problems
from pytest_nrf_fota.timeline.describe import describe
from pytest_nrf_fota.timeline.lanes import Lanes
from pytest_nrf_fota.timeline.read import NumberedEvent, ReadingLosses, read_events
from pytest_nrf_fota.timeline.recorded_board import recorded_board
from pytest_nrf_fota.timeline.uart_boots import UartBoots, stage_lines, stage_marks
from pytest_nrf_fota.timeline.upload_rates import UploadRates
from pytest_nrf_fota.timeline.values import Result, TimeLine, Tone

_MOST_FLAGGED = 5000

Diagnose: TypeAlias = Callable[[Path, UnitTaken | None], FailureExplained | None]
"""Finds out why an upgrade did not happen, from a recorder and the board it is of."""


def time_line(
    recorder: Path, result: Result | None = None, diagnose: Diagnose | None = None
) -> TimeLine:
    """The time line of a recorder.

    Args:
        recorder: the file; its test may be under way, or have been killed.
        result: how the test ended, where that is known better than the recorder has it.
        diagnose: asked where an update is not proven and the recorder does not say why.

    Raises `OSError`, and `InputError` for a file that is no flight recorder.
    """
    losses = ReadingLosses()
    collector = _Collector()
    for one in read_events(recorder, losses):
        collector.take(one)
    decisions = collector.decisions
    explained = collector.explained
    is_proven = bool(decisions.verdicts) and all(one.is_upgraded for one in decisions.verdicts)
    if explained is None and diagnose is not None and not is_proven:
        explained = diagnose(recorder, collector.unit)
    problems = decisions.problems(explained)
    numbers = frozenset(number for problem in problems for number in problem.numbers)
    shown = list(read_events(recorder, ReadingLosses(), numbers)) if numbers else []
    steps = collector.lanes.steps.open_step
    failed = decisions.failed_step
    stages = stage_marks(collector.uart, collector.end_s)
    return TimeLine(
        title=collector.run.title if collector.run else "",
        started=collector.run.wall_clock if collector.run else "",
        board=collector.unit.board if collector.unit else "",
        unit=collector.unit.unit if collector.unit else "",
        duration_s=collector.end_s,
        result=result or collector.result,
        broken_off_in=steps,
        lanes=collector.lanes.finish(collector.end_s, stages),
        uploads=collector.uploads.curves(),
        uploads_left_out=collector.uploads.left_out,
        verdicts=tuple(decisions.verdicts),
        problems=problems,
        failed=describe(failed.event).text if failed is not None else "",
        decisive=with_problems(decisions.decisive(), problems, shown),
        event_count=collector.event_count,
        unreadable=losses.unreadable,
        is_cut_off=losses.is_cut_off,
        stages=stage_lines(collector.uart),
        flagged=frozenset(collector.flagged),
    )


@dataclass
class _Collector:
    uart: UartBoots = field(default_factory=UartBoots)
    lanes: Lanes = field(default_factory=Lanes)
    uploads: UploadRates = field(default_factory=UploadRates)
    run: RunStarted | None = None
    unit: UnitTaken | None = None
    explained: FailureExplained | None = None
    result: Result | None = None
    end_s: float = 0.0
    event_count: int = 0
    flagged: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decisions = Decisions(self.uart)

    def take(self, one: NumberedEvent) -> None:
        self.event_count += 1
        self.end_s = max(self.end_s, one.t_s)
        tone = Tone.PLAIN
        match one.event:
            case RunStarted():
                self.run = one.event
            case UnitTaken():
                self.unit = one.event
                board = recorded_board(one.event)
                if board is not None:
                    self.uart.read_as(board.boot)
            case UartLine(text=text):
                tone = self.uart.take(one.number, one.t_s, text)
            case SmpMessage():
                self.uploads.take(one.number, one.t_s, one.event)
            case FailureExplained():
                self.explained = one.event
            case PhaseEnded(phase=phase, outcome=outcome, why=why):
                if outcome != "passed" or (phase == "call" and self.result is None):
                    self.result = Result(outcome, why)
            case _:
                pass
        if tone is Tone.BAD and len(self.flagged) < _MOST_FLAGGED:
            self.flagged.append(one.number)
        self.decisions.take(one)
        self.lanes.take(one, tone)
