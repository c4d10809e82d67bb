"""The SMP work queue: one request at a time, and one pool of buffers for all transports."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pytest_nrf_fota.sim.flash import PowerLostError

_LOGGER = logging.getLogger(__name__)


class RequestServer(Protocol):
    """What the queue needs of the SMP server."""

    def answer(self, frame: bytes) -> bytes | None:
        """The response, or None where the bytes are no request."""

    def answer_no_memory(self, frame: bytes) -> bytes | None:
        """The refusal of a request whose response finds no buffer."""


@dataclass(frozen=True)
class _Request:
    frame: bytes
    respond: Callable[[bytes], Awaitable[None]]


class SmpQueue:
    """Serves requests in the order of their arrival.

    Each request takes a buffer from its first byte on, and its response takes one from the moment
    that the server begins with it until it is sent. A request that finds no buffer is dropped
    without a word: with 4 buffers, 2 further requests survive while the server is busy. A request
    whose response finds none is answered with rc 2: with 4 buffers the first of 4 requests that
    arrive before the server's thread gets to run. A real server does now the one, now the other.

    Args:
        server: answers the requests.
        buffer_count: size of the pool.
    """

    def __init__(self, server: RequestServer, buffer_count: int) -> None:
        self._server = server
        self._free_buffers = buffer_count
        self._requests: deque[_Request] = deque()
        self._arrived = asyncio.Event()

    def take_buffer(self) -> bool:
        """Take a buffer for a request that begins to arrive; False where none is free."""
        if not self._free_buffers:
            return False
        self._free_buffers -= 1
        return True

    def return_buffer(self) -> None:
        """Give a buffer back whose request was not completed."""
        self._free_buffers += 1

    def submit(self, frame: bytes, respond: Callable[[bytes], Awaitable[None]]) -> None:
        """Queue a complete request, whose buffer is already taken.

        `respond` sends the answer; it is awaited before the next request is served.
        """
        self._requests.append(_Request(frame, respond))
        self._arrived.set()

    async def run(self) -> None:
        """Serve until cancelled, or until power is lost, when the kit puts everything to rest."""
        try:
            while True:
                while not self._requests:
                    self._arrived.clear()
                    await self._arrived.wait()
                await self._serve(self._requests.popleft())
        except PowerLostError:
            pass
        except Exception:
            # Nobody awaits this task before the application is stopped.
            _LOGGER.exception("the SMP server failed")
            raise

    async def _serve(self, request: _Request) -> None:
        has_response_buffer = self.take_buffer()
        if has_response_buffer:
            answer = self._server.answer(request.frame)
        else:
            answer = self._server.answer_no_memory(request.frame)
        if answer is not None:
            await request.respond(answer)
        if has_response_buffer:
            self.return_buffer()
        self.return_buffer()
