"""Turn the bytes of a UART into lines of text, piece by piece as they arrive."""

import codecs
import re

# ECMA-48: CSI sequences (colours, cursor moves), OSC strings, and two-character escapes. What is
# longer than these limits, or goes on in the next line, is noise on the line and stays text.
_CSI = r"\[[0-?]{0,64}[ -/]{0,8}"
_OSC = r"\][^\x07\x1b\n]{0,240}"
_ESCAPE_SEQUENCE = re.compile(rf"\x1b(?:{_CSI}[@-~]|{_OSC}(?:\x07|\x1b\\)|[@-Z\\^_])")
_UNFINISHED_ESCAPE = re.compile(rf"\x1b(?:{_CSI}|{_OSC}\x1b?)?\Z")


class TextCleaner:
    """Decodes bytes, removes ANSI sequences, and makes every line end `\\n`.

    Carriage returns are dropped, not translated: boards mix `\\r\\n`, `\\n\\r` and `\\n`
    (sdk-nrf bl_validation.c). A sequence that is split over two reads is held back until
    its rest arrives.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held_back = ""

    def clean(self, data: bytes) -> str:
        """The readable text that `data` completes."""
        text = self._held_back + self._decoder.decode(data)
        unfinished = _UNFINISHED_ESCAPE.search(text)
        text_end = unfinished.start() if unfinished else len(text)
        self._held_back = text[text_end:]
        text = _ESCAPE_SEQUENCE.sub("", text[:text_end])
        return text.replace("\r", "").replace("\x00", "")
