"""What starts often: CPU time, and as a ratio to a bare Python or a bare pytest.

Run: python benchmarks/startup.py [times each]

The plugin's cost is what a run without a board takes longer where it is installed. Compiled modules
are kept, as on any machine where PYTHONDONTWRITEBYTECODE is not set. Each is run several times, in
turn, and the middle of them is shown: other work on the machine slows all alike.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console as Screen
from rich.table import Table

_LOG = """\
*** Booting Zephyr OS build v3.2.99-ncs2 ***
Attempting to boot slot 0.
Firmware signature verified.
Firmware version 14
*** Booting Zephyr OS build v3.2.99-ncs2 ***
I: Starting bootloader 14
I: Swap type: none
I: Bootloader chainload address offset: 0x28000
*** Booting Zephyr OS build v3.2.99-ncs2 ***
Advertising successfully started
"""
_COMMAND = ("-c", "from pytest_nrf_fota.cli import app; app()")
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
_PROGRAMS: Mapping[str, Sequence[str]] = {
    "bare Python": ("-c", "pass"),
    "nrf-fota --help": (*_COMMAND, "--help"),
    "nrf-fota explain uart.log": (*_COMMAND, "explain", "uart.log"),
    "bare pytest": _PYTEST,
    "pytest with the plugin": (*_PYTEST, "-p", "pytest_nrf_fota.plugin"),
}


def main() -> None:
    """Measure and print a table."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "uart.log").write_text(_LOG)
        (Path(folder) / "test_it.py").write_text("def test_it() -> None:\n    pass\n")
        cpu_ms: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
        # The first round compiles.
        for number in range(times + 1):
            for name, arguments in _PROGRAMS.items():
                taken_ms = _cpu_ms([sys.executable, *arguments], folder)
                if number:
                    cpu_ms[name].append(taken_ms)
    middle_ms = {name: median(taken) for name, taken in cpu_ms.items()}
    bare_ms, pytest_ms = middle_ms["bare Python"], middle_ms["bare pytest"]
    table = Table("started", "CPU time", "of a bare Python", "of a bare pytest")
    for name, taken_ms in middle_ms.items():
        of_pytest = f"{taken_ms / pytest_ms:.2f}" if "pytest" in name else ""
        table.add_row(name, f"{taken_ms:.0f} ms", f"{taken_ms / bare_ms:.1f}", of_pytest)
    cost_ms = middle_ms["pytest with the plugin"] - pytest_ms
    table.add_row("the plugin, without a board", f"{cost_ms:.0f} ms", f"{cost_ms / bare_ms:.1f}")
    Screen().print(table)


def _cpu_ms(command: Sequence[str], folder: str) -> float:
    environment = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1e3


if __name__ == "__main__":
    main()
