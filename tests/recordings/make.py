"""Make the recordings of fake tools anew: `python -m tests.recordings.make`.

Those of kits are not made here; they came from somebody who has one.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.record.run import RunFolder
from pytest_nrf_fota.recordings.pack import pack_recording
from tests.recordings.fake_kit import FakeKit

FOLDER = Path(__file__).parent


@contextmanager
def _dut(kit: FakeKit, folder: Path, title: str) -> Iterator[Dut]:
    # Without a preflight, whose reads would make the recording larger and show nothing more.
    run = RunFolder(folder / "run")
    run.start_test(title)
    unit = kit.unit(folder / "unit", run.recorder)
    wires = unit.open_wires(run.recorder)
    dut = Dut(kit.board, unit.name, wires, run.recorder, runs_preflight=False)
    try:
        yield dut
    finally:
        dut.close()
        unit.release()
        run.finish_test()


def _record_upgrade(tool: str, folder: Path) -> None:
    """One MCUboot upgrade, from an empty kit."""
    title = f"upgrade of MCUboot through {tool}"
    with (
        FakeKit(folder / "kit", tool) as kit,
        _dut(kit, folder, title) as dut,
    ):
        dut.prepare(kit.firmware.baseline)
        verdict = dut.upgrade(kit.firmware.mcuboot_update)
        print(f"  {verdict.outcome.value}")


def _record_protected(folder: Path) -> None:
    """A kit whose access port is closed: what each call says."""
    title = "a protected kit, through nrfutil"
    with (
        FakeKit(folder / "kit", "nrfutil") as kit,
        _dut(kit, folder, title) as dut,
    ):
        kit.protect()
        for work in (lambda: dut.read_memory(0x8000, 16), dut.start_reset):
            with suppress(RigError):
                work()


RECORDED: Mapping[str, Callable[[Path], None]] = {
    "fake-nrfutil-upgrade": lambda folder: _record_upgrade("nrfutil", folder),
    "fake-nrfjprog-upgrade": lambda folder: _record_upgrade("nrfjprog", folder),
    "fake-pynrfjprog-upgrade": lambda folder: _record_upgrade("pynrfjprog", folder),
    "fake-nrfutil-protected": _record_protected,
}


def main(names: list[str]) -> None:
    """Make all recordings, or those that are named."""
    for name in names or RECORDED:
        with TemporaryDirectory(prefix="recording_") as folder:
            RECORDED[name](Path(folder))
            output = FOLDER / f"{name}.zip"
            output.unlink(missing_ok=True)
            note = "Made by tests/recordings/make.py: a fake tool that drives a virtual kit."
            packed = pack_recording(Path(folder) / "run", output, note)
            print(f"{packed.path.name}: {packed.path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
