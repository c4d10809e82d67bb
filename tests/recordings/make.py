"""Make the recordings of fake tools anew: `python -m tests.recordings.make`.

Those of kits are not made here; they came from somebody who has one.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.providers.kit_wires import vcom_memory
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.usb import find_kit
from pytest_nrf_fota.record.run import RunFolder
from pytest_nrf_fota.recordings.pack import pack_recording
from pytest_nrf_fota.smp.host_radio import HciController
from tests.recordings.pynrfjprog_package import write_package
from tests.unit.probe.kit_behind_tool import write_tool

FOLDER = Path(__file__).parent
SERIAL_NUMBER = "1050047412"
_PROTECTED = "The Application core access port is protected (All) (NotAvailableBecauseProtection)"


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def kit_on_usb(tool: str, folder: Path, run: RunFolder) -> Iterator[Dut]:
    """A kit behind a fake of this tool, whose every step `run` records."""
    kit = SimUnit(load_board("nrf5340dk_sim"), "kit", folder / "kit")
    tools = folder / "bin"
    if tool == "pynrfjprog":
        write_package(tools, kit.control_address, SERIAL_NUMBER)
    else:
        write_tool(tools, tool, kit.control_address, SERIAL_NUMBER)
    variables = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{tools}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    try:
        with _environment(**variables):
            vcoms = [Vcom(port, port, 2 * place) for place, port in enumerate(kit.vcoms)]
            attached = AttachedKit(SERIAL_NUMBER, tuple(vcoms))
            # A blank kit prints nothing that tells its ports apart.
            vcom_memory().remember(attached, vcoms[-1])
            board = load_board("nrf5340dk").with_runner(tool)
            radio = HciController(kit.hci)
            unit = find_kit(board, folder / "unit", SERIAL_NUMBER, radio, (attached,))
            dut = Dut(board, unit.name, unit.open_wires(run.recorder), run.recorder)
            try:
                yield dut
            finally:
                dut.close()
                unit.release()
    finally:
        kit.release()


def record_upgrade(tool: str, folder: Path) -> None:
    """One MCUboot upgrade, from an empty kit."""
    firmware = DemoSource(load_board("nrf5340dk_sim"), folder / "firmware")
    run = RunFolder(folder / "run")
    run.start_test(f"upgrade of MCUboot through {tool}")
    with kit_on_usb(tool, folder, run) as dut:
        dut.prepare(firmware.baseline)
        dut.upgrade(firmware.mcuboot_update).outcome  # noqa: B018 - looked at
    run.finish_test()


def record_protected(folder: Path) -> None:
    """A kit whose access port closes behind a reset: the next call says so."""
    run = RunFolder(folder / "run")
    run.start_test("a protected kit, through nrfutil")
    with kit_on_usb("nrfutil", folder, run) as dut:
        path = folder / "bin" / "nrfutil"
        refusal = (
            f'say("task_end", {{"task": {{}}, "result": "fail", "message": "{_PROTECTED}", '
            f'"error": {{"code": 1, "description": "{_PROTECTED}"}}}}); sys.exit(1)\n'
        )
        before = path.read_text()
        path.write_text(before.replace("data = None\n", f"data = None\n{refusal}"))
        for work in (lambda: dut.read_memory(0x8000, 16), dut.start_reset):
            with suppress(RigError):
                work()
    run.finish_test()


RECORDED: Mapping[str, Callable[[Path], None]] = {
    "fake-nrfutil-upgrade": lambda folder: record_upgrade("nrfutil", folder),
    "fake-nrfjprog-upgrade": lambda folder: record_upgrade("nrfjprog", folder),
    "fake-pynrfjprog-upgrade": lambda folder: record_upgrade("pynrfjprog", folder),
    "fake-nrfutil-protected": record_protected,
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
