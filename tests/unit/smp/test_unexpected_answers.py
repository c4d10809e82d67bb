"""Answers that no client knows: an error of ours with the code as it came, never a library's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cbor2
import pytest
from smp.header import Header
from smpclient.transport import SMPTransport

from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts, UnexpectedAnswerError

IMAGE = {"slot": 0, "version": "1.1.0", "hash": b"\x02" * 32, "active": True, "confirmed": True}


class Server(SMPTransport):
    """Answers each request with a payload; `mangle` changes the whole message."""

    mtu = max_unencoded_size = 512

    def __init__(self) -> None:
        self.answer: object = {"buf_size": 512, "buf_count": 4}
        self.mangle: Callable[[bytes], bytes] = bytes
        self._request = b""

    async def connect(self, address: str, timeout_s: float) -> None:
        """Nothing to connect to."""

    async def disconnect(self) -> None:
        """Nothing to leave."""

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """Nothing to note."""

    async def send(self, data: bytes) -> None:
        """Take a request."""
        self._request = data

    async def receive(self) -> bytes:
        """Answer it."""
        payload = self.answer if isinstance(self.answer, bytes) else cbor2.dumps(self.answer)
        request = self._request
        header = bytes([request[0] | 1, 0, *len(payload).to_bytes(2, "big"), *request[4:8]])
        return self.mangle(header + payload)

    async def send_and_receive(self, data: bytes) -> bytes:
        """Both."""
        await self.send(data)
        return await self.receive()


class OneServer:
    """A radio that reaches it."""

    description = "a server of this test"

    def __init__(self, server: Server) -> None:
        self._server = server

    def transport(self) -> SMPTransport:
        """The same one each time."""
        return self._server


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def mcumgr(server: Server, tmp_path: Path) -> Iterator[Mcumgr]:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "test")
    with Mcumgr(OneServer(server), recorder, SmpTimeouts(2.0, 2.0)) as mcumgr:
        mcumgr.connect("", 5)
        yield mcumgr
    recorder.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"err": {"group": 1, "rc": 34}}, "group 1 rc 34"),
        ({"err": {"group": 99, "rc": 1}}, "group 99 rc 1"),
        ({"rc": 77}, "rc 77"),
        ({"rc": "no"}, "rc='no'"),
        ({"images": 5}, "images=5"),
        ({"images": [{"slot": "zero", "version": "1.0.0"}]}, "images="),
        ([1, 2], "nothing that can be read"),
        (b"\xff\xff", "nothing that can be read"),
        (b"", "nothing that can be read"),
        (2**80, "nothing that can be read"),
        ({"images": [2**80]}, "images="),
    ],
)
def test_an_answer_that_fits_no_request_is_named_as_it_came(
    server: Server, mcumgr: Mcumgr, answer: object, words: str
) -> None:
    server.answer = answer
    with pytest.raises(BoardError) as caught:
        mcumgr.get_image_list()
    assert words in caught.value.what
    # The session goes on with the next request.
    server.answer = {"images": [IMAGE]}
    assert [state.active for state in mcumgr.get_image_list()] == [True]


def test_new_keys_of_a_newer_server_lose_no_image_list(server: Server, mcumgr: Mcumgr) -> None:
    server.answer = {"images": [IMAGE | {"compressed": True}], "version": 3}
    (state,) = mcumgr.get_image_list()
    assert (state.version, state.active, state.pending) == ("1.1.0", True, False)
    (state,) = mcumgr.image_test(b"\x02" * 32)
    assert state.hash == b"\x02" * 32
    server.answer = {"images": [{"version": "1.1.0", "new": 1}]}
    with pytest.raises(UnexpectedAnswerError, match="images="):
        mcumgr.get_image_list()


def test_the_answer_to_another_request_ends_the_connection(server: Server, mcumgr: Mcumgr) -> None:
    """Whatever comes next may be the one to this request."""

    def of_another(message: bytes) -> bytes:
        return message[:6] + bytes([message[6] ^ 0x55]) + message[7:]

    server.answer, server.mangle = {"images": [IMAGE]}, of_another
    with pytest.raises(UnexpectedAnswerError, match="sequence"):
        mcumgr.get_image_list()
    assert not mcumgr.is_connected


@pytest.mark.parametrize("size_bytes", [0, 3, Header.SIZE])
def test_half_a_header_is_no_answer(server: Server, mcumgr: Mcumgr, size_bytes: int) -> None:
    server.mangle = lambda message: message[:size_bytes]
    with pytest.raises(BoardError):
        mcumgr.echo("?")


def test_a_callers_own_error_comes_through_an_upload(server: Server, mcumgr: Mcumgr) -> None:
    def stop(_done_bytes: int) -> None:
        raise ValueError("mine")

    server.answer = {"off": 10}
    with pytest.raises(ValueError, match="mine"):
        mcumgr.image_upload(bytes(100), within_s=5, on_progress=stop)


def test_an_upload_that_does_not_advance_is_named(server: Server, mcumgr: Mcumgr) -> None:
    """Not as a silence of some milliseconds."""
    server.answer = {"off": 0}
    with pytest.raises(BoardError, match=r"does not advance: .* byte 0 of 100 again, 6 times"):
        mcumgr.image_upload(bytes(100), within_s=20)


def test_a_servers_version_cannot_colour_the_terminal(server: Server, mcumgr: Mcumgr) -> None:
    server.answer = {"images": [IMAGE | {"version": "1.0\x1b[31m\n2"}]}
    (state,) = mcumgr.get_image_list()
    assert "1.0\\x1b[31m\\n2" in str(state)


def test_a_recording_of_a_huge_number_can_be_read(
    server: Server, mcumgr: Mcumgr, tmp_path: Path
) -> None:
    server.answer = {"rc": 2**20000}
    with pytest.raises(BoardError):
        mcumgr.echo("?")
    assert len(read_recording(tmp_path / "recorder.jsonl")) > 2
