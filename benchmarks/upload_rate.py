"""Upload rates of the virtual kit at real-time speed, beside those of stop-and-wait.

Run: python benchmarks/upload_rate.py
"""

import tempfile
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType, SimLinkSettings
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.events import Measurement
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording

# PHY, interval in ms, rate of stop-and-wait where flash is free: the update slot lies in the
# external flash, which writes while the next frame is on the air.
CASES = ((1, 7.5, 65), (1, 30.0, 41), (1, 50.0, 24), (2, 15.0, 81), (2, 30.0, 41))


def main() -> None:
    """Measure each case once and print a table."""
    table = Table("PHY", "interval", "measured here", "stop-and-wait")
    for phy, interval_ms, expected_kb_s in CASES:
        link = SimLinkSettings.model_validate({"interval_ms": interval_ms, "phy_mbit_s": phy})
        with tempfile.TemporaryDirectory() as folder:
            rate_kb_s = _upload_rate_kb_s(link, Path(folder))
        table.add_row(
            f"{phy}M", f"{interval_ms:g} ms", f"{rate_kb_s:.1f} kB/s", f"{expected_kb_s} kB/s"
        )
    Screen().print(table)


def _upload_rate_kb_s(link: SimLinkSettings, folder: Path) -> float:
    fast = load_board("nrf5340dk_sim")
    board = with_sim(fast, speed=1.0, link=link)
    firmware = DemoSource(board, folder / "firmware")
    recorder = FlightRecorder()
    recorder.open(folder / "recorder.jsonl", "benchmark")
    unit = SimUnit(board, "kit", folder / "unit")
    try:
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        try:
            dut.flash(firmware.baseline)
            dut.reset()
            dut.start_upgrade(firmware.app_update).upload()
        finally:
            dut.close()
    finally:
        unit.release()
        recorder.close()
    events = [line.event for line in read_recording(folder / "recorder.jsonl")]
    return next(
        event.value
        for event in events
        if isinstance(event, Measurement) and event.name == "upload throughput"
    )


def with_sim(board: BoardType, **settings: object) -> BoardType:
    """A board with other settings of its virtual kit."""
    assert board.sim is not None
    return board.model_copy(update={"sim": board.sim.model_copy(update=settings)})


if __name__ == "__main__":
    main()
