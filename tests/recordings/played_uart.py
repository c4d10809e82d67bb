"""A serial port that says what was recorded, vanishes and comes back as it did."""

import os
from pathlib import Path

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.providers.pty_pair import PtyPair
from pytest_nrf_fota.record.recorder import FlightRecorder

_WITHIN_S = 10.0
_LOOK_AGAIN_S = 0.01


class PlayedUart:
    """One port and the console that reads it.

    Args:
        folder: a new folder; the port is a link in it, as udev makes one.
        recorder: of the console.
        is_network_core: whose UART it is.
    """

    def __init__(self, folder: Path, recorder: FlightRecorder, *, is_network_core: bool) -> None:
        folder.mkdir(parents=True)
        self._link = folder / "port"
        self._pty: PtyPair | None = None
        self.plug_in()
        self._sent_bytes = 0
        self._lines = 0
        self.console = Console(
            str(self._link),
            baudrate=115200,
            raw_log_path=folder / "raw.log",
            recorder=recorder,
            reopen_timeout_s=_WITHIN_S,
            is_network_core=is_network_core,
        )

    def plug_in(self) -> None:
        """The port is there, under its lasting name."""
        if self._pty is None:
            self._pty = PtyPair()
            self._link.symlink_to(self._pty.port)

    def unplug(self) -> None:
        """The port vanishes."""
        if self._pty is not None:
            self.wait_until_read()
            self._link.unlink()
            self._pty.close()
            self._pty = None
            self.console.wait_for_port(_WITHIN_S, present=False)

    def come_back(self) -> None:
        """The port is there again, and the console has it."""
        self.plug_in()
        self.console.wait_for_port(_WITHIN_S, present=True)

    def say(self, data: bytes) -> None:
        """Bytes that the board prints."""
        assert self._pty is not None, "bytes came from a port that was away"
        self._sent_bytes += len(data)
        while data:
            data = data[os.write(self._pty.master, data) :]

    def heard_line(self) -> None:
        """One more line was read when it was recorded."""
        self._lines += 1

    def wait_until_read(self) -> None:
        """Wait until the console has all bytes, and as many lines as were read then."""
        deadline, log = Deadline.after(_WITHIN_S), self.console.log
        while not deadline.expired:
            read_bytes = self.console.raw_log_path.stat().st_size
            lines = log.lines_before(log.position())
            if read_bytes >= self._sent_bytes and lines >= self._lines:
                return
            log.wait_for_more(log.size_chars, deadline.within(_LOOK_AGAIN_S))
        raise AssertionError(
            f"{self.console.port}: {lines} of {self._lines} lines, {read_bytes} of "
            f"{self._sent_bytes} bytes"
        )

    def close(self) -> None:
        """Close the console and the port."""
        self.console.close()
        if self._pty is not None:
            self._pty.close()
