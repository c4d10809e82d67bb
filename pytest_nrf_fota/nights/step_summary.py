"""The few lines that GitHub Actions shows on the page of a run."""

import contextlib
from pathlib import Path

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.nights.collect import report_of_run
from pytest_nrf_fota.nights.markdown import short_markdown

_LONGEST_BYTES = 200_000
"""GitHub takes 1 MiB for each step (docs.github.com, *Workflow commands*, "Step isolation and
limits"); other tools write to the same file."""


def append_step_summary(path: Path, run: Path) -> None:
    """Append what failed in a run, on which kit, and why.

    Nothing is written where the run has no test on a board. Never fails: a report must not turn a
    green run red, so a file that cannot be written is left alone.
    """
    with contextlib.suppress(FotaError, OSError):
        text = short_markdown(report_of_run(run), "nRF FOTA")
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text[:_LONGEST_BYTES] + "\n")
