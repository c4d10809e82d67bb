"""A board that is a process says its last words on a pty."""

import contextlib
import os
import threading
from contextlib import closing

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.providers.pty_pair import PtyPair

LAST_WORDS = b"assertion failed\n"


def _read_until_hang_up(port: int) -> bytes:
    read = b""
    # Linux ends a read that waits at a hang-up, and refuses one that comes later.
    with contextlib.suppress(OSError):
        while chunk := os.read(port, 100):
            read += chunk
    return read


def test_reader_has_the_last_words_before_the_hang_up() -> None:
    with closing(PtyPair()) as uart:
        port = os.open(uart.port, os.O_RDONLY | os.O_NOCTTY)
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append(_read_until_hang_up(port)))
        reader.start()
        os.write(uart.master, LAST_WORDS)
        uart.wait_until_read(Deadline.after(10.0))
        uart.close()
        reader.join()
        os.close(port)
    assert read == [LAST_WORDS]


def test_nobody_who_reads_is_not_waited_for_longer_than_asked() -> None:
    with closing(PtyPair()) as uart:
        os.write(uart.master, LAST_WORDS)
        deadline = Deadline.after(0.2)
        uart.wait_until_read(deadline)
        assert deadline.expired
