"""CBOR as Zephyr's SMP server reads and writes it (zcbor, and mcumgr's zcbor_bulk.c).

Not a general codec: cbor2 accepts what a board refuses (texts of indefinite length, keys that come
twice), refuses what a board takes (a text that is no UTF-8), and writes maps another way.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TypeAlias

import cbor2

Value: TypeAlias = "int | bool | str | bytes | Text | dict[str, Value] | list[Value]"

_INDEFINITE = 31
_BREAK = 0xFF
_FALSE, _TRUE = 0xF4, 0xF5
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
# A size_t and a uint32_t of the board: a longer encoding is refused, whatever its value.
_LONGEST_INTEGER_BYTES = 4


class _Type(IntEnum):
    """CBOR's major types (RFC 8949, 3.1)."""

    UNSIGNED = 0
    NEGATIVE = 1
    BYTES = 2
    TEXT = 3
    LIST = 4
    MAP = 5
    TAG = 6
    SIMPLE = 7


class DecodeError(ValueError):
    """The body is not what the command's decoder takes: the server answers MGMT_ERR_EINVAL."""


class Text(bytes):
    """A text as its bytes, which nobody has checked to be UTF-8."""


class Reader:
    """Reads one body from its beginning. Every method raises `DecodeError`."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._position = 0

    def unsigned(self) -> int:
        """An integer that fits in 32 bits (zcbor_uint32_decode, zcbor_size_decode)."""
        if self._peek() & 0x1F == 27:
            raise DecodeError(f"an integer of more than {_LONGEST_INTEGER_BYTES} bytes")
        return self._definite(_Type.UNSIGNED)

    def boolean(self) -> bool:
        """True or false; numbers are neither (zcbor_bool_decode)."""
        first = self._take(1)[0]
        if first not in (_FALSE, _TRUE):
            raise DecodeError("not a truth value")
        return first == _TRUE

    def byte_string(self) -> bytes:
        """Bytes of definite length (zcbor_bstr_decode)."""
        return self._take(self._definite(_Type.BYTES))

    def text(self) -> Text:
        """A text of definite length (zcbor_tstr_decode)."""
        return Text(self._take(self._definite(_Type.TEXT)))

    def texts(self) -> list[Text]:
        """A list of texts."""
        major, items = self._head()
        if major != _Type.LIST:
            raise DecodeError("no list")
        found: list[Text] = []
        while not self._container_ends(None if items is None else items - len(found)):
            found.append(self.text())
        return found

    def fields(self, wanted: Mapping[str, Callable[["Reader"], object]]) -> dict[str, object]:
        """The values of a map's known keys, each read by its own method; others are skipped.

        zcbor_map_decode_bulk(): any known key may be missing, none may come twice, and what stands
        behind the map does not count.
        """
        major, items = self._head()
        if major != _Type.MAP:
            raise DecodeError("no map")
        found: dict[str, object] = {}
        while not self._container_ends(items):
            name = self.text().decode("utf-8", "replace")
            if name in found:
                raise DecodeError(f"{name} comes twice")
            if name in wanted:
                found[name] = wanted[name](self)
            else:
                self._skip()
            items = None if items is None else items - 1
        return found

    def _container_ends(self, left: int | None) -> bool:
        if left is not None:
            return left == 0
        if self._peek() != _BREAK:
            return False
        self._position += 1
        return True

    def _skip(self) -> None:
        # What is left to read of each open container, None until its break comes.
        open_containers: list[int | None] = [1]
        while open_containers:
            left = open_containers[-1]
            if left == 0 or (left is None and self._container_ends(None)):
                open_containers.pop()
                continue
            if left is not None:
                open_containers[-1] = left - 1
            major, argument = self._head()
            match major:
                case _Type.LIST:
                    open_containers.append(argument)
                case _Type.MAP:
                    open_containers.append(None if argument is None else 2 * argument)
                case _ if argument is None:
                    raise DecodeError("neither list nor map, and of indefinite length")
                case _Type.BYTES | _Type.TEXT:
                    self._take(argument)
                case _Type.TAG:
                    open_containers.append(1)
                case _:
                    pass

    def _definite(self, expected: _Type) -> int:
        major, argument = self._head()
        if major != expected or argument is None:
            raise DecodeError(f"not {expected.name}, or of indefinite length")
        return argument

    def _head(self) -> tuple[int, int | None]:
        """Type and argument of the next item; None for an indefinite length."""
        first = self._take(1)[0]
        major, additional = first >> 5, first & 0x1F
        if additional < min(_ARGUMENT_BYTES):
            return major, additional
        if additional == _INDEFINITE:
            return major, None
        if additional not in _ARGUMENT_BYTES:
            raise DecodeError("a reserved length")
        return major, int.from_bytes(self._take(_ARGUMENT_BYTES[additional]), "big")

    def _peek(self) -> int:
        if self._position >= len(self._body):
            raise DecodeError("the body ends too soon")
        return self._body[self._position]

    def _take(self, size_bytes: int) -> bytes:
        end = self._position + size_bytes
        if end > len(self._body):
            raise DecodeError("the body ends too soon")
        taken, self._position = self._body[self._position : end], end
        return taken


def encode(value: Value) -> bytes:
    """One value; maps and lists are of indefinite length, as zcbor writes them (`bf ... ff`)."""
    match value:
        case dict():
            pairs = (cbor2.dumps(key) + encode(item) for key, item in value.items())
            return b"\xbf" + b"".join(pairs) + b"\xff"
        case list():
            return b"\x9f" + b"".join(encode(item) for item in value) + b"\xff"
        case Text():
            # The head of a byte string of the same length, but of the type text.
            head = cbor2.dumps(bytes(value))[: -len(value) or None]
            return bytes([head[0] ^ (_Type.BYTES ^ _Type.TEXT) << 5]) + head[1:] + value
        case _:
            return cbor2.dumps(value)
