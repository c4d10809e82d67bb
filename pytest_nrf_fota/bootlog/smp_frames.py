"""Split a UART that carries both log text and SMP frames into the two.

Framing as in Zephyr's SMP over console: a frame begins with 06 09, continues with 04 14, and ends
with a line feed; what lies between is base64 (Zephyr documentation, SMP transport specification).
"""

import re
from collections.abc import Callable

_LONGEST_FRAME_BYTES = 4096
_BASE64 = rb"[A-Za-z0-9+/=]{0,%d}" % _LONGEST_FRAME_BYTES
# Some capture tools write CR LF where the board sent LF.
_FRAME = re.compile(rb"(?:\x06\x09|\x04\x14)%b\r?\n" % _BASE64)
_UNFINISHED_FRAME = re.compile(rb"(?:\x06(?:\x09%b\r?)?|\x04(?:\x14%b\r?)?)\Z" % (_BASE64, _BASE64))


class SmpFrameSplitter:
    """Feeds bytes to two receivers: text for the log, whole frames for the SMP transport.

    Nothing is lost: a frame that something else interrupts (a boot banner, where the board was
    reset while it sent), or that has no end within 4 KiB, goes to the log.

    Args:
        on_text: receives log bytes.
        on_frame: receives one frame with its delimiters, as `smp.packet.decode` wants it.
    """

    def __init__(self, on_text: Callable[[bytes], None], on_frame: Callable[[bytes], None]) -> None:
        self._on_text = on_text
        self._on_frame = on_frame
        self._pending = b""

    def feed(self, data: bytes) -> None:
        """Take bytes as they come from the port."""
        buffer = self._pending + data
        position = 0
        for frame in _FRAME.finditer(buffer):
            self._give_text(buffer[position : frame.start()])
            self._on_frame(frame[0].replace(b"\r", b""))
            position = frame.end()
        unfinished = _UNFINISHED_FRAME.search(buffer, position)
        text_end = unfinished.start() if unfinished else len(buffer)
        self._give_text(buffer[position:text_end])
        self._pending = buffer[text_end:]

    def finish(self) -> None:
        """No more bytes will come: a frame without its end is text."""
        pending, self._pending = self._pending, b""
        self._give_text(pending)

    def _give_text(self, text: bytes) -> None:
        if text:
            self._on_text(text)
