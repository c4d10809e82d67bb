"""Make a recording of a run folder, also of that of a run that was killed."""

import gzip
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.record.events import Kept, Recorded, ToolCalled, UnitTaken
from pytest_nrf_fota.record.recorder import KEPT_FOLDER, read_recording
from pytest_nrf_fota.recordings.anonymous_events import anonymous_events, json_of, texts_of
from pytest_nrf_fota.recordings.expected import expected_of
from pytest_nrf_fota.recordings.identities import Identities
from pytest_nrf_fota.recordings.memory_in_text import replace_in_memory
from pytest_nrf_fota.recordings.repeatable_zip import write_files
from pytest_nrf_fota.recordings.replacements import Replacements
from pytest_nrf_fota.recordings.schema import (
    EVENTS_NAME,
    LARGEST_FILE_BYTES,
    LARGEST_RECORDING_BYTES,
    MANIFEST_NAME,
    OUTPUT_FOLDER,
    Manifest,
    Member,
    Part,
)

_RECORDER_NAME = "recorder.jsonl"
_IDS_OPTION = "--ids"


@dataclass(frozen=True)
class Packed:
    """A recording that was written: its parts by title, and how many of which thing it replaced."""

    path: Path
    parts: tuple[str, ...]
    replaced: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Source:
    folder: Path
    events: tuple[Recorded, ...]

    @property
    def title(self) -> str:
        first = self.events[0].event
        return first.title if first.kind == "run" else self.folder.name


class _Outputs:
    """What tools printed and wrote, without names, each content once."""

    def __init__(self, replacements: Replacements) -> None:
        self._replacements = replacements
        self.files: dict[str, bytes] = {}

    def keep(self, kept: Kept, folder: Path) -> Kept:
        """The same content without names; where it is not kept, its size alone."""
        content = content_of(kept, folder)
        if content is None:
            # Of a small or guessable text the hash tells the text.
            return kept.model_copy(update={"sha256": "0" * 64, "file": None, "text": None})
        text = content.decode("utf-8", errors="replace")
        text = replace_in_memory(text, self._replacements.memory)
        data = self._replacements.text(text).encode()
        digest = hashlib.sha256(data).hexdigest()
        if kept.text is not None:
            return Kept(size_bytes=len(data), sha256=digest, text=data.decode())
        self.files[f"{OUTPUT_FOLDER}/{digest}"] = data
        return Kept(size_bytes=len(data), sha256=digest, file=digest)


def pack_recording(run: Path, output: Path, note: str = "") -> Packed:
    """Write a recording of a run folder, or of one test's folder in it.

    Args:
        run: has a `recorder.jsonl` somewhere below it.
        output: the zip; a file that is there already is refused.
        note: what it shows, in a sentence.

    Raises:
        InputError: there is nothing to pack, or the file is there already.
    """
    if output.exists():
        raise InputError(
            "There is such a file already.", where=str(output), next_step="Name another: --output."
        )
    sources = [*_sources(run)]
    if not sources:
        raise InputError(
            "No flight recorder is in this folder.",
            where=str(run),
            next_step="Give a run's folder, nrf_fota_runs/RUN, or that of one of its tests.",
        )
    found = _identities(sources)
    replacements = Replacements(found)
    outputs = _Outputs(replacements)
    parts: list[Part] = []
    files: dict[str, bytes] = {}
    board: BoardType | None = None
    for number, source in enumerate(sources, 1):

        def keep(kept: Kept, folder: Path = source.folder) -> Kept:
            return outputs.keep(kept, folder)

        events = anonymous_events(source.events, replacements, keep)
        board = board_of(events) or board
        folder = f"parts/{number:03d}"
        lines = "".join(one.model_dump_json(exclude_defaults=False) + "\n" for one in events)
        files[f"{folder}/{EVENTS_NAME}"] = lines.encode()
        expected = expected_of(events, board.boot if board else None)
        parts.append(Part(title=replacements.text(source.title), folder=folder, expected=expected))
    files |= outputs.files
    _require_room(files, run)
    manifest = Manifest(
        made_with=importlib.metadata.version("pytest-nrf-fota"),
        note=replacements.text(note),
        parts=tuple(parts),
        files={name: member_of(data) for name, data in sorted(files.items())},
    )
    write_zip(output, manifest, files)
    return Packed(output, tuple(part.title for part in parts), _counts(found))


def write_zip(output: Path, manifest: Manifest, files: dict[str, bytes]) -> None:
    """Write the zip; whoever looks for it sees all of it or nothing."""
    text = manifest.model_dump_json(indent=1)
    write_files(output, {MANIFEST_NAME: text.encode(), **dict(sorted(files.items()))})


def member_of(data: bytes) -> Member:
    """Size and hash of a file in the zip."""
    return Member(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def content_of(kept: Kept, folder: Path) -> bytes | None:
    """What was kept, from a recorder's folder; None where only its size is known."""
    if kept.text is not None:
        return kept.text.encode()
    if kept.file is None:
        return None
    try:
        return gzip.decompress((folder / KEPT_FOLDER / kept.file).read_bytes())
    except (OSError, EOFError, gzip.BadGzipFile):
        # A killed run may have left half of it.
        return None


def board_of(events: Iterable[Recorded]) -> BoardType | None:
    """The board type of a part; None where no board was taken, or it is of another version."""
    for one in events:
        if isinstance(one.event, UnitTaken) and one.event.settings:
            try:
                return BoardType.model_validate_json(json.dumps(one.event.settings))
            except ValidationError:
                return None
    return None


def _sources(run: Path) -> Iterable[_Source]:
    if not run.is_dir():
        raise InputError("No such folder.", where=str(run), next_step="Check the path.")
    for path in sorted(run.rglob(_RECORDER_NAME), key=lambda path: path.stat().st_mtime_ns):
        try:
            events = sorted(read_recording(path), key=lambda one: one.t_s)
        except (ValidationError, ValueError) as error:
            raise InputError(
                "A flight recorder's file cannot be read: it was edited, or is of another version.",
                where=str(path),
                next_step="Take that folder out, and pack the rest.",
            ) from error
        if events:
            yield _Source(path.parent, tuple(events))


def _identities(sources: Sequence[_Source]) -> Identities:
    found = Identities()
    for source in sources:
        for one in source.events:
            found.look_at(one.event)
            for text in texts_of(json_of(one)):
                found.look_at_text(text)
            if isinstance(one.event, ToolCalled):
                call = one.event
                for kept in (call.stdout, call.stderr):
                    text = (content_of(kept, source.folder) or b"").decode("utf-8", "replace")
                    found.look_at_text(text, only_digits=_IDS_OPTION in call.command)
    return found


def _require_room(files: dict[str, bytes], run: Path) -> None:
    largest = max(map(len, files.values()))
    if sum(map(len, files.values())) > LARGEST_RECORDING_BYTES or largest > LARGEST_FILE_BYTES:
        raise InputError(
            f"The recording would have more than {LARGEST_RECORDING_BYTES // 2**20} MiB.",
            where=str(run),
            next_step="Pack the folder of one test.",
        )


def _counts(found: Identities) -> tuple[tuple[str, int], ...]:
    counts = (
        ("serial numbers", len(found.serial_numbers)),
        ("Bluetooth addresses", len(found.addresses)),
        ("users", len(found.users)),
        ("hosts", len(found.hosts)),
        ("paths", len(found.paths) + len(found.homes)),
    )
    return tuple((what, count) for what, count in counts if count)
