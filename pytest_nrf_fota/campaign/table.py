"""The campaign's tables: answers against truth, named causes against injected ones, misses."""

from collections import Counter
from collections.abc import Sequence

from typing_extensions import assert_never

from pytest_nrf_fota.campaign.causes import Injected
from pytest_nrf_fota.campaign.grade import Miss, miss_of, names_cause, single_cause
from pytest_nrf_fota.campaign.result import Answer, Result
from pytest_nrf_fota.campaign.witness import Truth

_UNKNOWN = "(not asked)"
_WHOLE, _LOSSY = "console whole", "lines lost"


class Tally:
    """Counts results as they come; what it needs does not grow with their number."""

    def __init__(self) -> None:
        self.done = 0
        self.cpu_s = 0.0
        self._answers: Counter[tuple[str, Answer]] = Counter()
        self._misses: Counter[Miss] = Counter()
        self._causes: Counter[tuple[Injected, bool]] = Counter()

    def add(self, result: Result) -> Miss | None:
        """Count a result; returns what is wrong with it."""
        self.done += 1
        self.cpu_s += result.cpu_s
        self._answers[_row(result), result.answer] += 1
        cause = single_cause(result)
        if cause is not None:
            self._causes[cause, names_cause(result)] += 1
        miss = miss_of(result)
        if miss is not None:
            self._misses[miss] += 1
        return miss

    @property
    def lies(self) -> int:
        """How many results are false, or no result at all."""
        return sum(count for miss, count in self._misses.items() if miss.is_lie)

    @property
    def unproven_share(self) -> float:
        """Of the updates that run and whose console was whole, how many are not proven."""
        row = f"{Truth.YES.value}, {_WHOLE}"
        proven = self._answers[row, Answer.UPGRADED]
        return _share(self._misses[Miss.UNPROVEN], self._misses[Miss.UNPROVEN] + proven)

    @property
    def named_share(self) -> float:
        """Of the single causes, how many are named; 1 where there was none."""
        named = sum(count for (_, is_named), count in self._causes.items() if is_named)
        return _share(named, self._causes.total()) if self._causes else 1.0

    def progress(self, wanted: int) -> str:
        """One line."""
        return f"{self.done} of {wanted} cases, {self.lies} false, {self._misses.total()} misses"

    def lines(self) -> tuple[str, ...]:
        """All tables."""
        return (*self._truth_table(), "", *self._cause_table(), "", *self._summary())

    def _truth_table(self) -> list[str]:
        answers = [a for a in Answer if any(answer is a for _, answer in self._answers)]
        rows = sorted({row for row, _ in self._answers})
        table = [["the update ...", *(answer.value for answer in answers)]]
        for row in rows:
            table.append([row, *(str(self._answers[row, a] or ".") for a in answers)])
        return _aligned(table)

    def _cause_table(self) -> list[str]:
        table = [["injected", "cases", "named"]]
        for cause in Injected:
            named, not_named = self._causes[cause, True], self._causes[cause, False]
            if named or not_named:
                percent = f"{100 * named / (named + not_named):.1f} %"
                table.append([cause.value, str(named + not_named), percent])
        return _aligned(table)

    def _summary(self) -> list[str]:
        lines = [f"{miss.value}: {self._misses[miss]}" for miss in Miss]
        lines.append(
            f"unproven of what runs with a whole console: {100 * self.unproven_share:.1f} %"
        )
        lines.append(f"single causes named: {100 * self.named_share:.1f} %")
        if self.done:
            lines.append(f"{self.done} cases, {self.cpu_s / self.done:.3f} s of CPU each")
        return lines


def _row(result: Result) -> str:
    match result.truth:
        case None:
            return _UNKNOWN
        case Truth.YES:
            return f"{Truth.YES.value}, {_WHOLE if result.case.is_console_whole else _LOSSY}"
        case Truth.UNUSABLE | Truth.NO | Truth.SAME | Truth.MOVING:
            return str(result.truth.value)
        case _:
            assert_never(result.truth)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for first, *rest in table:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return lines
