"""Pseudonyms for what names people and their things, for reports that leave the house.

They are made with a key, so that the same kit has the same pseudonym every night and nobody finds
out a serial number by trying all of them. The key is the environment's, or a random one that is
kept in the user's folder for settings.
"""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from platformdirs import user_config_path

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.recordings.identities import Identities

KEY_VARIABLE = "NRF_FOTA_PSEUDONYM_KEY"
_KEY_FILE = "pseudonym-key"
_LEAST_KEY_CHARS = 16
# Bits of a pseudonym: with 1000 kits two share one in 1 of 10 million houses.
_DIGITS = 10


class Pseudonyms:
    """Replaces serial numbers, Bluetooth addresses, users, hosts and folders.

    Args:
        key: what pseudonyms are made with.
        machine: user, host, home and working folder (`record/run.py`, `whose_machine`).
        folders: others that are not to be shown; what is below them stays readable.
    """

    def __init__(
        self,
        key: bytes,
        machine: Mapping[str, str],
        folders: Iterable[Path] = (),
    ) -> None:
        self._key = key
        self._known = Identities()
        self._known.note_machine(dict(machine))
        self._folders = sorted({str(folder) for folder in folders}, key=len, reverse=True)
        self._kits: list[str] = []
        self._replace = self._replacer()

    def add_kit(self, kit: str) -> None:
        """Replace a kit's serial number from now on; a virtual kit's name tells nothing."""
        if kit.isdigit() and kit not in self._kits:
            self._kits.append(kit)
            self._replace = self._replacer()

    def masked(self, text: str) -> str:
        """The text without names."""
        found = Identities()
        found.look_at_text(text)
        text = self._replace(text)
        # What a text names itself: kits that a tool lists, addresses, homes of others.
        others = {
            **{number: self._of("kit", number) for number in found.serial_numbers},
            **{name: self._of("user", name) for name in found.users},
            **{name: self._of("host", name) for name in found.hosts},
        }
        for address in found.addresses:
            others.update(_spelt(address, self._address(address)))
        return _in_one(others)(text) if others else text

    def host(self, name: str) -> str:
        """The pseudonym of a host, also where its name is too short to be looked for in texts."""
        return self._of("host", name)

    def _replacer(self) -> Callable[[str], str]:
        known = self._known
        pairs = {kit: self._of("kit", kit) for kit in self._kits}
        for folder in (*self._folders, *known.homes, *known.folders):
            pairs.setdefault(folder, f"/{self._of('folder', folder)}")
        pairs |= {name: self._of("user", name) for name in known.users if name not in pairs}
        pairs |= {name: self._of("host", name) for name in known.hosts if name not in pairs}
        return _in_one(pairs)

    def _of(self, kind: str, name: str) -> str:
        return f"{kind}-{self._digest(kind, name)[:_DIGITS]}"

    def _address(self, address: str) -> str:
        # A static random address (Bluetooth Core, Vol 6 Part B, 1.3.2) has its two upper bits set.
        digits = "F0" + self._digest("address", address)[:10].upper()
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))

    def _digest(self, kind: str, name: str) -> str:
        return hmac.new(self._key, f"{kind}\0{name}".encode(), hashlib.sha256).hexdigest()


def pseudonym_key(environment: Mapping[str, str] = os.environ) -> bytes:
    """The key of this house: from the environment, else this user's own, made on first use.

    Raises `InputError` where it is too short, or cannot be kept.
    """
    given = environment.get(KEY_VARIABLE)
    if given is not None:
        if len(given) < _LEAST_KEY_CHARS:
            raise InputError(
                f"The key for pseudonyms has {len(given)} characters, and is easily guessed.",
                where=KEY_VARIABLE,
                next_step=f"Give {_LEAST_KEY_CHARS} or more, such as `openssl rand -hex 16` makes.",
            )
        return given.encode()
    path = user_config_path("pytest-nrf-fota") / _KEY_FILE
    try:
        return _kept_key(path)
    except OSError as error:
        raise InputError(
            f"The key for pseudonyms cannot be kept: {error.strerror or error}.",
            where=str(path),
            next_step=f"Give one: {KEY_VARIABLE}.",
        ) from error


def _kept_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # Whoever comes first makes it; a link in its place keeps others from seeing half of it.
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_hex(16).encode())
        finally:
            os.close(descriptor)
        try:
            os.link(unfinished, path)
        finally:
            unfinished.unlink()
    return path.read_bytes()


def _spelt(address: str, other: str) -> list[tuple[str, str]]:
    return [
        spelling
        for mark in (":", "-", "_", "")
        for one, two in [(address.replace(":", mark), other.replace(":", mark))]
        for spelling in ((one, two), (one.lower(), two.lower()))
    ]


def _in_one(pairs: Mapping[str, str]) -> Callable[[str], str]:
    """Replaces words and paths where no letter or digit is beside them."""
    if not pairs:
        return str
    parts = "|".join(re.escape(text) for text in sorted(pairs, key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{parts})(?![A-Za-z0-9])")
    return lambda text: pattern.sub(lambda found: pairs[found[0]], text)
