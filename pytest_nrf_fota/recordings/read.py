"""Read a recording that somebody sent: nothing of it is trusted before it was checked."""

import hashlib
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.record.events import RECORDED_LINE, Kept, Recorded
from pytest_nrf_fota.recordings.schema import (
    EVENTS_NAME,
    FORMAT_VERSION,
    LARGEST_FILE_BYTES,
    LARGEST_RECORDING_BYTES,
    MANIFEST_NAME,
    MOST_FILES,
    OUTPUT_FOLDER,
    Expected,
    FormatVersion,
    Manifest,
)

_NAME = re.compile(rf"parts/\d{{3}}/{re.escape(EVENTS_NAME)}|{OUTPUT_FOLDER}/[0-9a-f]{{64}}")
_ANEW = "Ask for the recording anew; `nrf-fota recording RUN` packs it."


@dataclass(frozen=True)
class RecordedPart:
    """One part: its events by time, and what was found then."""

    title: str
    events: tuple[Recorded, ...]
    expected: Expected


@dataclass(frozen=True)
class Recording:
    """A recording that was read completely."""

    manifest: Manifest
    parts: tuple[RecordedPart, ...]
    outputs: dict[str, bytes]

    def content(self, kept: Kept) -> bytes | None:
        """What a tool printed or wrote; None where only its size is known."""
        if kept.text is not None:
            return kept.text.encode()
        return None if kept.file is None else self.outputs.get(kept.file)


def read_packed(path: Path) -> Recording:
    """Read a recording; nothing is written to disk.

    Raises `InputError`: no recording, cut off, edited, of another version, or too large.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError("No such file.", where=str(path), next_step="Check the path.") from None
    except OSError as error:
        raise InputError(
            f"The recording cannot be read: {error.strerror or error}.",
            where=str(path),
            next_step="Check the path, and who may read the file.",
        ) from error
    try:
        with file, zipfile.ZipFile(file) as archive:
            _check_names(path, archive.infolist())
            manifest = _manifest(path, archive)
            files = {name: _member(path, archive, manifest, name) for name in manifest.files}
            extra = set(archive.namelist()) - set(files) - {MANIFEST_NAME}
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
        # A damaged place in the directory is sought before the file's beginning.
        OSError,
    ) as error:
        _refuse(path, f"The recording is no zip file, or was cut off: {error}", error)
    if extra:
        _refuse(path, f"The recording was edited: {min(extra)} is not in its list of files.")
    parts = tuple(
        RecordedPart(
            part.title, _events(path, files, f"{part.folder}/{EVENTS_NAME}"), part.expected
        )
        for part in manifest.parts
    )
    outputs = {
        name.rpartition("/")[2]: data
        for name, data in files.items()
        if name.startswith(OUTPUT_FOLDER)
    }
    _check_outputs(path, parts, outputs)
    return Recording(manifest, parts, outputs)


def _check_names(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in infos]
    for name in names:
        if name != MANIFEST_NAME and _NAME.fullmatch(name) is None:
            _refuse(path, f"No recording has a file of this name in it: {name[:80]!r}.")
    if len(set(names)) != len(names):
        _refuse(path, "The recording was edited: it has two files of one name.")
    if MANIFEST_NAME not in names:
        _refuse(path, f"This zip is no recording: it has no {MANIFEST_NAME}.")
    # A list with another size than its file is found when the file is read.
    size_bytes = sum(info.file_size for info in infos)
    largest_bytes = max(info.file_size for info in infos)
    if size_bytes > LARGEST_RECORDING_BYTES or largest_bytes > LARGEST_FILE_BYTES:
        _refuse(path, f"The recording unpacks to {size_bytes} bytes; none is that large.")
    if len(infos) > MOST_FILES:
        _refuse(path, f"The recording has {len(infos)} files; none has that many.")


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    data = _read(path, archive, MANIFEST_NAME)
    try:
        version = FormatVersion.model_validate_json(data).format_version
        if version != FORMAT_VERSION:
            raise InputError(
                f"The recording has format version {version}; this pytest-nrf-fota reads "
                f"{FORMAT_VERSION}.",
                where=str(path),
                next_step="Install the pytest-nrf-fota that it was made with "
                f"(`made_with` in its {MANIFEST_NAME}), or a later one.",
            )
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        _refuse(path, f"{MANIFEST_NAME} was edited: {place}: {first['msg']}.", error)


def _member(path: Path, archive: zipfile.ZipFile, manifest: Manifest, name: str) -> bytes:
    if name not in archive.namelist():
        _refuse(path, f"The recording was edited: {name} is missing.")
    data = _read(path, archive, name)
    if hashlib.sha256(data).hexdigest() != manifest.files[name].sha256:
        _refuse(path, f"The recording was edited: {name} has another checksum than in its list.")
    return data


def _read(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        data = stream.read(LARGEST_FILE_BYTES + 1)
    if len(data) > LARGEST_FILE_BYTES:
        _refuse(path, f"{name} unpacks to more than {LARGEST_FILE_BYTES} bytes.")
    return data


def _events(path: Path, files: dict[str, bytes], name: str) -> tuple[Recorded, ...]:
    if name not in files:
        _refuse(path, f"The recording was edited: {name} is missing.")
    events: list[Recorded] = []
    for number, line in enumerate(files[name].splitlines(), 1):
        try:
            events.append(RECORDED_LINE.validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            _refuse(path, f"{name}, line {number}: {first['msg']}.", error)
    return tuple(events)


def _check_outputs(path: Path, parts: tuple[RecordedPart, ...], outputs: dict[str, bytes]) -> None:
    for part in parts:
        for one in part.events:
            if one.event.kind != "tool":
                continue
            for kept in (
                one.event.stdout,
                one.event.stderr,
                *(file.content for file in one.event.files),
            ):
                if kept.file is not None and kept.file not in outputs:
                    _refuse(path, f"The recording was edited: output {kept.file[:16]} is missing.")


def _refuse(path: Path, what: str, cause: Exception | None = None) -> NoReturn:
    raise InputError(what, where=str(path), next_step=_ANEW) from cause
