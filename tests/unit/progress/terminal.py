"""A terminal: a pty, and the screen that a person would see."""

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pyte


class Terminal:
    """What is written to `stream` is drawn on a screen of `columns` and `lines`."""

    def __init__(self, columns: int, lines: int) -> None:
        self._master, slave = pty.openpty()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        self.stream: TextIO = os.fdopen(slave, "w", buffering=1)
        self._screen = pyte.Screen(columns, lines)
        self._drawn = threading.Condition()
        self._raw = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def raw(self) -> bytes:
        """All that was written so far."""
        with self._drawn:
            return self._raw

    @property
    def cursor(self) -> tuple[int, int, bool]:
        """Column, line, and whether it is hidden."""
        with self._drawn:
            return self._screen.cursor.x, self._screen.cursor.y, self._screen.cursor.hidden

    def lines(self) -> list[str]:
        """The screen without blanks at its right and bottom."""
        with self._drawn:
            return self._lines()

    def wait_for(self, text: str, within_s: float = 10.0) -> list[str]:
        """The screen as soon as it shows the text."""
        with self._drawn:
            is_there = self._drawn.wait_for(
                lambda: text.strip() in "\n".join(self._lines()), within_s
            )
            assert is_there, self._lines()
            return self._lines()

    def settle(self, marker: str) -> list[str]:
        """Write a mark of our own and wait for it: what was written before is drawn then."""
        self.stream.write(marker)
        self.stream.flush()
        return self.wait_for(marker)

    def close(self) -> None:
        self.stream.close()
        self._thread.join(5)
        os.close(self._master)

    def _lines(self) -> list[str]:
        shown = [line.rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def _read(self) -> None:
        stream = pyte.ByteStream(self._screen)
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:
                return
            if not data:
                return
            with self._drawn:
                self._raw += data
                stream.feed(data)
                self._drawn.notify_all()


@contextmanager
def open_terminal(columns: int = 100, lines: int = 12) -> Iterator[Terminal]:
    """One that is closed at the end."""
    terminal = Terminal(columns, lines)
    try:
        yield terminal
    finally:
        terminal.close()
