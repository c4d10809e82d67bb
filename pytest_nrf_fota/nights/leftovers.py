"""What neither a regression nor a sick kit explains: single failures, errors of the setup, kits
that did not run, tests without a result.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

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
from pytest_nrf_fota.nights.history import Cell, History, is_bad, is_of_firmware, is_of_rig
from pytest_nrf_fota.nights.store import Row

_SINGLE_WEIGHT, _MOST_OF_SINGLE = 5.0, 15.0
_RIG_WEIGHT, _FEW_RIG_WEIGHT, _FEW = 18.0, 4.0, 3
_LOST_KIT_WEIGHT = 27.0
_MISSING_WEIGHT, _NO_RESULT_WEIGHT = 28.0, 10.0
_RECENT_NIGHTS, _USUAL_NIGHTS = 5, 3


def single_failures(history: History, is_explained: Callable[[Row], bool]) -> tuple[Headline, ...]:
    """Scenarios that failed on some kits."""
    groups: defaultdict[str, defaultdict[str, list[Row]]]
    groups = defaultdict(lambda: defaultdict(list))
    for row in history.in_last_night():
        if is_of_firmware(row) and not is_explained(row):
            groups[row.cause][row.scenario].append(row)
    found: list[Headline] = []
    for scenarios in groups.values():
        if len(scenarios) >= _FEW:
            found.append(_several(scenarios))
        else:
            found += [_single(history, name, rows) for name, rows in scenarios.items()]
    return tuple(found)


def _several(scenarios: Mapping[str, Sequence[Row]]) -> Headline:
    """Scenarios that failed with the same cause, each on some kits."""
    rows = tuple(row for some in scenarios.values() for row in some)
    cause = main_cause(rows)
    kits, names = sorted({row.kit for row in rows}), sorted(map(short_scenario, scenarios))
    return Headline(
        Kind.FAILURE,
        _SINGLE_WEIGHT + min(_MOST_OF_SINGLE, 2.0 * len(rows)),
        f"{len(names)} scenarios failed with the same cause on {counted(len(kits), 'kit')}: "
        f"{named(names)} on {named(kits)}.",
        "",
        _own_words(cause) + sentence(cause.cause_text or cause.failure),
        cause.cause,
        cause.remedy,
        tuple(kits),
        tuple(names),
        rows,
    )


def _single(history: History, scenario: str, rows: Sequence[Row]) -> Headline:
    cause = main_cause(rows)
    kits = sorted({row.kit for row in rows})
    boards = {row.board for row in rows}
    ran = {
        row.kit
        for cell, by_night in history.cells.items()
        if cell.scenario == scenario and cell.board in boards
        for row in by_night.get(history.last, ())
    }
    where = f"kit {kits[0]}" if len(kits) == 1 else f"{len(kits)} of {len(ran)} kits: {named(kits)}"
    return Headline(
        Kind.FAILURE,
        _SINGLE_WEIGHT + min(_MOST_OF_SINGLE, 2.0 * len(rows)),
        f"{short_scenario(scenario)} failed on {where}.",
        f"{_seen_before(history, scenario, rows)} {_passed_later(history, rows)}".strip(),
        _own_words(cause) + sentence(cause.cause_text or cause.failure),
        cause.cause,
        cause.remedy,
        tuple(kits),
        (short_scenario(scenario),),
        tuple(rows),
    )


def _own_words(row: Row) -> str:
    return "The test itself is wrong: " if row.side == "test" else ""


def _seen_before(history: History, scenario: str, rows: Sequence[Row]) -> str:
    """How often it failed on these kits in the nights before."""
    kits = {row.kit for row in rows}
    before = [
        row
        for cell, by_night in history.cells.items()
        if cell.scenario == scenario
        for night, in_night in by_night.items()
        if night < history.last
        for row in in_night
        if row.kit in kits and is_of_firmware(row)
    ]
    if len(history.nights) == 1:
        return ""
    if not before:
        return f"First time in {counted(len(history.nights), 'night')}."
    last = max(row.night for row in before)
    times = "once" if len(before) == 1 else f"{len(before)} times"
    return f"Failed there {times} before, last on {day(history.nights[last])}."


def _passed_later(history: History, rows: Sequence[Row]) -> str:
    last = {row.kit: row for row in rows}
    passed = {
        row.kit
        for failed in last.values()
        for row in history.cells[Cell(failed.board, failed.scenario)][history.last]
        if row.kit == failed.kit and row.outcome == "passed" and row.started_s > failed.started_s
    }
    return "It passed there later that night." if passed == set(last) else ""


def rig_errors(history: History, is_explained: Callable[[Row], bool]) -> tuple[Headline, ...]:
    """Errors of the test setup, by host and cause."""
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in history.in_last_night():
        if is_of_rig(row) and not is_explained(row):
            groups[row.host, row.cause].append(row)
    return tuple(_rig(history, host, rows) for (host, _), rows in groups.items())


def _rig(history: History, host: str, rows: Sequence[Row]) -> Headline:
    cause = main_cause(rows)
    kits = sorted({row.kit or "(no kit)" for row in rows})
    base = _RIG_WEIGHT if len(rows) >= _FEW else _FEW_RIG_WEIGHT
    return Headline(
        Kind.RIG,
        base + len(rows),
        f"The test setup of host {host or '(unknown)'} lost {counted(len(rows), 'test')}, on "
        f"{counted(len(kits), 'kit')}: {named(kits)}.",
        f"In the night of {day(history.nights[history.last])}.",
        sentence(cause.cause_text or cause.cause),
        cause.cause,
        cause.remedy,
        tuple(kits),
        tuple(sorted({row.scenario for row in rows})),
        tuple(rows),
    )


def lost_kits(history: History, is_explained: Callable[[Row], bool]) -> tuple[Headline, ...]:
    """Kits that were lost in a test which then ran on another one, or again on the same."""
    lost: defaultdict[str, list[Row]] = defaultdict(list)
    for row in history.retried:
        if row.night == history.last and row.run_again and not is_explained(row):
            lost[row.kit].append(row)
    return tuple(_lost(history, kit, rows) for kit, rows in lost.items())


def _lost(history: History, kit: str, rows: Sequence[Row]) -> Headline:
    cause = main_cause(rows)
    names = sorted({short_scenario(row.scenario) for row in rows})
    nodes = {row.node for row in rows}
    again = [row for row in history.in_last_night() if row.node in nodes and row.try_number > 1]
    where = named(sorted({row.kit for row in again}))
    ended = "passed" if all(row.outcome == "passed" for row in again) else "did not pass"
    return Headline(
        Kind.KIT,
        _LOST_KIT_WEIGHT,
        f"Kit {kit} was lost in {named(names)}, which ran again on {where} and {ended}.",
        f"In the night of {day(history.nights[history.last])}.",
        sentence(cause.cause_text or cause.failure),
        cause.cause,
        cause.remedy or "`nrf-fota quarantine list` on its host says since when, and why.",
        (kit,),
        tuple(sorted({row.scenario for row in rows})),
        tuple(rows),
    )


def missing_kits(history: History) -> tuple[Headline, ...]:
    """Kits that ran in most of the nights before, and not in the last one."""
    recent = range(max(0, history.last - _RECENT_NIGHTS), history.last)
    missing = {
        kit: max(by_night)
        for kit, by_night in history.kits.items()
        if history.last not in by_night
        and sum(night in by_night for night in recent) >= min(_USUAL_NIGHTS, len(recent))
        and recent
    }
    if not missing:
        return ()
    kits, seen = sorted(missing), max(missing.values())
    running = sum(history.last in by_night for by_night in history.kits.values())
    noun = "Kit" if len(kits) == 1 else "Kits"
    return (
        Headline(
            Kind.MISSING,
            _MISSING_WEIGHT,
            f"{noun} {named(kits)} did not run; {running} of {running + len(kits)} did.",
            f"Last seen in the night of {day(history.nights[seen])}.",
            "No run of this night used them: unplugged, taken out of the map, or held by others; "
            "or their host's runs are not among the folders.",
            remedy="Look with `nrf-fota boards` on host "
            + f"{named(sorted({history.hosts[kit] or '(unknown)' for kit in kits}))}.",
            kits=tuple(kits),
        ),
    )


def without_result(history: History) -> tuple[Headline, ...]:
    """Tests that left no result: their run was ended, or is of an older version."""
    rows = tuple(row for row in history.in_last_night() if row.outcome == "unknown")
    if not rows:
        return ()
    kits = sorted({row.kit for row in rows if row.kit})
    return (
        Headline(
            Kind.NO_RESULT,
            _NO_RESULT_WEIGHT,
            f"{counted(len(rows), 'test')} left no result" + (f": {named(kits)}." if kits else "."),
            f"In the night of {day(history.nights[history.last])}.",
            "A run was ended before its tests were (Ctrl-C, killed, a power cut, a time limit of "
            "CI), or an older pytest-nrf-fota ran it; the flight recorders were read.",
            kits=tuple(kits),
            scenarios=tuple(sorted({row.scenario for row in rows})),
            rows=rows,
        ),
    )


def bad_rows(history: History) -> tuple[Row, ...]:
    """All failures and errors of the last night."""
    return tuple(row for row in history.in_last_night() if is_bad(row))
