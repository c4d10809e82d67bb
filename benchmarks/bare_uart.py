"""The least that an upload with one request at a time takes on a UART: prepared frames alone."""

import os
import select
import time
import tty

from smp import packet
from smpclient.requests.image_management import ImageErase

from pytest_nrf_fota.smp.upload.frames import ImageFile

LINE_LENGTH_BYTES = 128
ANSWER_BEGINS = b"\x06\x09"


class BareUart:
    """A port, written and read without any library.

    Args:
        port: its name.
        within_s: how long an answer may take; later is a `TimeoutError`.
    """

    def __init__(self, port: str, within_s: float = 5.0) -> None:
        self._port = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._port)
        self._within_s = within_s
        self._rest = b""

    def close(self) -> None:
        """Close the port."""
        os.close(self._port)

    def upload(self, image: bytes, message_bytes: int) -> float:
        """Seconds of an upload in requests of this length."""
        requests, offset_bytes = [], 0
        while offset_bytes < len(image):
            frame = ImageFile(image, 0).frame(offset_bytes, message_bytes)
            requests.append(_lines_of(frame.message))
            offset_bytes = frame.end_bytes
        begun_s = time.monotonic()
        for request in requests:
            self._ask(request)
        return time.monotonic() - begun_s

    def erase(self) -> None:
        """Erase the secondary slot."""
        self._ask(_lines_of(ImageErase(slot=1).BYTES))

    def _ask(self, request: bytes) -> None:
        os.write(self._port, request)
        answer = b""
        while ANSWER_BEGINS not in answer:
            # The log shares the port.
            while b"\n" not in self._rest:
                if not select.select([self._port], [], [], self._within_s)[0]:
                    raise TimeoutError("no answer")
                self._rest += os.read(self._port, 4096)
            answer, self._rest = self._rest.split(b"\n", 1)


def _lines_of(message: bytes) -> bytes:
    return b"".join(packet.encode(message, line_length=LINE_LENGTH_BYTES))
