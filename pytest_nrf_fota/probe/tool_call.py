"""One call of a probe's tool as it happened: what the flight recorder is told."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

# Files of firmware; nothing that a tool is given or writes is larger.
_LARGEST_FILE_BYTES = 64 * 1024 * 1024
FileUse: TypeAlias = Literal["read", "written"]


@dataclass(frozen=True)
class NamedFile:
    """A file that a call's arguments name. `content` is what it held when the call had ended."""

    path: str
    use: FileUse
    content: bytes


@dataclass(frozen=True)
class ToolCall:
    """One call, whatever came of it.

    Args:
        tool: its name.
        command: the program and all arguments.
        exit_code: None where it did not end by itself, or did not start.
        stdout, stderr: all that it printed; empty where it did not end by itself.
        fault: a value of `ProbeFault` where the call came to no exit code that can be judged.
        files: those that its arguments name.
        ended_at_s: on the monotonic clock.
        duration_s: from its start to its end.
    """

    tool: str
    command: tuple[str, ...]
    exit_code: int | None
    stdout: str
    stderr: str
    fault: str
    files: tuple[NamedFile, ...]
    ended_at_s: float
    duration_s: float


class FilesOfCall:
    """The files that a call's arguments name, looked at before and after it.

    Args:
        arguments: paths, or JSON with paths in it, among others.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._before = {path: _digest(path) for path in dict.fromkeys(_possible_paths(arguments))}

    def now(self) -> tuple[NamedFile, ...]:
        """Those that are there now: written where they are new or have changed."""
        return tuple(self._named())

    def _named(self) -> Iterator[NamedFile]:
        for path, before in self._before.items():
            content = _content(path)
            if content is not None:
                use: FileUse = "read" if _digest_of(content) == before else "written"
                yield NamedFile(path, use, content)


def _possible_paths(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        for text in _texts(argument):
            if Path(text).suffix in (".hex", ".bin", ".zip"):
                yield text


def _texts(argument: str) -> Iterator[str]:
    if not argument.startswith("{"):
        yield argument
        return
    try:
        request = json.loads(argument)
    except ValueError:
        return
    yield from (value for value in request.values() if isinstance(value, str))


def _content(path: str) -> bytes | None:
    try:
        if Path(path).stat().st_size > _LARGEST_FILE_BYTES:
            return None
        return Path(path).read_bytes()
    except (OSError, ValueError):
        return None


def _digest(path: str) -> bytes | None:
    content = _content(path)
    return None if content is None else _digest_of(content)


def _digest_of(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
