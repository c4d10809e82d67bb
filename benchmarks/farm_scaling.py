"""Wall time of the scenarios on 1, 2, 4, 8 and 16 virtual kits that take as long as real ones.

Run: python benchmarks/farm_scaling.py [--kits 1,8,16] [--select EXPRESSION] [--folder FOLDER]

Each run is `pytest -n KITS` on virtual kits at speed 1: what a kit's flash, boots and air take is
waited for. Tests are given out as on real kits: one by one, those first that took longest in the
run before. The efficiency of N kits is the time of one kit, divided by N times theirs. One kit
takes about 110 minutes; without it, its time is the sum of all tests' times in the run
with the fewest kits: what pytest needs to start and to end is left out. A folder that is given
keeps what was measured, so that one kit can have its turn on another evening.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pydantic import TypeAdapter
from rich.console import Console as Screen
from rich.table import Table

REAL_TIME_BOARD = "nrf5340dk_sim_real_time"
_RUNS = "runs.json"
# As session_lost_kits.py does it on kits that are attached.
_SCHEDULING = """
from pytest_nrf_fota.mixed_scheduling import MixedScheduling
from pytest_nrf_fota.session_durations import DurationKeeper, remembered_durations_s

def pytest_xdist_make_scheduler(config):
    config.pluginmanager.register(DurationKeeper(config))
    workers = int(config.getoption("numprocesses"))
    return MixedScheduling(config, workers, lambda _: frozenset(), remembered_durations_s(config))
"""
_BOARD_FILE = f"""\
name = "{REAL_TIME_BOARD}"
title = "A virtual kit at the speed of a kit"
base = "nrf5340dk_sim"

[sim]
speed = 1.0
"""


@dataclass(frozen=True)
class Run:
    """What one run took: `tests_s` is the time of each test that ran, set-up and end included."""

    kits: int
    wall_s: float
    cpu_s: float
    tests_s: tuple[float, ...]
    failed: tuple[str, ...]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kits", default="1,2,4,8,16", help="numbers of kits, in this order")
    parser.add_argument("--select", default="", help="pytest's -k")
    parser.add_argument("--folder", type=Path, help="keeps runs and times of tests")
    given = parser.parse_args()
    counts = [int(count) for count in given.kits.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder.absolute() if given.folder else Path(temporary)
        folder.mkdir(exist_ok=True)
        write_board_file(folder)
        (folder / "as_on_kits.py").write_text(_SCHEDULING)
        runs = _earlier_runs(folder)
        for kits in counts:
            runs[kits] = _measure(kits, given.select, folder)
            (folder / _RUNS).write_bytes(TypeAdapter(dict[int, Run]).dump_json(runs))
    _show([runs[kits] for kits in sorted(runs)])


def _earlier_runs(folder: Path) -> dict[int, Run]:
    path = folder / _RUNS
    return TypeAdapter(dict[int, Run]).validate_json(path.read_bytes()) if path.exists() else {}


def _show(runs: Sequence[Run]) -> None:
    screen = Screen()
    screen.print(_table(runs))
    for run in runs:
        for line in run.failed:
            screen.print(f"failed on {run.kits} kits: {line}")


def write_board_file(folder: Path) -> None:
    """Write the file of `REAL_TIME_BOARD`, for `--board-dir`."""
    (folder / f"{REAL_TIME_BOARD}.toml").write_text(_BOARD_FILE)


def _measure(kits: int, select: str, folder: Path) -> Run:
    junit = folder / f"{kits}.xml"
    command = (
        *(sys.executable, "-m", "pytest", "-q", "-p", "as_on_kits"),
        *(f"--rootdir={folder}", f"--board={REAL_TIME_BOARD}", f"--board-dir={folder}"),
        *("-n", str(kits), f"--junit-xml={junit}", "-k", select),
        *("--pyargs", "pytest_nrf_fota.scenarios"),
    )
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    started_s = time.monotonic()
    with (folder / f"{kits}.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - started_s
    if not junit.exists():
        raise SystemExit((folder / f"{kits}.log").read_text())
    cases = list(ElementTree.parse(junit).iter("testcase"))
    ran = [case for case in cases if case.find("skipped") is None]
    return Run(
        kits,
        wall_s,
        used.ru_utime + used.ru_stime,
        tuple(float(case.get("time", "0")) for case in ran),
        tuple(_why_it_failed(case) for case in ran if _failures(case)),
    )


def _failures(case: ElementTree.Element) -> list[ElementTree.Element]:
    return [*case.findall("failure"), *case.findall("error")]


def _why_it_failed(case: ElementTree.Element) -> str:
    return f"{case.get('name')}: {_failures(case)[0].get('message')}"


def _table(runs: Sequence[Run]) -> Table:
    first = min(runs, key=lambda run: run.kits)
    one_kit_s = first.wall_s if first.kits == 1 else sum(first.tests_s)
    table = Table(
        "kits", "tests", "failed", "wall", "efficiency", "CPU", "longest test", "all tests"
    )
    for run in runs:
        table.add_row(
            str(run.kits),
            str(len(run.tests_s)),
            str(len(run.failed)),
            f"{run.wall_s:.0f} s",
            f"{one_kit_s / run.kits / run.wall_s:.2f}",
            f"{run.cpu_s:.0f} s, {run.cpu_s / run.wall_s:.0%}",
            f"{max(run.tests_s):.0f} s",
            f"{sum(run.tests_s):.0f} s",
        )
    return table


if __name__ == "__main__":
    main()
