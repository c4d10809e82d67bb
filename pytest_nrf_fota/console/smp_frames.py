"""Split a UART that carries both log text and SMP frames into the two.

Framing as in Zephyr's SMP over console: a frame begins with 06 09, continues with 04 14, and ends
with a line feed; what lies between is base64 (Zephyr documentation, SMP transport specification).
"""

from collections.abc import Callable

_STARTS = (b"\x06\x09", b"\x04\x14")
_FIRST_BYTES = frozenset(start[0] for start in _STARTS)
_END = b"\n"
_LONGEST_FRAME_BYTES = 4096


class SmpFrameSplitter:
    """Feeds bytes to two receivers: text for the log, whole frames for the SMP transport.

    Nothing is lost: what looked like a frame and has no end within 4 KiB goes to the log.

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
        while buffer:
            start = _first_start(buffer)
            if start > 0:
                self._on_text(buffer[:start])
                buffer = buffer[start:]
                continue
            if start < 0:
                held_back = 1 if buffer[-1] in _FIRST_BYTES else 0
                if len(buffer) > held_back:
                    self._on_text(buffer[: len(buffer) - held_back])
                buffer = buffer[len(buffer) - held_back :]
                break
            end = buffer.find(_END)
            if end < 0:
                if len(buffer) > _LONGEST_FRAME_BYTES:
                    self._on_text(buffer)
                    buffer = b""
                break
            self._on_frame(buffer[: end + 1])
            buffer = buffer[end + 1 :]
        self._pending = buffer


def _first_start(buffer: bytes) -> int:
    positions = [position for start in _STARTS if (position := buffer.find(start)) >= 0]
    return min(positions, default=-1)
