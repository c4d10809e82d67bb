"""One request on a UART at a time, the next one ready: what is written when."""

import asyncio
import os
import select
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import cbor2
import pytest
from smp import packet
from smpclient.requests.image_management import ImageUploadWrite
from smpclient.requests.os_management import EchoWrite

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.providers.pty_pair import PtyPair
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.messages import ServerParameters
from pytest_nrf_fota.smp.recording_transport import RecordingTransport
from pytest_nrf_fota.smp.serial_over_console import ConsoleSmpTransport, SmpFrameRouter
from pytest_nrf_fota.smp.upload.link import UploadLink, UploadTimes, limits_for

LINE_LENGTH_BYTES = 128
WRITE_ANSWER_OF_VERSION_2 = b"\x0b\x00"
WITHIN_S = 20


class FullConsole(Console):
    """A port that takes nothing at once, as all ports do on Windows."""

    def write_some(self, data: bytes) -> int:
        """Nothing."""
        del data
        return 0


def part_at(offset_bytes: int) -> bytes:
    return ImageUploadWrite(off=offset_bytes, data=bytes(300)).BYTES


def lines_of(message: bytes) -> bytes:
    return b"".join(packet.encode(message, line_length=LINE_LENGTH_BYTES))


def answer_to(request: bytes, **more: object) -> bytes:
    payload = cbor2.dumps({"off": 300, **more})
    header = WRITE_ANSWER_OF_VERSION_2 + len(payload).to_bytes(2, "big") + request[4:8]
    return header + payload


class Wire:
    """A transport on a pty, and the board's end of that."""

    def __init__(self, folder: Path, console: type[Console]) -> None:
        self.pair = PtyPair()
        frames = SmpFrameRouter()
        self.console = console(
            self.pair.port,
            baudrate=115200,
            raw_log_path=folder / "uart.log",
            recorder=FlightRecorder(),
            on_smp_frame=frames.deliver,
        )
        self.transport = ConsoleSmpTransport(self.console, frames)
        self.sent = b""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[ConsoleSmpTransport]:
        await self.transport.connect("", WITHIN_S)
        self.transport.initialize(384)
        yield self.transport
        await self.transport.disconnect()

    def say(self, message: bytes) -> None:
        os.write(self.pair.master, lines_of(message))

    async def receive(self) -> bytes:
        return await asyncio.wait_for(self.transport.receive(), WITHIN_S)

    async def until_sent(self, expected: bytes) -> None:
        """What the board has so far, once it is as long as expected."""
        while len(self.sent) < len(expected):
            self.sent += await asyncio.to_thread(self._read)
        assert self.sent == expected

    def _read(self) -> bytes:
        ready, _, _ = select.select([self.pair.master], [], [], WITHIN_S)
        assert ready, f"after {self.sent!r} nothing more was sent"
        return os.read(self.pair.master, 4096)

    def close(self) -> None:
        self.console.close()
        self.pair.close()


Opener = Callable[..., Wire]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    wires: list[Wire] = []

    def open_wire(console: type[Console] = Console) -> Wire:
        wires.append(Wire(tmp_path, console))
        return wires[-1]

    yield open_wire
    for wire in wires:
        wire.close()


@pytest.mark.parametrize("console", [Console, FullConsole])
@pytest.mark.parametrize("reason", ["", "as many words as several lines take " * 8])
def test_the_next_request_is_written_when_the_answer_has_come(
    opened: Opener, console: type[Console], reason: str
) -> None:
    """Also where the answer takes several lines, or the port no bytes at once."""
    wire = opened(console)

    async def upload() -> None:
        one, two, three = (part_at(offset) for offset in (300, 600, 900))
        async with wire.connected() as transport:
            await transport.send_part(one)
            await transport.send_part(two)
            await transport.send_part(three)
            written = lines_of(one)
            assert wire.console.written_bytes == len(written)
            for request, following in ((one, two), (two, three)):
                await wire.until_sent(written)
                wire.say(answer_to(request, rsn=reason))
                assert await wire.receive() == answer_to(request, rsn=reason)
                written += lines_of(following)
            await wire.until_sent(written)
            wire.say(answer_to(three))
            assert await wire.receive() == answer_to(three)

    asyncio.run(upload())


def test_an_answer_to_another_request_sends_nothing(opened: Opener) -> None:
    wire = opened()

    async def upload() -> None:
        earlier, one, two = (part_at(offset) for offset in (0, 300, 600))
        async with wire.connected() as transport:
            await transport.send_part(one)
            await transport.send_part(two)
            wire.say(answer_to(earlier))
            wire.say(answer_to(two))
            assert await wire.receive() == answer_to(two)
            assert wire.console.written_bytes == len(lines_of(one))

    asyncio.run(upload())


async def _restart(transport: ConsoleSmpTransport) -> None:
    await transport.restart_reassembly()


async def _abandon(transport: ConsoleSmpTransport) -> None:
    RecordingTransport(transport, FlightRecorder()).abandon(())


async def _ask_otherwise(transport: ConsoleSmpTransport) -> None:
    await transport.send(EchoWrite(d="x").BYTES)


@pytest.mark.parametrize("forget", [_restart, _abandon, _ask_otherwise])
def test_what_is_held_is_not_sent_once_it_is_given_up(
    opened: Opener, forget: Callable[[ConsoleSmpTransport], object]
) -> None:
    """The request that comes after it is not held, though the one before has no answer."""
    wire = opened()

    async def upload() -> None:
        one, two, three = (part_at(offset) for offset in (300, 600, 300))
        async with wire.connected() as transport:
            await transport.send_part(one)
            await transport.send_part(two)
            await forget(transport)  # type: ignore[misc]
            before = wire.console.written_bytes
            await transport.send_part(three)
            assert wire.console.written_bytes == before + len(lines_of(three))
            wire.say(answer_to(one))
            wire.say(answer_to(three))
            while await wire.receive() != answer_to(three):
                pass
            assert wire.console.written_bytes == before + len(lines_of(three))

    asyncio.run(upload())


@pytest.mark.parametrize("server", [None, ServerParameters(384, 4)])
def test_what_is_held_needs_no_buffer_of_the_server(server: ServerParameters | None) -> None:
    """Of no server more is known than that it takes one request."""
    link = UploadLink(most_requests=1, held_requests=1)
    limits = limits_for(link, server, UploadTimes(40.0, 5.0))
    assert limits.window == limits.floor == 2
    # Else a request that is sent again would wait for the answer to the one that was lost.
    assert limits.restarts
