"""What must not be written down: it is masked where events, logs and reports leave this process.

Two kinds. Values that are known: those of the environment whose names say so, key files that were
given, a fixed passkey. And what is known by its looks: PEM blocks of private keys, passkeys beside
that word, pairing keys and passwords behind their names, passwords in URLs.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pytest_nrf_fota.bounded_regex import BoundedRegex
from pytest_nrf_fota.record.hex_rows import may_hold_rows
from pytest_nrf_fota.record.key_blocks import KeyBlocks, may_hold_key
from pytest_nrf_fota.record.secret_forms import (
    forms_of_bytes,
    forms_of_key,
    forms_of_text,
    is_private_key,
)
from pytest_nrf_fota.record.stored_bonds import bond_keys_in
from pytest_nrf_fota.record.tool_memory import memory_in

_Kind = TypeVar("_Kind", str, bytes)

_NAMES = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|PASSKEY|CREDENTIAL|KEY|(?:^|_)(?:PASS|PAT|PIN|AUTH)(?:_|$)",
    re.IGNORECASE,
)
# Values of such variables that are no secret, and would be masked all over a log.
_HARMLESS = frozenset(
    ("enabled", "disabled", "default", "required", "optional", "always", "system", "anonymous")
)
_LEAST_CHARS = 6
_LEAST_HALF_CHARS = 4
_LARGEST_KEY_FILE_BYTES = 64 * 1024
_MASK = "********"
_LINE_LIMIT_S = 0.2
# What stands for a passkey: six digits, so that whoever reads the line still finds some.
_NO_PASSKEY = "000000"

# Cut blocks have no end, and are not masked beyond what can be a key.
_PEM = re.compile(
    r"(-----BEGIN [A-Z0-9 ]*KEY[A-Z0-9 ]*-----)"
    r"(?:(.{0,16000}?)(?=-----END)|((?:[A-Za-z0-9+/=]{16,}|\\+[nr]|\s)*))",
    re.DOTALL,
)
_PASSKEY = re.compile(r"(?i)(passkey\b[^\n]*?)(?<!\d)(\d{6})(?!\d)")
_NAME = (
    r"(?i)((?<![a-z])(?:ltk|irk|csrk|stk|link[ _-]?key|private[ _-]?key|secret|token|password"
    r"|long[ _-]?term[ _-]?key|identity[ _-]?resolving[ _-]?key)\b"
    r"[\"']?\s*[:=]\s*[\"']?(?:0x)?)"
)
_NAMED_KEY = re.compile(_NAME + r"([^\s\"',;]{4,})")
_URL = re.compile(r"(://[^/\s:@]+:)([^/\s@]+)(?=@)")
# The same, begun: what stands in the group may be a part of it, and is at the end.
_UNFINISHED = (
    re.compile(r"(?i)passkey\b[^\n]*?(?<!\d)(?P<part>\d{1,6}$)"),
    re.compile(_NAME + r"(?P<part>[^\s\"',;]+)$"),
    re.compile(r"://[^/\s:@]+:(?P<part>[^/\s@]+)$"),
)
_LAST_DIGITS = re.compile(r"(?<![\w.])\d{1,6}$")
_SIX_DIGITS = re.compile(r"(?<!\d)(?:\d{6}(?!\d)|\d{1,6}$)")
# A text without any of these holds none of the above; looking for words is much cheaper.
_SIGNS = ("key", "ltk", "irk", "csrk", "stk", "secret", "token", "password", "://")


class Secrets:
    """Knows what is secret, and masks it. Made once, then used from any thread."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: tuple[str, ...] = ()
        self._bytes: tuple[bytes, ...] = ()
        self._numbers: tuple[re.Pattern[str], ...] = ()
        self._passkeys: tuple[str, ...] = ()
        self._lines: tuple[BoundedRegex, ...] = ()
        self._starts: dict[str, tuple[str, ...]] = {}
        self.keys: tuple[bytes, ...] = ()
        """Bytes of keys that are known."""
        self._signs: tuple[str, ...] = _SIGNS
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Mask a text from now on, however it is quoted; short and harmless ones are left."""
        self._add_texts(
            form
            for form in forms_of_text(value)
            if len(form) >= _LEAST_CHARS and form.lower() not in _HARMLESS
        )

    def add_key_file(self, path: Path) -> None:
        """Mask a private key, PEM or DER; a file that is none, or cannot be read, is left."""
        try:
            with path.open("rb") as stream:
                content = stream.read(_LARGEST_KEY_FILE_BYTES + 1)
        except OSError:
            return
        if len(content) <= _LARGEST_KEY_FILE_BYTES and is_private_key(content):
            texts, raw = forms_of_key(content)
            self._add_texts(texts)
            self._add_raw(raw)

    def add_bytes(self, raw: bytes) -> None:
        """Mask a key of a pairing, in whichever way its bytes are written."""
        texts, parts = forms_of_bytes(raw)
        self._add_texts(texts)
        self._add_raw(parts)

    def know_bonds_in(self, memory: bytes) -> None:
        """Mask the keys of bonds in memory that was read, also of those that others made."""
        for key in bond_keys_in(memory):
            self.add_bytes(key)

    def add_passkey(self, passkey: str) -> None:
        """Mask a board's passkey: six digits that are always the same, wherever they stand alone,
        or the group `passkey` in lines that match a regular expression, as board files have them.
        """
        if passkey.isdigit():
            if passkey in self._passkeys:
                return
            self._passkeys = (*self._passkeys, passkey)
            self._numbers = (*self._numbers, re.compile(rf"(?<![\w.]){passkey}(?!\w)"))
            self._signs = (*self._signs, passkey)
            return
        self._add_passkey_line(passkey)

    def _add_passkey_line(self, pattern: str) -> None:
        compiled = BoundedRegex(pattern, limit_s=_LINE_LIMIT_S)
        words = re.findall(r"[a-z]{3,}", re.sub(r"\(\?P<passkey>", "", pattern).lower())
        self._lines = (*self._lines, compiled)
        # Without a word to go by, each line is looked at.
        self._signs = (*self._signs, max(words, key=len, default=""))

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth while to look closer. Never False where there is a secret, but for
        a dump in hex.
        """
        # Loops and not any(): this is asked of every line that a board prints.
        lower = text.lower()
        for sign in self._signs:
            if sign in lower:
                return True
        for value in self._values:  # noqa: SIM110
            if value in text:
                return True
        return False

    def masked(self, text: str) -> str:
        """The text without secrets."""
        if self.may_be_in(text) or may_hold_rows(text):
            return self._masked(text, _MASK)
        return text

    def masked_report(self, text: str) -> str:
        """A text for people, in which pytest may have cut values in the middle (`...`)."""
        text = self.masked(text)
        return self._without_halves(text) if "..." in text else text

    def masked_bytes(self, content: bytes) -> bytes:
        """The same number of bytes without secrets. Memory that a tool has read may hold bonds of
        which nobody knew: they are known from now on.
        """
        memory = memory_in(content)
        self.know_bonds_in(memory)
        content = self.without_raw(content)
        text = content.decode("latin-1")
        # Of all of a flash each row is looked at only where there is something.
        has_rows = may_hold_rows(text) if memory is content else may_hold_key(memory, self.keys)
        if has_rows:
            return self._masked(text, None).encode("latin-1")
        if self.may_be_in(text):
            return self._without_texts(text, None).encode("latin-1")
        return content

    def without_raw(self, content: bytes) -> bytes:
        """The same number of bytes without a key's bytes as they are."""
        for raw in self._bytes:
            if raw in content:
                content = content.replace(raw, b"*" * len(raw))
        return content

    def masked_digits(self, digits: str) -> str:
        """Bytes in hex, of which a key's become zeros."""
        for raw in self._bytes:
            digits = digits.replace(raw.hex(), "00" * len(raw))
        return digits

    def masked_line(self, line: str) -> str:
        """A line of the same length without the secrets that are in it alone."""
        return self._without_texts(line, None) if self.may_be_in(line) else line

    def masked_begin(self, text: str) -> str:
        """A text of the same length without a known value's begin at its end."""
        at = self._begin_of_value(text)
        return text[:at] + "*" * (len(text) - at)

    def unfinished(self, begun: str) -> int:
        """From which column on an unfinished line may turn out to hold a secret."""
        column = self._begin_of_value(begun)
        if (digits := _LAST_DIGITS.search(begun)) and any(
            passkey.startswith(digits[0]) for passkey in self._passkeys
        ):
            column = min(column, digits.start())
        lower = begun.lower()
        if self._lines and (number := _SIX_DIGITS.search(begun)):
            column = min(column, number.start())
        if any(sign in lower for sign in self._signs):
            for looks in _UNFINISHED:
                for found in looks.finditer(begun):
                    column = min(column, found.start("part"))
        return column

    def _begin_of_value(self, text: str) -> int:
        column = len(text)
        for start, values in self._starts.items():
            at = text.find(start)
            while 0 <= at < column:
                if any(value.startswith(text[at:]) for value in values):
                    column = at
                at = text.find(start, at + 1)
        return column

    def _add_texts(self, texts: Iterable[str]) -> None:
        self._values = _longest_first({*self._values, *texts})
        starts: dict[str, tuple[str, ...]] = {}
        for value in self._values:
            start = value[:_LEAST_HALF_CHARS]
            starts[start] = (*starts.get(start, ()), value)
        self._starts = starts

    def _add_raw(self, raw: Iterable[bytes]) -> None:
        self._bytes = _longest_first({*self._bytes, *raw})
        # Of a file that holds a key most is known to everybody.
        self.keys = tuple(
            one for one in self._bytes if not any(o in one for o in self._bytes if o != one)
        )

    def without_values(self, text: str) -> str:
        """A file of any format without values that are known; its markup stays whole."""
        return self._without_values(text, _MASK)

    def _without_values(self, text: str, mask: str | None) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, "*" * len(value) if mask is None else mask)
        return text

    def _masked(self, text: str, mask: str | None) -> str:
        blocks = KeyBlocks(self.keys)
        text = "\n".join([blocks.masked(line) for line in text.split("\n")])
        return self._without_texts(text, mask)

    def _without_texts(self, text: str, mask: str | None) -> str:
        text = self._without_values(text, mask)
        for number in self._numbers:
            text = number.sub(_NO_PASSKEY, text)
        for line in self._lines:
            text = "\n".join(_without_passkey(line, part) for part in text.split("\n"))
        return masked_by_looks(text)

    def _without_halves(self, text: str) -> str:
        pieces = text.split("...")
        for at in range(len(pieces) - 1):
            pieces[at] = self._without_begin(pieces[at])
            pieces[at + 1] = self._without_end(pieces[at + 1])
        return "...".join(pieces)

    def _without_begin(self, text: str) -> str:
        """Without a secret's begin at the end of the text."""
        for value in self._values:
            # Most texts end in nothing of it; lengths are tried for the others.
            for length in range(len(value) - 1, _LEAST_HALF_CHARS - 1, -1):
                if text[-_LEAST_HALF_CHARS:] not in value:
                    break
                if text.endswith(value[:length]):
                    return text[:-length] + _MASK
        return text

    def _without_end(self, text: str) -> str:
        for value in self._values:
            for length in range(len(value) - 1, _LEAST_HALF_CHARS - 1, -1):
                if text[:_LEAST_HALF_CHARS] not in value:
                    break
                if text.startswith(value[-length:]):
                    return _MASK + text[length:]
        return text


def secrets_of_environment(environment: Mapping[str, str] = os.environ) -> Secrets:
    """What the names of environment variables say is secret.

    A path that such a variable holds is none; a private key in the file there is.
    """
    secrets = Secrets()
    for name, value in environment.items():
        if not _NAMES.search(name):
            continue
        path = _path_in(value)
        if path is None:
            secrets.add(value)
        else:
            secrets.add_key_file(path)
    return secrets


def masked_by_looks(text: str) -> str:
    """A text of the same length without what looks like a key, a passkey or a password."""
    text = _PEM.sub(_without_body, text)
    text = _PASSKEY.sub(lambda found: found[1] + _NO_PASSKEY, text)
    text = _NAMED_KEY.sub(lambda found: found[1] + "0" * len(found[2]), text)
    return _URL.sub(lambda found: found[1] + "*" * len(found[2]), text)


def _without_body(pem: "re.Match[str]") -> str:
    return pem[1] + re.sub(r"[^\s\\]", "x", pem[2] or pem[3] or "")


def _path_in(value: str) -> Path | None:
    try:
        path = Path(value)
        return path if path.is_absolute() and path.exists() else None
    except (OSError, ValueError):
        return None


def _without_passkey(line: BoundedRegex, text: str) -> str:
    try:
        found = line.search(text)
    except TimeoutError:
        return re.sub(r"\d{6}", _NO_PASSKEY, text)
    if found is None or found.start("passkey") < 0:
        return text
    begin, end = found.span("passkey")
    return text[:begin] + "0" * (end - begin) + text[end:]


def _longest_first(found: set[_Kind]) -> tuple[_Kind, ...]:
    return tuple(sorted(found, key=len, reverse=True))
