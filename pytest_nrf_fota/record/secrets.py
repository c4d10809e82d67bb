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
from pytest_nrf_fota.record.secret_forms import (
    forms_of_bytes,
    forms_of_key,
    forms_of_text,
    is_private_key,
)

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
_NAMED_KEY = re.compile(
    r"(?i)((?<![a-z])(?:ltk|irk|csrk|stk|link[ _-]?key|private[ _-]?key|secret|token|password"
    r"|long[ _-]?term[ _-]?key|identity[ _-]?resolving[ _-]?key)\b"
    r"[\"']?\s*[:=]\s*[\"']?(?:0x)?)([^\s\"',;]{4,})"
)
_URL = re.compile(r"(://[^/\s:@]+:)([^/\s@]+)(?=@)")
# A text without any of these holds none of the above; looking for words is much cheaper.
_SIGNS = ("key", "ltk", "irk", "csrk", "stk", "secret", "token", "password", "://")


class Secrets:
    """Knows what is secret, and masks it. Made once, then used from any thread."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: tuple[str, ...] = ()
        self._bytes: tuple[bytes, ...] = ()
        self._numbers: tuple[re.Pattern[str], ...] = ()
        self._lines: tuple[BoundedRegex, ...] = ()
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
            self._bytes = _longest_first({*self._bytes, *raw})

    def add_bytes(self, raw: bytes) -> None:
        """Mask a key of a pairing, in whichever way its bytes are written."""
        texts, parts = forms_of_bytes(raw)
        self._add_texts(texts)
        self._bytes = _longest_first({*self._bytes, *parts})

    def add_passkey(self, passkey: str) -> None:
        """Mask a board's passkey: six digits that are always the same, wherever they stand alone,
        or the group `passkey` in lines that match a regular expression, as board files have them.
        """
        if passkey.isdigit():
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
        """Whether it is worth while to look closer. Never False where there is a secret."""
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
        return self._masked(text, _MASK) if self.may_be_in(text) else text

    def masked_report(self, text: str) -> str:
        """A text for people, in which pytest may have cut values in the middle (`...`)."""
        text = self.masked(text)
        return self._without_halves(text) if "..." in text else text

    def masked_bytes(self, content: bytes) -> bytes:
        """The same number of bytes without secrets."""
        for raw in self._bytes:
            if raw in content:
                content = content.replace(raw, b"*" * len(raw))
        text = content.decode("latin-1")
        return self._masked(text, None).encode("latin-1") if self.may_be_in(text) else content

    def may_go_on_in(self, begun: str) -> bool:
        """Whether a line of which this much is known may turn out to hold a secret."""
        if not begun:
            return False
        lower = begun.lower()
        if any(sign in lower for sign in self._signs):
            return True
        return any(begun.endswith(value[:4]) for value in self._values)

    def _add_texts(self, texts: Iterable[str]) -> None:
        self._values = _longest_first({*self._values, *texts})

    def without_values(self, text: str) -> str:
        """A file of any format without values that are known; its markup stays whole."""
        return self._without_values(text, _MASK)

    def _without_values(self, text: str, mask: str | None) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, "*" * len(value) if mask is None else mask)
        return text

    def _masked(self, text: str, mask: str | None) -> str:
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
