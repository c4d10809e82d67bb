"""Where the locks of this host's kits lie: one folder for all of its users."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_nrf_fota.farm.shared_folder import is_made, make_shared_folder, named_folder

FOLDER_VARIABLE = "NRF_FOTA_LOCK_DIR"
_NAME = "nrf-fota-locks"
_OF_WHAT = "the kits' locks"


def lock_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder; `NRF_FOTA_LOCK_DIR` names another, which all who share kits must name.

    /tmp and not the temporary folder: that is each user's own on macOS, and wherever TMPDIR is set.

    Raises:
        RigError: the variable has no absolute path.
    """
    given = named_folder(FOLDER_VARIABLE, environment)
    if given is not None:
        return given
    if sys.platform == "win32":
        return Path(environment.get("PROGRAMDATA", "C:\\ProgramData")) / _NAME
    return Path("/tmp") / _NAME


def make_lock_folder(folder: Path) -> None:
    """Make it where it is missing.

    Raises:
        RigError: it is no folder of its own (a link could lead anywhere), or cannot be written.
    """
    make_shared_folder(folder, _OF_WHAT, FOLDER_VARIABLE)


def is_lock_folder_made(folder: Path) -> bool:
    """Whether it is there; nobody holds a kit where it is not.

    Raises:
        RigError: it cannot be read, or a run could not make it.
    """
    return is_made(folder, _OF_WHAT, FOLDER_VARIABLE, must_be_possible=True)
