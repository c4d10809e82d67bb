"""Evidence of one interface (UART, SMP, SWD) about an upgrade."""

from dataclasses import dataclass
from enum import Enum


class Says(Enum):
    """Which firmware is there, as far as a source can know."""

    NEW = "new"
    OLD = "old"
    UNKNOWN = "unknown"


_WORDS = {Says.NEW: "new", Says.OLD: "old", Says.UNKNOWN: "no opinion"}


class Source(Enum):
    """Where evidence comes from."""

    UART = "UART"
    SMP = "SMP"
    SWD = "SWD"


@dataclass(frozen=True)
class Evidence:
    """What one source reports; `detail` is what was seen, in the source's own words.

    `about` keeps images apart where one upgrade replaces several; each needs its own proof.
    """

    source: Source
    says: Says
    detail: str
    about: str = ""

    def line(self) -> str:
        """For people: `UART: new         NSIB boots slot 1`."""
        source = f"{self.source.value}:"
        return f"{source:5} {_WORDS[self.says]:10}  {self.detail}"
