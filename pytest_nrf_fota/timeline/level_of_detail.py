"""A bounded number of marks for any number of things that happened."""

from dataclasses import replace
from itertools import groupby

from pytest_nrf_fota.timeline.values import Mark

MOST_MARKS = 400
"""Of one row. A screen has about four times as many pixels, and a mark has to be hit."""

_FINEST_S = 1e-4


class MarkBins:
    """Collects the marks of one row; where they get too many, neighbours become one.

    Memory is bounded by twice `most`. What is merged keeps the worst tone, and leads to the first
    line that has it.
    """

    def __init__(self, most: int = MOST_MARKS) -> None:
        self._most = most
        self._marks: list[Mark] = []
        self._bin_s = _FINEST_S

    def add(self, mark: Mark) -> None:
        """Add one."""
        self._marks.append(mark)
        if len(self._marks) > 2 * self._most:
            self._thin_out()

    def marks(self) -> tuple[Mark, ...]:
        """What is to be drawn, by begin."""
        if len(self._marks) > self._most:
            self._thin_out()
        return tuple(sorted(self._marks, key=lambda mark: mark.start_s))

    def _thin_out(self) -> None:
        self._marks.sort(key=lambda mark: mark.start_s)
        # With the old size first: what is new is not merged yet, and the size must not run away.
        self._marks = _merged(self._marks, self._bin_s)
        while len(self._marks) > self._most:
            self._bin_s *= 2
            self._marks = _merged(self._marks, self._bin_s)


def _merged(marks: list[Mark], bin_s: float) -> list[Mark]:
    """Marks that begin in the same bin become one, but for those that are much longer.

    What becomes one of marks of four bins at most has five, and these are less than three of the
    next size; so there comes a size with which all merge.
    """
    found: list[Mark] = []
    for (_, is_long), group in groupby(
        marks, key=lambda mark: (mark.start_s // bin_s, mark.end_s - mark.start_s > 4 * bin_s)
    ):
        several = list(group)
        found += several if is_long or len(several) == 1 else [_one(several)]
    return found


def _one(marks: list[Mark]) -> Mark:
    worst = max(marks, key=lambda mark: mark.tone.rank)
    looks = {mark.look for mark in marks}
    return replace(
        worst,
        start_s=marks[0].start_s,
        end_s=max(mark.end_s for mark in marks),
        label="",
        look=worst.look if len(looks) == 1 else "mixed",
        count=sum(mark.count for mark in marks),
        bad_count=sum(mark.bad for mark in marks),
    )
