"""A UART's bytes without secrets, of the same length, although they come in pieces."""

from pytest_nrf_fota.record.secrets import Secrets

# A longer line is no line of text.
_MOST_HELD_BYTES = 1024


class UartMasking:
    """Masks what one port says. Bytes pass at once, except for a line that may hold a secret.

    Such a line waits for its end, so that a passkey cut in two is seen as one.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._line = b""
        self._passed = 0

    def take(self, data: bytes) -> bytes:
        """What may be written now."""
        text = self._line + data
        end = text.rfind(b"\n") + 1
        unfinished = text[end:]
        waits = len(unfinished) <= _MOST_HELD_BYTES and self._secrets.may_go_on_in(
            unfinished.decode("latin-1")
        )
        ready = self._secrets.masked_bytes(text[:end] if waits else text)[self._passed :]
        passed = len(unfinished) if not waits else 0 if end else self._passed
        self._line = unfinished[-_MOST_HELD_BYTES:]
        self._passed = max(0, passed - (len(unfinished) - len(self._line)))
        return ready

    def rest(self) -> bytes:
        """What still waits, when there is nothing more to come."""
        masked = self._secrets.masked_bytes(self._line)[self._passed :]
        self._line, self._passed = b"", 0
        return masked
