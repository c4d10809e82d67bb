"""What a test's folder knows of the other tries of the same test, in one small file."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

TRIES_NAME = "tries.json"


class TryInBrief(BaseModel):
    """One execution: how it ended, its folder from that of the run, and its kit, if known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome: str
    folder: str
    kit: str = ""


class Tries(BaseModel):
    """All executions of a test in a session, in the order in which they ended.

    Args:
        number: which of them this folder is of, from 1.
        folder: this folder, from that of the run.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int = Field(ge=1)
    folder: str
    tries: tuple[TryInBrief, ...]

    @property
    def name(self) -> str:
        """As it is shown: `try 2 of 3`."""
        return f"try {self.number} of {len(self.tries)}"


def write_tries(folder: Path, tries: Tries) -> None:
    """Write the file into a test's folder, completely or not at all. Raises `OSError`."""
    path = folder / TRIES_NAME
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(tries.model_dump_json(indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_tries(folder: Path) -> Tries | None:
    """What a folder knows; None where its test ran once, or the file cannot be read."""
    try:
        return Tries.model_validate_json((folder / TRIES_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
