"""Uploads of smpclient and of this project side by side, on the same modelled link and on QEMU.

Run: make bench, or python benchmarks/upload_speed.py [--runs N] [--no-qemu]

The modelled link runs in virtual time: its figures are the same on every machine. Those of QEMU are
of this machine as it is now.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from statistics import median
from typing import Literal

from bare_uart import BareUart
from rich.console import Console as Screen
from rich.table import Table
from smpclient import SMPClient
from smpclient.requests.image_management import ImageErase
from smpclient.transport.serial import Auto, BufferParams, SMPSerialTransport

from pytest_nrf_fota.artifacts.qemu_source import QemuSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.providers.qemu import QemuMachine, QemuUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.link_timing import ATT_HEADER_BYTES, LinkTiming
from pytest_nrf_fota.sim.modelled_link import ModelledTransport
from pytest_nrf_fota.sim.upload_server import FlashCost, ServerBuild
from pytest_nrf_fota.sim.virtual_time import run_in_virtual_time
from pytest_nrf_fota.smp.recording_transport import RecordingTransport
from pytest_nrf_fota.smp.session_uploads import uploader_for
from pytest_nrf_fota.smp.upload.frames import ImageFile
from pytest_nrf_fota.smp.upload.link import UploadLink, UploadTimes
from pytest_nrf_fota.smp.upload.uploader import upload_all

IMAGE = Random(1).randbytes(205_649)
SHORT_IMAGE = IMAGE[:60_000]
INTERVALS_MS = (7.5, 11.25, 15.0, 30.0, 50.0)
FREE, WORDS, PAGES = FlashCost(), FlashCost(43e-6), FlashCost(43e-6, 0.0875)
FLASH = {FREE: "free", WORDS: "43 us/word", PAGES: "+ 87.5 ms/page"}
POOLS = ((4, 2475, 498), (8, 2475, 247), (4, 384, 247))
TIMES = UploadTimes(first_answer_s=40.0, silence_s=5.0)
BARE_MESSAGE_BYTES = 380
"""What QEMU's server takes: its buffer of 384 bytes without length and CRC."""
TABLE = ((1, 7.5), (1, 30.0), (1, 50.0), (2, 15.0), (2, 30.0))


@dataclass(frozen=True)
class Case:
    """One connection and one server."""

    phy: Literal[1, 2]
    interval_ms: float
    flash: FlashCost
    pool: tuple[int, int, int]

    @property
    def timing(self) -> LinkTiming:
        """The connection."""
        return LinkTiming(interval_s=self.interval_ms / 1000, phy_mbit_s=self.phy)

    @property
    def build(self) -> ServerBuild:
        """The server."""
        count, size, _ = self.pool
        return ServerBuild(size, count, self.flash)

    @property
    def limit_kb_s(self) -> float:
        """What the link can carry."""
        return self.timing.limit_bytes_per_s(self.pool[2] - ATT_HEADER_BYTES) / 1000


@dataclass(frozen=True)
class Measured:
    """Rates in kB/s of image, and requests that a server dropped."""

    case: Case
    theirs: float
    ours: float
    blind: float
    lost: int

    @property
    def ratio(self) -> float:
        """How much faster."""
        return self.ours / self.theirs

    @property
    def part_of_limit(self) -> float:
        """1.0 is all that the link can carry."""
        return self.ours / self.case.limit_kb_s


class Central(ModelledTransport):
    """The modelled link for an uploader, which is told the interval or is not."""

    tells_interval = True

    def upload_link(self) -> UploadLink:
        """The connection."""
        return UploadLink(
            self.mtu, interval_s=self.timing.interval_s if self.tells_interval else None
        )


async def theirs_kb_s(case: Case, image: bytes) -> float:
    """smpclient's own upload()."""
    transport = ModelledTransport(case.timing, case.build, case.pool[2])
    client = SMPClient(transport, "")
    await client.connect(5)
    begun_s = asyncio.get_running_loop().time()
    async for _ in client.upload(image):
        pass
    assert transport.server.store.stored == image
    return len(image) / (asyncio.get_running_loop().time() - begun_s) / 1000


async def ours_kb_s(
    case: Case, image: bytes, *, tells_interval: bool = True, loses: frozenset[int] = frozenset()
) -> tuple[float, int]:
    """This project's; and how many requests the server dropped."""
    central = Central(case.timing, case.build, case.pool[2], loses)
    central.tells_interval = tells_interval
    transport = RecordingTransport(central, FlightRecorder())
    await SMPClient(transport, "").connect(5)
    # The request for the server's parameters was the first write.
    begun_s = asyncio.get_running_loop().time()
    await upload_all(uploader_for(transport, ImageFile(image, 0), TIMES))
    assert central.server.store.stored == image
    seconds = asyncio.get_running_loop().time() - begun_s
    return len(image) / seconds / 1000, central.server.dropped


def measure(case: Case) -> Measured:
    """Each upload once."""
    image = IMAGE if case.pool[1] > 1000 else SHORT_IMAGE
    ours, lost = run_in_virtual_time(ours_kb_s(case, image))
    blind, lost_blind = run_in_virtual_time(ours_kb_s(case, image, tells_interval=False))
    theirs = run_in_virtual_time(theirs_kb_s(case, image))
    return Measured(case, theirs, ours, blind, lost + lost_blind)


def most_seconds_per_loss() -> float:
    """What one dropped frame costs at most: each of an upload, the first one included."""
    worst = 0.0
    for phy, interval_ms, flash in product((1, 2), (7.5, 30.0, 50.0), FLASH):
        case = Case(phy, interval_ms, flash, POOLS[0])  # type: ignore[arg-type]
        image = IMAGE[:100_000]
        plain, _ = run_in_virtual_time(ours_kb_s(case, image))
        for frame in (0, 1, 2, 20, 21, 22, 39):
            first = 1 + 5 * frame
            lost, _ = run_in_virtual_time(
                ours_kb_s(case, image, loses=frozenset(range(first, first + 5)))
            )
            worst = max(worst, len(image) / lost / 1000 - len(image) / plain / 1000)
    return worst


def table_of(results: Sequence[Measured]) -> Table:
    """One line each."""
    table = Table(
        "buffers", "MTU", "PHY", "interval", "flash", "smpclient", "ours", "ratio", "of limit",
        "interval unknown", "lost", title="kB/s of image on the modelled link",
    )  # fmt: skip
    for one in results:
        count, size, mtu = one.case.pool
        table.add_row(
            f"{count} x {size}", str(mtu), f"{one.case.phy}M", f"{one.case.interval_ms:g} ms",
            FLASH[one.case.flash], f"{one.theirs:.1f}", f"{one.ours:.1f}", f"{one.ratio:.2f}",
            f"{100 * one.part_of_limit:.0f} %", f"{one.blind:.1f}", str(one.lost),
        )  # fmt: skip
    return table


def goals(results: Sequence[Measured]) -> Table:
    """Which goal holds, and by what figure."""
    large = [one for one in results if one.case.pool == POOLS[0]]
    free = [one for one in large if one.case.flash == FREE]
    words = [one for one in large if one.case.flash == WORDS]
    pages = [one for one in large if one.case.flash == PAGES]
    small = [one for one in results if one.case.pool == POOLS[2]]

    def least(chosen: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
        return min(figure(one) for one in chosen)

    def at(chosen: Sequence[Measured], interval_ms: float, *phys: int) -> list[Measured]:
        return [
            one
            for one in chosen
            if one.case.interval_ms == interval_ms and one.case.phy in (phys or (1, 2))
        ]

    def ratio(one: Measured) -> float:
        return one.ratio

    in_table = [one for one in free if (one.case.phy, one.case.interval_ms) in TABLE]
    lines = (
        ("flash free, 1M/30 ms", 2.0, least(at(free, 30, 1), ratio)),
        ("flash free, 2M/30 ms", 3.5, least(at(free, 30, 2), ratio)),
        ("flash free, 7.5 ms", 1.3, least(at(free, 7.5), ratio)),
        ("part of the link limit", 0.9, least(in_table, lambda one: one.part_of_limit)),
        ("43 us per word, 15 ms", 1.7, least(at(words, 15), ratio)),
        ("43 us per word, 30 ms", 1.4, least(at(words, 30), ratio)),
        ("with erase, any interval", 1.15, least(pages, ratio)),
        ("small buffers, any", 0.97, least(small, ratio)),
    )
    table = Table("goal", "at least", "least seen", "holds", title="Goals")
    for name, wanted, seen in lines:
        table.add_row(name, f"{wanted:g}", f"{seen:.2f}", "yes" if seen >= wanted else "NO")
    lost = sum(one.lost for one in results)
    table.add_row("requests lost", "none", str(lost), "yes" if not lost else "NO")
    seconds = most_seconds_per_loss()
    holds = "yes" if seconds <= 1.5 else "NO"
    table.add_row("seconds per dropped frame", "at most 1.5", f"{seconds:.2f}", holds)
    return table


class QemuBench:
    """Uploads to real MCUboot and Zephyr in QEMU, over its pty."""

    def __init__(self, folder: Path) -> None:
        self._board = load_board("qemu_cortex_m0")
        self._recorder = FlightRecorder()
        firmware = QemuSource(folder / "firmware", "qemu_cortex_m0")
        target = package_target(self._board)
        self._data = read_package(firmware.app_update, target).files[0].data
        self._unit = QemuUnit(self._board, "qemu-bench", QemuMachine(), folder / "unit")
        dut = self._open()
        try:
            dut.flash(firmware.baseline)
            dut.reset()
            self._port = dut.console.port
        finally:
            dut.close()

    def close(self) -> None:
        """End QEMU."""
        self._unit.release()

    def ours(self) -> float:
        """Seconds of this project's upload."""
        dut = self._open()
        try:
            dut.mcumgr.connect("", 10)
            begun_s = time.monotonic()
            dut.mcumgr.image_upload(self._data, within_s=120)
            seconds = time.monotonic() - begun_s
            dut.mcumgr.image_erase(30)
            return seconds
        finally:
            dut.close()

    def smpclient(self, strategy: Auto | BufferParams) -> float:
        """Seconds of smpclient's."""

        async def upload() -> float:
            client = SMPClient(SMPSerialTransport(strategy), self._port, timeout_s=5)
            await client.connect(5)
            try:
                begun_s = time.monotonic()
                async for _ in client.upload(self._data):
                    pass
                seconds = time.monotonic() - begun_s
                await client.request(ImageErase(slot=1), 30)
                return seconds
            finally:
                await client.disconnect()

        return asyncio.run(upload())

    def toolkit(self) -> float:
        """Seconds of mcumgr-toolkit's."""
        from mcumgr_toolkit import MCUmgrClient

        with MCUmgrClient.serial(self._port, timeout_ms=5000) as client:
            client.use_auto_frame_size()
            begun_s = time.monotonic()
            client.image_upload(self._data)
            seconds = time.monotonic() - begun_s
            client.image_erase()
        return seconds

    def bare(self) -> float:
        """Seconds of a loop that writes prepared frames: the least with one request at a time."""
        uart = BareUart(self._port)
        try:
            seconds = uart.upload(self._data, BARE_MESSAGE_BYTES)
            uart.erase()
            return seconds
        finally:
            uart.close()

    def rate_kb_s(self, seconds: float) -> float:
        """Of the image."""
        return len(self._data) / seconds / 1000

    def _open(self) -> Dut:
        return Dut(self._board, "qemu-bench", self._unit.open_wires(self._recorder), self._recorder)


def qemu_table(runs: int) -> Table:
    """All in turn, so that the machine's load is the same for each."""
    table = Table(
        "uploader", "median", "least", "most", "ours : this", "failed",
        title=f"QEMU, pty, {runs} runs: kB/s; ratios are medians of pairs",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bench = QemuBench(Path(folder))
        uploads: dict[str, Callable[[], float]] = {
            "ours": bench.ours,
            "smpclient, 2 lines a request": lambda: bench.smpclient(BufferParams(128, 2)),
            "smpclient, as it comes": lambda: bench.smpclient(Auto()),
            "mcumgr-toolkit": bench.toolkit,
            "prepared frames, no client": bench.bare,
        }
        # Of each round.
        rates: dict[str, dict[int, float]] = {name: {} for name in uploads}
        try:
            for run, (name, upload) in product(range(runs), uploads.items()):
                # Of whatever kind: the others go on.
                with contextlib.suppress(Exception):
                    rates[name][run] = bench.rate_kb_s(upload())
        finally:
            bench.close()
    ours = rates["ours"]
    for name, seen in rates.items():
        ratios = [ours[run] / rate for run, rate in seen.items() if run in ours]
        figures = [median(seen.values()), min(seen.values()), max(seen.values())] if seen else []
        shown = [f"{figure:.1f}" for figure in figures] or ["-"] * 3
        ratio = f"{median(ratios):.2f}" if ratios else "-"
        table.add_row(name, *shown, ratio, str(runs - len(seen)))
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="on QEMU")
    parser.add_argument("--no-qemu", action="store_true")
    given = parser.parse_args()
    screen = Screen(width=140)
    phys: tuple[Literal[1, 2], ...] = (1, 2)
    results = [
        measure(Case(phy, interval_ms, flash, pool))
        for pool, flash, phy, interval_ms in product(POOLS, FLASH, phys, INTERVALS_MS)
    ]
    screen.print(table_of(results))
    screen.print(goals(results))
    if not given.no_qemu:
        try:
            screen.print(qemu_table(given.runs))
        except FotaError as error:
            screen.print(f"QEMU: {error.what}")


if __name__ == "__main__":
    main()
