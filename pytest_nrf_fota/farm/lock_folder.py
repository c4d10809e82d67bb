"""Where the locks of this host's kits lie: one folder for all of its users."""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_nrf_fota.errors import RigError

FOLDER_VARIABLE = "NRF_FOTA_LOCK_DIR"
_NAME = "nrf-fota-locks"
# For everybody, and sticky: nobody removes another user's lock.
_MODE = 0o1777


def lock_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder; `NRF_FOTA_LOCK_DIR` names another, which all who share kits must name.

    /tmp and not the temporary folder: that is each user's own on macOS, and wherever TMPDIR is set.
    """
    given = environment.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(environment.get("PROGRAMDATA", "C:\\ProgramData")) / _NAME
    return Path("/tmp") / _NAME


def make_lock_folder(folder: Path) -> None:
    """Make it where it is missing.

    Raises:
        RigError: it is no folder of its own (a link could lead anywhere), or cannot be written.
    """
    make_shared_folder(folder, "the kits' locks", FOLDER_VARIABLE)


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
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise _unusable(folder, "it is no folder", of_what, variable)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, "no permission", of_what, variable)


def _unusable(folder: Path, why: str, of_what: str, variable: str) -> RigError:
    return RigError(
        f"The folder of {of_what} cannot be used: {why}.",
        where=str(folder),
        next_step="Remove it, or let everybody write to it (chmod 1777); or name another for all "
        f"who share these kits: {variable}=FOLDER",
    )
