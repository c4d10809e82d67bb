"""Run many cases, count them, and save each miss."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.campaign.case import Case
from pytest_nrf_fota.campaign.draw import draw_case
from pytest_nrf_fota.campaign.grade import Miss
from pytest_nrf_fota.campaign.pool import Pool, Runner, make_bench
from pytest_nrf_fota.campaign.result import Result, to_json
from pytest_nrf_fota.campaign.table import Tally
from pytest_nrf_fota.deadline import Deadline

CASE_WITHIN_S = 90.0
"""How long a case may take: its waits are of a few seconds each, on a busy machine."""

_PROGRESS_EVERY_S = 10.0
# A case mostly waits: for a port, for a reset's quarter second.
_WORKERS_PER_CORE = 5
_SUMMARY = "summary.txt"


@dataclass(frozen=True)
class Settings:
    """One campaign.

    Args:
        count: how many cases.
        seed: what they are drawn with.
        output: folder for the misses and the summary; None to save nothing.
        workers: processes; None for as many as this machine's cores can keep busy.
        case_within_s: how long a case may take.
    """

    count: int
    seed: int
    output: Path | None = None
    workers: int | None = None
    case_within_s: float = CASE_WITHIN_S


def run_campaign(
    settings: Settings,
    say: Callable[[str], None],
    make: Callable[[Path], Runner] = make_bench,
) -> Tally:
    """Run a campaign; `say` gets a line of progress every ten seconds at most, and each lie."""
    tally = Tally()
    due = Deadline.after(_PROGRESS_EVERY_S)
    cases = (draw_case(settings.seed, number) for number in range(settings.count))
    size = min(settings.workers or _WORKERS_PER_CORE * (os.cpu_count() or 1), settings.count)
    with tempfile.TemporaryDirectory(prefix="nrf-fota-", ignore_cleanup_errors=True) as folder:
        pool = Pool(Path(folder), size, settings.case_within_s, make)
        for result in pool.run(cases):
            if result is not None:
                miss = tally.add(result)
                if miss is not None and settings.output is not None:
                    _save(settings.output, miss, result)
                if miss is not None and miss.is_lie:
                    say(f"{miss.value}: {result.case}")
            if due.expired:
                due = Deadline.after(_PROGRESS_EVERY_S)
                say(tally.progress(settings.count))
    if settings.output is not None:
        settings.output.mkdir(parents=True, exist_ok=True)
        text = "\n".join(tally.lines()) + "\n"
        (settings.output / _SUMMARY).write_text(text, encoding="utf-8")
    return tally


def run_once(case: Case, within_s: float, make: Callable[[Path], Runner] = make_bench) -> Result:
    """Run one case in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="nrf-fota-", ignore_cleanup_errors=True) as folder:
        for result in Pool(Path(folder), 1, within_s, make).run([case]):
            if result is not None:
                return result
    raise AssertionError("a pool gives a result for each case")


def miss_path(output: Path, miss: Miss, case: Case) -> Path:
    """Where a miss is saved."""
    return output / miss.name.lower() / f"{case.seed}-{case.number}.json"


def _save(output: Path, miss: Miss, result: Result) -> None:
    path = miss_path(output, miss, result.case)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(result), encoding="utf-8")
