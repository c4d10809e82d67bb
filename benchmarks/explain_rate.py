"""How fast `nrf-fota explain` reads a log as a whole command, and in how much memory.

Run: python benchmarks/explain_rate.py [size in MB]
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table
from sample_boots import DUAL_STAGE_BOOT, differing_boot

_PIECE_LINES = 20_000
_COMMAND = "from pytest_nrf_fota.cli import app; app()"


def _app_lines(chance: random.Random) -> Iterator[str]:
    """An application that logs for weeks."""
    yield DUAL_STAGE_BOOT
    sample = 0
    while True:
        sample += 1
        yield (
            f"[{sample // 36000 % 100:02}:{sample // 600 % 60:02}:{sample // 10 % 60:02}."
            f"{chance.randrange(1000):03},{chance.randrange(1000):03}] <inf> sensor_task: "
            f"sample {sample}: temperature {chance.uniform(-20, 60):.2f} C, "
            f"battery {chance.randrange(3000, 4200)} mV\r\n"
        )


def _boots(chance: random.Random) -> Iterator[str]:
    """The same boot for ever, as of a board that crashes."""
    while True:
        yield DUAL_STAGE_BOOT


def _differing_boots(chance: random.Random) -> Iterator[str]:
    """Boots with deferred logging, whose time stamps and versions differ."""
    while True:
        yield differing_boot(chance)


_LOGS = {"application": _app_lines, "endless boots": _boots, "boots that differ": _differing_boots}


def main() -> None:
    """Explain each kind of log once, as a process of its own, and print a table."""
    size_mb = float(sys.argv[1]) if len(sys.argv) > 1 else 100.0
    table = Table("log", "size", "wall time", "CPU", "rate", "rate of CPU", "most memory")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in _LOGS.items():
            log = Path(folder) / "uart.log"
            _write(log, make, size_mb)
            wall_s, cpu_s, memory_mb = _explain(log)
            table.add_row(
                name,
                f"{size_mb:g} MB",
                f"{wall_s:.1f} s",
                f"{cpu_s:.1f} s",
                f"{size_mb / wall_s:.1f} MB/s",
                f"{size_mb / cpu_s:.1f} MB/s",
                f"{memory_mb:.0f} MB",
            )
    Screen().print(table)


def _write(log: Path, make: Callable[[random.Random], Iterator[str]], size_mb: float) -> None:
    """A piece is repeated: its lines differ among each other, and Python makes them slowly."""
    parts = make(random.Random(1))
    piece = "".join(next(parts) for _ in range(_PIECE_LINES)).encode()
    with log.open("wb") as file:
        while file.tell() < size_mb * 1e6:
            file.write(piece)


def _explain(log: Path) -> tuple[float, float, float]:
    """Seconds of wall time and of CPU, and the largest resident set in MB, of one command."""
    begin_s = time.monotonic()
    command = [sys.executable, "-c", _COMMAND, "explain", str(log)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    assert isinstance(used, resource.struct_rusage)
    return time.monotonic() - begin_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
