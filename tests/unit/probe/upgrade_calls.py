"""How often a vendor's tool is called for one upgrade of a board that holds its baseline."""

import os
from pathlib import Path
from unittest.mock import patch

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.provider import Wanted
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.verdict.evidence import Outcome

from .kit_behind_tool import calls_in, environment_with, write_package, write_tool
from .tool_bench import SERIAL_NUMBER, ToolBench


def halting_board(*, reads_halt: bool) -> BoardType:
    """The virtual kit with NSIB, whose CPU a read halts or not."""
    board = load_board("nrf5340dk_sim")
    assert board.sim is not None
    sim = board.sim.model_copy(update={"reads_halt": reads_halt})
    return board.model_copy(update={"sim": sim})


def calls_of_mcuboot_upgrade(tool: str, folder: Path, *, reads_halt: bool) -> list[str]:
    """The tool's operations, in order, from `prepare` to the verdict; finding the probe is not
    counted, nor what is done once for each version of a tool.
    """
    tools = folder / "tools"
    if tool == "pynrfjprog":
        calls = write_package(tools, "", SERIAL_NUMBER)
    else:
        calls = write_tool(tools, tool, "", SERIAL_NUMBER)
    cache = {"XDG_CACHE_HOME": str(folder / "cache")}
    with patch.dict(os.environ, {**environment_with(tools, tool), **cache}):
        board = halting_board(reads_halt=reads_halt).with_runner(tool)
        source = DemoSource(board, folder / "firmware")
        recorder = FlightRecorder()
        recorder.open(folder / "recorder.jsonl", "probe calls")
        bench = ToolBench(Wanted(board, "kit", folder / "unit", None, None))
        dut = Dut(board, bench.name, bench.open_wires(recorder), recorder)
        try:
            dut.prepare(source.baseline)
            dut.memory.try_reads()
            before = len(calls_in(calls))
            dut.prepare(source.baseline)
            verdict = dut.upgrade(source.mcuboot_update)
            assert verdict.outcome is Outcome.UPGRADED, str(verdict)
            return calls_in(calls)[before:]
        finally:
            dut.close()
            bench.release()
            recorder.close()
