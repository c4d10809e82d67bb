"""Private keys that take several lines: PEM blocks, and dumps in hex.

A key in a dump is known by its bytes, by the line above it, or by how DER of a private key begins
(PKCS #8: RFC 5208 and 5958; SEC 1: RFC 5915; RSA: RFC 8017).
"""

import re
from collections.abc import Sequence

from pytest_nrf_fota.record.hex_rows import HexRow, hex_row, may_go_on_as_row, without_bytes

_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*KEY[A-Z0-9 ]*-----")
_END = "-----END"
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=\-])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9\-])")
# The last line of a block is short; behind what a logger puts before it, it stands alone.
_BASE64_AT_END = re.compile(r"(?:^|(?<=\s))[A-Za-z0-9+/]+={0,2}\s*$")
_HEADING = re.compile(
    r"(?i)\b(?:private|secret|signing|identity|link|pre-?shared|pairing)[ _-]?(?:resolving[ _-]?)?"
    r"key\b|\b(?:long[ _-]?term[ _-]?key|ltk|irk|csrk|psk)\b"
)
_HEADING_SIGNS = ("key", "ltk", "irk", "csrk", "psk")
# Other threads of a board print in between; a block without an end is one that was cut.
_MOST_LINES_BETWEEN = 8
_MOST_BETWEEN_HEADING = 2
_DER = re.compile(
    rb"\x30(?:([\x20-\x7f])|\x81(.)|\x82(..))\x02\x01[\x00\x01](?:\x04[\x20-\x42]|\x30|\x02[\x81\x82])",
    re.DOTALL,
)
_DER_HEAD_BYTES = 9
# So many bytes in a row are no accident.
_WINDOW_BYTES = 6
_LEAST_BEGIN_BYTES = 2
# Beside its name: an address has fewer.
_LEAST_KEY_BYTES = 8


class KeyBlocks:
    """Masks lines that belong to a key. Each line is given once, in order, with or without its end.

    Args:
        keys: bytes of keys that are known.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = keys
        self._pem_lines_left = 0
        self._heading_lines_left = 0
        self._der_bytes_left = 0
        self._before = b""
        self._next: list[tuple[bytes, int]] = []

    def know(self, keys: Sequence[bytes]) -> None:
        """The keys that are known by now."""
        self._keys = keys

    def masked(self, line: str) -> str:
        """The line, of the same length, without what belongs to a key."""
        if self._pem_lines_left:
            return self._in_pem(line)
        row = hex_row(line)
        if row is not None:
            return self._in_dump(line, row)
        if "-----" in line and (found := _BEGIN.search(line)):
            self._pem_lines_left = _MOST_LINES_BETWEEN
            # A block in one line is known by its looks (secrets.py).
            if _END in line[found.end() :]:
                self._pem_lines_left = 0
        elif not line.strip():
            return line
        self._between_dumps(line)
        return line

    def unfinished(self, begun: str) -> int:
        """From which column on an unfinished line may belong to a key."""
        if self._pem_lines_left:
            return 0
        if found := _BEGIN.search(begun):
            return found.end()
        column = may_go_on_as_row(begun)
        return len(begun) if column is None else column

    def _in_pem(self, line: str) -> str:
        body, end, rest = line.partition(_END)
        masked, count = _BASE64.subn(_crosses, body)
        # A block's last line, and a piece of one that is too long.
        masked = _BASE64_AT_END.sub(_crosses, masked)
        if end:
            self._pem_lines_left = 0
        elif count:
            self._pem_lines_left = _MOST_LINES_BETWEEN
        else:
            self._pem_lines_left -= 1
        return masked + end + rest

    def _in_dump(self, line: str, row: HexRow) -> str:
        data, size = row.data, len(row.data)
        masked = self._known_in(data) | self._der_in(data)
        if not row.is_dump:
            self._between_dumps(line)
            named = _HEADING.search(line[: row.columns[0]])
            is_key = named is not None and size >= _LEAST_KEY_BYTES
        else:
            is_key = self._heading_lines_left > 0
        if is_key:
            self._heading_lines_left = _MOST_BETWEEN_HEADING
            masked |= set(range(size))
        self._before = (self._before + data)[-_DER_HEAD_BYTES:]
        return without_bytes(line, row, masked) if masked else line

    def _between_dumps(self, line: str) -> None:
        if self._heading_lines_left:
            self._heading_lines_left -= 1
        lower = line.lower()
        for sign in _HEADING_SIGNS:
            if sign in lower and _HEADING.search(line):
                self._heading_lines_left = _MOST_BETWEEN_HEADING

    def _known_in(self, data: bytes) -> set[int]:
        """Where the bytes are part of a key that is known, whichever row it began in."""
        found: set[int] = set()
        following: list[tuple[bytes, int]] = []
        for key, at in self._next:
            part = key[at : at + len(data)]
            if data.startswith(part):
                found |= set(range(len(part)))
                if at + len(part) < len(key):
                    following.append((key, at + len(part)))
        for key in self._keys:
            found |= _windows(data, key)
            if (reached := _reached(data, key)) is not None:
                at, count = reached
                found |= set(range(len(data) - count, len(data)))
                following.append((key, at))
        self._next = following
        return found

    def _der_in(self, data: bytes) -> set[int]:
        """Where the bytes are part of a private key's DER."""
        if self._der_bytes_left:
            count = min(len(data), self._der_bytes_left)
            self._der_bytes_left -= count
            return set(range(count))
        whole = self._before + data
        begin = _DER.search(whole)
        if begin is None:
            return set()
        length = int.from_bytes(begin[1] or begin[2] or begin[3], "big")
        head = 2 + (begin[2] is not None) + 2 * (begin[3] is not None)
        end = begin.start() + head + length
        self._der_bytes_left = max(0, end - len(whole))
        first = max(0, begin.start() - len(self._before))
        return set(range(first, min(len(data), max(first, end - len(self._before)))))


def may_hold_key(memory: bytes, keys: Sequence[bytes]) -> bool:
    """Whether bytes hold a part of a key that is known, or what looks like one."""
    if _DER.search(memory):
        return True
    return any(
        key[at : at + _WINDOW_BYTES] in memory
        for key in keys
        for at in range(max(1, len(key) - _WINDOW_BYTES + 1))
    )


def _windows(data: bytes, key: bytes) -> set[int]:
    found: set[int] = set()
    for at in range(len(data) - _WINDOW_BYTES + 1):
        if data[at : at + _WINDOW_BYTES] in key:
            found |= set(range(at, at + _WINDOW_BYTES))
    return found


def _reached(data: bytes, key: bytes) -> tuple[int, int] | None:
    """How far into a key a row's end is, and how many of its bytes are in the row."""
    end = data[-_WINDOW_BYTES:]
    if len(end) == _WINDOW_BYTES and (at := key.find(end)) >= 0:
        return (at + _WINDOW_BYTES, _WINDOW_BYTES) if at + _WINDOW_BYTES < len(key) else None
    for count in range(min(len(data), _WINDOW_BYTES), _LEAST_BEGIN_BYTES - 1, -1):
        if key.startswith(data[-count:]):
            return count, count
    return None


def _crosses(found: "re.Match[str]") -> str:
    return re.sub(r"\S", "x", found[0])
