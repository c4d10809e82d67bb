"""The ways in which a secret may come out: quoted, escaped, in base64, in hex, as a number."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from urllib.parse import quote
from xml.sax.saxutils import escape

_LEAST_LINE_CHARS = 8
_BASE64_LINE = re.compile(rb"^[A-Za-z0-9+/=]{8,}$", re.MULTILINE)
_PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
# SEC 1, C.4 and RFC 5915: the private number is an octet string of 32 bytes; PKCS #8 and Ed25519
# (RFC 8410) have it in there as well.
_OCTETS_OF_32 = b"\x04\x20"
_NUMBER_BYTES = 32
_SEQUENCE = 0x30


def forms_of_text(value: str) -> Iterator[str]:
    """A text, each of its lines, and what JSON, Python, URLs, XML and base64 make of it."""
    lines = [line.strip() for line in value.splitlines() if not line.startswith("-----")]
    for text in (value.strip(), *lines):
        yield text
        yield json.dumps(text)[1:-1]
        yield repr(text)[1:-1]
        yield quote(text, safe="")
        yield escape(text, {'"': "&quot;"})
        yield base64.b64encode(text.encode()).decode().rstrip("=")


def is_private_key(content: bytes) -> bool:
    """Whether a file's content is a private key: PEM, or DER that can be one."""
    if _PRIVATE.search(content):
        return True
    # DER: a sequence with its length, as long as the file, with such an octet string in it (EC,
    # Ed25519) or the two numbers and more of RSA.
    return content[:1] == bytes([_SEQUENCE]) and (
        _OCTETS_OF_32 in content or content[4:7] == b"\x02\x01\x00"
    )


def forms_of_key(content: bytes) -> tuple[frozenset[str], frozenset[bytes]]:
    """Texts and bytes that give a private key away, from its PEM or DER file."""
    pem_lines = _BASE64_LINE.findall(content) if content[:1] != bytes([_SEQUENCE]) else []
    der = content
    if pem_lines:
        try:
            der = base64.b64decode(b"".join(pem_lines))
        except binascii.Error:
            der = b""
    texts = {line.decode() for line in pem_lines}
    raw: set[bytes] = set()
    secret_parts = [der, *_numbers_in(der)]
    for part in filter(None, secret_parts):
        raw.add(part)
        texts |= {part.hex(), part.hex().upper(), repr(part)[2:-1], _base64_of(part)}
        if len(part) == _NUMBER_BYTES:
            texts.add(str(int.from_bytes(part, "big")))
    return frozenset(text for text in texts if len(text) >= _LEAST_LINE_CHARS), frozenset(raw)


def forms_of_bytes(raw: bytes) -> tuple[frozenset[str], frozenset[bytes]]:
    """Texts and bytes that give a short key away: as it is, and with its lowest byte first."""
    parts = frozenset((raw, raw[::-1]))
    texts = {
        form
        for part in parts
        for form in (part.hex(), part.hex().upper(), repr(part)[2:-1], _base64_of(part))
    }
    return frozenset(
        texts | {one.hex(" ") for one in parts} | {one.hex(":") for one in parts}
    ), parts


def _base64_of(part: bytes) -> str:
    return base64.b64encode(part).decode().rstrip("=")


def _numbers_in(der: bytes) -> Iterator[bytes]:
    at = der.find(_OCTETS_OF_32)
    while at >= 0:
        number = der[at + 2 : at + 2 + _NUMBER_BYTES]
        if len(number) == _NUMBER_BYTES:
            yield number
        at = der.find(_OCTETS_OF_32, at + 1)
