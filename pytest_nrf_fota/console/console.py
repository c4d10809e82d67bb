"""The UART wire: one serial port, read from the moment it is opened until it is closed."""

import base64
import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import serial

from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.smp_frames import SmpFrameSplitter
from pytest_nrf_fota.bootlog.text import TextCleaner
from pytest_nrf_fota.console.expect import Seen, expect
from pytest_nrf_fota.console.log import ConsoleLog, LogPosition
from pytest_nrf_fota.console.port_holder import port_refused
from pytest_nrf_fota.console.serial_port import (
    OPEN_ERRORS,
    has_node,
    node_of,
    open_serial,
    read_some,
)
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError, NotSeenError
from pytest_nrf_fota.record.events import (
    ConsoleState,
    NetworkUartLine,
    UartBytes,
    UartLine,
    UartWrite,
)
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.record.uart_masking import UartMasking

_REOPEN_INTERVAL_S = 0.05
_CLOSE_TIMEOUT_S = 2.0


class Console:
    """A board's UART with an append-only log.

    A thread of its own reads the port, so the log holds everything since the port was opened,
    whatever the test is doing. The raw bytes go to `raw_log_path` as they come.

    Args:
        port: name of the serial port (`/dev/ttyACM1`, `COM7`, a pty), or a URL
            (`serial_port.py`).
        baudrate: bits per second.
        raw_log_path: file for the raw bytes.
        recorder: gets every line, every write and the port's state.
        reopen_timeout_s: how long a port that vanished may be away before it counts as lost for
            good; USB serial ports vanish where the debugger or a hub resets. The log goes on in a
            new line, without what was printed meanwhile.
        on_smp_frame: where the same UART also carries SMP, receives its frames, which are kept out
            of the log.
        is_network_core: whether this is the network core's UART; the recorder keeps them apart.

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
        reopen_timeout_s: float = 0.0,
        on_smp_frame: Callable[[bytes], None] | None = None,
        is_network_core: bool = False,
    ) -> None:
        self._is_network_core = is_network_core
        self.port = port
        self.log = ConsoleLog()
        self.raw_log_path = raw_log_path
        self._recorder = recorder
        self._cleaner = TextCleaner()
        self._splitter = SmpFrameSplitter(self._take_text, on_smp_frame or _leave_out)
        self._write_lock = threading.Lock()
        self._stop = threading.Event()
        self._baudrate = baudrate
        self._reopen_timeout_s = reopen_timeout_s
        self._ends_in_line = False
        self._presence = threading.Condition()
        self._is_present = True
        self._gaps = 0
        self._written_bytes = 0
        try:
            self._node = node_of(port)
            self._serial = open_serial(port, baudrate)
        except OPEN_ERRORS as error:
            raise port_refused(port, error) from error
        raw_log_path.parent.mkdir(parents=True, exist_ok=True)
        self._raw_log = raw_log_path.open("ab")
        self._masking = UartMasking(recorder.secrets)
        recorder.record(ConsoleState(port=port, state="opened"))
        self._thread = threading.Thread(target=self._read_port, name=f"uart {port}", daemon=True)
        self._thread.start()

    @property
    def gaps(self) -> int:
        """How often the port was away: so many times the log may miss what the board printed."""
        with self._presence:
            return self._gaps

    @property
    def secrets(self) -> Secrets:
        """What is masked in all that is written of this port."""
        return self._recorder.secrets

    @property
    def written_bytes(self) -> int:
        """How much was sent to the board so far."""
        return self._written_bytes

    def wait_for_port(self, within_s: float, *, present: bool) -> None:
        """Wait until the port has vanished, or is there again.

        Raises `NotSeenError` where it does not vanish, `ConsoleLostError` where it stays away.
        """
        deadline = Deadline.after(within_s)
        with self._presence:
            if self._presence.wait_for(lambda: self._is_present == present, deadline.remaining_s):
                return
        if not present:
            raise NotSeenError(
                f"The console port did not vanish within {within_s:g} s.",
                where=self.port,
                next_step="Was anything done that makes it vanish?",
            )
        raise ConsoleLostError(
            f"The console port did not come back within {within_s:g} s.",
            where=self.port,
            next_step="Is the kit plugged in? console.reopen_s in the board file sets how long its "
            "port may be away.",
        )

    def position(self) -> LogPosition:
        """The end of the log as it is now."""
        return self.log.position()

    def expect(
        self,
        patterns: str | Sequence[str],
        *,
        since: LogPosition,
        within_s: float,
        what: str = "",
        partial_lines: bool = False,
    ) -> Seen:
        """Wait until one of the patterns appears after `since`.

        Args:
            patterns: regular expressions; `^` and `$` mean line begin and end.
            since: text before this place is not looked at.
            within_s: how long to wait; what arrived by then is looked at.
            what: what is waited for in the reader's words, for the message.
            partial_lines: also look at a line that has not ended yet. Needed for prompts only: a
                number at the end of an unfinished line may still grow.

        Raises:
            LineNotSeenError: it did not come; shows pattern, what came instead, the log's path.
            ConsoleLostError: the port vanished while waiting.
            InputError: a pattern is no regular expression.
        """
        deadline = Deadline.after(within_s)
        return expect(
            self, patterns, since=since, deadline=deadline, what=what, partial_lines=partial_lines
        )

    def text_since(self, since: LogPosition) -> str:
        """Everything the board printed after `since`."""
        return self.log.text_since(since)

    def lines_since(self, since: LogPosition) -> tuple[LogLine, ...]:
        """The complete lines that the board printed after `since`."""
        return self.log.lines_since(since)

    def write(self, data: bytes) -> None:
        """Send bytes to the board. Raises `ConsoleLostError` when the port is gone."""
        try:
            with self._write_lock:
                self._written_bytes += len(data)
                self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from error

    def write_some(self, data: bytes) -> int:
        """Send what the port takes without waiting; returns how many bytes that were.

        0 while another thread writes, and on Windows.

        Raises `ConsoleLostError` when the port is gone.
        """
        if os.name != "posix" or not self._write_lock.acquire(blocking=False):
            return 0
        try:
            # pyserial opens its port so that a write never waits.
            written_bytes = os.write(self._serial.fileno(), data)
        except BlockingIOError:
            return 0
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from error
        finally:
            self._write_lock.release()
        self._written_bytes += written_bytes
        return written_bytes

    def _lost(self, error: Exception) -> ConsoleLostError:
        return ConsoleLostError(
            f"The console port does not take data: {error}",
            where=self.port,
            next_step="The board or its USB connection is gone; see the end of the UART log.",
        )

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
        with contextlib.suppress(OSError):  # a full disk
            self._write_down(self._masking.rest())
            self._raw_log.close()
        self._recorder.record(ConsoleState(port=self.port, state="closed"))

    def _read_port(self) -> None:
        try:
            while (reason := self._read_until_lost()) is not None:
                self._recorder.record(ConsoleState(port=self.port, state="lost", detail=reason))
                self._set_present(False)
                if not self._reopen(Deadline.after(self._reopen_timeout_s)):
                    self.log.close()
                    return
                self._recorder.record(ConsoleState(port=self.port, state="reopened"))
                self._set_present(True)
        except Exception as error:
            # Whatever ends the reading (a full disk), nobody may go on waiting for lines.
            self._recorder.record(ConsoleState(port=self.port, state="lost", detail=str(error)))
            self.log.close()

    def _set_present(self, is_present: bool) -> None:
        with self._presence:
            self._is_present = is_present
            self._gaps += not is_present
            self._presence.notify_all()

    def _read_until_lost(self) -> str | None:
        """Read until the port fails, and return why, or None when told to stop."""
        while not self._stop.is_set():
            try:
                data = read_some(self._serial)
            except (serial.SerialException, OSError) as error:
                return str(error)
            if data:
                self._write_down(self._masking.take(data))
                self._take_bytes(data)
        return None

    def _write_down(self, masked: bytes) -> None:
        """Record what came from the port, without secrets; the log in memory has them."""
        if masked:
            self._recorder.record(
                UartBytes(
                    port=self.port,
                    core="network" if self._is_network_core else "application",
                    base64=base64.b64encode(masked).decode(),
                )
            )
            self._raw_log.write(masked)
            self._raw_log.flush()

    def _reopen(self, deadline: Deadline) -> bool:
        # Not while somebody writes, whom pyserial would take the port away from.
        with contextlib.suppress(OSError), self._write_lock:  # of a port that is gone
            self._serial.close()
        while not deadline.expired and not self._stop.wait(_REOPEN_INTERVAL_S):
            node = node_of(self.port)
            # The same node is the dead one; its number may already be another device's.
            if has_node(self.port) and (node is None or node == self._node):
                continue
            with contextlib.suppress(*OPEN_ERRORS), self._write_lock:
                self._serial = open_serial(self.port, self._baudrate)
                if self._stop.is_set():
                    # A server may take longer to answer than `close` waits for this thread.
                    self._serial.close()
                    return False
                self._node = node
                if self._ends_in_line:
                    self._write_down(self._masking.rest())
                    self._raw_log.write(b"\n")
                    self._take_bytes(b"\n")
                return True
        return False

    def _take_bytes(self, data: bytes) -> None:
        self._ends_in_line = not data.endswith(b"\n")
        self._splitter.feed(data)

    def _take_text(self, data: bytes) -> None:
        for line in self.log.append(self._cleaner.clean(data), time.monotonic()):
            text = self._masking.line(line.text)
            if self._is_network_core:
                self._recorder.record(NetworkUartLine(port=self.port, text=text))
            else:
                self._recorder.record(UartLine(port=self.port, text=text))


def _leave_out(_frame: bytes) -> None:
    pass
