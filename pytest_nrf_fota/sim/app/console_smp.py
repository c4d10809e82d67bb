"""SMP over the UART that is also the shell's: Zephyr's shell transport.

The bytes of a frame never reach the shell. Zephyr's shell_uart.c shows each received byte to
`smp_shell_rx_bytes` before it is kept, so frames do not take room in the shell's receive ring of
64 bytes; each line goes into a buffer of its own, of 127 bytes (SMP_SHELL_RX_BUF_SIZE in
smp_shell.h). Hence a line of 127 bytes passes, and a longer one loses its end and with it the
message.

The board has few such line buffers (2 by default), which its shell thread empties. At 115200 baud
a line takes 11 ms and the reading thread keeps up; a pty has no baud rate, so here it always
keeps up: the number of lines in a message is not limited (inferred; the number is only seen on
QEMU).

Zephyr's optional time limit for a frame (MCUMGR_TRANSPORT_SHELL_INPUT_TIMEOUT) is off by default
and not modelled: what is typed after a frame without its line feed belongs to the frame.
"""

import base64
import binascii

from smp import packet as smp_packet

LONGEST_LINE_BYTES = 127
"""Delimiters and line feed included (SMP_SHELL_RX_BUF_SIZE in Zephyr's smp_shell.h)."""

ANSWER_LINE_LENGTH = 128
"""What smp.packet.encode must be told to fill lines of 127 bytes, as Zephyr's serial_util.c."""

_DELIMITERS = (smp_packet.START_DELIMITER, smp_packet.CONTINUE_DELIMITER)
_LINE_FEED = smp_packet.END_DELIMITER[0]


class SmpLineTap:
    """Takes the lines of SMP frames out of what arrives on the UART.

    Like Zephyr's, it remembers a single first delimiter byte: the second one completes it, whatever
    was typed between.
    """

    def __init__(self) -> None:
        self._first_byte: int | None = None
        self._line: bytearray | None = None

    def divide(self, data: bytes) -> tuple[bytes, list[bytes]]:
        """What is left for the shell, and the lines that are complete, line feed included.

        A line that is longer than its buffer comes cut, without the line feed.
        """
        shell_bytes = bytearray()
        lines: list[bytes] = []
        for byte in data:
            if self._line is not None:
                if len(self._line) < LONGEST_LINE_BYTES:
                    self._line.append(byte)
                if byte == _LINE_FEED:
                    lines.append(bytes(self._line))
                    self._line = self._first_byte = None
            elif self._first_byte is not None:
                if bytes((self._first_byte, byte)) in _DELIMITERS:
                    self._line = bytearray((self._first_byte, byte))
                else:
                    shell_bytes.append(byte)
            elif any(byte == delimiter[0] for delimiter in _DELIMITERS):
                self._first_byte = byte
            else:
                shell_bytes.append(byte)
        return bytes(shell_bytes), lines


class SerialFrameAssembler:
    """Puts the lines of one message together.

    A line that does not decode, a continuation without a beginning, a wrong CRC and a message
    that does not fit into the server's buffer end the message without a word (serial_util.c).
    """

    def __init__(self, buffer_size_bytes: int) -> None:
        self._buffer_size_bytes = buffer_size_bytes
        self._pending: bytearray | None = None

    @property
    def is_empty(self) -> bool:
        """No message is under way, so that the next line needs a buffer."""
        return self._pending is None

    def clear(self) -> None:
        """Give up the message under way."""
        self._pending = None

    def feed(self, line: bytes) -> bytes | None:
        """Take one line; returns the message that it completes."""
        data = _decode_line(line)
        if line.startswith(smp_packet.START_DELIMITER):
            self._pending = bytearray()
        if self._pending is None:
            return None
        if data is None:
            self._pending = None
            return None
        self._pending += data
        if len(self._pending) > self._buffer_size_bytes:
            self._pending = None
            return None
        prefix_bytes = smp_packet.FRAME_LENGTH_STRUCT.size
        if len(self._pending) < prefix_bytes:
            return None
        (length_bytes,) = smp_packet.FRAME_LENGTH_STRUCT.unpack_from(self._pending)
        if len(self._pending) - prefix_bytes < length_bytes:
            return None
        body, self._pending = bytes(self._pending[prefix_bytes:]), None
        if len(body) != length_bytes or length_bytes < smp_packet.CRC16_STRUCT.size:
            return None
        # The CRC of a message with its own CRC behind it is 0.
        if smp_packet.crc16_func(body) != 0:
            return None
        return body[: -smp_packet.CRC16_STRUCT.size]


def encode_answer(message: bytes) -> bytes:
    """An SMP message as the lines that the board writes."""
    return b"".join(smp_packet.encode(message, line_length=ANSWER_LINE_LENGTH))


def _decode_line(line: bytes) -> bytes | None:
    if not line.endswith(smp_packet.END_DELIMITER):
        return None
    text = line[smp_packet.DELIMITER_SIZE : -len(smp_packet.END_DELIMITER)]
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
