"""Runs a `Pipeline` over a transport."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import assert_never

from pytest_nrf_fota.smp.upload.frames import Content, Frame, FramePlan, read_answer
from pytest_nrf_fota.smp.upload.patience import Patience
from pytest_nrf_fota.smp.upload.pipeline import (
    Complete,
    Forgotten,
    Limits,
    Outcome,
    Pipeline,
    Refused,
    Restart,
    Send,
    Silent,
    Stuck,
    Wait,
)

_GIVING_UP_S = 2.0


class UploadWire(Protocol):
    """What an upload needs of a transport."""

    async def begin(self, frame: Frame) -> None:
        """A request begins; its parts follow."""

    async def send_part(self, part: bytes) -> None:
        """Send one piece of it, the whole of it where the transport knows no pieces."""

    async def receive(self) -> bytes:
        """The next message."""

    async def restart_reassembly(self) -> None:
        """Make the server forget what it has of a request."""

    def abandon(self, sequences: Iterable[int]) -> None:
        """Answers to these requests are to be dropped when they come."""


@dataclass(frozen=True)
class Progress:
    """How far an upload is.

    Args:
        done_bytes, total_bytes: what the board has, of how much.
        retries: how often something was sent again.
        window: how many requests may be on their way at once, now.
    """

    done_bytes: int
    total_bytes: int
    retries: int
    window: int


class UploadFailedError(Exception):
    """The upload ended otherwise than well; `outcome` says how."""

    def __init__(self, outcome: Refused | Silent | Stuck | Forgotten, size_bytes: int) -> None:
        self.outcome = outcome
        self.size_bytes = size_bytes
        super().__init__(str(outcome))


class Uploader:
    """One upload over one connection.

    Args:
        wire: a connected transport.
        content: what is sent.
        plan: in what requests.
        limits: how many at once, and how long is waited.
    """

    def __init__(self, wire: UploadWire, content: Content, plan: FramePlan, limits: Limits) -> None:
        self._wire = wire
        self._content = content
        self._pipeline = Pipeline(
            content, plan, limits, Patience(limits.silence_s, limits.least_timeout_s)
        )
        self._receiving: asyncio.Task[bytes] | None = None
        self._paused_s = 0.0
        self.outcome: Outcome | None = None

    @property
    def retries(self) -> int:
        """How often something was sent again."""
        return self._pipeline.retries

    @property
    def window(self) -> int:
        """How many requests may be on their way at once, now."""
        return self._pipeline.window

    @property
    def may_be_complete(self) -> bool:
        """Whether the last byte was sent: then an upload that ended badly may have ended well."""
        return self._pipeline.may_be_complete

    async def run(self) -> AsyncGenerator[Progress, None]:
        """Upload; yields after each answer that tells how much the board has.

        Time that the caller takes for one of them does not count as the board's silence. Where the
        caller ends it early, the server is left with no half request.

        Raises `UploadFailedError`, and what the transport raises.
        """
        try:
            while self.outcome is None:
                if await self._take_answer():
                    paused_at_s = asyncio.get_running_loop().time()
                    yield self._progress()
                    self._paused_s += asyncio.get_running_loop().time() - paused_at_s
                    continue
                await self._act()
        finally:
            await self._leave()

    def _progress(self) -> Progress:
        done_bytes = self._pipeline.confirmed_bytes or 0
        return Progress(done_bytes, len(self._content.data), self.retries, self.window)

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._paused_s

    async def _take_answer(self) -> bool:
        """Take an answer that is there; whether it told how much the board has."""
        if self._receiving is None:
            self._receiving = asyncio.ensure_future(self._wire.receive())
        if not self._receiving.done():
            return False
        message, self._receiving = self._receiving.result(), None
        answer = read_answer(message, self._content.command)
        if answer is None:
            return False
        is_ours = answer.sequence in self._pipeline.open_sequences
        self._pipeline.take(answer, self._now_s)
        return is_ours and answer.offset_bytes is not None and answer.rc is None

    async def _act(self) -> None:
        action = self._pipeline.next(self._now_s)
        match action:
            case Send(frame, part, is_first):
                if is_first:
                    await self._wire.begin(frame)
                await self._wire.send_part(part)
            case Restart(until_s):
                left_s = max(0.0, until_s - self._now_s)
                try:
                    await asyncio.wait_for(self._wire.restart_reassembly(), left_s)
                except (asyncio.TimeoutError, TimeoutError):
                    self._pipeline.fall_silent(self._now_s)
                else:
                    self._pipeline.restarted()
            case Wait(until_s):
                left_s = max(0.0, until_s - self._now_s)
                if self._receiving is not None:
                    await asyncio.wait({self._receiving}, timeout=left_s)
            case Complete():
                self.outcome = action
            case Refused() | Silent() | Stuck() | Forgotten():
                self.outcome = action
                raise UploadFailedError(action, len(self._content.data))
            case _:
                assert_never(action)

    async def _leave(self) -> None:
        # A server that is silent is not asked for more, and one that is gone cannot be.
        receiving, was_lost = self._receiving, False
        if receiving is not None and receiving.done() and not receiving.cancelled():
            was_lost = receiving.exception() is not None
        if not isinstance(self.outcome, Complete | Silent) and not was_lost:
            with suppress(Exception):
                await asyncio.wait_for(self._end_requests(), _GIVING_UP_S)
        self._wire.abandon(self._pipeline.open_sequences)
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)

    async def _end_requests(self) -> None:
        for part in self._pipeline.rest_of_frame():
            await self._wire.send_part(part)
        while self._pipeline.open_sequences:
            if not await self._take_answer() and self._receiving is not None:
                await asyncio.wait({self._receiving})


async def upload_all(uploader: Uploader) -> None:
    """Run an upload to its end. Raises as `Uploader.run`."""
    async with aclosing(uploader.run()) as steps:
        async for _ in steps:
            pass
