"""Kits that fail more than the others, in whatever scenario: their own doing, or their host's."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.nights.headline import (
    Headline,
    Kind,
    counted,
    day,
    main_cause,
    named,
    sentence,
)
from pytest_nrf_fota.nights.history import History, is_bad, is_of_rig
from pytest_nrf_fota.nights.outliers import centre_of
from pytest_nrf_fota.nights.store import Row

_POOLED_NIGHTS = 3
_LEAST_SCORE, _LEAST_SCORE_OF_NIGHT = 4.0, 2.0
# A kit without any failure is not better than this: its next test may fail by chance.
_LEAST_RATE = 0.02
_LEAST_SCENARIOS = 3
_SHOWN_NIGHTS = 5
# Later nights against earlier ones.
_NIGHTS_OF_HALF, _WORSE = 2, 1.3
_BASE_WEIGHT = 30.0


@dataclass(frozen=True)
class SickKit:
    """A kit in trouble: its failures in the last night, of so many tests, and by night before.

    `pooled` are those of the last three nights, which show its cause better than one night's.
    """

    kit: str
    board: str
    host: str
    since: int
    rows: tuple[Row, ...]
    pooled: tuple[Row, ...]
    ran: int
    series: tuple[int, ...]
    is_worsening: bool
    usual_rate: float

    @property
    def rig_rows(self) -> tuple[Row, ...]:
        """Those that are the test setup's."""
        return tuple(row for row in self.rows if is_of_rig(row))


@dataclass(frozen=True)
class _Night:
    failed: tuple[Row, ...]
    ran: int

    @property
    def rate(self) -> float:
        return len(self.failed) / self.ran if self.ran else 0.0


def sick_kits(history: History, is_explained: Callable[[Row], bool]) -> tuple[SickKit, ...]:
    """Kits whose failures stand out; what is explained otherwise does not count.

    A kit is held against the other kits in the same nights, the only one against its own past.
    """
    nights = {
        kit: {
            night: _Night(
                tuple(row for row in rows if is_bad(row) and not is_explained(row)), len(rows)
            )
            for night, rows in by_night.items()
        }
        for kit, by_night in history.kits.items()
    }
    found = (_sick(history, kit, nights) for kit in nights)
    return tuple(one for one in found if one is not None)


def _sick(history: History, kit: str, nights: dict[str, dict[int, _Night]]) -> SickKit | None:
    own = nights[kit]
    last = own.get(history.last)
    if last is None or not last.failed:
        return None
    pooled = _pool(own, history.last)
    others = [_pool(other, history.last).rate for name, other in nights.items() if name != kit]
    if len(others) < 2:
        past = [night.rate for n, night in own.items() if n <= history.last - _POOLED_NIGHTS]
        if len(past) < _POOLED_NIGHTS:
            return None
        others = past
    scenarios = {row.scenario for row in pooled.failed}
    all_scenarios = {row.scenario for rows in history.kits[kit].values() for row in rows}
    if len(scenarios) < min(_LEAST_SCENARIOS, max(2, len(all_scenarios))):
        return None

    def score(night: _Night) -> float:
        chance = max(_LEAST_RATE, centre_of(others, _LEAST_RATE).median)
        by_chance = math.sqrt(chance * (1 - min(chance, 0.9)) / max(1, night.ran))
        return centre_of(others, by_chance).score(night.rate)

    if score(pooled) < _LEAST_SCORE or score(last) < _LEAST_SCORE_OF_NIGHT:
        return None
    since = _since(own, history.last, lambda night: score(night) >= _LEAST_SCORE_OF_NIGHT)
    shown = sorted(night for night in own if night > history.last - _SHOWN_NIGHTS)
    return SickKit(
        kit,
        history.boards[kit],
        history.hosts[kit],
        since,
        last.failed,
        pooled.failed,
        last.ran,
        tuple(len(own[night].failed) for night in shown),
        _is_worsening([own[night].rate for night in shown]),
        centre_of(others, 1.0).median,
    )


def _is_worsening(rates: Sequence[float]) -> bool:
    half = len(rates) // 2
    if half < _NIGHTS_OF_HALF:
        return False
    before, now = statistics.fmean(rates[:half]), statistics.fmean(rates[-half:])
    return now > before * _WORSE


def _pool(nights: dict[int, _Night], last: int) -> _Night:
    chosen = [night for n, night in nights.items() if last - _POOLED_NIGHTS < n <= last]
    failed = tuple(row for night in chosen for row in night.failed)
    return _Night(failed, sum(night.ran for night in chosen))


def _since(nights: dict[int, _Night], last: int, is_bad_night: Callable[[_Night], bool]) -> int:
    """First night of the row of bad ones; one good night in between does not end it."""
    since, good_nights = last, 0
    for night in sorted(nights, reverse=True):
        if is_bad_night(nights[night]):
            since, good_nights = night, 0
            continue
        good_nights += 1
        if good_nights > 1:
            break
    return since


def kit_headlines(history: History, sick: Sequence[SickKit]) -> tuple[Headline, ...]:
    """One for each sick kit; kits of a host with the same error of the setup are the host's."""
    groups: defaultdict[tuple[str, str], list[SickKit]] = defaultdict(list)
    for one in sick:
        if len(one.rig_rows) * 2 > len(one.rows):
            groups[one.host, main_cause(one.rig_rows).cause].append(one)
    of_hosts = {key: group for key, group in groups.items() if len(group) > 1}
    told = {one.kit for group in of_hosts.values() for one in group}
    return (
        *(_host_headline(history, host, group) for (host, _), group in of_hosts.items()),
        *(_kit_headline(history, one) for one in sick if one.kit not in told),
    )


def _kit_headline(history: History, one: SickKit) -> Headline:
    cause = main_cause(one.pooled)
    of_cause = sum(row.cause == cause.cause for row in one.pooled)
    scenarios = sorted({row.scenario for row in one.rows})
    verb = "is getting worse" if one.is_worsening else "is failing"
    lost = f"{len(one.rows)} of its {counted(one.ran, 'test')} are lost"
    if len(one.series) > 1 and max(one.series) > 0:
        lost += f" ({', '.join(map(str, one.series))} in its last nights)"
    usual = one.usual_rate * one.ran
    return Headline(
        Kind.KIT,
        _BASE_WEIGHT + len(one.rows),
        f"Kit {one.kit} {verb}: {lost}, in {counted(len(scenarios), 'scenario')}.",
        _since_words(history, one.since),
        f"{of_cause} of its last {len(one.pooled)}: {sentence(cause.cause_text or cause.cause)} "
        f"The other kits lose {usual:.0f} of as many: it is this kit, its cables, its power or its "
        "radio.",
        cause.cause,
        cause.remedy,
        (one.kit,),
        tuple(scenarios),
        one.rows,
    )


def _host_headline(history: History, host: str, group: Sequence[SickKit]) -> Headline:
    rows = tuple(row for one in group for row in one.rows)
    cause = main_cause([row for one in group for row in one.rig_rows])
    kits = sorted(one.kit for one in group)
    return Headline(
        Kind.HOST,
        _BASE_WEIGHT + len(rows),
        f"{counted(len(kits), 'kit')} of host {host or '(unknown)'} have the same trouble with the "
        f"test setup: {named(kits)}; {counted(len(rows), 'test')} lost.",
        _since_words(history, min(one.since for one in group)),
        sentence(cause.cause_text or cause.cause),
        cause.cause,
        cause.remedy,
        tuple(kits),
        tuple(sorted({row.scenario for row in rows})),
        rows,
    )


def _since_words(history: History, since: int) -> str:
    if since == history.last:
        return f"New since the night of {day(history.nights[since])}."
    if since == 0:
        return f"In all {len(history.nights)} nights that are known."
    nights = counted(history.last - since + 1, "night")
    return f"Since the night of {day(history.nights[since])} ({nights})."
