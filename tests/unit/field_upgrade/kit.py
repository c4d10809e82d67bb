"""A virtual kit that runs demonstration firmware, and the command that upgrades it."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.sim_faults import SimFaults
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl

NAME = "nRF5340 FOTA"
PROGRAM = (sys.executable, "-c", "from pytest_nrf_fota.cli import app; app()", "upgrade")


@dataclass(frozen=True)
class Answer:
    """What the command said, and its exit code."""

    code: int
    text: str


@dataclass(frozen=True)
class Kit:
    """One that runs its baseline."""

    unit: SimUnit
    firmware: DemoSource
    faults: SimFaults
    control: KitControl

    @property
    def ble(self) -> tuple[str, ...]:
        """Options that reach it by radio."""
        return (f"--ble={NAME}", f"--radio=bumble:{self.unit.hci}", *self.board)

    @property
    def port(self) -> tuple[str, ...]:
        """Options that reach it by the serial port that has nothing but SMP."""
        return (f"--port={self.unit.smp_vcom}", *self.board)

    @property
    def board(self) -> tuple[str, ...]:
        """Options that name its type."""
        return ("--board=nrf5340dk_sim",)

    @property
    def console(self) -> str:
        """Option that lets the command listen."""
        return f"--console={self.unit.vcoms[-1]}"

    def upgrade(self, package: Path, *options: str) -> Answer:
        """Run the command in this process."""
        return run([*options, str(package)])

    def reset(self) -> None:
        """By its pin."""
        self.control.reset("pin", Deadline.after(30))


def run(arguments: Sequence[str]) -> Answer:
    """`nrf-fota upgrade` with these arguments."""
    ran = CliRunner().invoke(app, ["upgrade", *arguments])
    return Answer(ran.exit_code, ran.output)


@contextmanager
def running_kit(board: BoardType, folder: Path) -> Iterator[Kit]:
    """One that is flashed with the baseline and booted."""
    firmware = DemoSource(board, folder / "firmware")
    unit = SimUnit(board, "kit", folder / "kit")
    try:
        control = KitControl(unit.control_address)
        try:
            control.program(str(firmware.baseline), Deadline.after(30))
            control.reset("pin", Deadline.after(30))
            yield Kit(unit, firmware, SimFaults(control, board.slots, FlightRecorder()), control)
        finally:
            control.close()
    finally:
        unit.release()
