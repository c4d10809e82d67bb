"""The kit's time, with and without waiting for it."""

import asyncio
import os
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.uart import Uart


def test_without_speed_hardware_time_passes_at_once() -> None:
    clock = VirtualClock()
    before = clock.now_s
    clock.advance(52.0)
    assert 52.0 <= clock.now_s - before < 53.0
    assert clock.behind_s == 0


def test_with_speed_the_clock_runs_ahead_and_is_caught_up() -> None:
    clock = VirtualClock(speed=10.0)
    before = clock.now_s
    clock.advance(10.0)
    clock.advance(10.0)
    assert clock.now_s - before >= 20.0
    assert 1.0 < clock.behind_s <= 2.0
    asyncio.run(clock.catch_up())
    assert clock.behind_s == 0
    assert clock.now_s - before >= 20.0


@pytest.mark.parametrize("speed", [None, 0.5, 50.0])
def test_a_sleep_takes_the_kits_time(speed: float | None) -> None:
    clock = VirtualClock(speed)
    before = clock.now_s

    asyncio.run(clock.sleep(0.02))

    assert clock.now_s - before >= 0.02


@pytest.mark.parametrize("speed", [None, 50.0])
def test_lines_leave_in_order_and_not_before_their_time(speed: float | None) -> None:
    clock = VirtualClock(speed)

    async def received() -> tuple[bytes, float]:
        uart = Uart(clock)
        host_end = os.open(uart.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        complete = asyncio.Event()
        data = bytearray()

        def take() -> None:
            data.extend(os.read(host_end, 4096))
            if data.endswith(b"end"):
                complete.set()

        loop = asyncio.get_running_loop()
        loop.add_reader(host_end, take)
        begin_s = clock.now_s
        for number in range(100):
            uart.write(b"%d " % number)
            if number % 10 == 0:
                clock.advance(1.0)
        uart.write(b"end")
        await asyncio.wait_for(complete.wait(), 10)
        loop.remove_reader(host_end)
        os.close(host_end)
        uart.close()
        return bytes(data), clock.now_s - begin_s

    data, passed_s = asyncio.run(received())
    assert data == b"".join(b"%d " % number for number in range(100)) + b"end"
    assert passed_s >= 10.0


def test_an_upgrade_at_a_speed_gives_the_same_lines_as_without_waiting(tmp_path: Path) -> None:
    assert _lines_of_an_upgrade(tmp_path, "max") == _lines_of_an_upgrade(tmp_path, 60.0)


def _lines_of_an_upgrade(folder: Path, speed: str | float) -> list[str]:
    board = load_board("nrf5340dk_sim")
    assert board.sim is not None
    board = board.model_copy(update={"sim": board.sim.model_copy(update={"speed": speed})})
    recorder = FlightRecorder()
    unit = SimUnit(board, "kit", folder / str(speed))
    try:
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        try:
            firmware = DemoSource(board, folder / "firmware")
            dut.prepare(firmware.baseline)
            assert dut.upgrade(firmware.mcuboot_update)
            dut.shell.run("device list", 10)
            lines = [line.text for line in dut.console.lines_since(dut.opened_at)]
        finally:
            dut.close()
    finally:
        unit.release()
    said = [line.split("] ", 1)[-1].removeprefix("uart:~$ ") for line in lines]
    # Asked for a reset, the board waits 0.25 s of its own; the host may be later with its farewell.
    return [line for line in said if not line.startswith("Disconnected")]
