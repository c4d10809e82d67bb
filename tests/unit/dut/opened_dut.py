"""A board under test on a virtual kit of its own, without pytest's fixtures."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder


@contextmanager
def opened_dut(
    board: BoardType, folder: Path, change: Callable[[Wires], Wires] = lambda wires: wires
) -> Iterator[Dut]:
    """Its recorder and its kit's files lie in `folder`; all is closed at the end.

    `change` may put something else in place of one of the kit's wires.
    """
    with ExitStack() as stack:
        recorder = FlightRecorder()
        recorder.open(folder / "recorder.jsonl", "test")
        stack.callback(recorder.close)
        unit = SimUnit(board, "kit", folder / "kit")
        stack.callback(unit.release)
        dut = Dut(board, unit.name, change(unit.open_wires(recorder)), recorder)
        stack.callback(dut.close)
        yield dut
