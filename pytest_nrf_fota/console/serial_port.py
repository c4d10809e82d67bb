"""Open a serial port by any name that pyserial takes: a device, or a URL.

URLs: `socket://HOST:PORT`, `rfc2217://HOST:PORT` and `hwgrep://REGEX` (pySerial's documentation,
"URL Handlers").
"""

import os
import select
import warnings
from typing import Final

import serial

READ_TIMEOUT_S = 0.1
_WRITE_TIMEOUT_S = 2.0
_MOST_BYTES: Final = 4096
# What pyserial raises where it does not open a port: ValueError for a wrong hwgrep:// option.
OPEN_ERRORS: Final = (serial.SerialException, OSError, ValueError)


def is_url(port: str) -> bool:
    """Whether the port is a URL and no device of this machine's."""
    return "://" in port


def open_serial(port: str, baudrate: int) -> serial.Serial:
    """Open a port for this process alone. Raises one of `OPEN_ERRORS`."""
    # Over RFC 2217 pyserial knows none.
    write_timeout_s = None if port.startswith("rfc2217:") else _WRITE_TIMEOUT_S
    with warnings.catch_warnings():
        # pyserial 3.5 starts its RFC 2217 thread in a way that Python has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        opened: serial.Serial = serial.serial_for_url(
            port,
            baudrate,
            timeout=READ_TIMEOUT_S,
            write_timeout=write_timeout_s,
            # A second reader would take bytes away without a word.
            exclusive=True,
        )
    return opened


def read_some(opened: serial.Serial) -> bytes:
    """What has come, or comes within `READ_TIMEOUT_S`. Raises what `serial.Serial.read` raises."""
    if os.name == "posix" and isinstance(opened, serial.Serial):
        return _read_device(opened.fileno())
    data = bytearray(opened.read(max(1, opened.in_waiting)))
    # Of a socket pyserial only tells that something is there, and reads byte by byte.
    while data and len(data) < _MOST_BYTES and (waiting := opened.in_waiting):
        data += opened.read(waiting)
    return bytes(data)


def _read_device(descriptor: int) -> bytes:
    # pyserial makes seven system calls of these two, for each piece that comes.
    ready, _, _ = select.select([descriptor], [], [], READ_TIMEOUT_S)
    if not ready:
        return b""
    try:
        data = os.read(descriptor, _MOST_BYTES)
    except BlockingIOError:
        return b""
    if not data:
        raise serial.SerialException("the port is ready to be read and has nothing: it is gone")
    return data


def node_of(port: str) -> tuple[int, int] | None:
    """What tells a device that was plugged in anew from the one before; None where it is away."""
    try:
        status = os.lstat(port)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def has_node(port: str) -> bool:
    """Whether the port's file shows if it is there: not of URLs, nor of Windows' COM ports."""
    return os.name == "posix" and not is_url(port)
