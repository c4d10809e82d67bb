"""The UART wire: one serial port, read from the moment it is opened until it is closed."""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import serial

from pytest_nrf_fota.console.log import ConsoleLog, LogLine, LogMark
from pytest_nrf_fota.console.smp_frames import SmpFrameSplitter
from pytest_nrf_fota.console.text import TextCleaner
from pytest_nrf_fota.errors import ConsoleLostError
from pytest_nrf_fota.report.events import ConsoleState, UartLine, UartWrite
from pytest_nrf_fota.report.recorder import FlightRecorder

_READ_TIMEOUT_S = 0.1
_CLOSE_TIMEOUT_S = 2.0


class Console:
    """A board's UART with an append-only log.

    A thread of its own reads the port, so the log holds everything since the port was opened,
    whatever the test is doing. The raw bytes go to `raw_log_path` as they come.

    Args:
        port: name of the serial port (`/dev/ttyACM1`, `COM7`, a pty).
        baudrate: bits per second.
        raw_log_path: file for the raw bytes.
        recorder: gets every line, every write and the port's state.
        on_smp_frame: where the same UART also carries SMP, receives its frames, which are then
            kept out of the log.

    Raises:
        ConsoleLostError: the port cannot be opened.
    """

    def __init__(
        self,
        port: str,
        *,
        baudrate: int,
        raw_log_path: Path,
        recorder: FlightRecorder,
        on_smp_frame: Callable[[bytes], None] | None = None,
    ) -> None:
        self.port = port
        self.log = ConsoleLog()
        self.raw_log_path = raw_log_path
        self._recorder = recorder
        self._cleaner = TextCleaner()
        self._splitter = SmpFrameSplitter(self._take_text, on_smp_frame) if on_smp_frame else None
        self._write_lock = threading.Lock()
        self._stop = threading.Event()
        try:
            self._serial = serial.Serial(
                port,
                baudrate,
                timeout=_READ_TIMEOUT_S,
                write_timeout=_CLOSE_TIMEOUT_S,
                # A second reader would take bytes away without a word.
                exclusive=True,
            )
        except (serial.SerialException, OSError) as error:
            raise ConsoleLostError(
                f"The console port cannot be opened: {error}",
                where=port,
                next_step="Is the kit plugged in, and is no terminal program holding the port?",
            ) from error
        raw_log_path.parent.mkdir(parents=True, exist_ok=True)
        self._raw_log = raw_log_path.open("ab")
        recorder.record(ConsoleState(port=port, state="opened"))
        self._thread = threading.Thread(target=self._read_port, name=f"uart {port}", daemon=True)
        self._thread.start()

    def mark(self) -> LogMark:
        """The end of the log as it is now."""
        return self.log.mark()

    def text_since(self, mark: LogMark) -> str:
        """Everything the board printed after `mark`."""
        return self.log.text_since(mark)

    def lines_since(self, mark: LogMark) -> tuple[LogLine, ...]:
        """The complete lines that the board printed after `mark`."""
        return self.log.lines_since(mark)

    def write(self, data: bytes) -> None:
        """Send bytes to the board. Raises `ConsoleLostError` when the port is gone."""
        try:
            with self._write_lock:
                self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise ConsoleLostError(
                f"The console port does not take data: {error}",
                where=self.port,
                next_step="The board or its USB connection is gone; see the end of the UART log.",
            ) from error

    def type_text(self, text: str) -> None:
        """Send text as a person would type it, and record it."""
        self._recorder.record(UartWrite(port=self.port, text=text))
        self.write(text.encode())

    def close(self) -> None:
        """Stop reading and close the port. Never raises."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(_CLOSE_TIMEOUT_S)
        with contextlib.suppress(OSError):  # the port may be gone, which is what close is for
            self._serial.close()
        self.log.close()
        self._raw_log.close()
        self._recorder.record(ConsoleState(port=self.port, state="closed"))

    def _read_port(self) -> None:
        try:
            while not self._stop.is_set():
                data = self._serial.read(max(1, self._serial.in_waiting))
                if data:
                    self._take_bytes(data)
        except Exception as error:
            # Whatever ends the reading (port gone, disk full), nobody may go on waiting for lines.
            self._recorder.record(ConsoleState(port=self.port, state="lost", detail=str(error)))
            self.log.close()

    def _take_bytes(self, data: bytes) -> None:
        self._raw_log.write(data)
        self._raw_log.flush()
        if self._splitter is None:
            self._take_text(data)
        else:
            self._splitter.feed(data)

    def _take_text(self, data: bytes) -> None:
        for line in self.log.append(self._cleaner.clean(data), time.monotonic()):
            self._recorder.record(UartLine(port=self.port, text=line.text))
