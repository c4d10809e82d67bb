"""Evidence of one interface (UART, SMP, SWD) about an upgrade."""

from dataclasses import dataclass
from enum import Enum


class Says(Enum):
    """Which firmware is there, as far as a source can know.

    OTHER is neither the update nor what ran before it, which speaks against the update as OLD does.
    """

    NEW = "new"
    OLD = "old"
    OTHER = "other"
    UNKNOWN = "unknown"

    @property
    def is_contrary(self) -> bool:
        """Whether it says that the update does not run."""
        return self in (Says.OLD, Says.OTHER)


_WORDS = {
    Says.NEW: "new",
    Says.OLD: "old",
    Says.OTHER: "another",
    Says.UNKNOWN: "no opinion",
}


class Source(Enum):
    """Where evidence comes from."""

    UART = "UART"
    SMP = "SMP"
    SWD = "SWD"


@dataclass(frozen=True)
class Evidence:
    """What one source reports; `detail` is what was seen, in the source's own words.

    `about` keeps images apart where one upgrade replaces several; each needs its own proof.
    `after_boot`: the board was seen to boot, and to run its application, once the image was
    pending, and the source was asked behind that boot. What the UART says of boots needs none.
    """

    source: Source
    says: Says
    detail: str
    about: str = ""
    after_boot: bool = False

    def line(self) -> str:
        """For people: `UART: new         NSIB boots slot 1`."""
        source = f"{self.source.value}:"
        return f"{source:5} {_WORDS[self.says]:10}  {self.detail}"
