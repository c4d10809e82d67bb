"""A radio that answers as a board did when it was recorded."""

import asyncio
from collections.abc import Sequence

from smp.header import Header
from smpclient.transport import SMPTransport, SMPTransportDisconnected

from pytest_nrf_fota.errors import NotSeenError
from pytest_nrf_fota.record.events import RadioState, Recorded, SmpMessage
from pytest_nrf_fota.smp.recording_transport import message_name

_SEQUENCE_AT = 6
_UPLOAD = "image upload"


class UnexpectedRequestError(AssertionError):
    """The code asks the board what it was not asked when this was recorded."""


class PlayedRadio:
    """A `Radio` whose transports play a recording's answers, each once.

    Args:
        events: of one part, by time.
    """

    def __init__(self, events: Sequence[Recorded]) -> None:
        self._events = [one.event for one in events]
        self.played = -1
        self.unexpected = ""
        self._asked = 0

    @property
    def description(self) -> str:
        """For messages."""
        return "a recording"

    def transport(self) -> SMPTransport:
        """A fresh transport."""
        return _PlayedTransport(self)

    def go_to(self, place: int) -> None:
        """A connection is made at this event: what was not played before it is over."""
        self.played = max(self.played, place)

    def connection(self) -> RadioState | None:
        """How the connection that is being made ended; None where the recording ends before."""
        for event in self._events[self.played + 1 :]:
            if isinstance(event, RadioState) and event.state in ("connected", "failed", "retrying"):
                return event
        return None

    def next_request(self, name: str) -> None:
        """Go to the next request.

        Raises `UnexpectedRequestError` where it is another one, and `SMPTransportDisconnected`
        where an upload was given up here, or the recording ends in it.
        """
        for place, event in enumerate(self._events[self.played + 1 :], self.played + 1):
            is_end = isinstance(event, RadioState) and event.state in ("failed", "disconnected")
            if is_end and name == _UPLOAD:
                raise SMPTransportDisconnected("the upload was given up here")
            if isinstance(event, SmpMessage) and event.direction == "request":
                if event.name != name:
                    self._refuse(f"now {name!r}, then {event.name!r}")
                self.played, self._asked = place, event.sequence
                return
        if name == _UPLOAD:
            raise SMPTransportDisconnected("the recording ends here")
        self._refuse(f"now {name!r}, then nothing more")

    def answer(self) -> bytes | None:
        """The answer to it; None where none came.

        An upload has asked for more before it came; an answer has its request's number.
        """
        for event in self._events[self.played + 1 :]:
            if not isinstance(event, SmpMessage):
                continue
            is_of_it = event.sequence == self._asked
            if event.direction == "request" and (is_of_it or event.name != _UPLOAD):
                return None
            if event.direction == "answer" and is_of_it:
                assert event.raw, f"the answer to {event.name} was not kept"
                return bytes.fromhex(event.raw)
        return None

    def breaks(self) -> bool:
        """Whether the connection broke instead of the answer."""
        for event in self._events[self.played + 1 :]:
            if isinstance(event, RadioState):
                return "no answer" not in event.detail
        return True

    def _refuse(self, what: str) -> None:
        self.unexpected = what
        raise UnexpectedRequestError(what)


class _PlayedTransport(SMPTransport):
    def __init__(self, radio: PlayedRadio) -> None:
        self._radio = radio
        self._sequence = 0
        self._mtu = self._message_bytes = 0

    async def connect(self, address: str, timeout_s: float) -> None:
        end = self._radio.connection()
        if end is None or end.state != "connected":
            detail = end.detail if end is not None else "the recording ends here"
            raise NotSeenError(detail, where="a recording", next_step="")
        assert end.mtu_bytes is not None and end.message_bytes is not None
        self._mtu, self._message_bytes = end.mtu_bytes, end.message_bytes

    async def disconnect(self) -> None:
        pass

    async def send(self, data: bytes) -> None:
        header = Header.loads(data[: Header.SIZE])
        self._radio.next_request(message_name(header))
        self._sequence = header.sequence

    async def receive(self) -> bytes:
        answer = self._radio.answer()
        if answer is None:
            if self._radio.breaks():
                raise SMPTransportDisconnected("as it was recorded")
            await asyncio.Event().wait()
            raise AssertionError("nothing sets it")
        numbered = bytearray(answer)
        numbered[_SEQUENCE_AT] = self._sequence
        return bytes(numbered)

    async def send_and_receive(self, data: bytes) -> bytes:
        await self.send(data)
        return await self.receive()

    @property
    def mtu(self) -> int:
        return self._mtu

    @property
    def max_unencoded_size(self) -> int:
        return self._message_bytes
