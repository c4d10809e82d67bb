"""A transport that writes every SMP message into the flight recorder and passes it on."""

import time
from collections.abc import Iterable
from enum import IntEnum

import cbor2
from pydantic import JsonValue
from smp.header import CommandId, GroupId, Header
from smpclient.transport import SMPTransport

from pytest_nrf_fota.record.events import SmpMessage
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.messages import ServerParameters
from pytest_nrf_fota.smp.upload.frames import Frame
from pytest_nrf_fota.smp.upload.link import HoldingTransport, PipelinedTransport, UploadLink

_SHOWN_BYTES = 32
_MOST_BITS = 64
_MOST_RAW_BYTES = 4096
_SEQUENCE_AT = 6
_COMMANDS: dict[GroupId, type[IntEnum]] = {
    GroupId.OS_MANAGEMENT: CommandId.OSManagement,
    GroupId.IMAGE_MANAGEMENT: CommandId.ImageManagement,
    GroupId.FILE_MANAGEMENT: CommandId.FileManagement,
    GroupId.SHELL_MANAGEMENT: CommandId.ShellManagement,
    GroupId.ENUM_MANAGEMENT: CommandId.EnumManagement,
}


class RecordingTransport(SMPTransport):
    """Delegates to `inner`; smpclient's protocol asks transports to derive from it.

    `has_answered` tells whether any answer came, `is_answered` whether one came to the last
    request; `last_answer` is its payload. `last_return_code` is the `rc` of the last answer, None
    where it had none. `unanswered_s` tells for how long the last request has had no
    answer. `server_buffer_size_bytes` is None until the server has told it, `server` as well.

    An upload sends requests in parts (`begin`, `send_part`) and several at once, where the inner
    transport can do that.
    """

    def __init__(self, inner: SMPTransport, recorder: FlightRecorder) -> None:
        self._inner = inner
        # Asked for each request of an upload, and such a question takes long.
        self._pipelined = inner if isinstance(inner, PipelinedTransport) else None
        self._recorder = recorder
        self.last_return_code: int | None = None
        self.has_answered = False
        self.is_answered = False
        self.last_answer: dict[str, object] = {}
        self.server_buffer_size_bytes: int | None = None
        self.server: ServerParameters | None = None
        self._abandoned: set[int] = set()
        self._requested_at_s = time.monotonic()

    async def connect(self, address: str, timeout_s: float) -> None:
        """Connect the inner transport."""
        await self._inner.connect(address, timeout_s)

    async def disconnect(self) -> None:
        """Disconnect the inner transport."""
        await self._inner.disconnect()

    async def send(self, data: bytes) -> None:
        """Record a request and send it.

        Raises:
            ValueError: the server would drop it without a word, because its buffer is smaller.
        """
        self._note_request(data)
        await self._inner.send(data)

    async def begin(self, frame: Frame) -> None:
        """Record an upload's request, whose parts follow. Raises as `send`."""
        self._note_request(frame.message)

    async def send_part(self, part: bytes) -> None:
        """Send a piece of the request, or all of it where the transport knows no pieces."""
        if self._pipelined is not None:
            await self._pipelined.send_part(part)
        else:
            await self._inner.send(part)

    async def restart_reassembly(self) -> None:
        """Make the server forget the request of which it has a part."""
        if self._pipelined is not None:
            await self._pipelined.restart_reassembly()

    def abandon(self, sequences: Iterable[int]) -> None:
        """Answers to these requests are dropped when they come."""
        self._abandoned.update(sequences)
        if isinstance(self._inner, HoldingTransport):
            self._inner.drop_held()

    def upload_link(self) -> UploadLink | None:
        """The connection as an upload sees it; None where it has to send one at a time."""
        return self._pipelined.upload_link() if self._pipelined is not None else None

    def _note_request(self, data: bytes) -> None:
        self.is_answered = False
        room_bytes = self.server_buffer_size_bytes
        if room_bytes is not None and len(data) > room_bytes:
            raise ValueError(
                f"it has {len(data)} bytes, and the server's buffers hold {room_bytes} "
                "(CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE; NCS 2.3: CONFIG_MCUMGR_BUF_SIZE)."
            )
        self._requested_at_s = time.monotonic()
        self._abandoned.discard(data[_SEQUENCE_AT])
        self._record("request", data)

    async def receive(self) -> bytes:
        """Receive an answer and record it. Late answers to an upload that was given up are not."""
        data = await self._inner.receive()
        while self._is_abandoned(data):
            data = await self._inner.receive()
        self.has_answered = self.is_answered = True
        self._record("answer", data)
        self.last_answer = _payload(data)
        return data

    def _is_abandoned(self, data: bytes) -> bool:
        if len(data) < Header.SIZE or data[_SEQUENCE_AT] not in self._abandoned:
            return False
        self._abandoned.discard(data[_SEQUENCE_AT])
        return True

    async def send_and_receive(self, data: bytes) -> bytes:
        """Send a request, receive its answer."""
        await self.send(data)
        return await self.receive()

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """Tell the inner transport the server's buffer size."""
        self.server_buffer_size_bytes = smp_server_transport_buffer_size
        count = self.last_answer.get("buf_count")
        if isinstance(count, int):
            self.server = ServerParameters(smp_server_transport_buffer_size, count)
        self._inner.initialize(smp_server_transport_buffer_size)

    @property
    def mtu(self) -> int:
        """The inner transport's MTU in bytes."""
        return self._inner.mtu

    @property
    def max_unencoded_size(self) -> int:
        """The inner transport's largest message in bytes."""
        return self._inner.max_unencoded_size

    @property
    def unanswered_s(self) -> float:
        """Seconds since the last request was sent."""
        return time.monotonic() - self._requested_at_s

    def _record(self, direction: str, data: bytes) -> None:
        event = _event(direction, data)
        return_code = event.payload.get("rc")
        self.last_return_code = return_code if isinstance(return_code, int) else None
        self._recorder.record(event)


def _event(direction: str, data: bytes) -> SmpMessage:
    try:
        header = Header.loads(data[: Header.SIZE])
        name = message_name(header)
        sequence = header.sequence
        payload = _readable(cbor2.loads(data[Header.SIZE :]))
    # A broken header or CBOR of any kind: the message is shown as it came.
    except Exception:
        name, sequence, payload = "not an SMP message", -1, {"hex": data[:_SHOWN_BYTES].hex()}
    return SmpMessage.model_validate(
        {
            "direction": direction,
            "name": name,
            "sequence": sequence,
            "size_bytes": len(data),
            "payload": payload if isinstance(payload, dict) else {"value": payload},
            # So that it can be played back; requests hold a firmware.
            "raw": data.hex() if direction == "answer" and len(data) <= _MOST_RAW_BYTES else "",
        }
    )


def _payload(data: bytes) -> dict[str, object]:
    try:
        payload: object = cbor2.loads(data[Header.SIZE :])
    # Whatever a server may send: nothing of it may end the receiving of it.
    except Exception:
        return {}
    return {str(key): value for key, value in payload.items()} if isinstance(payload, dict) else {}


def message_name(header: Header) -> str:
    """Group and command by name: `image upload`."""
    try:
        group = GroupId(header.group_id)
    except ValueError:
        return f"{header.group_id} {header.command_id}"
    group_name = group.name.removesuffix("_MANAGEMENT")
    try:
        command = _COMMANDS[group](header.command_id).name
    except (KeyError, ValueError):
        command = str(header.command_id)
    return f"{group_name} {command}".lower()


def _readable(value: object) -> JsonValue:
    match value:
        case bytes():
            if len(value) <= _SHOWN_BYTES:
                return value.hex()
            return f"{value[:8].hex()}... ({len(value)} bytes)"
        case dict():
            return {str(key): _readable(item) for key, item in value.items()}
        case list() | tuple():
            return [_readable(item) for item in value]
        case int() if value.bit_length() > _MOST_BITS:
            # Whoever reads the recording could not.
            return f"a number of {value.bit_length()} bits"
        case bool() | int() | float() | str() | None:
            return value
        case _:
            return str(value)
