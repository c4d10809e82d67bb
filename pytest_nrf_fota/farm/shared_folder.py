"""Folders that all users of this host share: named by a variable, made for all, looked into."""

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pytest_nrf_fota.errors import RigError

# For everybody, and sticky: nobody removes another user's file.
_MODE = 0o1777


def named_folder(variable: str, environment: Mapping[str, str]) -> Path | None:
    """The folder that a variable names, `~` expanded; None where it names none.

    Raises:
        RigError: it is no absolute path. Two runs in two folders would share nothing.
    """
    given = environment.get(variable)
    if not given:
        return None
    folder = Path(given)
    if given.startswith("~"):
        try:
            folder = folder.expanduser()
        except RuntimeError as error:
            raise _not_absolute(variable, given) from error
    if not folder.is_absolute():
        raise _not_absolute(variable, given)
    return folder


def make_shared_folder(folder: Path, of_what: str, variable: str) -> None:
    """Make a folder that all users of this host write to, where it is missing.

    Args:
        folder: where.
        of_what: it holds, for messages.
        variable: names another folder.

    Raises:
        RigError: it is no folder of its own (a link could lead anywhere), or cannot be written.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        pass
    except OSError as error:
        raise _unusable(folder, str(error.strerror or error), of_what, variable) from error
    else:
        # The user's umask has no say: the next user needs it as much.
        folder.chmod(_MODE)
    _require(folder, folder.lstat().st_mode, os.R_OK | os.W_OK | os.X_OK, of_what, variable)


def is_made(folder: Path, of_what: str, variable: str, *, must_be_possible: bool) -> bool:
    """Whether the folder is there to be read; makes none.

    Args:
        folder: where.
        of_what: it holds, for messages.
        variable: names another folder.
        must_be_possible: one that is missing must be one that can be made.

    Raises:
        RigError: it is no folder of its own, cannot be read, or can never be made.
    """
    try:
        mode = folder.lstat().st_mode
        is_there = True
    except FileNotFoundError:
        is_there = False
    except OSError as error:
        raise _unusable(folder, str(error.strerror or error), of_what, variable) from error
    if is_there:
        _require(folder, mode, os.R_OK | os.X_OK, of_what, variable)
    elif must_be_possible:
        _require_possible(folder, of_what, variable)
    return is_there


def _require(folder: Path, mode: int, access: int, of_what: str, variable: str) -> None:
    if not stat.S_ISDIR(mode):
        raise _unusable(folder, "it is no folder", of_what, variable)
    if not os.access(folder, access):
        raise _unusable(folder, "no permission", of_what, variable)


def _require_possible(folder: Path, of_what: str, variable: str) -> None:
    """Tries it with a folder of another name: others may make this one at the same time."""
    try:
        above = next((parent for parent in folder.parents if parent.exists()), folder.parent)
        Path(tempfile.mkdtemp(prefix=".nrf-fota-", dir=above)).rmdir()
    except OSError as error:
        raise _unusable(folder, str(error.strerror or error), of_what, variable) from error


def _not_absolute(variable: str, given: str) -> RigError:
    return RigError(
        f"{variable} is no absolute path.",
        where=given,
        next_step="Name one folder for all who share these kits, whichever folder they start in: "
        f"{variable}=/FOLDER",
    )


def _unusable(folder: Path, why: str, of_what: str, variable: str) -> RigError:
    return RigError(
        f"The folder of {of_what} cannot be used: {why}.",
        where=str(folder),
        next_step="Remove it, or let everybody write to it (chmod 1777); or name another for all "
        f"who share these kits: {variable}=FOLDER",
    )
