"""A serial port that vanishes and comes back, as a USB one does while its debugger restarts."""

import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError
from pytest_nrf_fota.record.events import ConsoleState
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ptys are POSIX only")

START = LogPosition(0)
LONG_S = 20.0


class UsbPort:
    """A name that stays, and a pty behind it that is another one after each plugging in."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self._ends: tuple[int, int] | None = None
        self.plug_in()

    def plug_in(self) -> None:
        self._ends = os.openpty()
        tty.setraw(self._ends[1])
        self.name.symlink_to(os.ttyname(self._ends[1]))

    def unplug(self, *, keeps_name: bool = False) -> None:
        if self._ends is None:
            return
        if not keeps_name:
            self.name.unlink()
        for end in self._ends:
            os.close(end)
        self._ends = None

    def print(self, data: bytes) -> None:
        assert self._ends is not None
        os.write(self._ends[0], data)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[UsbPort]:
    port = UsbPort(tmp_path / "vcom")
    yield port
    port.unplug()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[FlightRecorder]:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "console")
    yield recorder
    recorder.close()


def _console(port: UsbPort, recorder: FlightRecorder, folder: Path, reopen_s: float) -> Console:
    return Console(
        str(port.name),
        baudrate=115200,
        raw_log_path=folder / "raw.log",
        recorder=recorder,
        reopen_timeout_s=reopen_s,
    )


def _wait_for(console: Console, text: str) -> None:
    expect(console, text, since=START, deadline=Deadline.after(LONG_S))


def test_the_log_goes_on_in_a_new_line_where_the_port_comes_back(
    port: UsbPort, recorder: FlightRecorder, tmp_path: Path
) -> None:
    console = _console(port, recorder, tmp_path, LONG_S)
    try:
        port.print(b"Firmware version 14\r\nStarting boot")
        console.log.wait_for_more(20, Deadline.after(LONG_S))
        port.unplug()
        console.wait_for_port(LONG_S, present=False)
        with pytest.raises(ConsoleLostError):
            console.write(b"x")
        port.plug_in()
        console.wait_for_port(LONG_S, present=True)
        port.print(b"Attempting to boot slot 1.\r\n")
        _wait_for(console, "Attempting to boot slot 1")
        assert console.text_since(START).splitlines() == [
            "Firmware version 14",
            "Starting boot",
            "Attempting to boot slot 1.",
        ]
        assert console.gaps == 1
    finally:
        console.close()
    events = [line.event for line in read_recording(tmp_path / "recorder.jsonl")]
    states = [event.state for event in events if isinstance(event, ConsoleState)]
    assert states == ["opened", "lost", "reopened", "closed"]


def test_a_port_that_stays_away_is_a_broken_rig(
    port: UsbPort, recorder: FlightRecorder, tmp_path: Path
) -> None:
    console = _console(port, recorder, tmp_path, 0.3)
    try:
        port.unplug()
        with pytest.raises(ConsoleLostError):
            _wait_for(console, "anything")
    finally:
        console.close()


def test_a_dead_node_is_not_opened_again(
    port: UsbPort, recorder: FlightRecorder, tmp_path: Path
) -> None:
    """The number behind the old name may be another board's by then."""
    console = _console(port, recorder, tmp_path, 0.5)
    other = UsbPort(tmp_path / "other")
    try:
        port.unplug(keeps_name=True)
        port.name.resolve()
        with pytest.raises(ConsoleLostError):
            _wait_for(console, "anything")
        assert console.gaps == 1
    finally:
        console.close()
        other.unplug()
