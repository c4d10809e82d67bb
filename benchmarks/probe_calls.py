"""How often a kit's probe tool is called for one MCUboot upgrade with the baseline on the board.

Each call is a process, which takes seconds with a real tool. The tools are executables that drive
the virtual kit. Run by hand, from the repository: `python benchmarks/probe_calls.py`.
"""

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.unit.probe.upgrade_calls import calls_of_mcuboot_upgrade

TOOLS = ("nrfutil", "nrfjprog", "pynrfjprog")


def main() -> None:
    """Print one line for each tool, and for each effect of its reads."""
    for tool in TOOLS:
        for reads_halt in (True, False):
            with TemporaryDirectory() as folder:
                calls = calls_of_mcuboot_upgrade(tool, Path(folder), reads_halt=reads_halt)
            effect = "reads halt the CPU" if reads_halt else "reads do no harm"
            counted = ", ".join(f"{n} {name}" for name, n in Counter(calls).items())
            print(f"{tool:10} {effect:18} {len(calls):2} calls: {counted}")


if __name__ == "__main__":
    main()
