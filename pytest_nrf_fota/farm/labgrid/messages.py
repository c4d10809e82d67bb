"""What pytest and the broker say to each other, one JSON object a line.

The broker runs where there is perhaps no pydantic; its side of these is in `broker.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class FarmResource(_Message):
    """A resource of an exporter that a place takes; `cls` is labgrid's name of its class."""

    exporter: str
    group: str
    cls: str
    name: str
    params: Mapping[str, str | bool | int | float | None]
    available: bool

    def __str__(self) -> str:
        """As labgrid writes it."""
        return f"{self.exporter}/{self.group}/{self.cls}/{self.name}"


class FarmPlace(_Message):
    """A place; `owner` and `reservation` are empty where nobody has it.

    `changed` is in seconds since 1970, of the coordinator's clock.
    """

    name: str
    tags: dict[str, str]
    comment: str
    owner: str
    reservation: str
    changed: float
    resources: tuple[FarmResource, ...]


class SetAside(_Message):
    """A place that was of no use, and why."""

    place: str
    why: str


class DeadLease(_Message):
    """A lease whose owner did not renew it; `changed` as in `FarmPlace`."""

    place: str
    owner: str
    changed: float


class Look(_Message):
    """Asks for all places."""

    kind: Literal["look"] = "look"


class Lease(_Message):
    """Asks for places with all tags of one of the filters: so many, or none.

    `avoid` are names of places that are not wanted, with why.
    """

    kind: Literal["lease"] = "lease"
    filters: tuple[dict[str, str], ...]
    at_least: int
    at_most: int
    wait_s: float
    avoid: dict[str, str] = Field(default_factory=dict)


class Adopt(_Message):
    """Asks to go on with leases of an earlier broker of the same owner."""

    kind: Literal["adopt"] = "adopt"
    places: tuple[str, ...]


class Release(_Message):
    """Asks to give a place back."""

    kind: Literal["release"] = "release"
    place: str


class Reap(_Message):
    """Asks to release leases that nobody renews for so long."""

    kind: Literal["reap"] = "reap"
    watch_s: float


Request: TypeAlias = Look | Lease | Adopt | Release | Reap


class Ready(_Message):
    """The broker is connected."""

    kind: Literal["ready"]
    owner: str


class Lost(_Message):
    """A lease ended that was not given back."""

    kind: Literal["lost"]
    place: str
    why: str


class Told(_Message):
    """Something happened that the user may want to know of."""

    kind: Literal["told"]
    text: str


class Places(_Message):
    """Answers `Look`."""

    kind: Literal["places"]
    id: int
    places: tuple[FarmPlace, ...]


class Leased(_Message):
    """Answers `Lease` and `Adopt`."""

    kind: Literal["leased"]
    id: int
    places: tuple[FarmPlace, ...]
    set_aside: tuple[SetAside, ...]


class Released(_Message):
    """Answers `Release`."""

    kind: Literal["released"]
    id: int


class Reaped(_Message):
    """Answers `Reap`; `watched` counts the leases that were looked at."""

    kind: Literal["reaped"]
    id: int
    leases: tuple[DeadLease, ...]
    watched: int


Reason: TypeAlias = Literal[
    "no_match", "taken", "unusable", "set_aside", "no_answer", "refused", "no_labgrid"
]
"""Why a request cannot be done: no such places; others have them; they are of no use now; too many
of them are not wanted; the farm does not answer, or refuses; labgrid cannot be used."""


class Refused(_Message):
    """A request that cannot be done; without `id` the broker cannot work at all."""

    kind: Literal["refused"]
    id: int | None
    reason: Reason
    text: str


Answer: TypeAlias = Places | Leased | Released | Reaped | Refused
Heard: TypeAlias = Ready | Lost | Told | Answer

HEARD: TypeAdapter[Heard] = TypeAdapter(Annotated[Heard, Field(discriminator="kind")])
"""Reads a line of the broker."""
