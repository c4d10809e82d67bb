"""The page of a night: one HTML file without scripts, that asks no network for anything."""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.nights.drifts import number
from pytest_nrf_fota.nights.headline import Headline, Kind, counted, day, named, short_scenario
from pytest_nrf_fota.nights.history import Metric, is_bad
from pytest_nrf_fota.nights.links import Links
from pytest_nrf_fota.nights.night_report import CellView, Count, KitView, NightReport, State, Trend
from pytest_nrf_fota.nights.pictures import (
    BAR_HEIGHT,
    CHART_HEIGHT,
    CHART_WIDTH,
    Bars,
    Chart,
    bars,
    chart,
)
from pytest_nrf_fota.nights.store import Row

if TYPE_CHECKING:
    from jinja2 import Template

PAGE_NAME = "night.html"

_MOST_METRICS = 8
_SHOWN_HEADLINES, _SHOWN_FLAKES, _SHOWN_ROWS = 8, 15, 200
_SHOWN_TRIES = 6
# pytest-repeat names its parameter `2-3`.
_REPETITION = re.compile(r"[\[-](\d+)-(\d+)\]$")


@dataclass(frozen=True)
class Drawn:
    """What the template asks for beside the report: texts, links and pictures of its values."""

    link: Callable[[Row], str]
    bars: Callable[[Sequence[Count]], Bars]
    chart: Callable[[Trend], Chart]
    cell_text: Callable[[CellView], str]
    cell_class: Callable[[CellView], str]
    tries: Callable[[CellView], Sequence[tuple[str, Row]]]
    is_rig: Callable[[Headline], bool]
    metric_names: Callable[[NightReport], Sequence[str]]
    measured: Callable[[NightReport, KitView], Sequence[tuple[str, bool]]]
    day: Callable[[date], str] = day
    counted: Callable[[int, str], str] = counted
    named: Callable[[Sequence[str], int], str] = named
    short: Callable[[str], str] = short_scenario
    number: Callable[[float], str] = number
    bar_height: int = BAR_HEIGHT
    chart_width: int = CHART_WIDTH
    chart_height: int = CHART_HEIGHT
    headlines: int = _SHOWN_HEADLINES
    flakes: int = _SHOWN_FLAKES
    most_tries: int = _SHOWN_TRIES
    rows: int = _SHOWN_ROWS


def write_page(report: NightReport, folder: Path, store_folder: Path) -> Path:
    """Write the page into a folder, which is made.

    Args:
        report: what it says.
        folder: gets `night.html`.
        store_folder: where the store is, which test folders are relative to.

    Returns the page. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE_NAME
    text = page_text(report, Links(folder.resolve(), store_folder.resolve()))
    page.write_text(text, encoding="utf-8", newline="\n")
    return page


def page_text(report: NightReport, links: Links) -> str:
    """The page as text; every value in it is escaped."""
    style = _resource("page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    drawn = Drawn(
        links.to,
        bars,
        lambda trend: chart(trend, len(report.nights)),
        _cell_text,
        _cell_class,
        _tries,
        _is_rig,
        _metric_names,
        _measured,
    )
    return _template().render(report=report, draw=drawn, style=style, style_hash=digest)


def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_resource("page.html.j2"))


def _resource(name: str) -> str:
    return files("pytest_nrf_fota.nights").joinpath(name).read_text(encoding="utf-8")


def _cell_text(cell: CellView) -> str:
    now = cell.now
    match now.state:
        case State.NOTHING:
            return "skipped" if cell.is_skipped else "did not run"
        case State.PASSED:
            return f"passed{_again(cell)}" if now.ran == 1 else f"{now.passed} passed{_again(cell)}"
        case State.UNKNOWN:
            return "no result"
        case State.FAILED | State.RIG | State.MIXED:
            parts = (
                f"{now.failed} of {now.ran} failed" if now.failed else "",
                f"{now.rig} of {now.ran}: setup" if now.rig else "",
            )
            return ", ".join(part for part in parts if part) + _again(cell)


def _again(cell: CellView) -> str:
    """What the text of a cell says of tests that were run again."""
    later = cell.later_tries
    if not later:
        return ""
    return f" on try {later[0]}" if cell.now.ran == 1 else f", {len(later)} run again"


def _tries(cell: CellView) -> Sequence[tuple[str, Row]]:
    """The executions of tests that ran more than once, as they are named in a cell."""
    has_kits = len({row.kit for row in cell.tries}) > 1
    shown = list(cell.tries)
    if len(shown) > _SHOWN_TRIES:
        shown.sort(key=lambda row: not is_bad(row))
    return [(_try_name(row, has_kits=has_kits), row) for row in shown]


def _try_name(row: Row, *, has_kits: bool) -> str:
    which = str(row.try_number)
    if row.node != row.scenario:
        repetition = _REPETITION.search(row.node)
        which = " of ".join(repetition.groups()) if repetition else short_scenario(row.node)
        which += f", try {row.try_number}" if row.try_number > 1 else ""
    outcome = "kit lost" if row.run_again else row.outcome
    return f"{which} {outcome}{f' on {row.kit}' if has_kits else ''}"


def _cell_class(cell: CellView) -> str:
    match cell.now.state:
        case State.NOTHING:
            return "nothing"
        case State.PASSED:
            return "passed"
        case State.UNKNOWN:
            return "unknown"
        case State.RIG:
            return "rig"
        case State.MIXED:
            return "mixed" if cell.now.failed else "rig"
        case State.FAILED:
            return "failed"


def _is_rig(headline: Headline) -> bool:
    match headline.kind:
        case Kind.REGRESSION | Kind.SLOWER | Kind.FAILURE:
            return False
        case Kind.KIT | Kind.HOST | Kind.SLOW_KIT | Kind.MISSING | Kind.RIG | Kind.NO_RESULT:
            return True
        case _:
            assert_never(headline.kind)


def _metric_names(report: NightReport) -> Sequence[str]:
    """Columns of the kits' table: a measurement with its unit, once for all boards."""
    return tuple(dict.fromkeys(_title(trend.metric) for trend in report.trends))[:_MOST_METRICS]


def _measured(report: NightReport, kit: KitView) -> Sequence[tuple[str, bool]]:
    """A kit's values in these columns, and whether each is an outlier."""
    own = {_title(metric): (number(value), is_off) for metric, value, is_off in kit.values}
    return [own.get(name, ("", False)) for name in _metric_names(report)]


def _title(metric: Metric) -> str:
    return f"{metric.name}, {metric.unit}"
