"""The lines of a log that was captured in a file."""

from pytest_nrf_fota.bootlog.smp_frames import SmpFrameSplitter
from pytest_nrf_fota.bootlog.text import TextCleaner


class CapturedText:
    """The same lines as on a console, block by block, and their numbers those of the file.

    An empty line stands for each SMP frame, behind the line that it interrupts.
    """

    def __init__(self) -> None:
        self._splitter = SmpFrameSplitter(self._take_text, self._take_frame)
        self._cleaner = TextCleaner()
        self._pieces: list[str] = []
        self._empty_lines_due = 0
        self._is_in_line = False

    @property
    def unreadable_bytes(self) -> int:
        """Bytes so far that were no text."""
        return self._cleaner.unreadable_bytes

    def feed(self, data: bytes) -> str:
        """The lines that `data` completes, each with its `\\n`; may be empty."""
        self._splitter.feed(data)
        text = "".join(self._pieces)
        end = text.rfind("\n") + 1
        self._pieces = [text[end:]]
        return text[:end]

    def finish(self) -> str:
        """The last line, where it has no end."""
        self._splitter.finish()
        self._add(self._cleaner.finish())
        text = "".join(self._pieces)
        return f"{text}\n" if text and not text.endswith("\n") else text

    def _take_text(self, data: bytes) -> None:
        self._add(self._cleaner.clean(data))

    def _add(self, text: str) -> None:
        end = text.find("\n") + 1 if self._empty_lines_due else 0
        if end:
            text = text[:end] + "\n" * self._empty_lines_due + text[end:]
            self._empty_lines_due = 0
        if text:
            self._is_in_line = not text.endswith("\n")
        self._pieces.append(text)

    def _take_frame(self, frame: bytes) -> None:
        if self._is_in_line:
            self._empty_lines_due += 1
        else:
            self._pieces.append("\n")
