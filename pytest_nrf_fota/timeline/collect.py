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
from pytest_nrf_fota.timeline.values import Decisive, Problem, Result, TimeLine, Tone

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
    problems = collector.decisions.problems(_explained(recorder, collector, diagnose))
    numbers = frozenset(number for problem in problems for number in problem.numbers)
    shown = list(read_events(recorder, ReadingLosses(), numbers)) if numbers else []
    decisive = with_problems(collector.decisions.decisive(), problems, shown)
    return collector.line(losses, result, problems, decisive)


def _explained(
    recorder: Path, collector: "_Collector", diagnose: Diagnose | None
) -> FailureExplained | None:
    verdicts = collector.decisions.verdicts
    is_proven = bool(verdicts) and all(one.is_upgraded for one in verdicts)
    if collector.explained is None and diagnose is not None and not is_proven:
        return diagnose(recorder, collector.unit)
    return collector.explained


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

    def line(
        self,
        losses: ReadingLosses,
        result: Result | None,
        problems: tuple[Problem, ...],
        decisive: tuple[Decisive, ...],
    ) -> TimeLine:
        """All that was collected."""
        failed = self.decisions.failed_step
        broken_off_in = self.lanes.steps.open_step
        stages = stage_marks(self.uart, self.end_s)
        return TimeLine(
            title=self.run.title if self.run else "",
            started=self.run.wall_clock if self.run else "",
            board=self.unit.board if self.unit else "",
            unit=self.unit.unit if self.unit else "",
            duration_s=self.end_s,
            result=result or self.result,
            broken_off_in=broken_off_in,
            lanes=self.lanes.finish(self.end_s, stages),
            uploads=self.uploads.curves(),
            uploads_left_out=self.uploads.left_out,
            verdicts=tuple(self.decisions.verdicts),
            problems=problems,
            failed=describe(failed.event).text if failed is not None else "",
            decisive=decisive,
            event_count=self.event_count,
            unreadable=losses.unreadable,
            is_cut_off=losses.is_cut_off,
            stages=stage_lines(self.uart),
            flagged=frozenset(self.flagged),
        )
