"""A minimal client of the GDB remote serial protocol: memory and one watchpoint.

Used to write QEMU's flash and to stop at an erase of it, which no QMP command can do. The protocol
is chapter "Remote Protocol" of the GDB manual. Written here because the one client on PyPI
(PyGdbRemoteClient 0.1.0) speaks TCP only, does not repeat a refused packet, and spins when the
other side is gone.
"""

import socket
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ProbeError

# QEMU 7.2 announces PacketSize=1000 (hex); a byte takes two characters, plus command and address.
_CHUNK_BYTES = 1024
_RECEIVE_BYTES = 65536
_ACKNOWLEDGED = b"+"
_REFUSED = b"-"


class GdbRemote:
    """Reads and writes memory through a GDB stub whose CPU is stopped, and runs it to a write.

    `close` only closes the socket. Detaching (`D`) would make QEMU run the old firmware on the
    flash that was just changed, so it is never sent.

    Every method raises `ProbeError` when the stub refuses, is gone, or the deadline expires.

    Args:
        connection: a connected stream socket; this object owns it from now on. Over TCP set
            TCP_NODELAY, or 50 KB take 15 s.
        where: how messages name the other side.
    """

    def __init__(self, connection: socket.socket, where: str) -> None:
        self._connection = connection
        self._where = where
        self._received = b""

    @classmethod
    def connect_unix(cls, path: Path, deadline: Deadline) -> "GdbRemote":
        """Connect to a stub that listens on a Unix socket."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_time_left_s(deadline, str(path)))
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            raise _stub_gone(str(path), str(error)) from error
        return cls(connection, str(path))

    def read_memory(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read `size_bytes` at `address`."""
        data = b""
        while len(data) < size_bytes:
            chunk_bytes = min(_CHUNK_BYTES, size_bytes - len(data))
            chunk_address = address + len(data)
            answer = self._command(f"m{chunk_address:x},{chunk_bytes:x}", deadline)
            try:
                chunk = bytes.fromhex(answer)
            except ValueError:
                chunk = b""
            if len(chunk) != chunk_bytes:
                raise ProbeError(
                    f"The GDB stub refuses to read memory: {answer!r}",
                    where=f"{self._where}, 0x{chunk_address:08x}, {chunk_bytes} bytes",
                    next_step="Check the address against the machine's memory map.",
                )
            data += chunk
        return data

    def write_memory(self, address: int, data: bytes, deadline: Deadline) -> None:
        """Write `data` at `address`, past flash rules and write protection.

        QEMU answers OK also where there is no memory, so the caller checks the address.
        """
        for offset_bytes in range(0, len(data), _CHUNK_BYTES):
            chunk = data[offset_bytes : offset_bytes + _CHUNK_BYTES]
            chunk_address = address + offset_bytes
            answer = self._command(f"M{chunk_address:x},{len(chunk):x}:{chunk.hex()}", deadline)
            if answer != "OK":
                raise ProbeError(
                    f"The GDB stub refuses to write memory: {answer!r}",
                    where=f"{self._where}, 0x{chunk_address:08x}, {len(chunk)} bytes",
                    next_step="Check the address against the machine's memory map.",
                )

    def run_to_write(self, address: int, number: int, deadline: Deadline) -> int:
        """Let the CPU run until it has written the word at `address` so often; it stops there.

        Returns how often it wrote: fewer times where the deadline expired, and then it runs on.
        """
        watchpoint = f"2,{address:x},4"
        if self._command(f"Z{watchpoint}", deadline) != "OK":
            raise ProbeError(
                "The GDB stub refuses a watchpoint.",
                where=f"{self._where}, 0x{address:08x}",
                next_step="Check the address against the machine's memory map.",
            )
        for done in range(number):
            self._send(_frame("c"), deadline)
            try:
                while self._take(1, deadline) != b"$":
                    pass
                self._packet_after_dollar(deadline)
            except ProbeError:
                if not deadline.expired:
                    raise
                return done
        self._command(f"z{watchpoint}", deadline)
        return number

    def close(self) -> None:
        """Close the socket without detaching; the CPU stays stopped. Never raises."""
        self._connection.close()

    def _command(self, payload: str, deadline: Deadline) -> str:
        packet = _frame(payload)
        self._send(packet, deadline)
        while (verdict := self._take(1, deadline)) != _ACKNOWLEDGED:
            if verdict == _REFUSED:
                self._send(packet, deadline)
            elif verdict == b"$":
                self._packet_after_dollar(deadline)  # a stop reply that crossed our packet
        while True:
            while self._take(1, deadline) != b"$":
                pass  # acknowledgements carry nothing once the command was accepted
            answer = self._packet_after_dollar(deadline)
            # A stop reply (T.. or S..) is no answer to `m` and `M`: those are hex, OK or E..
            if not answer.startswith(("T", "S")):
                return answer

    def _packet_after_dollar(self, deadline: Deadline) -> str:
        while True:
            content = b""
            while (byte := self._take(1, deadline)) != b"#":
                content += byte
            if self._take(2, deadline).lower() == _checksum(content):
                self._send(_ACKNOWLEDGED, deadline)
                return content.decode("ascii", errors="replace")
            self._send(_REFUSED, deadline)
            while self._take(1, deadline) != b"$":
                pass  # the stub repeats the packet

    def _take(self, size_bytes: int, deadline: Deadline) -> bytes:
        while len(self._received) < size_bytes:
            try:
                self._connection.settimeout(_time_left_s(deadline, self._where))
                received = self._connection.recv(_RECEIVE_BYTES)
            except OSError as error:
                raise _stub_gone(self._where, str(error)) from error
            if not received:
                raise _stub_gone(self._where, "connection closed")
            self._received += received
        taken, self._received = self._received[:size_bytes], self._received[size_bytes:]
        return taken

    def _send(self, data: bytes, deadline: Deadline) -> None:
        try:
            self._connection.settimeout(_time_left_s(deadline, self._where))
            self._connection.sendall(data)
        except OSError as error:
            raise _stub_gone(self._where, str(error)) from error


def _frame(payload: str) -> bytes:
    content = payload.encode("ascii")
    return b"$" + content + b"#" + _checksum(content)


def _checksum(content: bytes) -> bytes:
    return b"%02x" % (sum(content) % 256)


def _time_left_s(deadline: Deadline, where: str) -> float:
    if deadline.expired:
        raise ProbeError(
            f"The GDB stub did not answer within {deadline.allowed_s:g} s.",
            where=where,
            next_step="Is the host overloaded? See QEMU's own output; raise the time limit.",
        )
    return deadline.remaining_s


def _stub_gone(where: str, reason: str) -> ProbeError:
    return ProbeError(
        f"The GDB stub cannot be used: {reason}",
        where=where,
        next_step="QEMU has ended or hangs; its own output is in qemu.log of the work directory.",
    )
