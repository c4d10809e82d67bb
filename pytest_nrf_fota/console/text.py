"""Turn the bytes of a UART into lines of text, piece by piece as they arrive."""

import codecs
import re

# ECMA-48: CSI sequences (colours, cursor moves), OSC strings, and two-character escapes.
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
)
_UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?\Z")
_LONGEST_ESCAPE_CHARS = 256


class TextCleaner:
    """Decodes bytes, removes ANSI sequences, and makes every line end `\\n`.

    Carriage returns are dropped, not translated: boards mix `\\r\\n`, `\\n\\r` and `\\n`
    (facts/dual-stage-boot.md, 2.5). A sequence that is split over two reads is held back until
    its rest arrives.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held_back = ""

    def clean(self, data: bytes) -> str:
        """The readable text that `data` completes."""
        text = self._held_back + self._decoder.decode(data)
        unfinished = _UNFINISHED_ESCAPE.search(text)
        if unfinished and len(text) - unfinished.start() <= _LONGEST_ESCAPE_CHARS:
            self._held_back = text[unfinished.start() :]
            text = text[: unfinished.start()]
        else:
            self._held_back = ""
        text = _ESCAPE_SEQUENCE.sub("", text)
        return text.replace("\r", "").replace("\x00", "")
