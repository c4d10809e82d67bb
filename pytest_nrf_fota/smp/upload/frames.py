"""The requests of an upload and their answers, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import cbor2
from smp.header import CommandId, GroupId, Header
from smpclient.requests.file_management import FileUpload
from smpclient.requests.image_management import ImageUploadWrite

LINK_PACKET_BYTES = 251
"""Payload of one packet with data length extension (Bluetooth Core, Vol 6 Part B, 2.4)."""

_L2CAP_AND_ATT_BYTES = 7
_MOST_ROUNDED_OFF = 0.05
# A byte string of 256 to 65535 bytes has two more bytes of length than an empty one.
_LENGTH_OF_DATA_BYTES = 2
_HEADER_OF_IMAGE_BYTES = 32


@dataclass(frozen=True)
class FramePlan:
    """How long requests are, and in what pieces they are sent.

    Args:
        frame_bytes: longest request.
        part_bytes: longest piece, one ATT write; None where the transport takes whole requests.
        sure_frame_bytes: longest request that arrives for sure; the first is no longer, nor is any
            after a loss. None where all of them are as sure.
    """

    frame_bytes: int
    part_bytes: int | None
    sure_frame_bytes: int | None = None

    @property
    def packets_per_part(self) -> int:
        """Link-layer packets that a whole part takes, at least."""
        if self.part_bytes is None:
            return 1
        return -(-(self.part_bytes + _L2CAP_AND_ATT_BYTES) // LINK_PACKET_BYTES)

    def parts(self, message: bytes) -> tuple[bytes, ...]:
        """The pieces of one request."""
        size_bytes = self.part_bytes or len(message)
        starts = range(0, len(message), size_bytes)
        return tuple(message[start : start + size_bytes] for start in starts)


def plan_frames(message_bytes: int, part_bytes: int | None) -> FramePlan:
    """Requests as long as the server takes them, but of whole writes where that costs little."""
    if part_bytes is None or part_bytes >= message_bytes:
        return FramePlan(message_bytes, part_bytes)
    whole_bytes = message_bytes // part_bytes * part_bytes
    rounds_little_off = message_bytes - whole_bytes <= _MOST_ROUNDED_OFF * message_bytes
    return FramePlan(whole_bytes if rounds_little_off else message_bytes, part_bytes)


@dataclass(frozen=True)
class Frame:
    """One request: which bytes of what is uploaded, and the whole message.

    `names_upload` is whether it has the hash by which a server knows the upload again.
    """

    sequence: int
    offset_bytes: int
    end_bytes: int
    message: bytes
    names_upload: bool = False


@dataclass(frozen=True)
class Command:
    """Group and command by which a server knows an upload (`smp.header`)."""

    group: int
    number: int


IMAGE_UPLOAD = Command(GroupId.IMAGE_MANAGEMENT, CommandId.ImageManagement.UPLOAD)
FILE_UPLOAD = Command(GroupId.FILE_MANAGEMENT, CommandId.FileManagement.FILE_DOWNLOAD_UPLOAD)


class Content(Protocol):
    """What is uploaded."""

    @property
    def data(self) -> bytes:
        """All of it."""

    @property
    def command(self) -> Command:
        """Of its requests and their answers."""

    def frame(self, offset_bytes: int, frame_bytes: int) -> Frame:
        """The request that sends what stands at `offset_bytes`, as much as fits in it."""


@dataclass(frozen=True)
class ImageFile:
    """An image, and its number in the application's numbering."""

    data: bytes
    number: int

    def __str__(self) -> str:
        return f"{len(self.data)} bytes to image {self.number}"

    @property
    def command(self) -> Command:
        """Image upload."""
        return IMAGE_UPLOAD

    def frame(self, offset_bytes: int, frame_bytes: int) -> Frame:
        """The request that sends what stands at `offset_bytes`, as much as fits in it.

        The first one names the upload by the file's hash, so that it can be resumed, where there is
        room for that.
        """
        first: dict[str, object] = {}
        if offset_bytes == 0:
            first = {"image": self.number, "len": len(self.data), "upgrade": False}
            named = first | {"sha": sha256(self.data).digest()}
            # A server refuses a first request with less data than a header.
            if _room_bytes(named, offset_bytes, frame_bytes) >= _HEADER_OF_IMAGE_BYTES:
                first = named
        data = _piece(self.data, offset_bytes, _room_bytes(first, offset_bytes, frame_bytes))
        request = ImageUploadWrite.model_validate({"off": offset_bytes, "data": data, **first})
        return _frame(request, offset_bytes, data, names_upload="sha" in first)


@dataclass(frozen=True)
class DeviceFile:
    """A file of the board's file system, by its absolute path."""

    data: bytes
    path: str

    def __str__(self) -> str:
        return f"{len(self.data)} bytes to file {self.path}"

    @property
    def command(self) -> Command:
        """File upload."""
        return FILE_UPLOAD

    def frame(self, offset_bytes: int, frame_bytes: int) -> Frame:
        """The request that sends what stands at `offset_bytes`, as much as fits in it.

        Each of them names the file; the one for byte 0 replaces what is there.
        """
        keys: dict[str, object] = {"name": self.path}
        if offset_bytes == 0:
            keys |= {"len": len(self.data)}
        data = _piece(self.data, offset_bytes, _room_bytes(keys, offset_bytes, frame_bytes))
        request = FileUpload.model_validate({"off": offset_bytes, "data": data, **keys})
        return _frame(request, offset_bytes, data)


def _frame(
    request: ImageUploadWrite | FileUpload,
    offset_bytes: int,
    data: bytes,
    *,
    names_upload: bool = False,
) -> Frame:
    end_bytes = offset_bytes + len(data)
    return Frame(request.header.sequence, offset_bytes, end_bytes, request.BYTES, names_upload)


def _piece(data: bytes, offset_bytes: int, room_bytes: int) -> bytes:
    return data[offset_bytes : offset_bytes + max(1, room_bytes)]


def _room_bytes(keys: Mapping[str, object], offset_bytes: int, frame_bytes: int) -> int:
    around = cbor2.dumps({"off": offset_bytes, "data": b"", **keys})
    return frame_bytes - Header.SIZE - len(around) - _LENGTH_OF_DATA_BYTES


@dataclass(frozen=True)
class Answer:
    """What the server said to one request.

    Args:
        command: of the upload.
        sequence: of the request.
        offset_bytes: what it wants next; None where it refused, or said nothing of it.
        rc: an error of the protocol; None where there is none, 0 included.
        match: whether what it stored has the announced hash; None where it does not say.
        payload: the whole of it.
    """

    command: Command
    sequence: int
    offset_bytes: int | None
    rc: int | None
    match: bool | None
    payload: Mapping[str, object]


def read_answer(message: bytes, command: Command) -> Answer | None:
    """The answer to a request of an upload by this command; None for any other message.

    Raises `ValueError` where it is one and cannot be read.
    """
    header = Header.loads(message[: Header.SIZE])
    if Command(header.group_id, header.command_id) != command:
        return None
    try:
        payload = cbor2.loads(message[Header.SIZE :])
    except cbor2.CBORError as error:
        raise ValueError(f"no CBOR: {error}") from error
    if not isinstance(payload, dict):
        raise ValueError("no map")
    offset, rc, match = payload.get("off"), payload.get("rc"), payload.get("match")
    return Answer(
        command,
        header.sequence,
        offset if isinstance(offset, int) else None,
        rc if isinstance(rc, int) and rc != 0 else None,
        match if isinstance(match, bool) else None,
        {str(key): value for key, value in payload.items()},
    )
