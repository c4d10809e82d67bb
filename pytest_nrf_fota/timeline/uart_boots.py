"""Boots and their stages on the time line, from the application core's lines as they come."""

from array import array
from collections.abc import Sequence

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.catalogue.error_lines import ERROR_LINES
from pytest_nrf_fota.bootlog.facts.boot import BoardPatterns
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import Boot, Seen, StageSpan
from pytest_nrf_fota.bootlog.segments import RawLine
from pytest_nrf_fota.timeline.values import Mark, Tone

STAGE_NAMES = {
    Stage.NSIB: "NSIB",
    Stage.MCUBOOT: "MCUboot",
    Stage.TFM: "TF-M",
    Stage.APP: "application",
}
_LOOKS = {Stage.NSIB: "nsib", Stage.MCUBOOT: "mcuboot", Stage.TFM: "tfm", Stage.APP: "app"}
_CRASH = "fatal_error"


class UartBoots:
    """Reads each line once; knows for a line of the UART its line in the recorder.

    A line takes eight bytes, and its boot what `BootReader` keeps of it.
    """

    def __init__(self) -> None:
        self._reader = BootReader(on_line=self._look)
        self._recorder_lines = array("Q")
        self._looked_at: RawLine | None = None

    def read_as(self, patterns: BoardPatterns) -> None:
        """What is still to come is of a board with these lines of its own."""
        if not self.line_count:
            self._reader = BootReader(patterns, on_line=self._look)

    @property
    def line_count(self) -> int:
        """Lines so far."""
        return len(self._recorder_lines)

    def take(self, number: int, t_s: float, text: str) -> Tone:
        """The next line, and its number in the recorder. Returns how it is to be taken."""
        self._recorder_lines.append(number)
        self._looked_at = None
        # One event is one line, whatever is in it.
        self._reader.feed_lines([LogLine(t_s, text.replace("\n", " "))])
        return Tone.BAD if _is_error(text) or _is_refusal(self._looked_at) else Tone.PLAIN

    def recorder_line(self, uart_line: int) -> int | None:
        """Where a line of uart.log, counted from 1, stands in the recorder."""
        if not 1 <= uart_line <= len(self._recorder_lines):
            return None
        return self._recorder_lines[uart_line - 1]

    def boots_since(self, uart_line: int) -> tuple[Boot, ...]:
        """The boots that began behind so many lines."""
        return tuple(
            boot
            for boot in self._reader.boots(since_line=uart_line + 1)
            if not boot.start_is_missing
        )

    def boots(self) -> tuple[Boot, ...]:
        """All that are kept: of very many the first, the last, and one of each kind."""
        return self._reader.boots()

    def _look(self, line: RawLine) -> None:
        self._looked_at = line


def _is_error(text: str) -> bool:
    return any(
        any(anchor in text for anchor in pattern.anchors) and pattern.regex.search(text)
        for pattern in ERROR_LINES
    )


def _is_refusal(line: RawLine | None) -> bool:
    if line is None:
        return False
    return _CRASH in line.facts.names or any(hit.pattern.refuses for hit in line.facts.hits)


def stage_marks(uart: UartBoots, end_s: float) -> tuple[Mark, ...]:
    """A mark for each stage of each boot, until the next one begins."""
    marks: list[Mark] = []
    boots = uart.boots()
    behind = (*boots[1:], None)[: len(boots)]
    for boot, following in zip(boots, behind, strict=True):
        until_s = end_s if following is None else _time(following.first)
        gap = 0 if following is None else following.number - boot.number - 1
        marks += _stages(uart, boot, _time(boot.last) if gap else until_s)
        if gap:
            number = uart.recorder_line(boot.last.line_number) or 1
            text = f"{gap} boots like those before"
            marks.append(
                Mark(_time(boot.last), until_s, number, text, f"{gap} boots", Tone.WARN, "more")
            )
    return tuple(marks)


def stage_lines(uart: UartBoots) -> tuple[tuple[int, int, str], ...]:
    """The recorder's lines from the first to the last of each stage, and its look."""
    return tuple(
        (first, last, _LOOKS[span.stage])
        for boot in uart.boots()
        for span in boot.stages
        if (first := uart.recorder_line(span.first.line_number)) is not None
        and (last := uart.recorder_line(span.last.line_number)) is not None
    )


def _stages(uart: UartBoots, boot: Boot, until_s: float) -> list[Mark]:
    ends = [*(_time(span.first) for span in boot.stages[1:]), until_s]
    return [_stage(uart, boot, span, end_s) for span, end_s in zip(boot.stages, ends, strict=True)]


def _stage(uart: UartBoots, boot: Boot, span: StageSpan, end_s: float) -> Mark:
    name = STAGE_NAMES[span.stage]
    version = _version(boot, span.stage)
    said = "prints its banner alone" if span.is_silent else f"{span.line_count} lines"
    crashed = [fault for fault in boot.faults if fault.stage is span.stage]
    text = f"boot {boot.number}, {name}{version}: {said}"
    if crashed:
        text += f"; {crashed[0].kind or 'fatal error'}"
    return Mark(
        start_s=_time(span.first),
        end_s=max(_time(span.first), end_s),
        number=uart.recorder_line(span.first.line_number) or 1,
        text=text,
        label=f"{name}{version}",
        tone=Tone.BAD if crashed else Tone.PLAIN,
        look=_LOOKS[span.stage],
    )


def _version(boot: Boot, stage: Stage) -> str:
    match stage:
        case Stage.NSIB:
            return "" if boot.nsib_slot is None else f" → S{boot.nsib_slot}"
        case Stage.MCUBOOT:
            marker = boot.mcuboot.marker if boot.mcuboot is not None else None
            return f" {marker}" if marker else ""
        case Stage.TFM | Stage.APP:
            return ""


def _time(seen: Seen) -> float:
    return seen.time_s or 0.0


def texts(boots: Sequence[Boot]) -> list[Seen]:
    """The lines of boots that are kept."""
    return [line for boot in boots for line in boot.lines if line.text.strip()]
