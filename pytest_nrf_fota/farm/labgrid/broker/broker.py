"""Answers requests, renews leases, tells of those that are lost."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence

from pytest_nrf_fota.farm.labgrid.broker.coordinator import Coordinator
from pytest_nrf_fota.farm.labgrid.broker.farm_values import (
    Json,
    Place,
    RefusedError,
    tags_text,
)
from pytest_nrf_fota.farm.labgrid.broker.holding import Aside, Hold, Wanted
from pytest_nrf_fota.farm.labgrid.broker.reaping import release_the_dead

# The coordinator releases one place after the other, and waits 10 s for each resource of a hung
# exporter.
_RELEASE_ALL_S = 40.0
_RELEASE_ONE_S = 45.0
_POLL_S = 1.0
_RECONNECT_S = 60.0
_RETRY_S = 0.5
# Who looks whether a place is of use again leases it for a moment, which starts its ser2net.
_USELESS_POLL_S = 5.0
# After that the coordinator gives a resource of a hung exporter up (labgrid 26.0, 10 s).
_HUNG_S = 9.0
# How long a part of what is needed is kept from others before it is given back.
_PARTIAL_S = (2.0, 4.0)


class Broker:
    """Answers requests, renews leases, tells of those that are lost."""

    def __init__(
        self, address: str, owner: str, renew_s: float, write: Callable[[Json], None]
    ) -> None:
        self._address = address
        self._owner = owner
        self._renew_s = renew_s
        self._write = write
        self._hold = Hold()
        self._is_reconnecting = False
        self.coordinator = Coordinator(address, owner)

    async def start(self) -> None:
        """Connect, and say so. Raises `RefusedError`."""
        await self.coordinator.connect()
        self.coordinator.on_place = self._on_place
        self._write({"kind": "ready", "owner": self._owner})

    async def answer(self, request: Json) -> None:
        """Do what a request asks for, and write the answer."""
        number = request.get("id")
        try:
            answer = await self._do(request)
        except RefusedError as error:
            answer = {"kind": "refused", "reason": error.reason, "text": str(error)}
        except Exception as error:
            # A request without an answer would be waited for.
            logging.exception("request %s", request)
            answer = {"kind": "refused", "reason": "refused", "text": f"the broker: {error!r}"}
        self._write({**answer, "id": number})

    async def _do(self, request: Json) -> Json:
        kind = request.get("kind")
        if kind == "look":
            await self.coordinator.settle()
            return {"kind": "places", "places": self._all_places()}
        if kind == "lease":
            wanted = Wanted(
                tuple(_tags(one) for one in _list(request["filters"])),
                int(str(request["at_least"])),
                int(str(request["at_most"])),
                frozenset(self._hold.leases),
                _tags(request.get("avoid", {})),
            )
            return await self._lease(wanted, float(str(request["wait_s"])))
        if kind == "adopt":
            names = [str(name) for name in _list(request["places"])]
            return await self._adopt(names)
        if kind == "release":
            await self._give_back(str(request["place"]))
            return {"kind": "released"}
        if kind == "reap":
            watch_s = float(str(request["watch_s"]))
            return await release_the_dead(self.coordinator, self._address, watch_s)
        raise RefusedError("refused", f"unknown request {kind!r}")

    # Leases

    async def _lease(self, wanted: Wanted, wait_s: float) -> Json:
        ends = time.monotonic() + wait_s
        got: list[str] = []
        try:
            while True:
                await self.coordinator.settle()
                if not await self._has_enough(wanted, ends):
                    continue
                # While it waits, nobody keeps a part of what is needed for long: two who each hold
                # what the other needs would wait for ever.
                partial_s = random.uniform(*_PARTIAL_S) if wanted.at_least > 1 else wait_s
                keeps_until = min(ends, time.monotonic() + partial_s)
                count = max(wanted.at_least, min(wanted.at_most, self._free_count(wanted)))
                while len(got) < count:
                    until = keeps_until if len(got) < wanted.at_least else 0.0
                    place = await self._lease_one(wanted, until)
                    if place is None:
                        break
                    got.append(place)
                if len(got) >= wanted.at_least:
                    return self._leased(got, self._aside(wanted))
                held_by = self._held_by(wanted)
                while got:
                    await self._give_back(got.pop())
                if not await self._has_enough(wanted, ends):
                    continue
                if time.monotonic() >= ends:
                    raise RefusedError("taken", held_by)
                # Others who also held a part do not come back at the same moment.
                await asyncio.sleep(min(random.uniform(0.5, 2.5), ends - time.monotonic()))
        except BaseException:
            for name in got:
                await self._give_back(name)
            raise
        finally:
            await self._put_back()

    def _aside(self, wanted: Wanted) -> dict[str, str]:
        """Places that would fit and are of no use, and why."""
        avoided = {
            place.name: wanted.avoid[place.name]
            for place in self._fitting(wanted)
            if place.name in wanted.avoid
        }
        return avoided | {one.place: one.why for one in self._hold.aside}

    def _leased(self, names: Sequence[str], aside: Mapping[str, str]) -> Json:
        return {
            "kind": "leased",
            "places": [self._as_json(self.coordinator.places[name]) for name in names],
            "set_aside": [{"place": name, "why": why} for name, why in sorted(aside.items())],
        }

    async def _lease_one(self, wanted: Wanted, until: float) -> str | None:
        """One usable place; None where there is none until then (monotonic clock)."""
        while True:
            name, token = await self._reserved(wanted.filters, until)
            if name is None:
                return None
            if name in wanted.avoid:
                # Its reservation keeps it from being offered again.
                self._hold.aside.append(Aside(name, wanted.avoid[name], token=token))
            elif await self._try_to_acquire(name, token):
                return name
            if self._shortage(wanted):
                return None

    async def _reserved(
        self, filters: Sequence[Mapping[str, str]], until: float
    ) -> tuple[str | None, str]:
        """Queue until one of the filters gets a place: its name, and the reservation."""
        tokens: list[str] = []
        winner = ""
        place: str | None
        try:
            for tags in filters:
                token, place = await self._reserve(tags)
                tokens.append(token)
                if place:
                    winner = token
                    return place, token
            while time.monotonic() < until:
                await asyncio.sleep(min(_POLL_S, max(0.0, until - time.monotonic())))
                for aside in self._hold.aside:
                    if aside.token:
                        await self.coordinator.poll(aside.token)
                for number, tags in enumerate(filters):
                    place = await self.coordinator.poll(tokens[number])
                    if place is None:
                        # A coordinator that was started again knows of none.
                        self._hold.tokens.discard(tokens[number])
                        tokens[number], place = await self._reserve(tags)
                    if place:
                        winner = tokens[number]
                        return place, winner
            return None, ""
        finally:
            for token in tokens:
                if token != winner:
                    await self._cancel(token)

    async def _reserve(self, tags: Mapping[str, str]) -> tuple[str, str]:
        token, place = await self.coordinator.reserve(tags)
        self._hold.tokens.add(token)
        return token, place

    async def _try_to_acquire(self, name: str, token: str) -> bool:
        """Acquire a reserved place; one that is of no use is set aside."""
        exporters = self._exporters_of(name)
        if exporters & self._hold.hung:
            # Each place of such an exporter would cost 10 s, in which nobody gets an answer.
            why = f"its exporter hangs: {', '.join(sorted(exporters))}"
            self._hold.aside.append(Aside(name, why, token=token))
            return False
        self._hold.acquiring.add(name)
        began = time.monotonic()
        try:
            await self.coordinator.acquire(name)
        except RefusedError as error:
            self._hold.acquiring.discard(name)
            if error.reason == "no_answer":
                # Perhaps it is ours.
                self._hold.unwanted.add(name)
                raise
            if time.monotonic() - began > _HUNG_S and len(exporters) == 1:
                self._hold.hung |= exporters
            # Its reservation keeps it from being offered again.
            why = f"{error}: its exporter hangs, or its resources are in use"
            self._hold.aside.append(Aside(name, why, token=token))
            return False
        self._hold.unwanted.discard(name)
        # A reservation whose place was acquired never ends by itself.
        await self._cancel(token)
        why = self.coordinator.why_useless(self.coordinator.places[name])
        self._hold.acquiring.discard(name)
        if why:
            self._hold.aside.append(Aside(name, why, is_acquired=True))
            return False
        self._hold.leases.add(name)
        return True

    async def _put_back(self) -> None:
        """What was set aside is everybody's again."""
        self._hold.hung.clear()
        while self._hold.aside:
            one = self._hold.aside[-1]
            if one.is_acquired:
                await self._give_back(one.place)
            if one.token:
                await self._cancel(one.token)
            self._hold.aside.remove(one)

    async def _give_back(self, name: str, within_s: float = _RELEASE_ONE_S) -> None:
        """One that cannot be given back now is remembered, and given back later."""
        self._hold.unwanted.add(name)
        self._hold.leases.discard(name)
        try:
            await self.coordinator.release(name, self._owner, within_s)
        except RefusedError as error:
            if error.reason == "no_answer":
                return
        self._hold.unwanted.discard(name)

    async def _cancel(self, token: str) -> None:
        await self.coordinator.cancel(token)
        self._hold.tokens.discard(token)

    async def release_all(self) -> None:
        """Whatever is held; within a limit, whatever hangs."""

        hold = self._hold
        aside = {one.place for one in hold.aside if one.is_acquired}
        names = hold.leases | hold.acquiring | hold.unwanted | aside
        within_s = _RELEASE_ALL_S + _RELEASE_ONE_S * len(names)

        async def release() -> None:
            # At once: one whose exporter hangs does not keep the others waiting in the queue here.
            await asyncio.gather(
                *map(self._cancel, tuple(hold.tokens)),
                *(self._give_back(name, within_s) for name in names),
            )

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(release(), within_s)
        await self.coordinator.close()

    # What there is

    def _fitting(self, wanted: Wanted) -> list[Place]:
        places = (place for _, place in sorted(self.coordinator.places.items()))
        return [place for place in places if wanted.is_for(place)]

    def _free_count(self, wanted: Wanted) -> int:
        fitting = self._fitting(wanted)
        return sum(
            1
            for place in fitting
            if not (place.owner or place.reservation or place.name in wanted.avoid)
        )

    async def _has_enough(self, wanted: Wanted, ends: float) -> bool:
        """Whether so many places may be of use; where not, a moment later, for they may come back.

        Raises `RefusedError` at `ends` (monotonic clock), and where no waiting would help.
        """
        fitting = self._fitting(wanted)
        if len(fitting) < wanted.at_least:
            there = "; ".join(
                f"{name}: {tags_text(place.tags)}"
                for name, place in sorted(self.coordinator.places.items())
            )
            text = f"{wanted.at_least} needed, {len(fitting)} found with {wanted}"
            raise RefusedError("no_match", f"{text}; there are: {there or 'none'}")
        shortage = self._shortage(wanted)
        if not shortage:
            return True
        avoided = sum(1 for place in fitting if place.name in wanted.avoid)
        if len(fitting) - avoided < wanted.at_least:
            raise RefusedError("set_aside", shortage)
        if time.monotonic() >= ends:
            raise RefusedError("unusable", shortage)
        await self._put_back()
        await asyncio.sleep(min(_USELESS_POLL_S, max(0.0, ends - time.monotonic())))
        return False

    def _shortage(self, wanted: Wanted) -> str:
        """Which places are of no use, where too few are left besides them; else empty."""
        aside = self._aside(wanted)
        if sum(1 for p in self._fitting(wanted) if p.name not in aside) >= wanted.at_least:
            return ""
        return "; ".join(f"{name}: {why}" for name, why in sorted(aside.items()))

    def _exporters_of(self, name: str) -> set[str]:
        place = self.coordinator.places.get(name)
        resources = self.coordinator.resources_of(place) if place is not None else []
        return {resource.path[0] for resource in resources}

    def _held_by(self, wanted: Wanted) -> str:
        held = [
            f"{place.name}: held by {place.owner}"
            for place in self._fitting(wanted)
            if place.owner and place.owner != self._owner
        ]
        return "; ".join(held) or "others wait for them, too"

    def _all_places(self) -> list[Json]:
        return [self._as_json(place) for _, place in sorted(self.coordinator.places.items())]

    def _as_json(self, place: Place) -> Json:
        resources = self.coordinator.resources_of(place)
        return {
            "name": place.name,
            "tags": dict(place.tags),
            "comment": place.comment,
            "owner": place.owner,
            "reservation": place.reservation,
            "changed": place.changed,
            "resources": [resource.as_json() for resource in resources],
        }

    # Leases that stay, and leases that are lost

    def _on_place(self, name: str) -> None:
        if self._is_reconnecting or name not in self._hold.leases:
            return
        place = self.coordinator.places.get(name)
        if place is None:
            self._lose(name, "the place was deleted")
        elif place.owner != self._owner:
            self._lose(name, f"{place.owner} has it" if place.owner else "somebody released it")

    def _lose(self, name: str, why: str) -> None:
        self._hold.leases.discard(name)
        # Where we only believe it, the coordinator still has it in our name.
        self._hold.unwanted.add(name)
        self._write({"kind": "lost", "place": name, "why": why})

    async def keep(self) -> None:
        """Renew the leases, and come back where the coordinator went away; never returns."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.coordinator.is_lost.wait(), self._renew_s)
            if self.coordinator.is_lost.is_set():
                await self._come_back()
            # At once: a reaper's call comes behind those that wait in the coordinator now.
            await asyncio.gather(
                *map(self._renew, tuple(self._hold.leases)),
                *map(self._give_back, tuple(self._hold.unwanted)),
            )

    async def _renew(self, name: str) -> None:
        try:
            await self.coordinator.renew(name)
        except RefusedError as error:
            if error.reason == "no_answer":
                return
            # Refused, too, where the connection broke and grpc made another one, which is nobody's
            # session: then settling fails.
            with contextlib.suppress(RefusedError):
                await self.coordinator.settle()
                place = self.coordinator.places.get(name)
                is_ours = place is not None and place.owner == self._owner
                if not is_ours and name in self._hold.leases:
                    self._lose(name, f"it is not ours any more ({error})")

    async def _come_back(self) -> None:
        """Connect again, and take again what was ours: a restarted coordinator knows of nothing."""
        ends = time.monotonic() + _RECONNECT_S
        self._is_reconnecting = True
        self._write({"kind": "told", "text": f"the coordinator at {self._address} is gone"})
        try:
            while True:
                await self.coordinator.close()
                self.coordinator = Coordinator(self._address, self._owner)
                try:
                    await self.coordinator.connect()
                    break
                except RefusedError as error:
                    if time.monotonic() > ends:
                        for name in tuple(self._hold.leases):
                            self._lose(name, f"{error}, for {_RECONNECT_S:g} s")
                        ends = time.monotonic() + _RECONNECT_S
                    await asyncio.sleep(_RETRY_S)
            self.coordinator.on_place = self._on_place
            for name in tuple(self._hold.leases):
                await self._take_again(name)
        finally:
            self._is_reconnecting = False
        self._write({"kind": "told", "text": f"the coordinator at {self._address} is back"})

    async def _adopt(self, names: Sequence[str]) -> Json:
        """Take over what an earlier broker of this owner held, and no more of it.

        What that one had just taken when it ended, nobody knows of.
        """
        for place in tuple(self.coordinator.places.values()):
            if place.owner == self._owner and place.name not in names:
                await self._give_back(place.name)
        lost = [name for name in names if not await self._take_again(name)]
        places = [
            self._as_json(self.coordinator.places[name]) for name in names if name not in lost
        ]
        return {"kind": "leased", "places": places, "set_aside": []}

    async def _take_again(self, name: str) -> bool:
        place = self.coordinator.places.get(name)
        self._hold.leases.add(name)
        if place is not None and place.owner == self._owner:
            return True
        if place is None:
            self._lose(name, "the coordinator does not know the place any more")
        elif place.owner:
            self._lose(name, f"{place.owner} has it now")
        else:
            try:
                await self.coordinator.acquire(name)
                return True
            except RefusedError as error:
                self._lose(name, f"it could not be taken again: {error}")
        return False


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _tags(value: object) -> dict[str, str]:
    assert isinstance(value, dict)
    return {str(name): str(text) for name, text in value.items()}
