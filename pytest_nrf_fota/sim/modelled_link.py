"""A client's end of a modelled BLE connection: a transport of smpclient with a server behind it.

For virtual time: benchmarks, and tests of uploads. The connection's air is `connection_events.py`,
the server `upload_server.py`.
"""

import asyncio
from functools import partial

from smp.header import Header
from smpclient.transport import SMPTransport, SMPTransportDisconnected

from pytest_nrf_fota.sim.connection_events import ConnectionEvents, Side
from pytest_nrf_fota.sim.event_air import EventAir
from pytest_nrf_fota.sim.link_timing import (
    ATT_HEADER_BYTES,
    L2CAP_HEADER_BYTES,
    LinkTiming,
)
from pytest_nrf_fota.sim.upload_server import ServerBuild, UploadServer

_HEADERS_BYTES = L2CAP_HEADER_BYTES + ATT_HEADER_BYTES
# ATT's write request of two bytes, and its response of one.
_CCC_WRITE_BYTES, _WRITE_RESPONSE_BYTES = L2CAP_HEADER_BYTES + 5, L2CAP_HEADER_BYTES + 1


class ModelledTransport(SMPTransport):
    """One connection to one server, both of this object's making.

    Args:
        timing: of the connection.
        build: of the server.
        mtu_bytes: ATT MTU.
        loses: indexes of the writes, counted from 0, that are lost between radio and server.
    """

    def __init__(
        self,
        timing: LinkTiming,
        build: ServerBuild,
        mtu_bytes: int,
        loses: frozenset[int] = frozenset(),
    ) -> None:
        self.timing = timing
        self._mtu_bytes = mtu_bytes
        self._loses = loses
        self._air = EventAir(ConnectionEvents(timing))
        self._notified: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.server = UploadServer(build, self._air, mtu_bytes, self._notified.put_nowait)
        self._serving: asyncio.Task[None] | None = None
        self.writes = 0
        self.lost_at_s: list[float] = []
        self._is_lost = False

    async def connect(self, address: str, timeout_s: float) -> None:
        """Let the server serve."""
        del address, timeout_s
        self._serving = asyncio.ensure_future(self.server.run())

    async def disconnect(self) -> None:
        """End both."""
        self.lose()
        if self._serving is not None:
            self._serving.cancel()

    def lose(self) -> None:
        """Let the connection drop: what is on its way is lost."""
        self._is_lost = True
        self._air.close()
        self._notified.put_nowait(None)

    @property
    def received(self) -> int:
        """How many notifications wait to be taken."""
        return self._notified.qsize()

    @property
    def mtu(self) -> int:
        """Longest write in bytes."""
        return self._mtu_bytes - ATT_HEADER_BYTES

    async def send(self, data: bytes) -> None:
        """Send one SMP message."""
        for offset in range(0, len(data), self.mtu):
            await self.send_part(data[offset : offset + self.mtu])

    async def send_part(self, part: bytes) -> None:
        """Send one write."""
        if self._is_lost:
            raise SMPTransportDisconnected("the modelled connection is gone")
        is_kept = self.writes not in self._loses
        self.writes += 1
        if not is_kept:
            self.lost_at_s.append(asyncio.get_running_loop().time())
        on_arrival = partial(self.server.take_write, part) if is_kept else _lost
        self._air.send(Side.CENTRAL, len(part) + _HEADERS_BYTES, on_arrival)

    async def restart_reassembly(self) -> None:
        """Unsubscribe and subscribe again."""
        for on_arrival in (self.server.take_unsubscription, _lost):
            answered = asyncio.Event()

            def answer(then: asyncio.Event = answered, written: object = on_arrival) -> None:
                if callable(written):
                    written()
                self._air.send(Side.PERIPHERAL, _WRITE_RESPONSE_BYTES, then.set)

            self._air.send(Side.CENTRAL, _CCC_WRITE_BYTES, answer)
            await answered.wait()

    async def receive(self) -> bytes:
        """Receive one SMP message."""
        message = bytearray()
        while len(message) < Header.SIZE:
            message += await self._next()
        size_bytes = Header.SIZE + Header.loads(bytes(message[: Header.SIZE])).length
        while len(message) < size_bytes:
            message += await self._next()
        return bytes(message)

    async def send_and_receive(self, data: bytes) -> bytes:
        """Send a message, receive the answer."""
        await self.send(data)
        return await self.receive()

    async def _next(self) -> bytes:
        value = await self._notified.get()
        if value is None:
            self._notified.put_nowait(None)
            raise SMPTransportDisconnected("the modelled connection is gone")
        return value


def _lost() -> None:
    """What becomes of a write that no server hears of."""
