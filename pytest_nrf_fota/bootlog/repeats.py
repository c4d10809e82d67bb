"""Boots that come again word for word, as of a board that crashes in a loop for days."""

import re

# The board's stamps differ from boot to boot; the mask has their length.
_STAMP = re.compile(r"\[\d\d:\d\d:\d\d\.\d{3},\d{3}\] ")
_MASK = "[00:00:00.000,000] "
# So many copies at the end of a block are read line by line: more than are kept as the last boots.
_COPIES_READ = 42


class RepeatedBoots:
    """Counts the copies of a boot that follow in a block, once it came twice in a row.

    A reader that was in the same state at the begin of both would read each copy alike.
    """

    def __init__(self, block: str) -> None:
        self._block = block
        self._masked: str | None = None
        self._start: int | None = None
        self._before: str | None = None

    def copies_to_skip(self, start: int) -> tuple[int, int]:
        """How many copies of the boot that began at `start` need not be read, and their length.

        To be asked at each boot of the block, in order.
        """
        if self._masked is None:
            self._masked = _STAMP.sub(_MASK, self._block)
        began, self._start = self._start, start
        if began is None:
            return 0, 0
        text = self._masked[began:start]
        is_second, self._before = text == self._before, text
        if not is_second:
            return 0, 0
        copies, place = 0, start
        while self._masked.startswith(text, place):
            copies += 1
            place += len(text)
        skipped = copies - _COPIES_READ
        if skipped <= 0:
            return 0, 0
        self._start = start + skipped * len(text)
        return skipped, len(text)
