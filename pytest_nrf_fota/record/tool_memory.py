"""Memory in what a probe's tool wrote or printed, as bytes; fast enough for all of a flash."""

import re
from array import array

_HEX_FIELD = re.compile(r'"memory_hex":\s*"([0-9A-Fa-f]+)"')
# `nrfjprog --memrd`.
_WORDS = re.compile(r"^\s*0x[0-9A-Fa-f]{8}: ((?:[0-9A-Fa-f]{8} ?)+)", re.MULTILINE)
_DATA = re.compile(r"^:[0-9A-Fa-f]{6}00([0-9A-Fa-f]*)[0-9A-Fa-f]{2}\s*$", re.MULTILINE)
_WORD_BYTES = "I"


def memory_in(content: bytes) -> bytes:
    """The bytes of a hex file, of words that were printed, or of an answer in JSON, one row behind
    the other; of anything else the content itself.
    """
    start = content[:64].lstrip()
    text = content.decode("latin-1")
    if start.startswith(b":"):
        return _bytes_of("".join(_DATA.findall(text))) or content
    if start.startswith(b"0x") and (rows := _WORDS.findall(text)):
        words = array(_WORD_BYTES, _bytes_of("".join(rows).replace(" ", "")))
        words.byteswap()
        return words.tobytes()
    if b'"memory_hex"' in content:
        return b"".join(_bytes_of(digits) for digits in _HEX_FIELD.findall(text)) or content
    return content


def _bytes_of(digits: str) -> bytes:
    return bytes.fromhex(digits) if len(digits) % 2 == 0 else b""
