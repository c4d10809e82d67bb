"""Tests that failed and passed with the same firmware on the same kit, or on a second try."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_nrf_fota.nights.history import Cell, History, is_bad, is_of_rig
from pytest_nrf_fota.nights.store import Row


@dataclass(frozen=True)
class Flake:
    """A cell whose result changes by itself.

    Args:
        second_tries: how often it passed when it was run again at once.
        changes: how often it failed where it passed, or the other way round, with one firmware.
        failed: all those failures, by time.
        of_runs: in how many executions.
    """

    cell: Cell
    second_tries: int
    changes: int
    failed: tuple[Row, ...]
    of_runs: int

    @property
    def kits(self) -> tuple[str, ...]:
        """Kits that it failed on."""
        return tuple(sorted({row.kit for row in self.failed}))


def flakes(history: History, is_explained: Callable[[Row], bool]) -> tuple[Flake, ...]:
    """All flakes, the worst first; what is explained otherwise does not count."""
    retried = _passed_later(history)
    found = []
    for cell, by_night in history.cells.items():
        rows = [row for night in sorted(by_night) for row in by_night[night]]
        changes, failed = _changes([row for row in rows if not is_explained(row)])
        again = retried.get(cell, [])
        if changes or again:
            both = sorted({*failed, *again}, key=lambda row: row.started_s)
            found.append(Flake(cell, len(again), changes, tuple(both), len(rows)))
    return tuple(sorted(found, key=_rank))


def _rank(flake: Flake) -> tuple[int, int, str]:
    return -(flake.second_tries * 2 + flake.changes), -len(flake.failed), flake.cell.scenario


def _changes(rows: list[Row]) -> tuple[int, list[Row]]:
    """How often the result changed, with one kit and one firmware; and the failures."""
    series: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        # Where the firmware is not known, it may have been another.
        if row.firmware and not is_of_rig(row) and row.outcome != "unknown":
            series[row.kit, row.firmware].append(row)
    changes, failed = 0, []
    for same in series.values():
        flips = sum(is_bad(one) != is_bad(other) for one, other in pairwise(same))
        if flips:
            changes += flips
            failed += [row for row in same if is_bad(row)]
    return changes, failed


def _passed_later(history: History) -> dict[Cell, list[Row]]:
    """First tries that failed, of tests whose last try passed."""
    # A kit that was lost is none.
    bad = [row for row in history.retried if is_bad(row) and not row.run_again]
    wanted = {(_run(row), row.node, row.kit): row for row in bad}
    found: defaultdict[Cell, list[Row]] = defaultdict(list)
    if not wanted:
        return found
    for cell, by_night in history.cells.items():
        for rows in by_night.values():
            for row in rows:
                first = wanted.get((_run(row), row.node, row.kit))
                if first is not None and row.outcome == "passed":
                    found[cell].append(first)
    return found


def flaky_in(tries: Sequence[Row]) -> bool:
    """Whether a test failed and passed on one kit, when it was run again or repeated at once."""
    passed = {row.kit for row in tries if row.outcome == "passed"}
    return any(is_bad(row) and not row.run_again and row.kit in passed for row in tries)


def _run(row: Row) -> str:
    return row.folder.rpartition("/")[0]
