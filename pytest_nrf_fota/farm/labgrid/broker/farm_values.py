"""What a coordinator tells of: places, resources; and how the broker refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

RENEW_S = 15.0
"""How often a lease is renewed."""

WATCH_S = 8 * RENEW_S
"""How long a reaper watches: a hung exporter stalls the coordinator for 10 s, several do so one
after the other."""

SHORTEST_WATCH_S = 2 * RENEW_S
"""With less it may take a lease that was renewed just before for one of the dead."""

OWNER_MARK = ".nrf-fota."
"""In the names of owners who renew their leases: `HOST/USER.nrf-fota.PID.RANDOM`."""

Json = Mapping[str, object]


class RefusedError(Exception):
    """A request that cannot be done; `reason` is a word for programs."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Resource:
    """One resource of an exporter; values of `params` are scalars."""

    path: tuple[str, str, str, str]
    params: Mapping[str, object]
    is_available: bool

    def as_json(self) -> Json:
        """For an answer."""
        exporter, group, cls, name = self.path
        return {
            "exporter": exporter,
            "group": group,
            "cls": cls,
            "name": name,
            "params": dict(self.params),
            "available": self.is_available,
        }


@dataclass(frozen=True)
class Place:
    """One place; `matches` says for each of its patterns which of these paths it takes."""

    name: str
    tags: Mapping[str, str]
    comment: str
    owner: str
    reservation: str
    changed: float
    acquired: tuple[str, ...]
    matches: "tuple[Match, ...]" = ()

    def has(self, tags: Mapping[str, str]) -> bool:
        """Whether a reservation for these tags may get it, as labgrid's scheduler sees it."""
        own = {**self.tags, "name": self.name}
        return all(own.get(name) == value for name, value in tags.items())


@dataclass(frozen=True)
class Match:
    """A place's pattern of resources."""

    text: str
    takes: Callable[[tuple[str, str, str, str]], bool]


def tags_text(tags: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(tags.items())) or "no tags"
