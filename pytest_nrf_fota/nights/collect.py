"""From run folders to a report: read what is new, keep it in the store, look at the nights."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.nights.history import history_of
from pytest_nrf_fota.nights.night_report import NightReport, report_of
from pytest_nrf_fota.nights.run_folders import (
    Unreadable,
    is_test_folder,
    read_tests,
    runs_in,
    tests_in_run,
)
from pytest_nrf_fota.nights.store import STORE_NAME, Keep, Store, open_store

SHOWN_NIGHTS = 30


@dataclass
class Collected:
    """What was found in the folders that a user gave."""

    runs: list[Path] = field(default_factory=list)
    unreadable: dict[Path, Unreadable] = field(default_factory=dict)

    def leave_out(self, one: Unreadable) -> None:
        """Name a folder that cannot be used, once."""
        self.unreadable.setdefault(one.path, one)


@dataclass(frozen=True)
class Made:
    """A report, and the folder of the store, which folders of tests are relative to."""

    report: NightReport
    store_folder: Path


def make_report(
    folders: Sequence[Path], store_path: Path | None = None, keep: Keep | None = None
) -> Made:
    """Read runs, add them to the store, and report the last night that they have.

    Args:
        folders: of runs, or folders that hold such; what cannot be read is named in the report.
        store_path: the store; None for the one beside the runs.
        keep: prune what is older; None keeps everything.

    Raises:
        InputError: no run can be read, or the store cannot be used.
    """
    collected = _find_runs(folders)
    if not collected.runs:
        raise _nothing_readable(folders, collected)
    store_path = store_path or _store_beside(collected.runs)
    with open_store(store_path) as store:
        nights = [
            night
            for run in collected.runs
            if (night := _take(store, run, collected, skips_pruned=keep is not None))
        ]
        if keep is not None:
            store.prune(keep, datetime.now().date())
        if not nights:
            raise _nothing_readable(folders, collected)
        report = _report(store, max(nights), tuple(collected.unreadable.values()))
        return Made(report, store_path.resolve().parent)


def report_of_run(run: Path) -> NightReport:
    """The report of one run, without a store. Raises `InputError` where it has no test."""
    collected = Collected()
    with open_store(Path(":memory:")) as store:
        night = _take(store, run, collected, skips_pruned=False)
        if night is None:
            raise _nothing_readable((run,), collected)
        return _report(store, night, tuple(collected.unreadable.values()))


def _report(store: Store, night: date, unreadable: tuple[Unreadable, ...]) -> NightReport:
    with store.reading():
        nights = store.nights(night, SHOWN_NIGHTS)
        history = history_of(nights, store.rows(nights), store.values(nights)) if nights else None
    if history is None:
        raise InputError(
            "All nights that the folders have were pruned.",
            where=f"{store.path}: {night}",
            next_step="Keep more of them: --keep N.",
        )
    return report_of(history, unreadable)


def _find_runs(folders: Sequence[Path]) -> Collected:
    collected = Collected()
    for folder in folders:
        given = folder.resolve()
        try:
            if given.is_dir() and is_test_folder(given):
                collected.leave_out(Unreadable(given, "this is one test's; give its run's folder"))
                continue
            runs = runs_in(given)
        except OSError as error:
            collected.leave_out(Unreadable(given, error.strerror or str(error)))
            continue
        if not runs:
            collected.leave_out(Unreadable(given, "no test with a result or a flight recorder"))
        for run in runs:
            if not str(run).isprintable():
                collected.leave_out(Unreadable(run, "its name cannot be written down"))
            elif run not in collected.runs:
                collected.runs.append(run)
    return collected


def _store_beside(runs: Sequence[Path]) -> Path:
    parents = sorted({run.parent for run in runs})
    if len(parents) > 1:
        raise InputError(
            "The runs are in several folders, so it is not clear which store is theirs.",
            where=", ".join(str(parent) for parent in parents),
            next_step="Name one for all of them: --store FILE.",
        )
    return parents[0] / STORE_NAME


def _take(store: Store, run: Path, collected: Collected, *, skips_pruned: bool) -> date | None:
    """Put what is new of a run into the store; returns its night, None where it has none."""
    name = _relative(run, store.path.resolve().parent)
    if skips_pruned and store.is_pruned(name):
        return None
    known = store.stamps(name)
    tests = tests_in_run(run, collected.leave_out)
    new = [test for test in tests if known.get(test.name) != test.stamp]
    results = read_tests(new, collected.leave_out)
    return store.put(name, ((test.name, test.stamp, result) for test, result in results))


def _relative(run: Path, parent: Path) -> str:
    try:
        return Path(os.path.relpath(run, parent)).as_posix()
    except ValueError:
        # Another drive of Windows.
        return run.as_posix()


def _nothing_readable(folders: Sequence[Path], collected: Collected) -> InputError:
    reasons = "; ".join(f"{one.name}: {one.why}" for one in collected.unreadable.values())
    return InputError(
        "No run can be read in what was given.",
        where=reasons or ", ".join(str(folder) for folder in folders),
        next_step="Give run folders (nrf_fota_runs/RUN), or the folder that holds them.",
    )
