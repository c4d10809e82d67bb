"""Pseudonyms: stable, with a key, and for all that names somebody."""

from pathlib import Path

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.report.pseudonyms import KEY_VARIABLE, Pseudonyms, pseudonym_key

MACHINE = {
    "user": "erika",
    "host": "lab-pc7.example.org",
    "home": "/home/erika",
    "folder": "/home/erika/work/fota",
}
TEXT = (
    "J-Link S/N: 1050012345 of erika on lab-pc7 in /home/erika/work/fota/runs/1, "
    "peer F2:7C:B6:5D:C3:74 (f2-7c-b6-5d-c3-74), kit 683123456, /home/otto/x"
)
NAMES = ("1050012345", "erika", "lab-pc7", "/home", "F2:7C", "f2-7c", "683123456", "otto")


def _pseudonyms(key: bytes = b"0123456789abcdef") -> Pseudonyms:
    made = Pseudonyms(key, MACHINE)
    made.add_kit("683123456")
    return made


def test_nothing_names_anybody_and_the_rest_stays() -> None:
    masked = _pseudonyms().masked(TEXT)
    assert not [name for name in NAMES if name in masked.replace("/home/user-", "/")]
    assert "/runs/1, peer F0:" in masked and "J-Link S/N: kit-" in masked


def test_same_every_night_and_another_in_another_house() -> None:
    assert _pseudonyms().masked(TEXT) == _pseudonyms().masked(TEXT)
    assert _pseudonyms().masked(TEXT) != _pseudonyms(b"another key, 16 bytes").masked(TEXT)


def test_words_of_the_field_stay() -> None:
    line = "I: Image index: 0, Swap type: test; 123456 bytes at 0x00100000"
    assert _pseudonyms().masked(line) == line


def test_key_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    first = pseudonym_key({})
    assert len(first) == 32 and pseudonym_key({}) == first
    (path,) = [one for one in tmp_path.rglob("pseudonym-key*") if one.is_file()]
    assert path.stat().st_mode & 0o077 == 0


def test_key_of_the_environment() -> None:
    assert pseudonym_key({KEY_VARIABLE: "x" * 16}) == b"x" * 16
    with pytest.raises(InputError, match="easily guessed"):
        pseudonym_key({KEY_VARIABLE: "short"})
