"""Whether a virtual kit executes the machine code of bootloaders."""

import importlib.util
from enum import Enum

from pytest_nrf_fota.errors import RigError

EXTRA = "exec"


class Execution(Enum):
    """How a virtual kit boots.

    OFF: models of the bootloaders.
    ON: the machine code in its flash; where that needs hardware that is not modelled, the boot ends
        and says so.
    ELSE_MODEL: the same, but there the model boots instead.
    """

    OFF = "off"
    ON = "on"
    ELSE_MODEL = "else_model"


def has_unicorn() -> bool:
    """Whether the extra `exec` is installed; unicorn is not loaded."""
    return importlib.util.find_spec("unicorn") is not None


def require_unicorn(where: str) -> None:
    """Raises `RigError` without the extra `exec`."""
    if not has_unicorn():
        raise RigError(
            "This board executes the bootloaders' machine code, and unicorn is not installed.",
            where=where,
            next_step=f'pip install "pytest-nrf-fota[{EXTRA}]" (from a clone: pip install '
            f'"PATH_TO_THE_CLONE[{EXTRA}]"), or run on a board that models its bootloaders.',
        )
