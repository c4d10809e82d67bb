"""What the page says first.

A regression counts three times the tests that it costs, because it will cost them on every kit of
a customer; a sick kit counts its lost tests. Each has a base, so that one of them stands before
any number of single failures: regression 40, slower everywhere 35, kit or host 30, kits that did
not run 28, a kit that was lost 27, slow kit 25 to 29, several errors of the setup 18, no result
10, single failures 5 to 20.
"""

from dataclasses import dataclass

from pytest_nrf_fota.nights.drifts import drift_headline, slow_kits, slower_everywhere
from pytest_nrf_fota.nights.flakes import Flake, flakes
from pytest_nrf_fota.nights.headline import Headline
from pytest_nrf_fota.nights.history import Cell, History, is_of_firmware
from pytest_nrf_fota.nights.leftovers import (
    lost_kits,
    missing_kits,
    rig_errors,
    single_failures,
    without_result,
)
from pytest_nrf_fota.nights.regressions import broken_cells, fixed_cells, regressions
from pytest_nrf_fota.nights.sick_kits import SickKit, kit_headlines, sick_kits
from pytest_nrf_fota.nights.store import Row


@dataclass(frozen=True)
class Found:
    """All that was found out about a night, the headlines by weight."""

    headlines: tuple[Headline, ...]
    flakes: tuple[Flake, ...]
    sick: tuple[SickKit, ...]
    fixed: tuple[Cell, ...]


def look_into(history: History) -> Found:
    """Find what is wrong in the last night; each failure is told once."""
    broken = broken_cells(history)
    since = {one.cell: one.since for one in broken}

    def is_regression(row: Row) -> bool:
        first = since.get(Cell(row.board, row.scenario))
        return first is not None and row.night >= first and is_of_firmware(row)

    sick = sick_kits(history, is_regression)
    sick_since = {one.kit: one.since for one in sick}

    def is_explained(row: Row) -> bool:
        ill = sick_since.get(row.kit)
        return is_regression(row) or (ill is not None and row.night >= ill)

    found = (
        *regressions(history, broken),
        *kit_headlines(history, sick),
        *(drift_headline(history, one) for one in slower_everywhere(history)),
        *(drift_headline(history, one) for one in slow_kits(history)),
        *missing_kits(history),
        *lost_kits(history, is_explained),
        *rig_errors(history, is_explained),
        *without_result(history),
        *single_failures(history, is_explained),
    )
    headlines = sorted(found, key=lambda one: (-one.weight, one.what))
    return Found(tuple(headlines), flakes(history, is_explained), sick, fixed_cells(history))
