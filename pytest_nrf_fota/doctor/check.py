"""A check, and what it sees."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.doctor.host import Host

ALL_SYSTEMS = ("linux", "darwin", "win32")


class Outcome(Enum):
    """How a look ended. Only MISSING keeps a board from starting."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"
    NOT_LOOKED = "not looked"


@dataclass(frozen=True)
class Look:
    """What a check saw.

    Args:
        outcome: how it ended.
        found: what is there, in a few words; of MISSING the reason why a board would not start.
        remedy: what to do, where something is to be done.
        command: the one command that does it, to be pasted into a shell; empty where none can.
    """

    outcome: Outcome
    found: str
    remedy: str = ""
    command: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that a board needs of this machine.

    Args:
        name: what it is called; checks of one name are one check.
        looks_at: where it looks.
        prevents: what does not work without the thing.
        look: looks.
        systems: where the check makes sense, as in `sys.platform`.
    """

    name: str
    looks_at: str
    prevents: str
    look: Callable[[Host], Look]
    systems: tuple[str, ...] = ALL_SYSTEMS


def ok(found: str) -> Look:
    """It is there."""
    return Look(Outcome.OK, found)


def not_looked(why: str) -> Look:
    """There was nothing to look at."""
    return Look(Outcome.NOT_LOOKED, why)
