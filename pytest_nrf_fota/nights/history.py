"""What the nights hold, ordered for the questions of a report."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from pytest_nrf_fota.nights.store import Row, Value


@dataclass(frozen=True)
class Cell:
    """A scenario on a board type: one place of the matrix."""

    board: str
    scenario: str


@dataclass(frozen=True)
class Metric:
    """What was measured on a board type, and its unit."""

    name: str
    unit: str
    board: str

    @property
    def is_better_high(self) -> bool:
        """Whether more is better: of rates it is, of times it is not."""
        return "/" in self.unit


@dataclass
class History:
    """The executions and measurements of some nights, the last of which is reported.

    Args:
        nights: by date.
        cells: the final tries of each cell by night, without those that were skipped.
        kits: the same by kit, and the tests in which it was lost.
        retried: tries that were not the last of their test.
        tries: of tests that ran more than once in the reported night, all executions by cell.
        values: of each metric and kit, the median by night.
        boards, hosts: of each kit, where it was seen last.
    """

    nights: tuple[date, ...]
    cells: dict[Cell, dict[int, list[Row]]] = field(default_factory=dict)
    kits: dict[str, dict[int, list[Row]]] = field(default_factory=dict)
    retried: list[Row] = field(default_factory=list)
    tries: dict[Cell, list[Row]] = field(default_factory=dict)
    skipped: dict[Cell, Row] = field(default_factory=dict)
    values: dict[Metric, dict[str, dict[int, float]]] = field(default_factory=dict)
    boards: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """Number of the night that is reported."""
        return len(self.nights) - 1

    def in_last_night(self) -> Iterator[Row]:
        """The final tries of the reported night, without those that were skipped."""
        for by_night in self.cells.values():
            yield from by_night.get(self.last, ())


def history_of(nights: Sequence[date], rows: Iterable[Row], values: Iterable[Value]) -> History:
    """Order what a store has of some nights."""
    history = History(tuple(nights))
    for row in rows:
        _add(history, row)
    metrics: defaultdict[Metric, defaultdict[str, dict[int, float]]]
    metrics = defaultdict(lambda: defaultdict(dict))
    for one in values:
        metrics[Metric(one.name, one.unit, one.board)][one.kit][one.night] = one.value
    history.values = {metric: dict(kits) for metric, kits in metrics.items()}
    return history


def _add(history: History, row: Row) -> None:
    cell = Cell(row.board, row.scenario)
    if row.outcome == "skipped":
        if row.night == history.last:
            history.skipped[cell] = row
        return
    is_one_of_several = not row.is_final or row.try_number > 1 or row.node != row.scenario
    if is_one_of_several and row.night == history.last:
        history.tries.setdefault(cell, []).append(row)
    if row.is_final:
        history.cells.setdefault(cell, {}).setdefault(row.night, []).append(row)
    else:
        history.retried.append(row)
    if row.kit and (row.is_final or row.run_again):
        history.kits.setdefault(row.kit, {}).setdefault(row.night, []).append(row)
        history.boards[row.kit], history.hosts[row.kit] = row.board, row.host


def is_bad(row: Row) -> bool:
    """Whether a test failed or has an error, whoever is to blame."""
    return row.outcome in ("failed", "error")


def is_of_firmware(row: Row) -> bool:
    """Whether a test failed, and not for its setup."""
    return is_bad(row) and row.side != "rig"


def is_of_rig(row: Row) -> bool:
    """Whether a test failed for its setup."""
    return is_bad(row) and row.side == "rig"
