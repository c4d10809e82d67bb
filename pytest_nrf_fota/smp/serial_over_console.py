"""SMP over the UART that is also the board's console.

One serial port carries the log and, between its lines, base64 frames of SMP. The `Console` owns
the port and takes the frames out of the log; the transport here sends and receives through it.
"""

import asyncio
import binascii
import logging
import struct
import threading
from collections import deque
from collections.abc import Callable

from smp import header as smp_header
from smp import packet as smp_packet
from smp.exceptions import SMPBadContinueDelimiter, SMPBadCRC, SMPBadStartDelimiter
from smpclient.transport import SMPTransport, SMPTransportDisconnected

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.errors import ConsoleLostError
from pytest_nrf_fota.record.events import RadioState
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.harmless_twice import has_forgotten_upload, is_harmless_twice
from pytest_nrf_fota.smp.one_on_the_wire import OneOnTheWire, route_of
from pytest_nrf_fota.smp.transport import DEFAULT_LINE_BUFFERS, DEFAULT_LINE_LENGTH_BYTES
from pytest_nrf_fota.smp.upload.link import UploadLink

_LOGGER = logging.getLogger(__name__)

DEFAULT_REPEAT_AFTER_S = 1.0
"""How long an answer may take before its request is sent again.

Chosen, not measured: writing a packet and erasing the page before it take a fraction of this, and
smpclient, which never sends a request twice, gives up after five times as long.
"""

_MOST_REPEATS = 2
# A UART has no intervals to wait for; a page that is erased meanwhile takes less than this. A
# request that is sent again in vain is answered with the offset that is wanted.
_LEAST_TIMEOUT_S = 0.1
_MOST_OPEN = 16

# The length before the message and the CRC behind it share the server's buffer with it.
_FRAME_OVERHEAD_BYTES = smp_packet.FRAME_LENGTH_STRUCT.size + smp_packet.CRC16_STRUCT.size
_CONSOLE_LOST_CHECK_S = 0.1


class SmpFrameRouter:
    """Brings the frames that a `Console` takes out of its log to the transport in use.

    Give `deliver` to the console as `on_smp_frame`. Frames that come while no transport is
    connected are dropped; so are those for a transport that a newer one has replaced.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._receiver: Callable[[bytes], None] | None = None

    def deliver(self, frame: bytes) -> None:
        """Take one frame; called on the console's thread."""
        with self._lock:
            if self._receiver is not None:
                self._receiver(frame)

    def attach(self, receiver: Callable[[bytes], None]) -> None:
        """Send all following frames to `receiver`, which must not block."""
        with self._lock:
            self._receiver = receiver

    def detach(self, receiver: Callable[[bytes], None]) -> None:
        """Send nothing more to `receiver`."""
        with self._lock:
            if self._receiver == receiver:
                self._receiver = None


class ConsoleSmpTransport(SMPTransport):
    """smpclient's transport for one connection over a shared console.

    An answer that belongs to an earlier request (of this or an earlier connection) is dropped: only
    the answer with the sequence number, group and command of the last request is received, or of
    any request of the upload under way, which repeats them by itself. Of these one is on the wire;
    the next one waits here, and is written by the console's thread when the answer has come.

    A UART without flow control loses bytes, and with one of them a whole message. A request that
    does no harm when it is sent twice is sent again where no answer comes, at most two times.

    On `qemu_cortex_m0` six bytes that arrive before the app's first log line kill the board's
    UART receiver until the next reset, and `SMPClient.connect` sends at once: wait for the
    app's boot line before connecting, also after every reset.

    Args:
        console: the open console; stays open on `disconnect`.
        frames: the router that the console delivers to.
        line_length_bytes: longest line that the board takes.
        line_buffers: how many lines a request may have.
        recorder: gets an event for each request that is sent again.
        repeat_after_s: how long an answer may take until then.
    """

    def __init__(
        self,
        console: Console,
        frames: SmpFrameRouter,
        *,
        line_length_bytes: int = DEFAULT_LINE_LENGTH_BYTES,
        line_buffers: int = DEFAULT_LINE_BUFFERS,
        recorder: FlightRecorder | None = None,
        repeat_after_s: float = DEFAULT_REPEAT_AFTER_S,
    ) -> None:
        self._console = console
        self._frames = frames
        self._line_length_bytes = line_length_bytes
        self._line_buffers = line_buffers
        self._recorder = recorder
        self._repeat_after_s = repeat_after_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: deque[bytes] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._requests: list[bytes] = []
        self._sent: bytes | None = None
        self._lines = b""
        self._repeats_left = 0
        self._on_wire = OneOnTheWire()
        self._writing: asyncio.Task[None] | None = None

    async def connect(self, address: str, timeout_s: float) -> None:
        """Begin to receive frames. `address` is not used: the console is already open.

        Raises:
            SMPTransportDisconnected: the console's port is gone.
        """
        del address, timeout_s
        self._raise_if_console_lost()
        self._loop = asyncio.get_running_loop()
        self._arrived.clear()
        self._requests = []
        self._on_wire.forget()
        self._frames.attach(self._take_frame)

    async def disconnect(self) -> None:
        """Stop receiving frames; the console stays open."""
        self._frames.detach(self._take_frame)
        self._on_wire.forget()
        await self._written()
        self._loop = None

    async def send(self, data: bytes) -> None:
        """Send one SMP request.

        Raises:
            ValueError: the request is larger than `max_unencoded_size`.
            SMPTransportDisconnected: not connected, or the console's port is gone.
        """
        if len(data) > self.max_unencoded_size:
            raise ValueError(
                f"An SMP request of {len(data)} bytes does not fit in the "
                f"{self.max_unencoded_size} bytes that the board takes."
            )
        self._on_wire.forget()
        self._lines = self._take_request(data, beside=False)
        self._sent = data
        self._repeats_left = _MOST_REPEATS if is_harmless_twice(data) else 0
        await self._written()
        await self._write(self._lines)

    async def send_part(self, part: bytes) -> None:
        """Send one request of an upload, or keep it until the one before is answered.

        Raises as `send`.
        """
        lines = self._take_request(part, beside=self._sent is None)
        self._sent, self._repeats_left = None, 0
        lines = self._on_wire.take(part, lines)
        await self._written()
        # A thread costs a tenth of what a request takes.
        try:
            lines = lines[self._console.write_some(lines) :] if lines else b""
        except ConsoleLostError as error:
            raise SMPTransportDisconnected(str(error)) from error
        if lines:
            await self._write(lines)

    async def restart_reassembly(self) -> None:
        """Wait for none of the earlier answers. The board knows a request's begin by itself."""
        self._on_wire.forget()

    def drop_held(self) -> None:
        """Do not send what waits for an answer."""
        self._on_wire.forget()

    def upload_link(self) -> UploadLink:
        """Requests that may fill the server's buffer, one on the wire and one ready.

        The lines of a longer request than `max_unencoded_size` are read in time mostly, and one
        that is lost is sent again in shorter ones. The lines of a second request overrun the
        board's line buffers while its server is busy (seen on `qemu_cortex_m0`).
        """
        size_bytes = self._smp_server_transport_buffer_size
        most_bytes = None if size_bytes is None else size_bytes - _FRAME_OVERHEAD_BYTES
        return UploadLink(
            most_requests=1,
            held_requests=1,
            most_message_bytes=most_bytes,
            least_timeout_s=_LEAST_TIMEOUT_S,
        )

    def _take_request(self, data: bytes, *, beside: bool) -> bytes:
        self._raise_if_not_connected()
        # An upload forgets requests that it takes for lost; their sequence numbers come again.
        earlier = self._requests[-_MOST_OPEN:] if beside else []
        self._requests = [*earlier, route_of(data)]
        return b"".join(smp_packet.encode(data, line_length=self._line_length_bytes))

    async def receive(self) -> bytes:
        """The answer to the last request. One that arrived damaged counts as lost.

        Waits as long as the caller lets it; smpclient puts a time limit around it.

        Raises:
            SMPTransportDisconnected: not connected, the console's port is gone, or the board has
                forgotten the upload whose packet was sent.
        """
        if not self._repeats_left:
            return self._checked(await self._receive_answer())
        answer = asyncio.ensure_future(self._receive_answer())
        try:
            while self._repeats_left > 0:
                await asyncio.wait({answer}, timeout=self._repeat_after_s)
                if answer.done():
                    break
                self._repeats_left -= 1
                self._record_repeat()
                await self._write(self._lines)
            return self._checked(await answer)
        finally:
            answer.cancel()

    def _checked(self, message: bytes) -> bytes:
        # smpclient would begin the upload anew, and nobody would hear of the reset.
        if self._sent is not None and has_forgotten_upload(self._sent, message):
            raise SMPTransportDisconnected("The board has forgotten the upload: was it reset?")
        return message

    async def _receive_answer(self) -> bytes:
        while True:
            message = await self._receive_message()
            route = route_of(message)
            if route in self._requests or not self._requests:
                if self._sent is None:
                    # Of an answer of several lines only this knows.
                    self._send_next(message)
                    self._requests = [one for one in self._requests if one != route]
                return message
            _LOGGER.info("Dropped a late SMP answer: %s", message[: smp_header.Header.SIZE].hex())

    async def _write(self, lines: bytes) -> None:
        try:
            # On a thread: a board that takes no bytes makes the write wait.
            await asyncio.to_thread(self._console.write, lines)
        except ConsoleLostError as error:
            raise SMPTransportDisconnected(str(error)) from error

    async def _written(self) -> None:
        """Wait until what the console's thread could not write is written."""
        if self._writing is not None:
            # That the port is gone shows where answers are waited for.
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = None

    def _send_next(self, answer: bytes) -> None:
        """Send what waits for this answer; on the console's thread mostly."""
        loop, lines = self._loop, self._on_wire.answered(answer)
        if loop is None or not lines:
            return
        try:
            lines = lines[self._console.write_some(lines) :]
        except ConsoleLostError:
            return
        if lines:
            loop.call_soon_threadsafe(self._begin_writing, lines)

    def _begin_writing(self, lines: bytes) -> None:
        self._writing = asyncio.ensure_future(self._write(lines))

    def _record_repeat(self) -> None:
        if self._recorder is not None:
            sent = f"request sent again, no answer within {self._repeat_after_s:g} s"
            self._recorder.record(RadioState(state="retrying", detail=sent))

    async def send_and_receive(self, data: bytes) -> bytes:
        """Send one request and receive its answer; raises as `send` and `receive`."""
        await self.send(data)
        return await self.receive()

    @property
    def mtu(self) -> int:
        """Bytes of the board's buffer, or of one line while that is unknown."""
        return self._smp_server_transport_buffer_size or self._line_length_bytes

    @property
    def max_unencoded_size(self) -> int:
        """Largest SMP message in bytes.

        A message must fit in the board's SMP buffer, together with its length and CRC, and in the
        board's line buffers. Until `initialize` told the buffer's size it must fit in one line.
        """
        if self._smp_server_transport_buffer_size is None:
            return self._message_bytes_in_lines(1)
        return min(
            self._smp_server_transport_buffer_size - _FRAME_OVERHEAD_BYTES,
            self._message_bytes_in_lines(self._line_buffers),
        )

    def _message_bytes_in_lines(self, lines: int) -> int:
        base64_groups = (self._line_length_bytes - smp_packet.LINE_LENGTH_SUBTRACTOR) // 4
        return lines * base64_groups * 3 - _FRAME_OVERHEAD_BYTES

    def _take_frame(self, frame: bytes) -> None:
        loop = self._loop
        if loop is None:
            return
        answer = _whole_message(frame)
        try:
            if answer is not None:
                self._send_next(answer)
            loop.call_soon_threadsafe(self._note_arrival, frame)
        except RuntimeError:
            self._loop = None  # the loop was closed without a disconnect: nobody waits any more

    async def _receive_message(self) -> bytes:
        decoder = smp_packet.decode()
        next(decoder)
        while True:
            frame = await self._next_frame()
            try:
                decoder.send(frame)
            except StopIteration as finished:
                message: bytes = finished.value
                return message
            except SMPBadStartDelimiter:
                # The rest of a message whose beginning went to an earlier connection.
                decoder = smp_packet.decode()
                next(decoder)
            except SMPBadContinueDelimiter:
                # A new message begins: the board gave up the one before.
                decoder = smp_packet.decode()
                next(decoder)
                self._arrived.append(frame)
            except (SMPBadCRC, binascii.Error, struct.error) as error:
                # A lost byte breaks base64 or the length before it, a changed one the CRC.
                _LOGGER.info("Dropped a damaged SMP answer: %s", error)
                decoder = smp_packet.decode()
                next(decoder)

    async def _next_frame(self) -> bytes:
        while True:
            self._raise_if_not_connected()
            if self._arrived:
                return self._arrived.popleft()
            # No `asyncio.wait_for`: in an upload its task costs as much as all the rest here.
            arrival = asyncio.get_running_loop().create_future()
            look_again = arrival.get_loop().call_later(_CONSOLE_LOST_CHECK_S, _wake, arrival)
            self._arrival = arrival
            try:
                await arrival
            finally:
                look_again.cancel()

    def _note_arrival(self, frame: bytes) -> None:
        self._arrived.append(frame)
        if self._arrival is not None:
            _wake(self._arrival)

    def _raise_if_not_connected(self) -> None:
        if self._loop is None:
            raise SMPTransportDisconnected("The SMP transport is not connected.")
        self._raise_if_console_lost()

    def _raise_if_console_lost(self) -> None:
        if self._console.log.closed:
            raise SMPTransportDisconnected(f"The console port {self._console.port} is gone.")


class ConsoleSmpRadio:
    """The `Radio` of a unit whose SMP shares the console, or is alone on a port like it."""

    def __init__(
        self,
        console: Console,
        frames: SmpFrameRouter,
        *,
        line_length_bytes: int = DEFAULT_LINE_LENGTH_BYTES,
        line_buffers: int = DEFAULT_LINE_BUFFERS,
        recorder: FlightRecorder | None = None,
        repeat_after_s: float = DEFAULT_REPEAT_AFTER_S,
        has_own_port: bool = False,
    ) -> None:
        self._console = console
        self._frames = frames
        self._line_length_bytes = line_length_bytes
        self._line_buffers = line_buffers
        self._recorder = recorder
        self._repeat_after_s = repeat_after_s
        self._has_own_port = has_own_port

    @property
    def description(self) -> str:
        """What carries SMP to this unit."""
        if self._has_own_port:
            return f"serial SMP on a port of its own, {self._console.port}"
        return f"serial SMP on the console {self._console.port}"

    @property
    def silence_hint(self) -> str:
        """What to look at where no answer has come at all."""
        return (
            "Does the application serve SMP on this UART (CONFIG_MCUMGR_TRANSPORT_SHELL=y or "
            "CONFIG_MCUMGR_TRANSPORT_UART=y; NCS 2.3: CONFIG_MCUMGR_SMP_SHELL=y or "
            "CONFIG_MCUMGR_SMP_UART=y)? Otherwise radio.kind in the board file is another."
        )

    def transport(self) -> SMPTransport:
        """A fresh, unconnected transport for one connection."""
        return ConsoleSmpTransport(
            self._console,
            self._frames,
            line_length_bytes=self._line_length_bytes,
            line_buffers=self._line_buffers,
            recorder=self._recorder,
            repeat_after_s=self._repeat_after_s,
        )


def _whole_message(frame: bytes) -> bytes | None:
    """The message that this one line holds; None for a part of one, and for a damaged one."""
    decoder = smp_packet.decode()
    next(decoder)
    try:
        decoder.send(frame)
    except StopIteration as finished:
        message: bytes = finished.value
        return message
    except (SMPBadStartDelimiter, SMPBadCRC, binascii.Error, struct.error):
        return None
    return None


def _wake(arrival: asyncio.Future[None]) -> None:
    if not arrival.done():
        arrival.set_result(None)
