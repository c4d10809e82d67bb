"""What executing bootloaders costs: a boot and a swap of a real MCUboot, beside the modelled kit.

Run: python -m benchmarks.executing [--runs N]

The firmware is smpclient's for the nRF52 DK (swap using move, RSA, 191 KB), from its source
distribution. CPU seconds of the process, the best of N runs; the ratio is to the model in the same
run.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.trailer import MAGIC
from pytest_nrf_fota.sim.boot.chain import BootChain
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.execution.boot import ExecutedBoot, Started, make_rams
from pytest_nrf_fota.sim.execution.machine import Wires
from pytest_nrf_fota.sim.flash import Flash
from pytest_nrf_fota.sim.memories import memories_of_board, program
from pytest_nrf_fota.sim.slot_map import slot_map_of
from tests.execution.smpclient_builds import nrf52832_build

BOARD = "nrf52dk_exec"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    board = load_board(BOARD)
    table = Table("what", "executed", "modelled", "ratio")
    with tempfile.TemporaryDirectory() as folder:
        build = nrf52832_build(Path(folder))
        for what, segments in (
            ("boot", build.segments),
            ("swap", (*build.segments, *_pending(board, build.b))),
        ):
            executed = min(_cpu_s(board, segments, _execute) for _ in range(runs))
            modelled = min(_cpu_s(board, segments, _model) for _ in range(runs))
            ratio = f"{executed / modelled:.0f}"
            table.add_row(what, f"{executed:.2f} s", f"{modelled:.3f} s", ratio)
    Screen().print(table)


def _pending(board: BoardType, image: bytes) -> tuple[Segment, ...]:
    slot = board.slots.secondary
    return (
        Segment(slot.address, image),
        Segment(slot.address + slot.size - len(MAGIC), MAGIC),
    )


def _cpu_s(
    board: BoardType,
    segments: tuple[Segment, ...],
    boot: Callable[[BoardType, Flash], None],
) -> float:
    flash = Flash(memories_of_board(board), VirtualClock())
    program(flash, segments)
    started_s = time.process_time()
    boot(board, flash)
    return time.process_time() - started_s


def _execute(board: BoardType, flash: Flash) -> None:
    wires = Wires(_ignore, _ignore)
    end = ExecutedBoot(board.soc, flash, make_rams(board.soc), slot_map_of(board), wires).run()
    assert isinstance(end, Started), end


def _model(board: BoardType, flash: Flash) -> None:
    hardware = Hardware(
        flash=flash,
        slots=slot_map_of(board),
        print_line=lambda text: None,
        ram=board.soc.application.ram,
    )
    end = BootChain(hardware, RELEASES["2.6"], max_sectors=256).run()
    assert not isinstance(end, Halt), end


def _ignore(_data: bytes) -> None:
    pass


if __name__ == "__main__":
    main()
