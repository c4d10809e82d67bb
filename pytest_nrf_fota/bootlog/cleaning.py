"""Turn the bytes of a log file into text with one kind of line end, block by block."""

import re

# ECMA-48 sequences, with limits: what is longer is noise on the line and stays text.
_ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b\n]{0,240}(?:\x07|\x1b\\)|[@-Z\\^_])"
)
# SMP over console (Zephyr documentation, SMP transport): 06 09 begins, 04 14 continues a frame.
_FRAME = rb"(?:\x06\t|\x04\x14)[A-Za-z0-9+/=]{0,4096}"
_FRAME_LINE = re.compile(rb"^%b$" % _FRAME, re.MULTILINE)
_FRAME_IN_LINE = re.compile(rb"%b\n([^\n]*\n?)" % _FRAME)
_LONE_CARRIAGE_RETURN = re.compile(rb"\r+\n|\n\r|\r")
_UNREADABLE = bytes([*range(8), *range(14, 27), *range(28, 32), 127])
_LONGEST_LINE_BYTES = 16 * 1024
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class LogCleaner:
    """Removes what is no text of the board; line numbers stay those of the file.

    ANSI sequences, NUL and BEL go, so that also UTF-16 without other than ASCII text is readable.
    SMP console frames go and are counted in `smp_frames`; one that interrupts a line leaves the
    line whole. CR LF, LF CR, CR CR LF and a lone CR end a line. A line that has no end within
    16 KiB is cut there, so memory is bounded whatever comes.
    """

    def __init__(self) -> None:
        self.smp_frames = 0
        self.unreadable_bytes = 0
        self._rest = b""
        self._last_was_line_feed = False
        self._at_start = True

    def feed(self, data: bytes) -> str:
        """The complete lines that `data` makes up, each with its `\\n`; may be empty."""
        if b"\0" in data:
            data = data.replace(b"\0", b"")
        data = self._rest + data
        if self._at_start and len(data) >= 3:
            self._at_start = False
            for mark in _BYTE_ORDER_MARKS:
                data = data.removeprefix(mark)
        if self._last_was_line_feed and data:
            data = data.removeprefix(b"\r")
            self._last_was_line_feed = False
        whole = data.rstrip(b"\r")
        end = max(whole.rfind(b"\n"), whole.rfind(b"\r")) + 1
        if not end and len(data) > _LONGEST_LINE_BYTES:
            self._rest = b""
            return self._clean(whole) + "\n"
        end = self._before_open_frame(data, end)
        self._rest = data[end:]
        if not end:
            return ""
        # The rest of a CR LF pair may still be to come; an LF CR pair is over with its LF.
        self._last_was_line_feed = data[end - 1 : end] == b"\n" and not self._rest
        return self._clean(data[:end])

    def finish(self) -> str:
        """The last line, where it has no end."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        return self._clean(rest + b"\n") if rest else ""

    def _before_open_frame(self, data: bytes, end: int) -> int:
        """Keep the last line back where a frame interrupts it: its rest comes in the next block."""
        last_line = data.rfind(b"\n", 0, end - 1) + 1
        frame = max(data.rfind(b"\x06\t", last_line, end), data.rfind(b"\x04\x14", last_line, end))
        if frame <= last_line or end - last_line > _LONGEST_LINE_BYTES:
            return end
        return last_line

    def _clean(self, data: bytes) -> str:
        if b"\x1b" in data:
            data = _ESCAPE.sub(b"", data)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
            if b"\r" in data:
                data = _LONE_CARRIAGE_RETURN.sub(b"\n", data)
        if b"\x06\t" in data or b"\x04\x14" in data:
            data = self._without_frames(data)
        readable = data.translate(None, _UNREADABLE)
        self.unreadable_bytes += len(data) - len(readable)
        text = readable.decode("utf-8", "replace")
        if not text.isascii():
            self.unreadable_bytes += text.count("\ufffd")
        return text

    def _without_frames(self, data: bytes) -> bytes:
        data, lines = _FRAME_LINE.subn(b"", data)
        # What follows a frame goes on with the line that it interrupted.
        data, inside = _FRAME_IN_LINE.subn(_join, data)
        self.smp_frames += lines + inside
        return data


def _join(frame: re.Match[bytes]) -> bytes:
    return frame[1] + b"\n" if frame[1].endswith(b"\n") else frame[1]
