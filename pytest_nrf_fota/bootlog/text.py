"""Turn the bytes of a UART into text, piece by piece, live and from a file alike."""

import codecs
import re
from itertools import pairwise

# ECMA-48: CSI sequences (colours, cursor moves), OSC strings, and two-character escapes. What is
# longer than these limits, or goes on in the next line, is noise on the line and stays text.
_CSI = rb"\[[0-?]{0,64}[ -/]{0,8}"
_OSC = rb"\][^\x07\x1b\n]{0,240}"
_ESCAPE = re.compile(rb"\x1b(?:%b[@-~]|%b(?:\x07|\x1b\\)|[@-Z\\^_])" % (_CSI, _OSC))
_UNFINISHED_ESCAPE = re.compile(rb"\x1b(?:%b|%b\x1b?)?\Z" % (_CSI, _OSC))
_LINE_END = re.compile(rb"\r*\n\r?|\r")
_UNREADABLE = bytes([*range(8), *range(14, 27), *range(28, 32), 127])
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
LONGEST_LINE_CHARS = 16 * 1024


class TextCleaner:
    """Decodes bytes, removes what is no text, and makes every line end `\\n`.

    ANSI sequences and control characters go; so do NULs, which also makes UTF-16 with nothing but
    ASCII text readable. CR LF, LF CR, CR CR LF and a single CR end a line. A line that has no end
    within 16 KiB is cut there, so memory is bounded whatever comes. What is split over two reads is
    held back until its rest arrives: the same bytes give the same text, wherever they are cut.
    """

    def __init__(self) -> None:
        self.unreadable_bytes = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held_back = b""
        self._returns = b""
        self._ended_line = False
        self._at_start = True
        self._line_chars = 0

    def clean(self, data: bytes) -> str:
        """The readable text that `data` completes."""
        data = self._held_back + data.replace(b"\0", b"")
        if self._at_start:
            if any(data != mark and mark.startswith(data) for mark in _BYTE_ORDER_MARKS):
                self._held_back = data
                return ""
            self._at_start = False
            # One: what follows it is text, whatever it looks like.
            mark = next((mark for mark in _BYTE_ORDER_MARKS if data.startswith(mark)), b"")
            data = data.removeprefix(mark)
        unfinished = _UNFINISHED_ESCAPE.search(data)
        end = unfinished.start() if unfinished else len(data)
        self._held_back = data[end:]
        return self._decode(self._with_line_feeds(_ESCAPE.sub(b"", data[:end])))

    def finish(self) -> str:
        """What was held back; nothing may be cleaned afterwards."""
        held_back, self._held_back = self._held_back, b""
        return self._decode(self._with_line_feeds(held_back), final=True)

    def _with_line_feeds(self, data: bytes) -> bytes:
        """All line ends as LF; a CR at the end waits, because LF may follow it."""
        data = self._returns + data
        text = data.rstrip(b"\r")
        self._returns = data[len(text) :]
        if not text:
            return b""
        if self._ended_line:
            text = text.removeprefix(b"\r")
        self._ended_line = text.endswith(b"\n")
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        return _LINE_END.sub(b"\n", text) if b"\r" in text else text

    def _decode(self, data: bytes, *, final: bool = False) -> str:
        readable = data.translate(None, _UNREADABLE)
        text = self._decoder.decode(readable, final)
        self.unreadable_bytes += len(data) - len(readable)
        if not text.isascii():
            self.unreadable_bytes += text.count("\ufffd")
        return self._with_short_lines(text)

    def _with_short_lines(self, text: str) -> str:
        before = self._line_chars
        lines = text.split("\n")
        pieces: list[str] = []
        for line in lines:
            self._line_chars = before + len(line)
            if self._line_chars > LONGEST_LINE_CHARS:
                first = LONGEST_LINE_CHARS - before
                places = [0, *range(first, len(line), LONGEST_LINE_CHARS), len(line)]
                pieces += [line[i:j] for i, j in pairwise(places)]
                self._line_chars = len(pieces[-1])
            else:
                pieces.append(line)
            before = 0
        return text if len(pieces) == len(lines) else "\n".join(pieces)
