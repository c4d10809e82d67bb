"""A board under test on a virtual kit of its own, without pytest's fixtures."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder


@contextmanager
def opened_dut(board: BoardType, folder: Path) -> Iterator[Dut]:
    """Its recorder and its kit's files lie in `folder`; all is closed at the end."""
    with ExitStack() as stack:
        recorder = FlightRecorder()
        recorder.open(folder / "recorder.jsonl", "test")
        stack.callback(recorder.close)
        unit = SimUnit(board, "kit", folder / "kit")
        stack.callback(unit.release)
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        stack.callback(dut.close)
        yield dut
