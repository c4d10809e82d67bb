"""Files to real Zephyr (native_sim) over UDP and over its pty: ours beside smpclient's.

Run: python benchmarks/file_upload_speed.py [--runs N]

native_sim has no image group; its file system group is written as an image would be. The file is
short, because its file system is. Figures are of this machine as it is now.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

from rich.console import Console as Screen
from rich.table import Table
from smpclient import SMPClient
from smpclient.transport import SMPTransport
from smpclient.transport.serial import BufferParams, SMPSerialTransport
from smpclient.transport.udp import SMPUDPTransport

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.native_sim import NativeSimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.transport import DEFAULT_LINE_BUFFERS, DEFAULT_LINE_LENGTH_BYTES

FILE = Random(3).randbytes(3_500)
PATH = "/lfs1/upload.bin"
# As it comes, smpclient sends more lines at once than this pty takes, and waits in vain.
LINES = BufferParams(DEFAULT_LINE_LENGTH_BYTES, DEFAULT_LINE_BUFFERS)
TRANSPORTS: dict[str, Callable[[], SMPTransport]] = {
    "native_sim_udp": SMPUDPTransport,
    "native_sim": lambda: SMPSerialTransport(LINES),
}
_WARM_UP = 3


def ours(dut: Dut, runs: int) -> list[float]:
    """Seconds of each upload over one connection."""
    dut.connect()
    seconds = []
    for _ in range(runs):
        begun_s = time.monotonic()
        dut.mcumgr.file_upload(FILE, PATH, within_s=30)
        seconds.append(time.monotonic() - begun_s)
    dut.mcumgr.disconnect()
    return seconds


def smpclients(transport: SMPTransport, address: str, runs: int) -> list[float]:
    """The same of smpclient's `upload_file`."""

    async def upload() -> list[float]:
        client = SMPClient(transport, address, timeout_s=5)
        await client.connect(5)
        seconds = []
        try:
            for _ in range(runs):
                begun_s = time.monotonic()
                async for _ in client.upload_file(FILE, PATH):
                    pass
                seconds.append(time.monotonic() - begun_s)
        finally:
            await client.disconnect()
        return seconds

    return asyncio.run(upload())


def measure(
    board_name: str, make_transport: Callable[[], SMPTransport], runs: int
) -> tuple[float, float]:
    """Medians in seconds, ours and smpclient's; in turns, so that both have the same load."""
    board = load_board(board_name)
    with tempfile.TemporaryDirectory() as folder:
        unit = NativeSimUnit(board, f"{board_name}-bench", Path(folder) / "unit")
        recorder = FlightRecorder()
        wires = unit.open_wires(recorder)
        assert wires.smp_address is not None
        dut = Dut(board, unit.name, wires, recorder)
        try:
            dut.reset()
            mine: list[float] = []
            other: list[float] = []
            for _ in range(runs):
                mine += ours(dut, 10)[_WARM_UP:]
                other += smpclients(make_transport(), str(wires.smp_address()), 10)[_WARM_UP:]
        finally:
            dut.close()
            unit.release()
    return median(mine), median(other)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="rounds of ten uploads each")
    given = parser.parse_args()
    table = Table("board", "ours", "smpclient", "ratio", title=f"{len(FILE)} bytes, kB/s, medians")
    for board_name, make_transport in TRANSPORTS.items():
        mine, theirs = measure(board_name, make_transport, given.runs)
        rates = [f"{len(FILE) / seconds / 1000:.1f}" for seconds in (mine, theirs)]
        table.add_row(board_name, *rates, f"{theirs / mine:.2f}")
    Screen().print(table)


if __name__ == "__main__":
    main()
