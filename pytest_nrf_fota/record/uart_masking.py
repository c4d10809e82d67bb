"""A UART's bytes without secrets, of the same length, although they come in pieces."""

from pytest_nrf_fota.record.key_blocks import KeyBlocks
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.record.stream_masking import StreamMasking

# Each byte is a character of it, and each character a byte.
_ENCODING = "latin-1"


class UartMasking:
    """Masks the bytes of one port, and the lines that were made of them."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._text = StreamMasking(secrets)
        self._blocks = KeyBlocks()

    def take(self, data: bytes) -> bytes:
        """What may be written now."""
        return self._without_raw(self._text.take(data.decode(_ENCODING)).encode(_ENCODING))

    def rest(self) -> bytes:
        """What still waits, when there is nothing more to come."""
        return self._without_raw(self._text.rest().encode(_ENCODING))

    def line(self, text: str) -> str:
        """A line of the port without what belongs to a key of several lines.

        What is in the line alone is masked by whoever writes it.
        """
        self._blocks.know(self._secrets.keys)
        return self._blocks.masked(text)

    def _without_raw(self, data: bytes) -> bytes:
        return self._secrets.without_raw(data)
