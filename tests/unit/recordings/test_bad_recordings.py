"""A recording that was edited or cut, is of another version, or does harm: one clear error."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.recordings.pack import member_of, pack_recording
from pytest_nrf_fota.recordings.read import read_packed
from pytest_nrf_fota.recordings.schema import LARGEST_FILE_BYTES, MANIFEST_NAME

from .planted_run import write_run

EVENTS = "parts/001/events.jsonl"
Files = dict[str, bytes]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    write_run(tmp_path / "run")
    return pack_recording(tmp_path / "run", tmp_path / "out.zip").path


def _edited_event(files: Files) -> None:
    files[EVENTS] = files[EVENTS].replace(b"nrf5340dk", b"nrf5340DK")


def _manifest(files: Files, change: Callable[[dict[str, object]], None]) -> None:
    value = json.loads(files[MANIFEST_NAME])
    change(value)
    files[MANIFEST_NAME] = json.dumps(value).encode()


def _version_2(files: Files) -> None:
    _manifest(files, lambda value: value.update(format_version=2, novelty=1))


def _unknown_field(files: Files) -> None:
    _manifest(files, lambda value: value.update(novelty=1))


def _no_parts_folder(files: Files) -> None:
    _manifest(files, lambda value: value.update(parts=[{"title": "x", "folder": "../up"}]))


def _path_outwards(files: Files) -> None:
    files["../../etc/cron.d/evil"] = b"x"


def _absolute_path(files: Files) -> None:
    files["/etc/passwd"] = b"x"


def _missing_file(files: Files) -> None:
    del files[EVENTS]


def _missing_output(files: Files) -> None:
    name = next(name for name in files if name.startswith("output/"))
    del files[name]
    _manifest(files, lambda value: value["files"].pop(name))  # type: ignore[attr-defined]


def _extra_file(files: Files) -> None:
    files["output/" + "0" * 64] = b"x"


def _unknown_event(files: Files) -> None:
    files[EVENTS] += b'{"t_s":1.0,"event":{"kind":"magic"}}\n'
    member = member_of(files[EVENTS]).model_dump()
    _manifest(files, lambda value: value["files"].update({EVENTS: member}))  # type: ignore[attr-defined]


def _no_manifest(files: Files) -> None:
    del files[MANIFEST_NAME]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_edited_event, "edited: parts/001/events.jsonl has another checksum"),
        (_version_2, "has format version 2; this pytest-nrf-fota reads 1"),
        (_unknown_field, "recording.json was edited: novelty"),
        (_no_parts_folder, "recording.json was edited: parts.0.folder"),
        (_path_outwards, "No recording has a file of this name in it: '../../etc/cron.d/evil'"),
        (_absolute_path, "No recording has a file of this name in it: '/etc/passwd'"),
        (_missing_file, "edited: parts/001/events.jsonl is missing"),
        (_missing_output, "edited: output "),
        (_extra_file, "is not in its list of files"),
        (_unknown_event, "parts/001/events.jsonl, line "),
        (_no_manifest, "This zip is no recording"),
    ],
)
def test_edited(packed: Path, damage: Callable[[Files], None], said: str) -> None:
    with zipfile.ZipFile(packed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    damage(files)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(InputError) as raised:
        read_packed(packed)
    assert said in raised.value.what
    assert raised.value.next_step


def test_every_cut(packed: Path) -> None:
    """Wherever it was cut off."""
    whole = packed.read_bytes()
    for size_bytes in range(0, len(whole), 97):
        packed.write_bytes(whole[:size_bytes])
        with pytest.raises(InputError, match="cut off"):
            read_packed(packed)


def test_every_flipped_bit_of_the_events(packed: Path) -> None:
    """zip's own checksum, or the list's, finds it; never another exception."""
    whole = packed.read_bytes()
    for at in range(0, len(whole), 61):
        packed.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            read_packed(packed)
        except InputError:
            continue


def test_every_flipped_bit_of_the_directory_s_end(packed: Path) -> None:
    """It says where all the rest is: before the file's beginning, then."""
    whole = packed.read_bytes()
    assert whole[-22:-18] == b"PK\5\6"
    for at in range(len(whole) - 22, len(whole)):
        for bit in range(8):
            packed.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                read_packed(packed)
            except InputError:
                continue


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_packed(tmp_path)


def test_huge(tmp_path: Path) -> None:
    """A small zip that unpacks to more than any recording is refused before it is unpacked."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_NAME, b"{}")
        archive.writestr(EVENTS, bytes(LARGEST_FILE_BYTES + 1))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="none is that large"):
        read_packed(path)


def test_what_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(InputError, match="no zip file"):
        read_packed(tmp_path / "text.zip")
    with pytest.raises(InputError, match="No such file"):
        read_packed(tmp_path / "none.zip")


def test_command_packs_and_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what it replaced; refuses an empty folder, a file that is there, a damaged line."""
    monkeypatch.chdir(tmp_path)
    folder = write_run(tmp_path / "run")
    answered = CliRunner().invoke(app, ["recording", "run"])
    assert answered.exit_code == 0, answered.output
    assert (tmp_path / "run.recording.zip").exists()
    assert "serial numbers: 2, Bluetooth addresses: 1, users: 2" in answered.output
    again = CliRunner().invoke(app, ["recording", "run"])
    assert (again.exit_code, "such a file already" in again.output) == (2, True)
    (tmp_path / "empty").mkdir()
    empty = CliRunner().invoke(app, ["recording", "empty"])
    assert (empty.exit_code, "No flight recorder" in empty.output) == (2, True)
    lines = (folder / "recorder.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "recorder.jsonl").write_bytes(b"".join([lines[0], b'{"kind": 7}\n', *lines[1:]]))
    damaged = CliRunner().invoke(app, ["recording", "run", "--output=other.zip"])
    assert (damaged.exit_code, "edited, or is of another version" in damaged.output) == (2, True)
