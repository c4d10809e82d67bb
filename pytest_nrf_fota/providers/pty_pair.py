"""A serial port made of a pseudo-terminal, for a board that is a process. POSIX only."""

import contextlib
import fcntl
import os
import struct
import termios
import threading
import time
import tty

from pytest_nrf_fota.deadline import Deadline

# The kernel brings written bytes to the port a moment later, in a thread of its own.
_ARRIVES_WITHIN_S = 0.05


class PtyPair:
    """`port` is what a terminal program opens; `master` is the board's end of the line.

    Both ends are held open, so that the port outlives whoever uses it, until `close`.
    """

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        # Else the board would hear an echo of what it says before the first terminal opens.
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._lock = threading.Lock()
        self._closed = False

    def discard_unsent_input(self) -> None:
        """Drop what was written to the port and has not reached the board."""
        with self._lock, contextlib.suppress(OSError, termios.error):
            if self._closed:
                return
            # On Linux such bytes wait in two places: in the port, and in the master's line
            # discipline.
            termios.tcflush(self._slave, termios.TCOFLUSH)
            termios.tcflush(self.master, termios.TCIFLUSH)

    def discard_unread_output(self) -> None:
        """Drop what the board has said and nobody has read, so that it can go on."""
        with self._lock, contextlib.suppress(OSError, termios.error):
            if not self._closed:
                termios.tcflush(self._slave, termios.TCIFLUSH)

    def wait_until_read(self, deadline: Deadline) -> None:
        """Wait until the port's reader has all that the board said; `close` drops the rest."""
        was_empty = False
        while not deadline.expired:
            is_empty = self._unread_bytes() == 0
            if is_empty and was_empty:
                return
            was_empty = is_empty
            time.sleep(_ARRIVES_WITHIN_S)

    def _unread_bytes(self) -> int:
        with self._lock:
            if self._closed:
                return 0
            answer = fcntl.ioctl(self._slave, termios.FIONREAD, struct.pack("i", 0))
        (unread_bytes,) = struct.unpack("i", answer)
        return int(unread_bytes)

    def close(self) -> None:
        """Hang up: whoever reads the port sees its end. May be called more than once."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.close(self.master)
            os.close(self._slave)
