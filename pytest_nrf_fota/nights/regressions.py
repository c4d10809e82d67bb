"""Scenarios that fail wherever they run: the firmware's doing, not a kit's."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.nights.headline import (
    Headline,
    Kind,
    counted,
    day,
    main_cause,
    named,
    sentence,
    short_scenario,
)
from pytest_nrf_fota.nights.history import Cell, History, is_of_firmware
from pytest_nrf_fota.nights.store import Row
from pytest_nrf_fota.record.result import CODES_OF_ERRORS

# Of the kits that ran a scenario in a night; one of four may be lost to something else.
_FAILING_SHARE = 0.75
# Scenarios and kits that must fail with one cause, where each scenario ran once.
_FEW, _MANY = (2, 2), (5, 3)
_MOST_OF_ONE_KIT = 0.75
_BASE_WEIGHT, _WEIGHT_OF_LOST = 40.0, 3.0


@dataclass(frozen=True)
class Broken:
    """A cell that fails on all kits, in the last night and those before it.

    Args:
        since: number of the first night of the unbroken row.
        last_good: the last failure-free execution before; None where none is known.
        rows: failures of the reported night; `all_rows` of all its nights.
    """

    cell: Cell
    since: int
    last_good: Row | None
    rows: tuple[Row, ...]
    all_rows: tuple[Row, ...]

    @property
    def kits(self) -> set[str]:
        """Kits that it failed on, in any of its nights."""
        return {row.kit for row in self.all_rows}


def broken_cells(history: History) -> tuple[Broken, ...]:
    """All cells that fail on all kits in the last night, by more than chance.

    Where each scenario runs once in a night, one that fails says little; several that fail with the
    same cause on several kits say it.
    """
    found = (_broken(cell, by_night, history) for cell, by_night in history.cells.items())
    broken = [one for one in found if one is not None]
    once: defaultdict[tuple[str, int], list[Broken]] = defaultdict(list)
    for one in broken:
        if not _is_sure(one, history):
            once[main_cause(one.rows).cause, one.since].append(one)
    chance = [one for group in once.values() if not _are_sure(group) for one in group]
    return tuple(one for one in broken if one not in chance)


def _is_sure(one: Broken, history: History) -> bool:
    of_board = {kit for kit, board in history.boards.items() if board == one.cell.board}
    return len(one.kits) > 1 or (len(of_board) <= 1 and len(one.all_rows) > 1)


def _are_sure(group: Sequence[Broken]) -> bool:
    by_kit = Counter(kit for one in group for kit in one.kits)
    cause = main_cause([row for one in group for row in one.rows])
    says_little = cause.cause in CODES_OF_ERRORS or cause.side == "test"
    scenarios, kits = _MANY if says_little else _FEW
    if len(by_kit) < kits or len(group) < scenarios:
        return False
    # Else it is that kit's.
    return max(by_kit.values()) <= _MOST_OF_ONE_KIT * len(group)


def _broken(cell: Cell, by_night: dict[int, list[Row]], history: History) -> Broken | None:
    if not is_broken(by_night.get(history.last, ())):
        return None
    since, last_good = history.last, None
    failures: list[Row] = []
    for night in sorted(by_night, reverse=True):
        judged = [row for row in by_night[night] if _says_something(row)]
        if not judged:
            continue
        if not is_broken(judged):
            last_good = next((row for row in reversed(judged) if row.outcome == "passed"), None)
            break
        since = night
        failures += [row for row in judged if is_of_firmware(row)]
    now = tuple(row for row in failures if row.night == history.last)
    return Broken(cell, since, last_good, now, tuple(failures))


def is_broken(rows: Sequence[Row]) -> bool:
    """Whether a cell failed on nearly all kits that ran it in a night; of each its last run counts.

    `rows` are by time.
    """
    last_of = {row.kit: row for row in rows if _says_something(row)}
    failed = sum(is_of_firmware(row) for row in last_of.values())
    return failed > 0 and failed >= _FAILING_SHARE * len(last_of)


def _says_something(row: Row) -> bool:
    return row.outcome == "passed" or is_of_firmware(row)


def regressions(history: History, broken: Sequence[Broken]) -> tuple[Headline, ...]:
    """Broken cells with the same cause since the same night are one thing."""
    groups: defaultdict[tuple[str, int], list[Broken]] = defaultdict(list)
    for one in broken:
        groups[main_cause(one.rows).cause, one.since].append(one)
    return tuple(_headline(history, group) for group in groups.values())


def _headline(history: History, group: Sequence[Broken]) -> Headline:
    rows = [row for one in group for row in one.rows]
    cause = main_cause(rows)
    scenarios = sorted({short_scenario(one.cell.scenario) for one in group})
    kits = sorted({kit for one in group for kit in one.kits if kit})
    fails = "fails" if len(scenarios) == 1 else "fail"
    many = f"{len(scenarios)} scenarios" if len(scenarios) > 4 else named(scenarios, 4)
    return Headline(
        Kind.REGRESSION,
        _BASE_WEIGHT + _WEIGHT_OF_LOST * len(rows),
        f"{many} {fails} on {_where(history, group)}.",
        _since(history, group),
        " ".join(filter(None, (sentence(cause.cause_text), _change(group)))),
        cause.cause,
        cause.remedy,
        tuple(kits),
        tuple(scenarios),
        tuple(rows),
    )


def _where(history: History, group: Sequence[Broken]) -> str:
    boards = sorted({one.cell.board for one in group})
    kits = {row.kit for one in group for row in one.all_rows}
    of_boards = {kit for kit, board in history.boards.items() if board in boards}
    ran = {
        row.kit
        for one in group
        for row in history.cells[one.cell][history.last]
        if _says_something(row)
    }
    is_all = {row.kit for one in group for row in one.rows} >= ran
    of = f" of {named(boards)}" if set(boards) != set(history.boards.values()) else ""
    if len(of_boards) <= 1:
        return f"the only kit{of} ({named(sorted(kits))})"
    if kits >= of_boards:
        return f"both kits{of}" if len(of_boards) == 2 else f"all {len(of_boards)} kits{of}"
    if is_all:
        it = "it" if len(group) == 1 else "them"
        return f"every kit that ran {it}{of} ({named(sorted(kits))})"
    return f"{len(kits)} of {len(kits | ran)} kits{of}"


def _since(history: History, group: Sequence[Broken]) -> str:
    since = group[0].since
    nights = counted(history.last - since + 1, "night")
    if since == history.last and all(one.last_good is None for one in group):
        return (
            f"It has never passed, and failed first in the night of {day(history.nights[since])}."
        )
    if all(one.last_good is None for one in group):
        return f"It has never passed in the {nights} since {day(history.nights[since])}."
    if since == history.last:
        return f"New since the night of {day(history.nights[since])}."
    return f"Since the night of {day(history.nights[since])} ({nights})."


def _change(group: Sequence[Broken]) -> str:
    """What changed with the first failing night."""
    for one in group:
        first = min(one.all_rows, key=lambda row: row.started_s)
        good = one.last_good
        if good is None:
            continue
        if good.ncs != first.ncs:
            return f"The NCS release changed with it: {good.ncs} to {first.ncs}."
        if good.firmware and first.firmware and good.firmware != first.firmware:
            return f"The firmware changed with it: {good.firmware} to {first.firmware}."
        if good.firmware and good.firmware == first.firmware:
            return "The firmware given to the runs is the same as before."
    return ""


def fixed_cells(history: History) -> tuple[Cell, ...]:
    """Cells that failed on all kits when they last ran before, and pass on all of them now."""
    found = []
    for cell, by_night in history.cells.items():
        now = by_night.get(history.last, ())
        before = max((night for night in by_night if night < history.last), default=None)
        if before is None or not now or not is_broken(by_night[before]):
            continue
        if len(by_night[before]) > 1 and all(row.outcome == "passed" for row in now):
            found.append(cell)
    return tuple(found)
