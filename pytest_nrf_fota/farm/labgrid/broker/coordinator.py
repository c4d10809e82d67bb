"""One connection to a labgrid coordinator, over its gRPC interface."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping

from pytest_nrf_fota.farm.labgrid.broker.farm_values import Match, Place, RefusedError, Resource

_CONNECT_S = 10.0
# The coordinator gives each of a place's resources 10 s, and the place has few.
_CALL_S = 45.0


class Coordinator:
    """One connection to a coordinator: what it tells of places and resources, and calls to it."""

    def __init__(self, address: str, owner: str) -> None:
        import grpc
        from labgrid.remote.generated import labgrid_coordinator_pb2, labgrid_coordinator_pb2_grpc

        self._pb2 = labgrid_coordinator_pb2
        self._grpc_error = grpc.aio.AioRpcError
        self._usage_error = grpc.aio.UsageError
        options = [
            # As labgrid's own client (labgrid 26.0, remote/client.py).
            ("grpc.keepalive_time_ms", 7500),
            ("grpc.keepalive_timeout_ms", 10000),
            ("grpc.http2.ping_timeout_ms", 10000),
            ("grpc.http2.max_pings_without_data", 0),
            # A farm is in the house; a proxy for the web is not in between.
            ("grpc.enable_http_proxy", 0),
        ]
        self._channel = grpc.aio.insecure_channel(target=address, options=options)
        self._stub = labgrid_coordinator_pb2_grpc.CoordinatorStub(self._channel)
        self._address = address
        self._owner = owner
        self._out: asyncio.Queue[object] = asyncio.Queue()
        self._syncs: dict[int, asyncio.Event] = {}
        self._sync_count = 0
        self._pump: asyncio.Task[None] | None = None
        self.places: dict[str, Place] = {}
        self.resources: dict[tuple[str, str, str], Resource] = {}
        self.on_place: Callable[[str], None] = lambda name: None
        self.is_lost = asyncio.Event()

    async def connect(self) -> None:
        """Introduce ourselves, and learn all that there is. Raises `RefusedError`."""
        from labgrid.util import labgrid_version

        startup = self._pb2.ClientInMessage()
        startup.startup.version = labgrid_version()
        startup.startup.name = self._owner
        places, resources = self._pb2.ClientInMessage(), self._pb2.ClientInMessage()
        places.subscribe.all_places = True
        resources.subscribe.all_resources = True
        for message in (startup, places, resources):
            self._out.put_nowait(message)
        self._pump = asyncio.create_task(self._receive())
        await self.settle()

    async def settle(self) -> None:
        """Wait until all that the coordinator has told so far has come. Raises `RefusedError`."""
        self._sync_count += 1
        event = self._syncs[self._sync_count] = asyncio.Event()
        message = self._pb2.ClientInMessage()
        message.sync.id = self._sync_count
        self._out.put_nowait(message)
        lost = asyncio.create_task(self.is_lost.wait())
        came = asyncio.create_task(event.wait())
        try:
            done, _ = await asyncio.wait(
                (lost, came), timeout=_CONNECT_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            lost.cancel()
            came.cancel()
        if came not in done:
            raise self._silent()

    def _silent(self) -> RefusedError:
        return RefusedError("no_answer", f"no labgrid coordinator answers at {self._address}")

    async def close(self) -> None:
        """Let go of the connection; calls that wait for an answer get none."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
        await self._channel.close()

    async def call(
        self, method: str, request: str, within_s: float = _CALL_S, **fields: object
    ) -> object:
        """One call. Raises `RefusedError` where it fails, or takes too long."""
        message = getattr(self._pb2, request)(**fields)

        async def answer() -> object:
            return await getattr(self._stub, method)(message, timeout=within_s)

        # A task of its own: grpc cancels calls of a channel that is closed, and with them who waits
        # for one, who could not tell that from being cancelled himself.
        answering = asyncio.create_task(answer())
        try:
            await asyncio.wait({answering})
        finally:
            answering.cancel()
        if answering.cancelled():
            raise self._silent()
        try:
            return answering.result()
        except self._usage_error as error:
            raise self._silent() from error
        except self._grpc_error as error:
            name = error.code().name
            is_silent = name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
            reason = "no_answer" if is_silent else "refused"
            raise RefusedError(reason, str(error.details() or name)) from error

    async def acquire(self, place: str) -> None:
        """Raises `RefusedError`."""
        await self.call("AcquirePlace", "AcquirePlaceRequest", placename=place)
        await self.settle()

    async def release(self, place: str, owner: str, within_s: float = _CALL_S) -> None:
        """Release it, where this owner has it. Raises `RefusedError`."""
        await self.call(
            "ReleasePlace", "ReleasePlaceRequest", within_s, placename=place, fromuser=owner
        )

    async def renew(self, place: str) -> None:
        """Raises `RefusedError` where the place is not ours."""
        await self.call("AllowPlace", "AllowPlaceRequest", placename=place, user=self._owner)

    async def reserve(self, tags: Mapping[str, str]) -> tuple[str, str]:
        """Queue for a place; its token, and the place's name once there is one."""
        filters = {"main": self._pb2.Reservation.Filter(filter=tags)}
        answer = await self.call(
            "CreateReservation", "CreateReservationRequest", filters=filters, prio=0.0
        )
        return _allocation(answer)

    async def poll(self, token: str) -> str | None:
        """The place that a reservation got, if any; keeps it for another minute.

        None where there is no such reservation any more. Raises `RefusedError`.
        """
        from labgrid.remote.common import ReservationState

        try:
            answer = await self.call("PollReservation", "PollReservationRequest", token=token)
        except RefusedError as error:
            if error.reason == "no_answer":
                raise
            return None
        state: int = answer.reservation.state  # type: ignore[attr-defined]
        if ReservationState(state) in (ReservationState.expired, ReservationState.invalid):
            return None
        return _allocation(answer)[1]

    async def cancel(self, token: str) -> None:
        """Give up a reservation; one that is gone already is no error."""
        with contextlib.suppress(RefusedError):
            await self.call("CancelReservation", "CancelReservationRequest", token=token)

    async def reservations(self) -> list[tuple[str, str]]:
        """Owner and token of all of them."""
        answer = await self.call("GetReservations", "GetReservationsRequest")
        return [(one.owner, one.token) for one in answer.reservations]  # type: ignore[attr-defined]

    def resources_of(self, place: Place) -> list[Resource]:
        """What its patterns take of that which exporters offer now."""
        return [
            resource
            for _, resource in sorted(self.resources.items())
            if any(match.takes(resource.path) for match in place.matches)
        ]

    def why_useless(self, place: Place) -> str:
        """Why an acquired place is of no use; empty where it is."""
        if not place.acquired:
            return "it has no resource: its exporter is not there"
        acquired = {"/".join(r.path): r for r in self.resources.values()}
        for match in place.matches:
            if not any(match.takes(_path(text)) for text in place.acquired):
                return f"nothing matches {match.text}: its exporter does not offer it"
        for text in place.acquired:
            resource = acquired.get(text)
            if resource is None:
                return f"{text} went away"
            if not resource.is_available:
                return f"{text} is not available: unplugged, or switched off"
        return ""

    async def _receive(self) -> None:
        try:
            async for message in self._stub.ClientStream(self._requests()):
                for update in message.updates:
                    self._take(update)
                if message.HasField("sync"):
                    event = self._syncs.pop(message.sync.id, None)
                    if event is not None:
                        event.set()
        except self._grpc_error as error:
            logging.warning("coordinator %s: %s", self._address, error.details())
        finally:
            self.is_lost.set()

    async def _requests(self) -> AsyncIterator[object]:
        while True:
            yield await self._out.get()

    def _take(self, update: object) -> None:
        from labgrid.remote.common import ResourceMatch, build_dict_from_map

        kind: str = update.WhichOneof("kind")  # type: ignore[attr-defined]
        value = getattr(update, kind)
        if kind == "place":
            matches = [ResourceMatch.from_pb2(match) for match in value.matches]
            self.places[value.name] = Place(
                name=value.name,
                tags=dict(value.tags),
                comment=value.comment,
                owner=value.acquired,
                reservation=value.reservation,
                changed=value.changed,
                acquired=tuple(value.acquired_resources),
                matches=tuple(Match(repr(match), match.ismatch) for match in matches),
            )
            self.on_place(value.name)
        elif kind == "del_place":
            self.places.pop(value, None)
            self.on_place(value)
        elif kind == "resource":
            path = value.path
            key = (path.exporter_name, path.group_name, path.resource_name)
            params = {**build_dict_from_map(value.extra), **build_dict_from_map(value.params)}
            self.resources[key] = Resource((*key[:2], value.cls, key[2]), params, value.avail)
        elif kind == "del_resource":
            key = (value.exporter_name, value.group_name, value.resource_name)
            self.resources.pop(key, None)


def _allocation(answer: object) -> tuple[str, str]:
    reservation = answer.reservation  # type: ignore[attr-defined]
    return str(reservation.token), str(reservation.allocations.get("main", ""))


def _path(text: str) -> tuple[str, str, str, str]:
    exporter, group, cls, name = text.split("/", 3)
    return exporter, group, cls, name
