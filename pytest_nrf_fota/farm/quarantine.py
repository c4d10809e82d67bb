"""Kits that nobody takes until a person has looked at them: a note for each, with why."""

import getpass
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.kit_results import note_repair
from pytest_nrf_fota.farm.state_files import (
    change_state,
    kit_name,
    kits_with,
    read_state,
    state_file,
    state_folder,
)
from pytest_nrf_fota.farm.told_moment import told_moment

_KIND = "quarantine"
_REASON_CHARS = 500


class Quarantine(BaseModel):
    """Why a kit is not to be taken.

    Args:
        kit: J-Link serial number without leading zeros, or name of a place of the farm.
        since: with its time zone; None where the note cannot be read.
        why: what was wrong with it.
        by: who says so: `USER@HOST`.
        run: the folder of the run that lost it; empty where a person set it aside.
    """

    model_config = ConfigDict(frozen=True)

    kit: str
    since: datetime | None
    why: str
    by: str
    run: str = ""

    def __str__(self) -> str:
        """For messages."""
        run = f" (run: {self.run})" if self.run else ""
        if self.since is None:
            return f"quarantined since an unknown time: {self.why}{run}"
        return f"quarantined since {told_moment(self.since)} by {self.by}: {self.why}{run}"


@dataclass(frozen=True)
class SetAside:
    """A kit that a person has set aside: what holds now, and what held before, if anything."""

    note: Quarantine
    before: Quarantine | None


def add_quarantine(kit: str, why: str, run: str = "", folder: Path | None = None) -> Quarantine:
    """Set a kit aside, unless it is: then the first reason stays. Returns what holds.

    Raises:
        InputError: no kit is named.
        RigError: the note cannot be written.
    """
    note = _new(kit, why, run)
    before = _note(note, folder, lambda before: before or note)
    return before or note


def set_aside_by_hand(kit: str, why: str, folder: Path | None = None) -> SetAside:
    """Set a kit aside; where it is, the reason is a new one, and since when is not.

    Raises:
        InputError: no kit is named, or no reason is given.
        RigError: the note cannot be written.
    """
    new = _new(kit, why, "")
    if not new.why:
        raise InputError(
            "No reason is given.",
            where="--reason",
            next_step="Say what is wrong with the kit: the others see no more of it.",
        )

    def anew(before: Quarantine | None) -> Quarantine:
        if before is None or before.since is None:
            return new
        return new.model_copy(update={"since": before.since, "run": before.run})

    before = _note(new, folder, anew)
    return SetAside(anew(before), before)


def _new(kit: str, why: str, run: str) -> Quarantine:
    name = kit_name(kit)
    if not name:
        raise InputError("No kit is named.", next_step="Give a serial number, or a place's name.")
    return Quarantine(
        kit=name,
        since=datetime.now().astimezone(),
        why=_printable(" ".join(why.split()))[:_REASON_CHARS],
        by=_who(),
        run=run,
    )


def _note(
    new: Quarantine, folder: Path | None, made: Callable[[Quarantine | None], Quarantine]
) -> Quarantine | None:
    """Write what is made of the note that there was, and return that one."""
    path = _file(new.kit, folder)
    found: list[Quarantine] = []

    def change(text: bytes) -> bytes:
        before = _read(text, new.kit) if text else None
        found.extend([before] if before is not None else [])
        after = made(before)
        return text if after is before else after.model_dump_json().encode()

    change_state(path, change)
    return found[0] if found else None


def clear_quarantine(kit: str, folder: Path | None = None) -> bool:
    """Let a kit be taken again; False where it was not set aside.

    Its runs so far make it no suspect any more. Raises `RigError`.
    """
    note_repair(kit, folder)
    path = _file(kit, folder)
    if not read_state(path):
        return False
    change_state(path, lambda before: b"")
    return True


def quarantine_of(kit: str, folder: Path | None = None) -> Quarantine | None:
    """Why a kit is set aside; None where it is not. Raises `RigError`."""
    path = _file(kit, folder)
    text = read_state(path)
    return _read(text, kit_name(kit)) if text else None


def quarantined_kits(folder: Path | None = None) -> Mapping[str, Quarantine]:
    """All that are set aside on this host, by name. Raises `RigError`."""
    names = kits_with(folder or state_folder(), _KIND)
    found = {name: quarantine_of(name, folder) for name in names}
    return {name: note for name, note in found.items() if note is not None}


def clearing_command(kits: Sequence[str]) -> str:
    """What lets them be taken again."""
    return f"nrf-fota quarantine clear {' '.join(kits)}"


def _file(kit: str, folder: Path | None) -> Path:
    return state_file(folder or state_folder(), kit, _KIND)


def _read(text: bytes, kit: str) -> Quarantine:
    """A note that is damaged, as by a power cut, still keeps its kit from being taken."""
    try:
        note = Quarantine.model_validate_json(text)
    except ValidationError:
        return Quarantine(kit=kit, since=None, why="its note cannot be read", by="?")
    words = {name: _printable(getattr(note, name)) for name in ("why", "by", "run")}
    return note.model_copy(update={"kit": kit, **words})


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user often has a number only.
        user = str(getattr(os, "getuid", lambda: "?")())
    return f"{user}@{platform.node()}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
