"""Over the modelled link: nothing is lost by itself, and what is dropped on purpose costs little.

In virtual time, which has the same figures everywhere.
"""

import asyncio
from itertools import product
from random import Random
from typing import Literal

import pytest
from smpclient import SMPClient
from smpclient.requests.os_management import EchoWrite

from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.link_timing import LinkTiming
from pytest_nrf_fota.sim.modelled_link import ModelledTransport
from pytest_nrf_fota.sim.upload_server import FlashCost, ServerBuild
from pytest_nrf_fota.sim.virtual_time import run_in_virtual_time
from pytest_nrf_fota.smp.recording_transport import RecordingTransport
from pytest_nrf_fota.smp.session_uploads import uploader_for
from pytest_nrf_fota.smp.upload.frames import ImageFile
from pytest_nrf_fota.smp.upload.link import UploadLink, UploadTimes
from pytest_nrf_fota.smp.upload.uploader import Uploader, upload_all

IMAGE = Random(5).randbytes(40_000)
WRITES_PER_FRAME = 5
FREE, WORDS, PAGES = FlashCost(), FlashCost(43e-6), FlashCost(43e-6, 0.0875)
MOST_S_PER_LOSS = 1.5


class Central(ModelledTransport):
    """The modelled link with an interval that is known, or is not."""

    tells_interval = True

    def upload_link(self) -> UploadLink:
        """The connection."""
        interval_s = self.timing.interval_s if self.tells_interval else None
        return UploadLink(self.mtu, interval_s=interval_s)


async def upload(central: Central) -> tuple[float, Uploader]:
    transport = RecordingTransport(central, FlightRecorder())
    client = SMPClient(transport, "")
    await client.connect(5)
    begun_s = asyncio.get_running_loop().time()
    uploader = uploader_for(transport, ImageFile(IMAGE, 0), UploadTimes(40.0, 5.0))
    await upload_all(uploader)
    seconds = asyncio.get_running_loop().time() - begun_s
    # With two buffers, none is free before the board hears that its answer arrived.
    await asyncio.sleep(2 * central.timing.interval_s)
    answer = await client.request(EchoWrite(d="usable"))
    assert getattr(answer, "r", None) == "usable"
    return seconds, uploader


async def uploaded(
    timing: LinkTiming,
    build: ServerBuild,
    *,
    loses: frozenset[int] = frozenset(),
    tells_interval: bool = True,
    mtu_bytes: int = 498,
) -> tuple[float, Central, Uploader]:
    central = Central(timing, build, mtu_bytes, loses)
    central.tells_interval = tells_interval
    seconds, uploader = await upload(central)
    assert central.server.store.stored == IMAGE
    return seconds, central, uploader


@pytest.mark.parametrize("flash", [FREE, pytest.param(WORDS, marks=pytest.mark.long_proof), PAGES])
@pytest.mark.parametrize("buffer_count", [3, 4, pytest.param(8, marks=pytest.mark.long_proof)])
@pytest.mark.parametrize("tells_interval", [True, False])
def test_no_request_finds_the_server_without_a_buffer(
    flash: FlashCost, buffer_count: int, tells_interval: bool
) -> None:
    """Whatever the server's CPU takes, and however early a host ends its events."""
    phys: tuple[Literal[1, 2], ...] = (1, 2)
    servers = ((0.0001, 0.0), (0.0005, 0.0002), (0.004, 0.002))
    for phy, interval_ms, pdus, (handling_s, wake_up_s), mtu_bytes in product(
        phys, (7.5, 30.0, 50.0), (None, 2), servers, (247, 498)
    ):
        timing = LinkTiming(interval_ms / 1000, phy, pdus_per_event=pdus)
        build = ServerBuild(2475, buffer_count, flash, handling_s, wake_up_s)
        _, central, uploader = run_in_virtual_time(
            uploaded(timing, build, tells_interval=tells_interval, mtu_bytes=mtu_bytes)
        )
        assert central.server.dropped == 0
        assert uploader.retries == 0


@pytest.mark.parametrize("whole_frame", [True, False])
@pytest.mark.parametrize("flash", [FREE, WORDS, PAGES])
@pytest.mark.parametrize("interval_ms", [7.5, 30, 50])
def test_a_dropped_frame_costs_little(
    interval_ms: float, flash: FlashCost, whole_frame: bool
) -> None:
    """As where its first part found no buffer, and the rest of it is taken for nonsense."""
    timing, build = LinkTiming(interval_ms / 1000), ServerBuild(flash=flash)
    undisturbed_s, _, _ = run_in_virtual_time(uploaded(timing, build))
    for frame in (0, 1, 2, 8, 14, 15):
        # The request for the server's parameters was the first write.
        first = 1 + WRITES_PER_FRAME * frame
        loses = frozenset(range(first, first + (WRITES_PER_FRAME if whole_frame else 1)))
        seconds, central, uploader = run_in_virtual_time(uploaded(timing, build, loses=loses))
        assert central.server.store.erased == 1
        assert uploader.retries == 1
        assert seconds - undisturbed_s <= MOST_S_PER_LOSS


def test_two_buffers_are_one_request_at_a_time() -> None:
    build = ServerBuild(buffer_count=2)
    _, central, uploader = run_in_virtual_time(uploaded(LinkTiming(), build))
    assert uploader.window == 1
    assert central.server.dropped == 0
