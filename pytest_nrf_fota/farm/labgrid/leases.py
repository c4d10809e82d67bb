"""Leases kits of a farm for one session: one for each of its workers, all or none."""

import contextlib
import platform
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import InputError, RigError
from pytest_nrf_fota.farm.claims import one_more_step
from pytest_nrf_fota.farm.labgrid.address import BOARD_TAG, HOST_TAG, FarmAddress
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess, FarmError, Listeners
from pytest_nrf_fota.farm.labgrid.messages import FarmPlace, Leased, Reason, SetAside
from pytest_nrf_fota.farm.labgrid.place_kits import (
    FarmKit,
    host_of_place,
    is_place_of,
    is_same_host,
    kit_of_place,
)
from pytest_nrf_fota.farm.quarantine import clearing_command, quarantined_kits

_RETRY_S = 1.0
# A coordinator that goes away while kits are waited for is waited for, too.
_MAY_PASS: tuple[Reason, ...] = ("taken", "unusable", "no_answer")
_Got = TypeVar("_Got")


@dataclass(frozen=True)
class WorkersOfHost:
    """How many kits the workers on one host want.

    Args:
        host: as the farm calls it; None is the host of this process.
        at_least: so many are needed.
        at_most: so many are of use; None for all that are free.
    """

    host: str | None
    at_least: int = 1
    at_most: int | None = 1


@dataclass(frozen=True)
class LostLease:
    """A lease that ended during the session, and why."""

    place: str
    why: str

    def __str__(self) -> str:
        """For the summary."""
        return f"the lease of {self.place} was lost: {self.why}"


@dataclass
class FarmNews:
    """What happens to leases while the session runs.

    `on_lost` is called on the broker's thread.
    """

    on_lost: Callable[[LostLease], None] = lambda lost: None
    lost: list[LostLease] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listeners(self) -> Listeners:
        """For a broker."""
        return Listeners(self._lose, self._tell)

    def _lose(self, place: str, why: str) -> None:
        lost = LostLease(place, why)
        with self._lock:
            self.lost.append(lost)
        self.on_lost(lost)

    def _tell(self, text: str) -> None:
        with self._lock:
            self.told.append(text)


class FarmLeases:
    """The kits of a session, leased until `release_all` or the end of this process.

    Args:
        broker: that holds them.
        news: what it tells meanwhile.
    """

    def __init__(self, broker: BrokerProcess, news: FarmNews) -> None:
        self._broker = broker
        self.news = news
        self.kits: tuple[FarmKit, ...] = ()
        self.set_aside: tuple[SetAside, ...] = ()

    @property
    def owner(self) -> str:
        """Under which name the farm knows this session."""
        return self._broker.owner

    def lease(
        self,
        board: BoardType,
        address: FarmAddress,
        wanted: WorkersOfHost,
        wait_s: float,
        gone: Collection[str] = (),
        on_wait: Callable[[str], None] = lambda text: None,
        session: str = "",
    ) -> tuple[FarmKit, ...]:
        """Lease kits for the workers of one host, all that are needed or none.

        Sessions that lease for several hosts do it in the order of the hosts' names, so that no two
        wait for each other. Kits that this host knows as quarantined are passed over, and those in
        `gone`, which are serial numbers. `on_wait` gets who has them, once, before it waits.
        `session` is the owner of other leases of this session, which end with it.

        Raises:
            InputError: there is none for that host.
            RigError: others have them, or they are of no use; or the farm does not answer.
        """
        places = self._broker.look()
        filters = filters_for(board, address, wanted.host, places)
        fitting = [place for place in places if any(_has(place, tags) for tags in filters)]
        if session and fitting and all(place.owner == session for place in fitting):
            raise _own(fitting)

        def ask(avoid: Mapping[str, str], wait_s: float) -> Leased:
            return self._broker.lease(
                filters,
                at_least=wanted.at_least,
                at_most=len(places) if wanted.at_most is None else wanted.at_most,
                wait_s=wait_s,
                avoid=avoid,
            )

        leased = self._leased_sound(ask, places, gone, Deadline.after(wait_s), on_wait)
        self.set_aside += leased.set_aside
        try:
            kits = tuple(kit_of_place(place) for place in leased.places)
        except RigError:
            for place in leased.places:
                self._broker.release(place.name)
            raise
        self.kits += kits
        return kits

    def _leased_sound(
        self,
        ask: Callable[[Mapping[str, str], float], Leased],
        places: Sequence[FarmPlace],
        gone: Collection[str],
        deadline: Deadline,
        on_wait: Callable[[str], None],
    ) -> Leased:
        """Places whose kits are not set aside: not when they are asked for, and not when they come,
        for who had one may have found that it is broken."""
        while True:
            avoid = _not_wanted(places, gone)
            leased = _within(deadline, partial(ask, avoid), _MAY_PASS, on_wait)
            if not _not_wanted(leased.places, gone):
                return leased
            for place in leased.places:
                self._broker.release(place.name)

    def release(self, kit: FarmKit) -> None:
        """Give one back. Raises `FarmError`."""
        self.kits = tuple(one for one in self.kits if one != kit)
        self._broker.release(kit.place)

    def release_all(self) -> None:
        """Give all back. Never raises."""
        self._broker.close()


def open_farm(
    address: FarmAddress,
    python: Path,
    log: Path | None = None,
    on_lost: Callable[[LostLease], None] = lambda lost: None,
    wait_s: float = 0.0,
    on_wait: Callable[[str], None] = lambda text: None,
) -> FarmLeases:
    """Connect to a farm; nothing is leased yet.

    A coordinator that does not answer, as while it is restarted, is waited for; `on_wait` is told
    once. Raises `FarmError`.
    """
    news = FarmNews(on_lost)

    def connect(wait_s: float) -> FarmLeases:
        return FarmLeases(BrokerProcess(address, python, log, news.listeners()), news)

    waits_for: tuple[Reason, ...] = ("no_answer",)
    return _within(Deadline.after(wait_s), connect, waits_for, on_wait)


def filters_for(
    board: BoardType,
    address: FarmAddress,
    host: str | None,
    places: Sequence[FarmPlace],
    this_host: str = platform.node(),
) -> tuple[dict[str, str], ...]:
    """Which tags a place must have, for workers on a host; several in order of preference.

    labgrid compares tags as a whole, so `board=nrf5340dk/nrf5340/cpuapp` is another tag than
    `board=nrf5340dk`, and means the same. A kit whose radio is Bluetooth must be on the worker's
    host; others may be elsewhere, if they have a port on the network.

    Raises:
        InputError: the farm has kits of this type, and none on that host.
    """
    given = dict(address.tags)
    fitting = [
        place
        for place in places
        if (BOARD_TAG in given or is_place_of(place, board)) and _has(place, given)
    ]
    boards = sorted({p.tags[BOARD_TAG] for p in fitting if BOARD_TAG in p.tags}) or [board.name]
    wanted = [{BOARD_TAG: name} | given for name in boards]
    if BOARD_TAG in given:
        wanted = [given]
    if HOST_TAG in given and host is None:
        return tuple(wanted)
    here = host or this_host
    hosts = {host_of_place(place) for place in fitting}
    tagged = sorted(
        {p.tags[HOST_TAG] for p in fitting if is_same_host(p.tags.get(HOST_TAG, ""), here)}
    )
    near = [tags | {HOST_TAG: name} for tags in wanted for name in tagged]
    if board.radio.kind != "ble" and host is None:
        return (*near, *wanted)
    if not near and fitting:
        raise InputError(
            f"The farm has no {board.title} on this host."
            if host is None
            else f"The farm has no {board.title} on {host}.",
            where=f"{address}: places with the tag {HOST_TAG}={here}; there are kits on "
            f"{', '.join(sorted(h for h in hosts if h)) or 'hosts without a name'}",
            next_step=f"Run the workers on those hosts: --tx ssh=HOST. Or name this host as the "
            f"farm calls it: --farm 'labgrid://...?{HOST_TAG}=NAME'",
        )
    return tuple(near or wanted)


def _not_wanted(places: Sequence[FarmPlace], gone: Collection[str]) -> dict[str, str]:
    """Places whose kits are set aside, and why."""
    aside = quarantined_kits()
    found: dict[str, str] = {}
    for place in places:
        names = {place.name}
        with contextlib.suppress(RigError):
            names.add(kit_of_place(place).serial_number)
        notes = [aside[name] for name in sorted(names) if name in aside]
        if notes:
            found[place.name] = f"{notes[0]}; to clear it: {clearing_command([notes[0].kit])}"
        elif names & set(gone):
            found[place.name] = "it was lost in this run"
    return found


def _within(
    deadline: Deadline,
    ask: Callable[[float], _Got],
    waits_for: Collection[Reason],
    on_wait: Callable[[str], None],
) -> _Got:
    """Ask for what is there now; where it is not, say so once, and ask again until the deadline.

    Args:
        deadline: without any time for it, nothing is asked again.
        ask: gets how long it may wait itself, in seconds.
        waits_for: reasons that may pass.
        on_wait: gets what is waited for.

    Raises `FarmError`.
    """
    wait_s, has_told = deadline.allowed_s, False
    while True:
        try:
            return ask(deadline.remaining_s if has_told else 0.0)
        except FarmError as error:
            if not wait_s or error.reason not in waits_for:
                raise
            if deadline.expired:
                raise _after(wait_s, error) from error
            if not has_told:
                on_wait(f"waiting up to {wait_s:g} s for the farm; {error.where}")
                has_told = True
            if error.reason == "no_answer":
                time.sleep(min(_RETRY_S, deadline.remaining_s))


def _own(places: Sequence[FarmPlace]) -> FarmError:
    return FarmError(
        "taken",
        "This session itself has all of the farm's fitting places, until it ends.",
        where=", ".join(place.name for place in places),
        next_step=one_more_step(len(places)),
    )


def _after(wait_s: float, error: FarmError) -> FarmError:
    what = f"{error.what.rstrip('.')}, after {wait_s:g} s."
    return FarmError(error.reason, what, where=error.where, next_step=error.next_step)


def _has(place: FarmPlace, tags: Mapping[str, str]) -> bool:
    """As labgrid sees it, for which `name` is a tag, too."""
    own = place.tags | {"name": place.name}
    return all(own.get(name) == value for name, value in tags.items())
