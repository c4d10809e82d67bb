"""Kits that fail where others pass: perhaps the kit is sick, and not the firmware."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.farm.kit_results import KitHistory, KitRun

RUNS = 3
"""So many runs in a row make a kit a suspect."""


@dataclass(frozen=True)
class Suspect:
    """A kit whose last runs all had tests that fail here and pass elsewhere.

    Args:
        kit: its name.
        tests: one such test of each run, the earliest run first.
        others: kits that passed them.
    """

    kit: str
    tests: tuple[str, ...]
    others: tuple[str, ...]

    def __str__(self) -> str:
        """For people."""
        tests = ", ".join(dict.fromkeys(self.tests))
        return (
            f"suspect: its last {len(self.tests)} runs failed where others passed: {tests}, on "
            f"{', '.join(self.others)}"
        )


def suspects(histories: Mapping[str, KitHistory]) -> tuple[Suspect, ...]:
    """The suspects among kits, by name.

    A test counts that passed on another kit with the same firmware, when it last ran there with it;
    or, whatever the firmware, between two failures here. What only older firmware passed elsewhere
    may be a regression. Where nobody knows the firmware, one run has the same.
    """
    found = (_suspect(kit, histories) for kit in sorted(histories))
    return tuple(suspect for suspect in found if suspect is not None)


def _suspect(kit: str, histories: Mapping[str, KitHistory]) -> Suspect | None:
    own = histories[kit].runs_since_repair
    runs = own[-RUNS:]
    if len(runs) < RUNS:
        return None
    others = {name: history for name, history in histories.items() if name != kit}
    shown = [_passed_elsewhere(run, own, others) for run in runs]
    telling = [one for one in shown if one is not None]
    if len(telling) < RUNS:
        return None
    where = sorted({name for _, name in telling})
    return Suspect(kit, tuple(test for test, _ in telling), tuple(where))


def _passed_elsewhere(
    run: KitRun, own: Sequence[KitRun], others: Mapping[str, KitHistory]
) -> tuple[str, str] | None:
    """A test that did not pass in this run, and a kit that passes it."""
    for test in run.bad:
        failures = [one.when for one in own if test in one.bad]
        for name, history in sorted(others.items()):
            there = [one for one in history.runs if test in (*one.passed, *one.bad)]
            same = [one for one in there if _is_comparable(run, one)]
            between = [one for one in there if min(failures) < one.when < max(failures)]
            if any(some and test not in some[-1].bad for some in (same, between)):
                return test, name
    return None


def _is_comparable(run: KitRun, other: KitRun) -> bool:
    if run.firmware_id and other.firmware_id:
        return run.firmware_id == other.firmware_id
    return run.run == other.run
