"""What a kit, a worker and a lease cost the host of a farm.

Run: python benchmarks/farm_costs.py [workers]

Each worker has a virtual kit at the speed of a real one, which runs its application; then a test
waits, and nothing happens. Memory is what a process has for itself (USS): it may be summed up. With
NRF_FOTA_FARM_PYTHON, a Python that has labgrid, leases on loopback are measured, too.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median

import psutil
from rich.console import Console as Screen
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.farm_scaling import REAL_TIME_BOARD, write_board_file
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.kit_lock import try_claim
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess
from pytest_nrf_fota.farm.labgrid.farm_python import farm_python
from tests.farm_labgrid.farm import Farm, Kit, wait_for

_OBSERVED_S = 10.0
_READY_WITHIN_S = 120.0
_CLAIMS = 2000
_LEASES = 15
# Each waits on its kit, until its file is taken away.
_TEST = """
import time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range({workers}))
def test_wait(dut, firmware, number):
    dut.prepare(firmware.baseline)
    ready = Path("ready", str(number))
    ready.touch()
    while ready.exists():
        time.sleep(1)
"""


def main() -> None:
    """Measure and print a table."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    table = Table("what", "CPU", "memory", "time")
    for name, (cpu_ms_per_s, memory_mb) in _idle(workers).items():
        table.add_row(name, f"{cpu_ms_per_s:.1f} ms/s", f"{memory_mb:.0f} MB", "")
    table.add_row("claim of a kit on this host", "", "", f"{_claim_ms() * 1e3:.0f} us")
    for name, taken_ms in _leases_ms().items():
        table.add_row(name, "", "", f"{taken_ms:.0f} ms")
    Screen().print(table)


def _idle(workers: int) -> Mapping[str, tuple[float, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_board_file(folder)
        ready = folder / "ready"
        ready.mkdir()
        (folder / "test_wait.py").write_text(_TEST.format(workers=workers))
        command = ("-m", "pytest", "-q", f"--board={REAL_TIME_BOARD}", f"--board-dir={folder}")
        with (folder / "log").open("w") as log:
            run = subprocess.Popen(
                (sys.executable, *command, "-n", str(workers), f"--rootdir={folder}"),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            ends_s = time.monotonic() + _READY_WITHIN_S
            while len(list(ready.iterdir())) < workers:
                if run.poll() is not None or time.monotonic() > ends_s:
                    raise SystemExit((folder / "log").read_text())
                time.sleep(0.5)
            return _observe(psutil.Process(run.pid).children(recursive=True), workers)
        finally:
            for file in ready.iterdir():
                file.unlink()
            run.wait(_READY_WITHIN_S)


def _observe(
    processes: Sequence[psutil.Process], workers: int
) -> Mapping[str, tuple[float, float]]:
    sorts = {"idle worker": "exec(eval(", "idle virtual kit": "pytest_nrf_fota.sim"}
    found = {
        sort: [p for p in processes if any(part in word for word in p.cmdline())]
        for sort, part in sorts.items()
    }
    before_s = {process: _cpu_s(process) for process in processes}
    time.sleep(_OBSERVED_S)
    return {
        f"{sort}, each of {workers}": (
            sum(_cpu_s(one) - before_s[one] for one in ones) / len(ones) / _OBSERVED_S * 1e3,
            mean(one.memory_full_info().uss for one in ones) / 1e6,
        )
        for sort, ones in found.items()
    }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _claim_ms() -> float:
    def claim_one(folder: Path) -> None:
        claim = try_claim("1050000001", folder)
        assert claim is not None
        claim.announce()
        claim.release()

    with tempfile.TemporaryDirectory() as folder:
        return _median_ms(lambda: claim_one(Path(folder)), _CLAIMS)


def _leases_ms() -> Mapping[str, float]:
    try:
        python = farm_python(None)
    except InputError as error:
        print(f"No leases measured: {error.what} {error.next_step}")
        return {}
    kits = tuple(Kit(f"105000000{number}", f"lab{number % 2}") for number in range(4))
    with tempfile.TemporaryDirectory() as folder:
        farm = Farm(Path(folder) / "farm", python, kits)
        try:
            with BrokerProcess(farm.address, python) as broker:
                wait_for(broker.look, lambda places: all(place.resources for place in places))
                return {
                    "lease of a place, given back": _median_ms(lambda: _lease(broker, 1), _LEASES),
                    "lease of 4 places at once, given back": _median_ms(
                        lambda: _lease(broker, 4), _LEASES
                    ),
                    "a broker, from start to its first answer": _median_ms(
                        lambda: _start_broker(farm, python), 5
                    ),
                }
        finally:
            farm.end()


def _lease(broker: BrokerProcess, count: int) -> None:
    tags = {"board": "nrf5340dk"}
    leased = broker.lease((tags,), at_least=count, at_most=count, wait_s=20)
    for place in leased.places:
        broker.release(place.name)


def _start_broker(farm: Farm, python: Path) -> None:
    with BrokerProcess(farm.address, python) as broker:
        broker.look()


def _median_ms(action: Callable[[], None], times: int) -> float:
    taken_s = []
    for _ in range(times):
        started_s = time.perf_counter()
        action()
        taken_s.append(time.perf_counter() - started_s)
    return median(taken_s) * 1e3


if __name__ == "__main__":
    main()
