"""A system bus that lives elsewhere, as a Unix socket here.

File descriptors do not travel over TCP. bleak asks for one at each connect (`AcquireWrite`), only
to learn the MTU, and closes it at once: the proxy hands out an end of a pipe in its place.
"""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

_CHUNK_BYTES = 65536
_FIXED_HEADER_BYTES = 16
_BEGIN = b"BEGIN\r\n"
# D-Bus specification, "Header Fields": UNIX_FDS, a number of type UINT32.
_UNIX_FDS = b"\x09\x01u\x00"


@contextlib.contextmanager
def pass_bus_on(path: Path, bus: tuple[str, int], greeting: bytes) -> Iterator[None]:
    """Serve the bus at `path` as long as this lasts.

    Args:
        path: of the Unix socket.
        bus: host and port where the bus is reached.
        greeting: sent first on each connection there.
    """
    connections = contextlib.ExitStack()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    connections.callback(_Connection(client, bus, greeting).close)

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            connections.close()


class _Connection:
    """One client of the bus."""

    def __init__(self, client: socket.socket, bus: tuple[str, int], greeting: bytes) -> None:
        self._client = client
        self._bus = socket.create_connection(bus)
        self._bus.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bus.sendall(greeting)
        self._begun = threading.Event()
        self._threads = (
            threading.Thread(target=self._client_to_bus),
            threading.Thread(target=self._bus_to_client),
        )
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it, whoever still talks."""
        self._shut_down()
        for thread in self._threads:
            thread.join()
        self._client.close()
        self._bus.close()

    def _shut_down(self) -> None:
        for end in (self._client, self._bus):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _client_to_bus(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(_CHUNK_BYTES):
                if _BEGIN in data:
                    # Authentication is over: from now on the bus sends messages, not lines.
                    self._begun.set()
                self._bus.sendall(data)
        self._shut_down()

    def _bus_to_client(self) -> None:
        unread = b""
        with contextlib.suppress(OSError):
            while data := self._bus.recv(_CHUNK_BYTES):
                if not self._begun.is_set():
                    self._client.sendall(data)
                    continue
                unread += data
                while 0 < (size_bytes := _message_size_bytes(unread)) <= len(unread):
                    self._send(unread[:size_bytes])
                    unread = unread[size_bytes:]
        self._shut_down()

    def _send(self, message: bytes) -> None:
        if _UNIX_FDS not in message[_FIXED_HEADER_BYTES:]:
            self._client.sendall(message)
            return
        ends = os.pipe()
        socket.send_fds(self._client, [message], [ends[0]])
        for end in ends:
            os.close(end)


def _message_size_bytes(data: bytes) -> int:
    """Size of the message that `data` begins with; 0 where that cannot be told yet."""
    if len(data) < _FIXED_HEADER_BYTES:
        return 0
    order = "<" if data[:1] == b"l" else ">"
    (body_bytes,) = struct.unpack_from(order + "I", data, 4)
    (fields_bytes,) = struct.unpack_from(order + "I", data, 12)
    padded_fields_bytes: int = fields_bytes + -fields_bytes % 8
    return _FIXED_HEADER_BYTES + padded_fields_bytes + int(body_bytes)
