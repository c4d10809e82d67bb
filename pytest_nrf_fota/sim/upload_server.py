"""An SMP server over BLE as a client's timing meets it, without a kit around it.

What a request costs, and what becomes of one too many (Zephyr 4.4, subsys/mgmt/mcumgr; probed on a
real server):

- One pool of buffers serves requests, responses and reassembly: a frame takes one with its first
  fragment, and gives it back when its response is sent; the response has one of its own from the
  moment that the server's thread begins with the request. A first fragment that finds no buffer is
  dropped without an answer; a request whose response finds none is answered with rc 2.
- Requests are served one after the other. Storing data costs flash time per word and per page that
  has to be erased, in the server's thread.
- A response is sent in notifications, and the thread goes on when the last of them is acknowledged
  (transport/src/smp_bt.c).
- The fragments behind a lost first one are taken for frames of their own. Unsubscribing forgets the
  frame under way.
- Uploads: a gap or a duplicate is answered with the offset that is wanted; off 0 with the sha under
  way resumes; behind the end everything is answered with off 0 (img_mgmt.c, img_mgmt_upload).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

import cbor2
from smp.error import MGMT_ERR
from smp.header import CommandId, GroupId, Header

from pytest_nrf_fota.sim.app.smp_queue import SmpQueue
from pytest_nrf_fota.sim.app.smp_server import FrameAssembler
from pytest_nrf_fota.sim.connection_events import Side
from pytest_nrf_fota.sim.event_air import EventAir
from pytest_nrf_fota.sim.link_timing import ATT_HEADER_BYTES, L2CAP_HEADER_BYTES

PAGE_BYTES = 4096
WORD_BYTES = 4
_HEADERS_BYTES = L2CAP_HEADER_BYTES + ATT_HEADER_BYTES


@dataclass(frozen=True)
class FlashCost:
    """Seconds that storing takes.

    Args:
        word_s: for each word of 4 bytes; 43 us on an nRF53 (t_WRITE of its product specification).
        page_erase_s: for each page of 4096 bytes as it is reached; 87.5 ms there (t_ERASEPAGE).
    """

    word_s: float = 0.0
    page_erase_s: float = 0.0

    def of(self, offset_bytes: int, size_bytes: int) -> float:
        """For `size_bytes` behind `offset_bytes` that are there already."""
        pages = -(-(offset_bytes + size_bytes) // PAGE_BYTES) - -(-offset_bytes // PAGE_BYTES)
        words = -(-size_bytes // WORD_BYTES)
        return words * self.word_s + pages * self.page_erase_s


@dataclass(frozen=True)
class ServerBuild:
    """How the server was built, and what its CPU takes.

    Args:
        buffer_size_bytes, buffer_count: the pool.
        flash: what storing costs.
        handling_s: CPU time per request beside the flash: a Cortex-M33 reads and writes some CBOR.
        wake_up_s: from an acknowledgement until the thread has given its buffers back.
        tells_match: whether the last answer says that the image has the announced hash.
    """

    buffer_size_bytes: int = 2475
    buffer_count: int = 4
    flash: FlashCost = field(default_factory=FlashCost)
    handling_s: float = 0.0005
    wake_up_s: float = 0.0002
    tells_match: bool = True


class UploadStore:
    """The upload of one image: what is stored, and what each request is answered with."""

    def __init__(self, build: ServerBuild) -> None:
        self._build = build
        self.stored = bytearray()
        self.is_complete = False
        self.erased = 0
        self.cost_s = 0.0
        self._size_bytes = 0
        self._sha: bytes | None = None

    def answer(self, frame: bytes) -> bytes | None:
        """The response; `cost_s` is what it takes until it is there."""
        self.cost_s = self._build.handling_s
        header = Header.loads(frame[: Header.SIZE])
        if len(frame) < Header.SIZE + header.length:
            return _response(frame, {"rc": int(MGMT_ERR.ECORRUPT)})
        return _response(frame, self._content(header, frame[Header.SIZE :]))

    def answer_no_memory(self, frame: bytes) -> bytes | None:
        """The answer where no buffer is left for one."""
        return _response(frame, {"rc": int(MGMT_ERR.ENOMEM)})

    def _content(self, header: Header, body: bytes) -> dict[str, object]:
        os_commands, image_commands = CommandId.OSManagement, CommandId.ImageManagement
        match (header.group_id, header.command_id):
            case (GroupId.OS_MANAGEMENT, os_commands.MCUMGR_PARAMETERS):
                build = self._build
                return {"buf_size": build.buffer_size_bytes, "buf_count": build.buffer_count}
            case (GroupId.OS_MANAGEMENT, os_commands.ECHO):
                return {"r": cbor2.loads(body).get("d", "")}
            case (GroupId.IMAGE_MANAGEMENT, image_commands.UPLOAD):
                return self._upload(cbor2.loads(body))
            case (GroupId.IMAGE_MANAGEMENT, image_commands.STATE):
                return {"images": self._listed()}
            case _:
                return {"rc": int(MGMT_ERR.ENOTSUP)}

    def _listed(self) -> list[dict[str, object]]:
        if not self.is_complete:
            return []
        stored_hash = sha256(self.stored).digest()
        return [{"slot": 1, "version": "0.0.0", "hash": stored_hash}]

    def _upload(self, request: dict[str, object]) -> dict[str, object]:
        offset, data = request["off"], request["data"]
        assert isinstance(offset, int) and isinstance(data, bytes)
        if offset == 0:
            sha, size = request.get("sha"), request["len"]
            assert isinstance(size, int)
            if self._size_bytes and sha is not None and sha == self._sha:
                return {"off": len(self.stored)}
            self.erased += 1
            self.stored, self.is_complete = bytearray(), False
            self._size_bytes = size
            self._sha = sha if isinstance(sha, bytes) else None
        if not self._size_bytes:
            return {"off": 0}
        if offset != len(self.stored):
            return {"off": len(self.stored)}
        if offset + len(data) > self._size_bytes:
            return {"rc": int(MGMT_ERR.EINVAL)}
        self.cost_s += self._build.flash.of(offset, len(data))
        self.stored += data
        answer: dict[str, object] = {"off": len(self.stored)}
        if len(self.stored) == self._size_bytes:
            self.is_complete, self._size_bytes = True, 0
            if self._build.tells_match and self._sha is not None:
                answer["match"] = sha256(self.stored).digest() == self._sha
        return answer


class UploadServer:
    """The server at the peripheral's end of one connection.

    Args:
        build: how it was built.
        air: the connection.
        mtu_bytes: ATT MTU of the connection.
        notify: called with each notification that arrived at the central.
    """

    def __init__(
        self, build: ServerBuild, air: EventAir, mtu_bytes: int, notify: Callable[[bytes], None]
    ) -> None:
        self._build = build
        self._air = air
        self._longest_value_bytes = mtu_bytes - ATT_HEADER_BYTES
        self._notify = notify
        self.store = UploadStore(build)
        self.dropped = 0
        self.refused = 0
        self._assembler = FrameAssembler(build.buffer_size_bytes)
        self._queue = SmpQueue(self.store, build.buffer_count)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._queue.run()

    def take_write(self, value: bytes) -> None:
        """One write of the central arrived."""
        if self._assembler.is_empty and not self._queue.take_buffer():
            self.dropped += 1
            return
        frame = self._assembler.feed(value)
        if frame is not None:
            self._queue.submit(frame, self._respond)
        elif self._assembler.is_empty:
            self._queue.return_buffer()

    def take_unsubscription(self) -> None:
        """The central wrote 0 to the characteristic's configuration."""
        if not self._assembler.is_empty:
            self._assembler.clear()
            self._queue.return_buffer()

    async def _respond(self, answer: bytes) -> None:
        await asyncio.sleep(self.store.cost_s)
        acknowledged: asyncio.Event | None = None
        for offset in range(0, len(answer), self._longest_value_bytes):
            value = answer[offset : offset + self._longest_value_bytes]
            arrived = partial(self._notify, value)
            acknowledged = self._air.send(Side.PERIPHERAL, len(value) + _HEADERS_BYTES, arrived)
        if acknowledged is not None:
            await acknowledged.wait()
        await asyncio.sleep(self._build.wake_up_s)


def _response(request: bytes, content: dict[str, object]) -> bytes:
    body = cbor2.dumps(content)
    return bytes((request[0] | 1, 0, *len(body).to_bytes(2, "big"), *request[4:8])) + body
