"""Everything that the report of a night says, as values; page, Markdown and JSON are made of it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from pytest_nrf_fota.nights.drifts import by_night
from pytest_nrf_fota.nights.flakes import Flake, flaky_in
from pytest_nrf_fota.nights.headline import Headline, Kind, main_cause
from pytest_nrf_fota.nights.history import Cell, History, Metric, is_bad, is_of_firmware, is_of_rig
from pytest_nrf_fota.nights.outliers import centre_of
from pytest_nrf_fota.nights.ranking import Found, look_into
from pytest_nrf_fota.nights.run_folders import Unreadable
from pytest_nrf_fota.nights.store import Row

_OUTLIER_SCORE = 5.0
_LEAST_SPREAD = 0.05
_SHOWN_METRICS = ("upload throughput", "boot time", "swap time", "erase time")


class State(Enum):
    """How a cell, or a kit, did in a night."""

    NOTHING = "did not run"
    PASSED = "passed"
    MIXED = "failed on some"
    FAILED = "failed"
    RIG = "test setup"
    UNKNOWN = "no result"


@dataclass(frozen=True)
class Count:
    """How the final tries of some tests ended."""

    passed: int = 0
    failed: int = 0
    rig: int = 0
    unknown: int = 0

    @property
    def ran(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.rig + self.unknown

    @property
    def lost(self) -> int:
        """Those without a result for the firmware, and those that failed."""
        return self.failed + self.rig

    @property
    def state(self) -> State:
        """All of them in one word."""
        if not self.ran:
            return State.NOTHING
        if self.failed:
            return State.MIXED if self.passed else State.FAILED
        if self.rig:
            return State.MIXED if self.passed else State.RIG
        return State.PASSED if self.passed else State.UNKNOWN


@dataclass(frozen=True)
class CellView:
    """One cell of the matrix: the reported night, and all nights up to it.

    `row` is the execution to look at: a failure, else the last one; None where it never ran.
    `tries` are all executions of the night of tests that ran more than once, by run, test and time;
    `is_flake` is whether one of them failed and another passed on the same kit.
    """

    now: Count
    nights: tuple[Count, ...]
    row: Row | None
    is_skipped: bool
    tries: tuple[Row, ...] = ()
    is_flake: bool = False

    @property
    def later_tries(self) -> tuple[int, ...]:
        """The number of the last try of each test that was run again."""
        return tuple(row.try_number for row in self.tries if row.is_final and row.try_number > 1)


@dataclass(frozen=True)
class CauseGroup:
    """Failures of the reported night with one cause code."""

    cause: str
    text: str
    remedy: str
    rows: tuple[Row, ...]
    first_night: int

    @property
    def kits(self) -> tuple[str, ...]:
        """Kits that it struck."""
        return tuple(sorted({row.kit or "(no kit)" for row in self.rows}))

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenarios that it struck."""
        return tuple(sorted({row.scenario for row in self.rows}))


@dataclass(frozen=True)
class KitView:
    """A kit: the reported night, all nights, whether it stands out, and what it measured."""

    kit: str
    board: str
    host: str
    now: Count
    nights: tuple[Count, ...]
    trouble: str
    values: tuple[tuple[Metric, float, bool], ...]


@dataclass(frozen=True)
class Trend:
    """A measurement on a board over the nights.

    `outliers` are kit, night and value of what stands out, for the better or the worse.
    """

    metric: Metric
    median: dict[int, float]
    kits: dict[str, dict[int, float]]
    outliers: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class NightReport:
    """The report of a night."""

    nights: tuple[date, ...]
    boards: tuple[str, ...]
    total: Count
    skipped: int
    second_tries: int
    hosts: tuple[str, ...]
    found: Found
    matrix: tuple[tuple[str, tuple[CellView, ...]], ...]
    firmware: tuple[CauseGroup, ...]
    rig: tuple[CauseGroup, ...]
    kits: tuple[KitView, ...]
    trends: tuple[Trend, ...]
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def night(self) -> date:
        """The evening's date of the reported night."""
        return self.nights[-1]

    @property
    def headlines(self) -> tuple[Headline, ...]:
        """What broke, by weight."""
        return self.found.headlines

    @property
    def flaky_cells(self) -> tuple[tuple[str, str, CellView], ...]:
        """Scenario, board and cell of what failed and passed in the reported night."""
        return tuple(
            (scenario, board, cell)
            for scenario, cells in self.matrix
            for board, cell in zip(self.boards, cells, strict=True)
            if cell.is_flake
        )

    @property
    def flakes(self) -> tuple[Flake, ...]:
        """Results that change by themselves, the worst first."""
        return self.found.flakes


def report_of(history: History, unreadable: Sequence[Unreadable] = ()) -> NightReport:
    """Find out all that a report says of the last night of a history."""
    found = look_into(history)
    boards = tuple(sorted({cell.board for cell in (*history.cells, *history.skipped)}))
    bad = [row for row in history.in_last_night() if is_bad(row)]
    trends = _trends(history)
    return NightReport(
        nights=history.nights,
        boards=boards,
        total=count(list(history.in_last_night())),
        skipped=len(history.skipped),
        second_tries=sum(row.night == history.last for row in history.retried),
        hosts=tuple(sorted({row.host for row in history.in_last_night() if row.host})),
        found=found,
        matrix=_matrix(history, boards),
        firmware=_groups(history, [row for row in bad if is_of_firmware(row)]),
        rig=_groups(history, [row for row in bad if is_of_rig(row)]),
        kits=_kits(history, found, trends),
        trends=trends,
        unreadable=tuple(unreadable),
    )


def count(rows: Sequence[Row]) -> Count:
    """Count how tests ended."""
    rig = sum(is_of_rig(row) for row in rows)
    failed = sum(is_of_firmware(row) for row in rows)
    passed = sum(row.outcome == "passed" for row in rows)
    return Count(passed, failed, rig, len(rows) - passed - failed - rig)


def _matrix(
    history: History, boards: Sequence[str]
) -> tuple[tuple[str, tuple[CellView, ...]], ...]:
    scenarios = sorted({cell.scenario for cell in (*history.cells, *history.skipped)})
    rows = [
        (scenario, tuple(_cell(history, Cell(board, scenario)) for board in boards))
        for scenario in scenarios
    ]
    # What needs a look stands above what does not; among equals by name.
    return tuple(sorted(rows, key=lambda row: -sum(cell.now.lost for cell in row[1])))


def _cell(history: History, cell: Cell) -> CellView:
    by_night = history.cells.get(cell, {})
    nights = tuple(count(by_night.get(night, ())) for night in range(len(history.nights)))
    last = by_night.get(history.last, [])
    row = next((row for row in last if is_of_firmware(row)), None)
    row = row or next((row for row in last if is_bad(row)), None)
    if row is None and by_night:
        row = by_night[max(by_night)][-1]
    skipped = history.skipped.get(cell)
    tries = sorted(
        history.tries.get(cell, ()),
        key=lambda row: (row.folder.partition("/")[0], row.node, row.started_s),
    )
    is_skipped = skipped is not None and not last
    return CellView(nights[-1], nights, row or skipped, is_skipped, tuple(tries), flaky_in(tries))


def _groups(history: History, rows: Sequence[Row]) -> tuple[CauseGroup, ...]:
    by_cause: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_cause[row.cause].append(row)
    first: dict[str, int] = {}
    for nights in history.cells.values():
        for night, in_night in nights.items():
            for row in in_night:
                if row.cause in by_cause and is_bad(row):
                    first[row.cause] = min(night, first.get(row.cause, night))
    groups = []
    for cause, of_cause in by_cause.items():
        shown = main_cause(of_cause)
        text = shown.cause_text or shown.failure
        groups.append(CauseGroup(cause, text, shown.remedy, tuple(of_cause), first[cause]))
    return tuple(sorted(groups, key=lambda group: (-len(group.rows), group.cause)))


def _kits(history: History, found: Found, trends: Sequence[Trend]) -> tuple[KitView, ...]:
    off = {
        (trend.metric, kit)
        for trend in trends
        for kit, night, _ in trend.outliers
        if night == history.last
    }
    place: dict[str, int] = {}
    for n, headline in enumerate(found.headlines):
        if headline.kind in (Kind.KIT, Kind.SLOW_KIT):
            place.setdefault(headline.kits[0], n)
    views = []
    for kit, by_n in history.kits.items():
        nights = tuple(count(by_n.get(night, ())) for night in range(len(history.nights)))
        values = tuple(
            (trend.metric, trend.kits[kit][history.last], (trend.metric, kit) in off)
            for trend in trends
            if history.last in trend.kits.get(kit, {})
        )
        trouble = found.headlines[place[kit]].kind.value if kit in place else ""
        board, host = history.boards[kit], history.hosts[kit]
        views.append(KitView(kit, board, host, nights[-1], nights, trouble, values))
    behind = len(found.headlines)
    return tuple(
        sorted(views, key=lambda one: (place.get(one.kit, behind), -one.now.lost, one.kit))
    )


def _trends(history: History) -> tuple[Trend, ...]:
    trends = [
        Trend(metric, by_night(kits), kits, _outliers(kits))
        for metric, kits in history.values.items()
    ]
    return tuple(sorted(trends, key=lambda trend: _place(trend.metric)))


def _place(metric: Metric) -> tuple[int, str, str]:
    known = metric.name in _SHOWN_METRICS
    place = _SHOWN_METRICS.index(metric.name) if known else len(_SHOWN_METRICS)
    return place, metric.name, metric.board


def _outliers(kits: dict[str, dict[int, float]]) -> tuple[tuple[str, int, float], ...]:
    """Values far from the other kits' in the same night; of one kit, from its other nights'."""
    medians = by_night(kits)
    if len(kits) < 3:
        usual = by_night({"": {n: value for one in kits.values() for n, value in one.items()}})
        values = list(usual.values())
        if len(values) < 5:
            return ()
        middle = centre_of(values, 1e-9).median
        medians = dict.fromkeys(medians, middle)
    shares = [
        (kit, night, value, value / medians[night])
        for kit, series in kits.items()
        for night, value in series.items()
        if medians[night] > 0
    ]
    if not shares:
        return ()
    centre = centre_of([share for *_, share in shares], _LEAST_SPREAD)
    return tuple(
        (kit, night, value)
        for kit, night, value, share in shares
        if abs(centre.score(share)) >= _OUTLIER_SCORE
    )
