"""What one wire says about an upgrade."""

from dataclasses import dataclass
from enum import Enum


class Says(Enum):
    """A source's word on which firmware is there."""

    NEW = "new"
    OLD = "old"
    UNKNOWN = "unknown"


class Source(Enum):
    """Where evidence comes from."""

    UART = "UART"
    SMP = "SMP"
    SWD = "SWD"


@dataclass(frozen=True)
class Evidence:
    """One source's statement; `detail` is what was seen, in the source's own words.

    `about` tells images apart where one upgrade replaces several; each needs its own proof.
    """

    source: Source
    says: Says
    detail: str
    about: str = ""
