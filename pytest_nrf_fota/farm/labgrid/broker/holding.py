"""What a broker holds for its client, and what it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_nrf_fota.farm.labgrid.broker.farm_values import Place, tags_text


@dataclass
class Aside:
    """A place that is of no use now; kept from being offered again until a request is over."""

    place: str
    why: str
    token: str = ""
    is_acquired: bool = False


@dataclass(frozen=True)
class Wanted:
    """Places with all tags of one of the filters; those that we had before do not count.

    `avoid` are those that are not wanted, and why.
    """

    filters: tuple[Mapping[str, str], ...]
    at_least: int
    at_most: int
    had: frozenset[str]
    avoid: Mapping[str, str]

    def is_for(self, place: Place) -> bool:
        """Whether it is one of them, whoever has it."""
        return place.name not in self.had and any(place.has(tags) for tags in self.filters)

    def __str__(self) -> str:
        """For messages."""
        return " or ".join(tags_text(tags) for tags in self.filters)


@dataclass
class Hold:
    """What this process holds for its client.

    `unwanted` are places that could not be given back yet; `hung` are exporters that a request
    found to hang.
    """

    leases: set[str] = field(default_factory=set)
    acquiring: set[str] = field(default_factory=set)
    unwanted: set[str] = field(default_factory=set)
    hung: set[str] = field(default_factory=set)
    aside: list[Aside] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
