"""What was measured, over nights: kits that became slow, and what became slow on all kits."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.nights.headline import Headline, Kind, counted, day
from pytest_nrf_fota.nights.history import History, Metric
from pytest_nrf_fota.nights.outliers import Centre, centre_of

_LEAST_OTHERS = 2
_LEAST_NIGHTS = 5
# A kit, or a night, stands out where it is so many spreads off, and so much of the usual value.
_SCORE, _SCORE_BEFORE = 5.0, 3.0
_LEAST_SHARE_OF_KIT, _LEAST_SHARE_OF_ALL = 0.2, 0.15
_LEAST_SPREAD = 0.03
_SLOW_KIT_WEIGHT, _MOST_MORE, _CHRONIC_WEIGHT, _SHIFT_WEIGHT = 25.0, 4.0, 12.0, 35.0


@dataclass(frozen=True)
class Drift:
    """A value of the last night that stands out for the worse.

    Args:
        kit: None where it is all kits of the board.
        now, usual: the value, and what it was before `since`; None where it was never better.
        of_others: what the other kits have; None where there are none.
        share: how much worse, of what it should be.
    """

    metric: Metric
    kit: str | None
    since: int
    now: float
    usual: float | None
    of_others: float | None
    share: float


def slow_kits(history: History) -> tuple[Drift, ...]:
    """Kits that are worse than the others; of one kit the worst measurement."""
    worst: dict[str, Drift] = {}
    for metric, kits in history.values.items():
        ratios = {kit: _ratios(kits, kit) for kit in kits}
        if not (everything := [one for series in ratios.values() for one in series.values()]):
            continue
        centre = centre_of(everything, _LEAST_SPREAD)
        for kit, series in ratios.items():
            drift = _slow(history, metric, kit, series, centre)
            if drift is not None and (kit not in worst or worst[kit].share < drift.share):
                worst[kit] = drift
    return tuple(worst.values())


def _ratios(kits: dict[str, dict[int, float]], kit: str) -> dict[int, float]:
    """A kit's values by night, as shares of the other kits'; where it is alone, of its own."""
    own = kits[kit]
    if len(kits) <= _LEAST_OTHERS:
        usual = statistics.median(own.values())
        return {n: value / usual for n, value in own.items() if usual > 0}
    others = {n: _median_of_others(kits, kit, n) for n in own}
    return {n: own[n] / other for n, other in others.items() if other}


def _median_of_others(kits: dict[str, dict[int, float]], kit: str, night: int) -> float | None:
    values = [one[night] for name, one in kits.items() if name != kit and night in one]
    return statistics.median(values) if len(values) >= _LEAST_OTHERS else None


def _slow(
    history: History, metric: Metric, kit: str, series: dict[int, float], centre: Centre
) -> Drift | None:
    kits, last = history.values[metric], history.last
    is_alone = len(kits) <= _LEAST_OTHERS
    if last not in series or (is_alone and len(series) < _LEAST_NIGHTS):
        return None
    worse = -1.0 if metric.is_better_high else 1.0
    share = worse * (series[last] - 1.0)
    if share < _LEAST_SHARE_OF_KIT or worse * centre.score(series[last]) < _SCORE:
        return None

    def is_off(night: int) -> bool:
        off = worse * (series[night] - 1.0) >= share / 2
        return off and worse * centre.score(series[night]) >= _SCORE_BEFORE

    since = _first_of_row(sorted(series), is_off)
    before = [kits[kit][n] for n in series if n < since]
    others = None if is_alone else _median_of_others(kits, kit, last)
    usual = statistics.median(before) if before else None
    return Drift(metric, kit, since, kits[kit][last], usual, others, share)


def _first_of_row(nights: Sequence[int], is_off: Callable[[int], bool]) -> int:
    """The first night of the row of bad ones at the end; one good night does not end it."""
    first, good_nights = nights[-1], 0
    for night in reversed(nights):
        if is_off(night):
            first, good_nights = night, 0
            continue
        good_nights += 1
        if good_nights > 1:
            break
    return first


def slower_everywhere(history: History) -> tuple[Drift, ...]:
    """Measurements that became worse on all kits of a board."""
    found = (_shift(history, metric) for metric in history.values)
    return tuple(one for one in found if one is not None)


def _shift(history: History, metric: Metric) -> Drift | None:
    series = by_night(history.values[metric])
    last = history.last
    if last not in series or len(series) <= _LEAST_NIGHTS or len(history.values[metric]) < 2:
        return None
    before = [value for night, value in series.items() if night != last]
    usual = statistics.median(before)
    if usual <= 0:
        return None
    centre = centre_of(before, usual * _LEAST_SPREAD)
    worse = -1.0 if metric.is_better_high else 1.0
    share = worse * (series[last] / usual - 1.0)
    if share < _LEAST_SHARE_OF_ALL or worse * centre.score(series[last]) < _SCORE:
        return None
    since = _first_of_row(
        sorted(series), lambda night: worse * (series[night] / usual - 1.0) >= share / 2
    )
    return Drift(metric, None, since, series[last], usual, None, share)


def by_night(kits: dict[str, dict[int, float]]) -> dict[int, float]:
    """The median over the kits, by night."""
    nights = sorted({night for one in kits.values() for night in one})
    return {n: statistics.median(one[n] for one in kits.values() if n in one) for n in nights}


def drift_headline(history: History, drift: Drift) -> Headline:
    """A drift in words."""
    metric, unit = drift.metric, drift.metric.unit
    is_chronic = drift.usual is None
    since = f"Since the night of {day(history.nights[drift.since])}"
    since += f" ({counted(history.last - drift.since + 1, 'night')})."
    if is_chronic:
        since = f"In all {counted(history.last - drift.since + 1, 'night')} that are known."
    verb = "fell" if metric.is_better_high else "rose"
    now = f"{number(drift.now)} {unit}"
    change = f"{verb} from {number(drift.usual or 0.0)} to {now}"
    if drift.kit is None:
        return Headline(
            Kind.SLOWER,
            _SHIFT_WEIGHT,
            f"{_title(metric.name)} {change} on all kits of {metric.board}.",
            since,
            "All kits at once: the firmware, its settings, or what the kits share.",
        )
    others = ""
    if drift.of_others is not None:
        others = f"; the other kits have {number(drift.of_others)} {unit}"
    is_alone = drift.of_others is None
    more = min(_MOST_MORE, 5 * drift.share)
    so = f"is {now}" if is_chronic else change
    return Headline(
        Kind.SLOW_KIT,
        _CHRONIC_WEIGHT if is_chronic else _SLOW_KIT_WEIGHT + more,
        f"{_title(metric.name)} of kit {drift.kit} {so}{others}.",
        since,
        "Look at its radio, the host's adapter and where it stands."
        if is_alone
        else f"It alone is slow: {_suspect(metric)}, not the firmware.",
        kits=(drift.kit,),
    )


def _suspect(metric: Metric) -> str:
    if metric.is_better_high:
        return "its radio, the host's adapter or where it stands"
    return "the kit itself, its flash or its probe"


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]


def number(value: float) -> str:
    """Three digits that count: 21.3, 0.018, 1540."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
