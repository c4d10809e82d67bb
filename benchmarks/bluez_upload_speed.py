"""Uploads through BlueZ and bleak in a Linux guest: ours beside smpclient's, on the same kit.

Run: python -m benchmarks.bluez_upload_speed [--runs N], with the packages of docs/bluez.md

The kit and its air take as long as real ones (1M, 30 ms); the guest's CPU is this machine's (KVM)
or is simulated. Both take turns, each over a connection of its own; only the upload is timed.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console as Screen
from rich.table import Table
from smpclient import SMPClient
from smpclient.requests.image_management import ImageErase
from smpclient.transport.ble import SMPBLETransport

from benchmarks.upload_rate import with_sim
from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import SimLinkSettings
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import HostBluetooth
from tests.bluez.guest import running_guest
from tests.bluez.plugin import on_the_air

_LIMIT_S = 120.0


def ours(dut: Dut, image: bytes) -> float:
    """Seconds of this project's upload; the slot is erased before."""
    dut.connect()
    dut.mcumgr.image_erase(_LIMIT_S)
    begun_s = time.monotonic()
    dut.mcumgr.image_upload(image, within_s=_LIMIT_S)
    seconds = time.monotonic() - begun_s
    dut.mcumgr.disconnect()
    return seconds


def smpclients(address: str, image: bytes) -> float:
    """The same of smpclient's."""

    async def upload() -> float:
        client = SMPClient(SMPBLETransport(), address, timeout_s=10)
        await client.connect(30)
        try:
            await client.request(ImageErase(slot=1), _LIMIT_S)
            begun_s = time.monotonic()
            async for _ in client.upload(image):
                pass
            return time.monotonic() - begun_s
        finally:
            await client.disconnect()

    return asyncio.run(upload())


def measure(runs: int, folder: Path) -> tuple[list[float], list[float]]:
    """kB/s of each upload, ours and smpclient's."""
    link = SimLinkSettings.model_validate({"interval_ms": 30.0, "phy_mbit_s": 1})
    board = with_sim(load_board("nrf5340dk_sim"), speed=1.0, link=link)
    firmware = DemoSource(board, folder / "firmware")
    image = read_package(firmware.app_update, package_target(board)).files[0].data
    with running_guest(folder / "guest") as guest:
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = guest.bus_address
        unit = SimUnit(board, "kit", folder / "unit", HostBluetooth())
        try:
            with on_the_air(guest, unit):
                recorder = FlightRecorder()
                dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
                try:
                    dut.flash(firmware.baseline)
                    dut.reset()
                    return _in_turns(dut, image, runs)
                finally:
                    dut.close()
        finally:
            unit.release()


def _in_turns(dut: Dut, image: bytes, runs: int) -> tuple[list[float], list[float]]:
    mine, theirs = [], []
    for _ in range(runs):
        mine.append(len(image) / ours(dut, image) / 1000)
        found = dut.mcumgr.found
        assert found is not None
        theirs.append(len(image) / smpclients(found.address, image) / 1000)
    return mine, theirs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = measure(given.runs, Path(folder))
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    table = Table("", "median", "least", "most", title="BlueZ, 1M/30 ms: kB/s")
    for name, figures in (("ours", mine), ("smpclient", theirs), ("ratio of pairs", ratios)):
        shown = (f"{figure:.2f}" for figure in (median(figures), min(figures), max(figures)))
        table.add_row(name, *shown)
    Screen().print(table)


if __name__ == "__main__":
    main()
