"""A text without secrets, of the same length, although it comes in pieces."""

from pytest_nrf_fota.record.key_blocks import KeyBlocks
from pytest_nrf_fota.record.secrets import Secrets

# A longer line is no line of text.
_MOST_HELD_CHARS = 4096
_CONTEXT_CHARS = 1024


class StreamMasking:
    """Masks what one source says. Text passes at once, but for the end of a line that may be a
    part of a secret: that waits for what follows.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._blocks = KeyBlocks()
        self._line = ""
        self._passed = 0

    def take(self, text: str) -> str:
        """What may be written now."""
        self._blocks.know(self._secrets.keys)
        *complete, begun = (self._line + text).split("\n")
        ready: list[str] = []
        for line in complete:
            ready.append(self._masked(line)[self._passed :] + "\n")
            self._passed = 0
        self._line = begun
        if not begun:
            return "".join(ready)
        until = min(self._blocks.unfinished(begun), self._secrets.unfinished(begun))
        if until > self._passed:
            # Up to there nothing that follows changes anything.
            ready.append(self._secrets.masked_line(begun[:until])[self._passed :])
            self._passed = until
        if len(begun) - self._passed > _MOST_HELD_CHARS:
            ready.append(self.rest())
        elif self._passed > _MOST_HELD_CHARS:
            self._line = begun[self._passed - _CONTEXT_CHARS :]
            self._passed = _CONTEXT_CHARS
        return "".join(ready)

    def rest(self) -> str:
        """What still waits, when nothing more is to be waited for."""
        masked = self._secrets.masked_begin(self._masked(self._line))[self._passed :]
        self._line, self._passed = "", 0
        return masked

    def _masked(self, line: str) -> str:
        return self._secrets.masked_line(self._blocks.masked(line))
