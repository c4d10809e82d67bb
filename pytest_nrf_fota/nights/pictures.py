"""The page's pictures as SVG paths: numbers in, no text of anybody's."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.nights.night_report import Count, Trend

BAR_STEP, BAR_WIDTH, BAR_HEIGHT = 6, 5, 18
_LEAST_HEIGHT = 3

CHART_WIDTH, CHART_HEIGHT = 320, 96
_MARGIN = 6
_LEAST_ROOM = 0.1


@dataclass(frozen=True)
class Bars:
    """A history as bars: one path for each colour. What passed is low, what failed is high."""

    width: int
    passed: str
    failed: str
    rig: str
    unknown: str


def bars(nights: Sequence[Count]) -> Bars:
    """One bar for each night; its height is the share of tests that were lost."""
    paths: dict[str, list[str]] = {"passed": [], "failed": [], "rig": [], "unknown": []}
    for number, count in enumerate(nights):
        if not count.ran:
            continue
        x = number * BAR_STEP
        if not count.lost:
            paths["passed" if count.passed else "unknown"].append(_bar(x, 0, _LEAST_HEIGHT))
            continue
        failed = _height(count.failed, count.ran)
        rig = _height(count.rig, count.ran)
        rig = min(rig, BAR_HEIGHT - failed)
        if failed:
            paths["failed"].append(_bar(x, 0, failed))
        if rig:
            paths["rig"].append(_bar(x, failed, rig))
    return Bars(len(nights) * BAR_STEP, **{name: "".join(parts) for name, parts in paths.items()})


def _height(part: int, whole: int) -> int:
    return 0 if not part else max(_LEAST_HEIGHT + 2, round(BAR_HEIGHT * part / whole))


def _bar(x: int, from_bottom: int, height: int) -> str:
    return f"M{x} {BAR_HEIGHT - from_bottom - height}h{BAR_WIDTH}v{height}h-{BAR_WIDTH}z"


@dataclass(frozen=True)
class Mark:
    """An outlier in a chart."""

    x: float
    y: float
    kit: str
    night: int
    value: float


@dataclass(frozen=True)
class Chart:
    """A trend: the band of all kits, their median, outliers; `low` and `high` were measured."""

    band: str
    line: str
    marks: tuple[Mark, ...]
    low: float
    high: float


def chart(trend: Trend, nights: int) -> Chart:
    """Draw a trend over so many nights."""
    low, high = _limits(trend)

    def x_of(night: float) -> float:
        return round(_MARGIN + (CHART_WIDTH - 2 * _MARGIN) * night / max(1, nights - 1), 1)

    def y_of(value: float) -> float:
        share = (value - low) / (high - low)
        return round(CHART_HEIGHT - _MARGIN - (CHART_HEIGHT - 2 * _MARGIN) * share, 1)

    off = {(kit, night) for kit, night, _ in trend.outliers}
    usual = {
        night: [s[night] for kit, s in trend.kits.items() if night in s and (kit, night) not in off]
        for night in sorted(trend.median)
    }
    upper = [f"{x_of(n)} {y_of(max(values))}" for n, values in usual.items() if values]
    lower = [f"{x_of(n)} {y_of(min(values))}" for n, values in usual.items() if values]
    middle = [f"{x_of(n)} {y_of(value)}" for n, value in sorted(trend.median.items())]
    return Chart(
        band=f"M{'L'.join([*upper, *reversed(lower)])}z" if len(upper) > 1 else "",
        line=f"M{'L'.join(middle)}" if len(middle) > 1 else _dot(middle[0]),
        marks=tuple(Mark(x_of(n), y_of(v), kit, n, v) for kit, n, v in trend.outliers),
        low=min(_values(trend)),
        high=max(_values(trend)),
    )


def _values(trend: Trend) -> list[float]:
    return [value for series in trend.kits.values() for value in series.values()]


def _limits(trend: Trend) -> tuple[float, float]:
    """What the chart spans: all values, and at least a tenth to each side of the median.

    Else the noise of a steady kit would fill the picture.
    """
    values = _values(trend)
    middle = statistics.median(values)
    room = abs(middle) * _LEAST_ROOM or 1.0
    return min(*values, middle - room), max(*values, middle + room)


def _dot(place: str) -> str:
    # A line of one night would not be seen.
    return f"M{place}h0.1"
