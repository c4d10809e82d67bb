"""What the report of a month costs: 30 nights of 16 kits and 70 scenarios, with three troubles.

Run: python -m benchmarks.report_month    (from the repository's root, with the development tools)
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table

from pytest_nrf_fota.nights.page import PAGE_NAME
from pytest_nrf_fota.nights.store import STORE_NAME
from tests.unit.nights.chromium import browser, chromium, opened
from tests.unit.nights.month import THREE_TROUBLES, Farm, write_month

_COMMAND = "from pytest_nrf_fota.cli import app; app()"
_LOADED_MS = "performance.getEntriesByType('navigation')[0].loadEventEnd"


@dataclass(frozen=True)
class _Cost:
    took_s: float
    peak_mb: float
    first_lines: tuple[str, ...]


def main() -> None:
    """Measure the first report, one more when nothing is new, and the page in a browser."""
    table = Table("report", "what is read", "time", "peak memory", "file")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        month = folder / "runs"
        write_month(Farm(injected=THREE_TROUBLES), month)
        count = sum(1 for _ in month.glob("*/*/*/result.json"))
        page = folder / "page" / PAGE_NAME
        first = _report(month, page.parent)
        stored_mb = (month / STORE_NAME).stat().st_size / 1e6
        table.add_row("first", f"{count} results", *_shown(first), f"store {stored_mb:.1f} MB")
        again = _report(month, page.parent)
        table.add_row(
            "again", "nothing new", *_shown(again), f"page {page.stat().st_size // 1000} kB"
        )
        Screen().print(table)
        print("\n".join(first.first_lines))
        _print_page(page, folder)


def _report(month: Path, page: Path) -> _Cost:
    started_at_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "report", str(month), f"--html={page}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, said
    kilobyte = 1 if sys.platform == "darwin" else 1024
    peak_mb = used.ru_maxrss * kilobyte / 1e6
    lines = [line for line in said.splitlines() if line[:1].isdigit()]
    return _Cost(time.perf_counter() - started_at_s, peak_mb, tuple(lines[:3]))


def _shown(cost: _Cost) -> tuple[str, str]:
    return f"{cost.took_s:.1f} s", f"{cost.peak_mb:.0f} MB"


def _print_page(page: Path, folder: Path) -> None:
    if chromium() is None:
        print("no chromium here: the page was not opened")
        return
    with browser(folder) as connection:
        for width in (390, 1400):
            with opened(connection, page, width=width) as tab:
                print(f"page at {width} px: loaded in {tab.value(_LOADED_MS):.0f} ms")


if __name__ == "__main__":
    main()
