"""Nobody is named in a recording: planted names are searched for in every form."""

import base64
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.record.events import RadioState, SmpMessage, ToolCalled, UartBytes, UnitTaken
from pytest_nrf_fota.recordings.pack import pack_recording
from pytest_nrf_fota.recordings.read import Recording, read_packed

from .planted_run import LITTLE_ENDIAN_ADDRESS, SECRETS, write_run

_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){6,}")
_BASE64 = re.compile(rb'"base64":"([^"]*)"')
_ROW = re.compile(rb"^0x[0-9A-F]{8}: ([0-9A-F ]+?)\s*\|", re.MULTILINE)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    write_run(tmp_path / "run")
    return pack_recording(tmp_path / "run", tmp_path / "out.zip", "by jhacker").path


def views(data: bytes, folder: Path) -> Iterator[bytes]:
    """The bytes, and all that is written in them as digits."""
    yield data
    yield b"".join(base64.b64decode(found) for found in _BASE64.findall(data))
    for digits in _HEX.findall(data):
        yield bytes.fromhex(digits.decode())
    words = b" ".join(_ROW.findall(data)).split()
    yield b"".join(bytes.fromhex(word.decode())[::-1] for word in words)
    if data.startswith(b":"):
        path = folder / "view.hex"
        path.write_bytes(data)
        yield b"".join(segment.data for segment in read_hex(path))


def test_planted_names_are_nowhere(packed: Path, tmp_path: Path) -> None:
    forms = {
        form: secret
        for secret in SECRETS
        for text in (secret.lower(), secret.upper(), secret)
        for form in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    }
    forms[LITTLE_ENDIAN_ADDRESS] = "the address as the chip has it"
    with zipfile.ZipFile(packed) as archive:
        contents = [(name, archive.read(name)) for name in archive.namelist()]
    found = [
        f"{secret} in {name}"
        for name, data in contents
        for view in views(data, tmp_path)
        for form, secret in forms.items()
        if form in view
    ]
    assert not found
    assert len(contents) >= 3


def test_search_finds_what_is_planted(tmp_path: Path) -> None:
    """The same search sees the names in the run folder's own files."""
    folder = write_run(tmp_path / "run")
    recorded = b"".join(views((folder / "recorder.jsonl").read_bytes(), tmp_path))
    for secret in SECRETS[:7]:
        assert secret.encode() in recorded, secret


def _events(recording: Recording) -> list[object]:
    return [one.event for part in recording.parts for one in part.events]


def test_stand_ins_are_the_same_everywhere(packed: Path) -> None:
    """A serial number is one, with or without leading zeros; an address in log, radio and bytes."""
    recording = read_packed(packed)
    events = _events(recording)
    unit = next(event for event in events if isinstance(event, UnitTaken))
    calls = [event for event in events if isinstance(event, ToolCalled)]
    assert unit.unit == "100000001"
    assert f"000{unit.unit}" in calls[1].command
    assert json.loads(calls[4].command[-1])["serial_number"] == int(unit.unit)
    connecting = next(event for event in events if isinstance(event, RadioState))
    assert connecting.detail == "to F0:00:00:00:00:01"
    said = b"".join(
        base64.b64decode(event.base64) for event in events if isinstance(event, UartBytes)
    )
    assert b"Identity: F0:00:00:00:00:01 (random)\r\nPasskey for F0:00:00:00:00:01: 000000" in said
    echo = next(event for event in events if isinstance(event, SmpMessage))
    assert bytes.fromhex(echo.raw).endswith(b" F0:00:00:00:00:01")


def test_memory_keeps_its_place_and_size(packed: Path, tmp_path: Path) -> None:
    """What three tools read stays the same memory, apart from the names in it."""
    recording = read_packed(packed)
    calls = [event for event in _events(recording) if isinstance(event, ToolCalled)]
    path = tmp_path / "memory.hex"
    path.write_bytes(recording.content(calls[1].files[0].content) or b"")
    (segment,) = read_hex(path)
    answer = json.loads(recording.content(calls[4].stdout) or b"")
    assert (segment.address, len(segment.data)) == (0x8000, 128)
    assert bytes.fromhex(answer["memory_hex"]) == segment.data
    assert b" ASSERT @ /home/user000" in segment.data
    rows = _ROW.findall(recording.content(calls[3].stdout) or b"")
    printed = b"".join(bytes.fromhex(w.decode())[::-1] for row in rows for w in row.split())
    assert printed == segment.data * 20


def test_run_that_was_killed(tmp_path: Path) -> None:
    """A last line that is half written, and half an output, are left out."""
    folder = write_run(tmp_path / "run")
    with (folder / "recorder.jsonl").open("ab") as file:
        file.write(b'{"t_s": 3.0, "event": {"kind": "uar')
    kept = sorted((folder / "tool-output").iterdir())
    kept[0].write_bytes(kept[0].read_bytes()[:20])
    recording = read_packed(pack_recording(tmp_path / "run", tmp_path / "out.zip").path)
    assert len(_events(recording)) > 10
