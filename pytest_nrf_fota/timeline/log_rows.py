"""The log beneath the lanes: all of a short one; of a long one what marks and decisions lead to."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.timeline.describe import describe
from pytest_nrf_fota.timeline.read import ReadingLosses, read_events
from pytest_nrf_fota.timeline.values import TimeLine, Tone

MOST_ROWS = 2500
"""So many events are all shown; of more, a choice."""
_BESIDE_DECISIVE = 20
_FIRST_ROWS = 100
_LAST_ROWS = 300
# A row that far from what decided is left out on paper.
_NEAR = 8


@dataclass(frozen=True)
class LogRow:
    """One line of the log.

    Args:
        number: its line in the recorder; rows before it that are left out are `skipped`.
        t_s: when.
        source, text, tone: what it says.
        look: the boot stage that printed it.
        decisive: its place among the decisive lines, from 1; 0 where it is none.
        is_near: whether it is close to a decisive one.
    """

    number: int
    t_s: float
    source: str
    text: str
    tone: Tone
    look: str
    decisive: int
    is_near: bool
    skipped: int


def log_rows(recorder: Path, line: TimeLine) -> tuple[LogRow, ...]:
    """The rows of a recorder's log. Raises `OSError`, `InputError`.

    The decisive lines are always among them, and every line that a mark leads to.
    """
    places = {one.number: place for place, one in enumerate(line.decisive, start=1)}
    only = None if line.event_count <= MOST_ROWS else _chosen(recorder, line)
    near = {number + beside for number in places for beside in range(-_NEAR, _NEAR + 1)}
    stages = _StageOfLine(line.stages)
    rows: list[LogRow] = []
    last = 0
    for one in read_events(recorder, ReadingLosses(), only):
        said = describe(one.event)
        is_uart = said.source == "UART"
        rows.append(
            LogRow(
                number=one.number,
                t_s=one.t_s,
                source=said.source,
                text=said.text,
                tone=Tone.BAD if one.number in line.flagged else said.tone,
                look=stages.look(one.number) if is_uart else "",
                decisive=places.get(one.number, 0),
                is_near=one.number in near or said.source in ("verdict", "diagnosis", "pytest"),
                # Raw bytes, which no row shows, make gaps in a short log, too.
                skipped=0 if only is None else one.number - last - 1,
            )
        )
        last = one.number
    return tuple(rows)


def _chosen(recorder: Path, line: TimeLine) -> frozenset[int]:
    """Numbers of lines: what is pointed at, what surrounds the decisive ones, begin and end."""
    with recorder.open("rb") as file:
        count = sum(1 for _ in file)
    numbers: set[int] = set()
    for lane in line.lanes:
        numbers |= {mark.number for row in lane.rows for mark in row}
    for upload in line.uploads:
        numbers |= {upload.number, *(mark.number for mark in upload.retries)}
    for verdict in line.verdicts:
        numbers |= {verdict.number, *(one.number for one in verdict.evidence if one.number)}
    shown = [number for problem in line.problems for number in problem.numbers]
    for number in (*shown, *(one.number for one in line.decisive)):
        numbers |= set(range(number - _BESIDE_DECISIVE, number + _BESIDE_DECISIVE + 1))
    numbers |= set(range(1, _FIRST_ROWS + 1)) | set(range(count - _LAST_ROWS, count + 1))
    return frozenset(numbers)


class _StageOfLine:
    """Which boot stage printed a line, by its number in the recorder."""

    def __init__(self, stages: Sequence[tuple[int, int, str]]) -> None:
        self._stages = sorted(stages)
        self._starts = [first for first, _, _ in self._stages]

    def look(self, number: int) -> str:
        place = bisect_right(self._starts, number) - 1
        if place < 0:
            return ""
        _, last, look = self._stages[place]
        return look if number <= last else ""
