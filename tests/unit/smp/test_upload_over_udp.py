"""An upload over UDP to a server on a real socket, which loses datagrams."""

import socket
import threading
from collections.abc import Iterator
from random import Random

import pytest

from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.upload_server import ServerBuild, UploadStore
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from tests.udp_radio import UdpRadioTo

IMAGE = Random(6).randbytes(60_000)
NEVER = 10**9


class Server:
    """Answers on a socket of its own; every so many datagrams one is lost."""

    def __init__(self) -> None:
        self.store = UploadStore(ServerBuild(buffer_size_bytes=1024))
        self.loses_every = NEVER
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        """End it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as goodbye:
            goodbye.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        taken = 0
        while True:
            request, client = self._socket.recvfrom(4096)
            if not request:
                return
            taken += 1
            answer = self.store.answer(request) if taken % self.loses_every else None
            if answer is not None:
                self._socket.sendto(answer, client)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("loses_every", [NEVER, 11])
def test_what_arrives_is_the_file(server: Server, loses_every: int) -> None:
    timeouts = SmpTimeouts(answer_s=5.0, first_upload_packet_s=10.0)
    with Mcumgr(UdpRadioTo(server.port), FlightRecorder(), timeouts) as mcumgr:
        mcumgr.connect("127.0.0.1", 5)
        server.loses_every = loses_every
        steps = list(mcumgr.image_upload_steps(IMAGE, within_s=60))
        server.loses_every = NEVER
        assert mcumgr.echo("usable") == "usable"
    assert server.store.stored == IMAGE
    assert steps[-1].done_bytes == len(IMAGE)
    assert (steps[-1].retries > 0) is (loses_every != NEVER)
    assert server.store.erased == 1
