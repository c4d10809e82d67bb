"""What is in a recording's zip; docs/recordings.md says it for people."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 1
MANIFEST_NAME = "recording.json"
EVENTS_NAME = "events.jsonl"
OUTPUT_FOLDER = "output"
LARGEST_FILE_BYTES = 64 * 1024 * 1024
LARGEST_RECORDING_BYTES = 256 * 1024 * 1024
MOST_FILES = 20_000


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OperationEnd(_Model):
    """What one operation of the probe came to: `fault` is empty where it went well."""

    operation: str
    detail: str
    fault: str


class Expected(_Model):
    """What was found when it was recorded; a replay has to find the same.

    Args:
        operations: of the probe, those that called its tool, in order.
        boots: one line for each boot that the application core's UART shows.
        verdicts: outcome and reason of each upgrade.
    """

    operations: tuple[OperationEnd, ...] = ()
    boots: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()


class Part(_Model):
    """One test, or one session of first contact: its events are in `FOLDER/events.jsonl`."""

    title: str
    folder: str = Field(pattern=r"^parts/\d{3}$")
    expected: Expected


class Member(_Model):
    """One file in the zip."""

    size_bytes: int = Field(ge=0, le=LARGEST_FILE_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(_Model):
    """`recording.json`.

    Args:
        made_with: the version of pytest-nrf-fota that packed it.
        note: what it shows, in a sentence.
        files: all other files in the zip.
    """

    format_version: Literal[1] = 1
    made_with: str
    note: str = ""
    parts: tuple[Part, ...]
    files: dict[str, Member]


class FormatVersion(BaseModel):
    """The one field that every version has."""

    format_version: int
