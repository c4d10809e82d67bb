"""Servers that give a serial port away over TCP, as ser2net does."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator

_RFC2217 = """
import os, socket, sys, threading
import serial, serial.rfc2217


class Pty(serial.Serial):
    # A pty has no modem lines.
    cts = dsr = cd = property(lambda self: True)
    ri = property(lambda self: False)

    def _update_dtr_state(self): ...
    def _update_rts_state(self): ...


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()

port = Pty(sys.argv[1], 9600, timeout=0.05)
listening = socket.create_server(("127.0.0.1", int(sys.argv[2])))
print("ready", flush=True)
client, _ = listening.accept()


class Connection:
    def write(self, data):
        client.sendall(data)


manager = serial.rfc2217.PortManager(port, Connection())


def pass_on():
    while True:
        data = port.read(max(1, port.in_waiting))
        if data:
            client.sendall(b"".join(manager.escape(data)))


threading.Thread(target=pass_on, daemon=True).start()
while data := client.recv(1024):
    port.write(b"".join(manager.filter(data)))
    print(port.baudrate, flush=True)
"""


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class RawServer:
    """A board behind `socket://`: what is printed reaches the client, what it types is kept."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.typed = b""
        self._connected = threading.Event()
        self._client: socket.socket | None = None
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"socket://127.0.0.1:{self.port}"

    def print(self, data: bytes) -> None:
        assert self._connected.wait(20)
        assert self._client is not None
        self._client.sendall(data)

    def stop(self) -> None:
        for one in (self._client, self._listening):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._thread.join(20)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # stopped
            self._client, _ = self._listening.accept()
            self._connected.set()
            while data := self._client.recv(4096):
                self.typed += data


class Rfc2217Server:
    """A pty behind pyserial's own RFC 2217 server, a process of its own.

    Args:
        port: the TCP port.
        uart: another pty's name, whose other end somebody else has.
    """

    def __init__(self, port: int | None = None, uart: str | None = None) -> None:
        self.port = port or free_port()
        self._board, self._uart = os.openpty()
        tty.setraw(self._uart)
        name = uart or os.ttyname(self._uart)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RFC2217, name, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    @property
    def url(self) -> str:
        return f"rfc2217://127.0.0.1:{self.port}"

    def baudrates(self) -> Iterator[int]:
        """What the client has set, as it goes."""
        assert self._process.stdout is not None
        return (int(line) for line in self._process.stdout)

    def print(self, data: bytes) -> None:
        os.write(self._board, data)

    def read_typed(self, size_bytes: int) -> bytes:
        data = b""
        while len(data) < size_bytes:
            data += os.read(self._board, size_bytes)
        return data

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        os.close(self._board)
        os.close(self._uart)
