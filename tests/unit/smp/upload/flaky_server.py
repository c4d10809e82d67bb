"""A server on a wire that loses requests, drops, delays, repeats and reorders answers, breaks."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smp.header import Header
from smpclient.transport import SMPTransportDisconnected

from pytest_nrf_fota.sim.upload_server import ServerBuild, UploadStore
from pytest_nrf_fota.smp.upload.frames import Frame


@dataclass(frozen=True)
class Fate:
    """What becomes of one request and its answer.

    Args:
        is_lost: the request never arrives.
        breaks: the connection drops with it.
        delays_s: an answer each: none loses it, two of them repeat it.
        is_refused: the server has no buffer for its answer (rc 2), and stores nothing.
    """

    is_lost: bool = False
    breaks: bool = False
    delays_s: tuple[float, ...] = (0.0,)
    is_refused: bool = False


class FlakyServer:
    """Keeps what it stored over connections, as a board does."""

    def __init__(self, fates: Iterable[Fate] = (), *, tells_match: bool = True) -> None:
        self._build = ServerBuild(tells_match=tells_match)
        self.store = UploadStore(self._build)
        self.restarted_after_completion = False
        self.requests = 0
        self._fates: Iterator[Fate] = iter(fates)

    def connect(self) -> "FlakyWire":
        """A new connection."""
        return FlakyWire(self)

    def reset(self) -> None:
        """It knows of no upload any more."""
        self.store = UploadStore(self._build)

    def next_fate(self) -> Fate:
        """That of the next request; the later ones go well."""
        return next(self._fates, Fate())

    def answer(self, frame: bytes, fate: Fate) -> bytes | None:
        """The response to one request."""
        self.requests += 1
        if fate.is_refused:
            return self.store.answer_no_memory(frame)
        was_complete, erased = self.store.is_complete, self.store.erased
        answer = self.store.answer(frame)
        self.restarted_after_completion |= was_complete and self.store.erased > erased
        return answer


class FlakyWire:
    """One connection to it: an `UploadWire`."""

    def __init__(self, server: FlakyServer) -> None:
        self._server = server
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._received = b""
        self._is_lost = False
        self.abandoned: set[int] = set()

    async def begin(self, frame: Frame) -> None:
        """Nothing to note."""

    async def send_part(self, part: bytes) -> None:
        """One write; what is complete meets its fate."""
        if self._is_lost:
            raise SMPTransportDisconnected("the link is gone")
        self._received += part
        size_bytes = Header.SIZE + int.from_bytes(self._received[2:4], "big")
        if len(self._received) < size_bytes:
            return
        frame, self._received = self._received[:size_bytes], self._received[size_bytes:]
        self._meet(frame, self._server.next_fate())

    async def receive(self) -> bytes:
        """The next answer."""
        answer = await self._answers.get()
        if answer is None:
            self._answers.put_nowait(None)
            raise SMPTransportDisconnected("the link is gone")
        return answer

    async def restart_reassembly(self) -> None:
        """Forget the part of a request."""
        if self._is_lost:
            raise SMPTransportDisconnected("the link is gone")
        self._received = b""

    def abandon(self, sequences: Iterable[int]) -> None:
        """Note them."""
        self.abandoned.update(sequences)

    @property
    def has_half_a_request(self) -> bool:
        """Whether the next request would be taken for the rest of one."""
        return bool(self._received)

    def lose(self) -> None:
        """The link drops."""
        self._is_lost = True
        while not self._answers.empty():
            self._answers.get_nowait()
        self._answers.put_nowait(None)

    def _meet(self, frame: bytes, fate: Fate) -> None:
        answer = None if fate.is_lost else self._server.answer(frame, fate)
        loop = asyncio.get_running_loop()
        for delay_s in fate.delays_s if answer is not None else ():
            loop.call_later(0.01 + delay_s, self._answers.put_nowait, answer)
        if fate.breaks:
            self._is_lost = True
            loop.call_later(0.02, self._answers.put_nowait, None)
