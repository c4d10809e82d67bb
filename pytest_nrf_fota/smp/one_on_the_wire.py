"""Which request is on a wire that takes one at a time, and which one follows it."""

import threading
from collections import deque

_ROUTE = slice(4, 8)


def route_of(message: bytes) -> bytes:
    """Group, sequence number and command of a message: the same in a request and its answer."""
    return message[_ROUTE]


class OneOnTheWire:
    """Holds requests back until the answer to the one before has come. Usable from any thread.

    Whoever is told an answer writes what follows it, so that the wire is idle only for as long as
    that takes, whatever else the program does with the answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: bytes | None = None
        self._held: deque[tuple[bytes, bytes]] = deque()

    def take(self, message: bytes, lines: bytes) -> bytes:
        """A request and how it is written; returns what to write now, which is nothing or all."""
        with self._lock:
            if self._open is None:
                self._open = route_of(message)
                return lines
            self._held.append((route_of(message), lines))
            return b""

    def answered(self, message: bytes) -> bytes:
        """An answer has come; returns what to write now, nothing where it is to another request."""
        with self._lock:
            if self._open is None or route_of(message) != self._open:
                return b""
            self._open, lines = self._held.popleft() if self._held else (None, b"")
            return lines

    def forget(self) -> None:
        """No answer is waited for any more, and what is held will not be written."""
        with self._lock:
            self._open = None
            self._held.clear()
