"""What decided: followed event by event, so that the boots are those at the time of a verdict."""

from dataclasses import dataclass, field

from pytest_nrf_fota.findings.evidence import Source
from pytest_nrf_fota.findings.finding import Finding, Origin, Weight
from pytest_nrf_fota.record.events import (
    FactsJudged,
    FailureExplained,
    KitLost,
    Moment,
    PhaseEnded,
    ProbeOperation,
    SmpMessage,
    StepEnded,
    VerdictReached,
)
from pytest_nrf_fota.timeline.deciding_lines import deciding_lines, tone_of
from pytest_nrf_fota.timeline.describe import describe, shortened
from pytest_nrf_fota.timeline.read import NumberedEvent
from pytest_nrf_fota.timeline.uart_boots import UartBoots
from pytest_nrf_fota.timeline.values import Decisive, EvidenceLine, JudgedUpdate, Problem, Tone

_MOST_MOMENTS = 256
_MOST_VERDICTS = 20
_MOST_FINDINGS = 12
_LONGEST_CHARS = 240


@dataclass
class Decisions:
    """Verdicts and their evidence; bounded, whatever the recorder holds."""

    uart: UartBoots
    verdicts: list[JudgedUpdate] = field(default_factory=list)
    failed_step: NumberedEvent | None = None
    _failed_phase: NumberedEvent | None = None
    _decisive: dict[int, Decisive] = field(default_factory=dict)
    _facts: FactsJudged | None = None
    _last_list: NumberedEvent | None = None
    _last_read: NumberedEvent | None = None
    _lost: NumberedEvent | None = None
    _lines_before: dict[str, int] = field(default_factory=dict)

    def take(self, one: NumberedEvent) -> None:
        """The next event."""
        match one.event:
            case SmpMessage(direction="answer", payload=payload) if "images" in payload:
                self._last_list = one
            case ProbeOperation(operation="read", error=""):
                self._last_read = one
            case Moment(name=name):
                if name in self._lines_before or len(self._lines_before) < _MOST_MOMENTS:
                    self._lines_before[name] = self.uart.line_count
            case StepEnded(error=error):
                self.failed_step = one if error else self.failed_step
            case KitLost():
                self._lost = one
            case PhaseEnded(outcome="failed" | "error"):
                self._failed_phase = one
            case FactsJudged():
                self._facts = one.event
            case VerdictReached():
                self._judge(one, one.event)
            case _:
                pass

    def decisive(self) -> tuple[Decisive, ...]:
        """The evidence of verdicts; where that explains no failure, the step or test that failed.

        In order of time.
        """
        found = dict(self._decisive)
        if self._lost is not None:
            found[self._lost.number] = _whole(self._lost, "board", "the kit was lost")
        failed, phase = self.failed_step, self._failed_phase
        if failed is not None and (not self.verdicts or failed.number > self.verdicts[-1].number):
            found[failed.number] = _whole(failed, "step", "the step failed")
        elif phase is not None and all(one.is_upgraded for one in self.verdicts):
            found[phase.number] = _whole(phase, "pytest", "the test failed")
        return tuple(sorted(found.values(), key=lambda one: (one.t_s, one.number)))

    def problems(self, explained: FailureExplained | None) -> tuple[Problem, ...]:
        """The causes that were found, each with the recorder's lines that show it."""
        causes = explained.causes[:_MOST_FINDINGS] if explained is not None else ()
        return tuple(Problem(cause, self._lines_of(cause)) for cause in causes)

    def _lines_of(self, finding: Finding) -> tuple[int, ...]:
        numbers: list[int] = []
        for shown in finding.shown:
            if shown.line_number is None:
                continue
            match shown.origin:
                case Origin.LOG:
                    number = self.uart.recorder_line(shown.line_number)
                    numbers += [] if number is None else [number]
                case Origin.CLIENT:
                    numbers.append(shown.line_number)
                case Origin.PACKAGE | Origin.FILE:
                    pass
        return tuple(dict.fromkeys(numbers))

    def _judge(self, one: NumberedEvent, verdict: VerdictReached) -> None:
        since = self._lines_before.get(self._facts.since, 0) if self._facts is not None else 0
        boots = self.uart.boots_since(since)
        times = {line.line_number: line.time_s for boot in boots for line in boot.lines}
        by_uart: int | None = None
        for line in deciding_lines(verdict, self._facts, boots):
            number = self.uart.recorder_line(line.uart_line)
            if number is not None:
                by_uart = by_uart or number
                t_s = times.get(line.uart_line) or one.t_s
                self._decide(Decisive(number, t_s, "UART", line.text, line.why, line.tone))
        asked = {Source.SMP: self._last_list, Source.SWD: self._last_read}
        for item in verdict.evidence:
            seen = asked.get(item.source)
            if seen is not None and tone_of(item) is not Tone.PLAIN:
                text, why = describe(seen.event).text, f"evidence: {item.detail}"
                source = item.source.value
                self._decide(Decisive(seen.number, seen.t_s, source, text, why, tone_of(item)))
        self._keep(one, verdict, by_uart)

    def _keep(self, one: NumberedEvent, verdict: VerdictReached, by_uart: int | None) -> None:
        asked = {Source.SMP: self._last_list, Source.SWD: self._last_read}
        rests_on = {source: seen.number for source, seen in asked.items() if seen is not None}
        if by_uart is not None:
            rests_on[Source.UART] = by_uart
        judged = JudgedUpdate(
            number=one.number,
            t_s=one.t_s,
            outcome=verdict.outcome,
            subject=verdict.subject,
            reason=verdict.reason,
            preflight=verdict.preflight,
            notes=verdict.notes,
            evidence=tuple(
                EvidenceLine(item, rests_on.get(item.source)) for item in verdict.evidence
            ),
            is_upgraded=verdict.outcome == "upgraded",
        )
        self.verdicts = [*self.verdicts[-_MOST_VERDICTS + 1 :], judged]

    def _decide(self, new: Decisive) -> None:
        known = self._decisive.get(new.number)
        if known is None or new.tone.rank > known.tone.rank:
            text, why = shortened(new.text, _LONGEST_CHARS), shortened(new.why, _LONGEST_CHARS)
            self._decisive[new.number] = Decisive(
                new.number, new.t_s, new.source, text, why, new.tone
            )


def _whole(one: NumberedEvent, source: str, why: str) -> Decisive:
    text = shortened(describe(one.event).text, _LONGEST_CHARS)
    return Decisive(one.number, one.t_s, source, text, why, Tone.BAD)


def with_problems(
    decisive: tuple[Decisive, ...], problems: tuple[Problem, ...], events: list[NumberedEvent]
) -> tuple[Decisive, ...]:
    """The decisive lines, and those that show a cause; `events` are the latter."""
    found = {one.number: one for one in decisive}
    by_number = {one.number: one for one in events}
    for problem in problems:
        if problem.finding.weight not in (Weight.CAUSE, Weight.CONSEQUENCE):
            continue
        for number in problem.numbers:
            event = by_number.get(number)
            if event is not None and number not in found:
                said = describe(event.event)
                text = shortened(said.text, _LONGEST_CHARS)
                why = f"cause: {problem.finding.code}"
                found[number] = Decisive(number, event.t_s, said.source, text, why, Tone.BAD)
    return tuple(sorted(found.values(), key=lambda one: (one.t_s, one.number)))
