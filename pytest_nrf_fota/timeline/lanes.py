"""From events to lanes, one event after the other, in bounded memory."""

from pytest_nrf_fota.record.events import (
    ConsoleState,
    FailureExplained,
    KitLost,
    Moment,
    NetworkUartLine,
    PhaseEnded,
    PowerCycled,
    PreflightDone,
    ProbeOperation,
    ProbeRetried,
    RadioState,
    SmpMessage,
    StepEnded,
    StepStarted,
    ToolCalled,
    UartLine,
    VerdictReached,
)
from pytest_nrf_fota.timeline.describe import describe, is_refusal, shortened
from pytest_nrf_fota.timeline.level_of_detail import MarkBins
from pytest_nrf_fota.timeline.read import NumberedEvent
from pytest_nrf_fota.timeline.values import Lane, Mark, Tone

_MOST_DEPTH = 6
_LONGEST_CHARS = 240


class Lanes:
    """The lanes that need nothing but their own events; UART lines get their tone from outside."""

    def __init__(self) -> None:
        self.verdict = MarkBins()
        self.moments = MarkBins()
        self.probe = MarkBins()
        self.lines = MarkBins()
        self.network = MarkBins()
        self.radio = _RadioLane()
        self.smp = _SmpLane()
        self.steps = _StepLane()

    def take(self, one: NumberedEvent, tone: Tone) -> None:
        """An event; `tone` is that of a UART's line."""
        match one.event:
            case StepStarted() | StepEnded():
                self.steps.take(one)
            case VerdictReached() | PreflightDone() | FailureExplained() | PhaseEnded():
                self.verdict.add(_mark(one, look=one.event.kind))
            case Moment(name=name):
                self.moments.add(_mark(one, label=name, look=_look_of_moment(name)))
            case PowerCycled(duration_s=duration_s):
                self.moments.add(_mark(one, lasted_s=duration_s, label="power", look="power"))
            case KitLost():
                self.moments.add(_mark(one, label="kit lost", look="kit"))
            case ProbeOperation(operation=operation, detail=detail, duration_s=duration_s):
                is_reset = operation in ("reset", "recover", "resume", "halt")
                look = "reset" if is_reset else operation.split()[0]
                label = f"{operation} {detail}".strip()
                self.probe.add(_mark(one, lasted_s=duration_s, label=label, look=look))
            case ToolCalled(duration_s=duration_s):
                self.probe.add(_mark(one, lasted_s=duration_s, look="tool"))
            case ProbeRetried():
                self.probe.add(_mark(one, look="retry"))
            case UartLine():
                self.lines.add(_mark(one, tone=tone))
            case NetworkUartLine():
                self.network.add(_mark(one))
            case ConsoleState(state=state) if state in ("lost", "reopened"):
                self.moments.add(_mark(one, label=f"console {state}", look="console"))
            case RadioState():
                self.radio.take(one, one.event)
                self.smp.end(one.t_s, one.event)
            case SmpMessage():
                self.smp.take(one, one.event)
            case _:
                pass

    def finish(self, end_s: float, stages: tuple[Mark, ...]) -> tuple[Lane, ...]:
        """The lanes, in the order in which they are shown; empty ones are left out."""
        boots = MarkBins()
        for mark in stages:
            boots.add(mark)
        lanes = (
            Lane("Steps", self.steps.finish(end_s)),
            Lane("Verdict", (self.verdict.marks(),)),
            Lane("Resets, moments", (self.moments.marks(),)),
            Lane("Probe", (self.probe.marks(),)),
            Lane("Boot stages", (boots.marks(),)),
            Lane("UART lines", (self.lines.marks(),)),
            Lane("Network core", (self.network.marks(),)),
            Lane("Radio", self.radio.finish(end_s)),
            Lane("SMP requests", (self.smp.finish(end_s),)),
        )
        return tuple(lane for lane in lanes if lane.count)


def _mark(
    one: NumberedEvent,
    *,
    lasted_s: float = 0.0,
    label: str = "",
    look: str = "",
    tone: Tone | None = None,
) -> Mark:
    """A mark for an event that is recorded when it is over."""
    said = describe(one.event)
    return Mark(
        start_s=max(0.0, one.t_s - lasted_s),
        end_s=one.t_s,
        number=one.number,
        text=shortened(said.text, _LONGEST_CHARS),
        label=label,
        tone=said.tone if tone is None else tone,
        look=look,
    )


def _look_of_moment(name: str) -> str:
    if name.startswith("fault"):
        return "fault"
    return "reset" if "reset" in name else "moment"


class _StepLane:
    """Nested steps: a row for each depth."""

    def __init__(self) -> None:
        self._open: list[NumberedEvent] = []
        self._rows: list[MarkBins] = []

    @property
    def open_step(self) -> str:
        """The innermost step that is under way; empty where none is."""
        return describe(self._open[-1].event).text.lstrip("▸ ") if self._open else ""

    def take(self, one: NumberedEvent) -> None:
        if isinstance(one.event, StepStarted):
            self._open.append(one)
            return
        assert isinstance(one.event, StepEnded)
        while self._open:
            begun = self._open.pop()
            assert isinstance(begun.event, StepStarted)
            is_its_end = begun.event.step == one.event.step
            self._add(begun, one.t_s, one.event if is_its_end else None)
            if is_its_end:
                return

    def finish(self, end_s: float) -> tuple[tuple[Mark, ...], ...]:
        while self._open:
            self._add(self._open.pop(), end_s, None)
        return tuple(row.marks() for row in self._rows)

    def _add(self, begun: NumberedEvent, end_s: float, ended: StepEnded | None) -> None:
        assert isinstance(begun.event, StepStarted)
        depth = min(len(self._open), _MOST_DEPTH - 1)
        while len(self._rows) <= depth:
            self._rows.append(MarkBins())
        name = f"{begun.event.step} {begun.event.detail}".strip()
        took = f"{end_s - begun.t_s:.3f} s"
        text = f"{name}: {took}, no end is recorded" if ended is None else f"{name}: {took}"
        if ended is not None and ended.error:
            text += f", {ended.end}: {ended.error}"
        tone = Tone.BAD if ended is None or ended.error else Tone.PLAIN
        text = shortened(" ".join(text.split()), _LONGEST_CHARS)
        self._rows[depth].add(Mark(begun.t_s, end_s, begun.number, text, name, tone, "step"))


class _RadioLane:
    """What the connection is, from one state to the next; and what went wrong, above it."""

    def __init__(self) -> None:
        self._states = MarkBins()
        self._troubles = MarkBins()
        self._begun: tuple[NumberedEvent, RadioState] | None = None

    def take(self, one: NumberedEvent, event: RadioState) -> None:
        match event.state:
            case "connecting" | "connected":
                self._end(one.t_s)
                self._begun = (one, event)
            case "disconnected" | "failed":
                self._end(one.t_s)
                self._troubles.add(_mark(one, look=event.state))
            case "retrying" | "reset":
                self._troubles.add(_mark(one, look=event.state))

    def finish(self, end_s: float) -> tuple[tuple[Mark, ...], ...]:
        self._end(end_s)
        rows = (self._states.marks(), self._troubles.marks())
        return tuple(row for row in rows if row)

    def _end(self, end_s: float) -> None:
        if self._begun is None:
            return
        one, event = self._begun
        self._begun = None
        text = f"{describe(event).text}, for {end_s - one.t_s:.3f} s"
        self._states.add(
            Mark(one.t_s, end_s, one.number, text, event.state, Tone.PLAIN, event.state)
        )


class _SmpLane:
    """Requests until their answers."""

    def __init__(self) -> None:
        self._marks = MarkBins()
        self._asked: dict[int, tuple[NumberedEvent, SmpMessage]] = {}

    def take(self, one: NumberedEvent, message: SmpMessage) -> None:
        if message.direction == "request":
            self._unanswered(one.t_s, message.sequence)
            self._asked[message.sequence] = (one, message)
            return
        asked = self._asked.pop(message.sequence, None)
        begun = one if asked is None else asked[0]
        refused = is_refusal(message)
        number = one.number if refused else begun.number
        took = f"answered in {one.t_s - begun.t_s:.3f} s"
        text = shortened(f"{message.name} #{message.sequence}, {took}: {describe(message).text}")
        tone = Tone.BAD if refused else Tone.PLAIN
        look = "upload" if message.name == "image upload" else "request"
        self._marks.add(Mark(begun.t_s, one.t_s, number, text, message.name, tone, look))

    def end(self, t_s: float, state: RadioState) -> None:
        """Without a connection nothing is answered any more."""
        if state.state in ("failed", "disconnected", "connecting"):
            for sequence in tuple(self._asked):
                self._unanswered(t_s, sequence)

    def finish(self, end_s: float) -> tuple[Mark, ...]:
        for sequence in tuple(self._asked):
            self._unanswered(end_s, sequence)
        return self._marks.marks()

    def _unanswered(self, t_s: float, sequence: int) -> None:
        asked = self._asked.pop(sequence, None)
        if asked is None:
            return
        begun, message = asked
        text = f"{message.name} #{sequence}: no answer within {t_s - begun.t_s:.3f} s"
        look = "unanswered"
        self._marks.add(Mark(begun.t_s, t_s, begun.number, text, message.name, Tone.BAD, look))
