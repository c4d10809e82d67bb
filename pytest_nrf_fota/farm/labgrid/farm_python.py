"""Which Python runs the broker: one that has labgrid, best in an environment of its own."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_nrf_fota.errors import InputError

PYTHON_VARIABLE = "NRF_FOTA_FARM_PYTHON"
_CLIENT = "labgrid-client"
INSTALL_HINT = (
    f"Install labgrid in an environment of its own: `pipx install labgrid` puts {_CLIENT} on the "
    "PATH, where it is found; or name that environment's Python: --farm-python, or "
    f"{PYTHON_VARIABLE}"
)


def farm_python(
    given: Path | None,
    environment: Mapping[str, str] = os.environ,
    has_labgrid: bool | None = None,
) -> Path:
    """The Python of the broker: the given one, or that of `NRF_FOTA_FARM_PYTHON`; else this one if
    it has labgrid; else the one that `labgrid-client` on the PATH belongs to.

    Args:
        given: what was given as `--farm-python`.
        environment: of this process.
        has_labgrid: whether this Python has labgrid; None looks, and imports nothing.

    Raises:
        InputError: there is none.
    """
    named = given or (
        Path(environment[PYTHON_VARIABLE]) if environment.get(PYTHON_VARIABLE) else None
    )
    if named is not None:
        found = shutil.which(named, path=environment.get("PATH"))
        if found is None:
            raise InputError(
                "There is no such Python to run labgrid with.",
                where=str(named),
                next_step=INSTALL_HINT,
            )
        return Path(found)
    if has_labgrid is None:
        found_here = importlib.util.find_spec("labgrid")
        # A folder that pip left behind is a package without a file.
        has_labgrid = found_here is not None and found_here.origin is not None
    if has_labgrid:
        return Path(sys.executable)
    client = shutil.which(_CLIENT, path=environment.get("PATH"))
    python = _python_of(Path(client)) if client else None
    if python is None:
        raise InputError(
            "labgrid is not installed.",
            where=f"{sys.executable}; {_CLIENT} on the PATH",
            next_step=INSTALL_HINT,
        )
    return python


def _python_of(script: Path) -> Path | None:
    """The Python in the first line of a script that pip made."""
    try:
        with script.open("rb") as file:
            first = file.readline(1024).decode("utf-8", "replace").strip()
            # A path that is long or has blanks stands in the second line, which a shell runs.
            second = file.readline(1024).decode("utf-8", "replace").strip()
    except OSError:
        return None
    text = first.removeprefix("#!").strip()
    if text == "/bin/sh":
        text = second.removeprefix("'''exec' ").removesuffix(' "$0" "$@"').strip('"')
    python = Path(text)
    return python if python.is_absolute() and os.access(python, os.X_OK) else None
