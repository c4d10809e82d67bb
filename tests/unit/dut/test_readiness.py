"""Waiting for an application that becomes ready, hangs, or crashes in each boot."""

import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.readiness import wait_until_ready
from pytest_nrf_fota.errors import BoardError, NotSeenError
from pytest_nrf_fota.record.recorder import FlightRecorder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ptys are POSIX only")

CHAINLOAD = b"I: Bootloader chainload address offset: 0x28000\r\n"
CRASH = b"<err> os: ***** MPU FAULT *****\r\n<err> os: >>> ZEPHYR FATAL ERROR 19: Unknown error\r\n"
READY = b"Advertising successfully started\r\n"


@pytest.fixture
def far_end() -> Iterator[tuple[int, str]]:
    far, near = os.openpty()
    tty.setraw(near)
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


@pytest.fixture
def console(far_end: tuple[int, str], tmp_path: Path) -> Iterator[Console]:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "readiness")
    console = Console(
        far_end[1], baudrate=115200, raw_log_path=tmp_path / "raw.log", recorder=recorder
    )
    yield console
    console.close()
    recorder.close()


def _wait(console: Console, *, app_start_s: float = 20.0) -> None:
    wait_until_ready(
        console,
        "Advertising successfully started",
        since=LogPosition(0),
        deadline=Deadline.after(20),
        app_start_s=app_start_s,
    )


def test_ready_after_two_crashes(far_end: tuple[int, str], console: Console) -> None:
    """A trial image that crashed was reverted."""
    os.write(far_end[0], (CHAINLOAD + CRASH) * 2 + CHAINLOAD + READY)
    _wait(console)


def test_a_crash_loop_is_told_from_its_third_crash_on(
    far_end: tuple[int, str], console: Console
) -> None:
    os.write(far_end[0], (CHAINLOAD + CRASH) * 3)
    with pytest.raises(BoardError, match="crashes in each boot, 3 times so far"):
        _wait(console)


def test_silence_behind_the_bootloader_ends_the_waiting_early(
    far_end: tuple[int, str], console: Console
) -> None:
    os.write(far_end[0], CHAINLOAD)
    with pytest.raises(NotSeenError, match=r"within 0\.2 s"):
        _wait(console, app_start_s=0.2)
