"""Files uploaded to Zephyr's file system group, and read back by smpclient."""

import asyncio
import socket
import threading
from contextlib import closing
from random import Random

import pytest
from smp.header import Header
from smpclient import SMPClient
from smpclient.transport.udp import SMPUDPTransport

from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.packaged_transports import UDP_HOST, UDP_PORT
from pytest_nrf_fota.smp.upload.frames import FILE_UPLOAD, Command
from tests.peers.conftest import MakeDut
from tests.udp_radio import UdpRadioTo

pytestmark = [pytest.mark.long_proof, pytest.mark.usefixtures("native_sim")]

FILE = Random(8).randbytes(3_500)
PATH = "/lfs1/settings.bin"


class LossyRelay:
    """Hands datagrams to the board and back; every so many requests of an upload one is lost."""

    def __init__(self, loses_every: int) -> None:
        self._loses_every = loses_every
        self.lost = 0
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind((UDP_HOST, 0))
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.connect((UDP_HOST, UDP_PORT))
        self._back.settimeout(1)
        self._thread = threading.Thread(target=self._relay)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._front.getsockname()[1]
        return port

    def close(self) -> None:
        """End it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as goodbye:
            goodbye.sendto(b"", (UDP_HOST, self.port))
        self._thread.join(10)
        self._front.close()
        self._back.close()

    def _relay(self) -> None:
        taken = 0
        while True:
            request, client = self._front.recvfrom(4096)
            if not request:
                return
            header = Header.loads(request[: Header.SIZE])
            taken += Command(header.group_id, header.command_id) == FILE_UPLOAD
            if taken == self._loses_every:
                self.lost += 1
                taken = 0
                continue
            self._back.send(request)
            self._front.sendto(self._back.recv(4096), client)


def _downloaded(path: str) -> bytes:
    async def download() -> bytes:
        client = SMPClient(SMPUDPTransport(), UDP_HOST, timeout_s=5)
        await client.connect(5)
        try:
            return await client.download_file(path)
        finally:
            await client.disconnect()

    return asyncio.run(download())


@pytest.mark.parametrize("board_name", ["native_sim_udp", "native_sim"])
def test_the_board_has_all_of_the_file(board_name: str, make_dut: MakeDut) -> None:
    """Its own status and, where smpclient can ask it, each byte; a shorter file replaces it."""
    dut = make_dut(board_name)
    dut.connect()
    for content in (FILE, FILE[:100], b"x"):
        seen: list[int] = []
        dut.mcumgr.file_upload(content, PATH, within_s=30, on_progress=seen.append)
        assert seen[-1] == len(content)
        if board_name == "native_sim_udp":
            assert _downloaded(PATH) == content


def test_lost_requests_are_sent_again(make_dut: MakeDut) -> None:
    """Of a real server on a wire that loses each second request."""
    make_dut("native_sim_udp")
    with closing(LossyRelay(2)) as relay:
        timeouts = SmpTimeouts(answer_s=5.0, first_upload_packet_s=10.0)
        with Mcumgr(UdpRadioTo(relay.port), FlightRecorder(), timeouts) as mcumgr:
            mcumgr.connect(UDP_HOST, 5)
            mcumgr.file_upload(FILE, PATH, within_s=30)
    assert relay.lost > 0
    assert _downloaded(PATH) == FILE


@pytest.mark.parametrize(
    ("board_name", "path", "size_bytes", "why"),
    [
        ("native_sim_udp", "/nowhere/settings.bin", 100, "MOUNT_POINT_NOT_FOUND"),
        ("native_sim_udp", "settings.bin", 100, "FILE_INVALID_NAME"),
        ("native_sim_udp", PATH, 20_000, "FILE_WRITE_FAILED"),
        ("native_sim_shell", PATH, 100, "ENOTSUP"),
    ],
)
def test_a_file_that_the_board_refuses_is_named(
    board_name: str, path: str, size_bytes: int, why: str, make_dut: MakeDut
) -> None:
    """By the board's own code, and the session can be used on."""
    dut = make_dut(board_name)
    dut.connect()
    with pytest.raises(BoardError, match=why) as refusal:
        dut.mcumgr.file_upload(bytes(size_bytes), path, within_s=30)
    assert f"upload {size_bytes} bytes to file {path}" in str(refusal.value)
    assert dut.mcumgr.echo("usable") == "usable"
