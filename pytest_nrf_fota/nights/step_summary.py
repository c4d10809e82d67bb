"""The few lines that GitHub Actions shows on the page of a run."""

import sys
from pathlib import Path

from pytest_nrf_fota.nights.collect import report_of_run
from pytest_nrf_fota.nights.markdown import short_markdown
from pytest_nrf_fota.nights.run_folders import runs_in

_LONGEST_BYTES = 200_000
"""GitHub takes 1 MiB for each step (docs.github.com, *Workflow commands*, "Step isolation and
limits"); other tools write to the same file."""


def append_step_summary(path: Path, run: Path) -> None:
    """Append what failed in a run, on which kit, and why.

    Nothing is written where the run has no test on a board. Never raises: a report must not turn a
    green run red, so what goes wrong is said on standard error, and no more.
    """
    try:
        if not run.is_dir() or not runs_in(run):
            return
        text = short_markdown(report_of_run(run), "nRF FOTA")
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text[:_LONGEST_BYTES] + "\n")
    except Exception as error:
        print(f"nrf-fota: no step summary in {path}: {error}", file=sys.stderr)
