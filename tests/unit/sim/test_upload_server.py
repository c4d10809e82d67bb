"""The modelled server: its pool of buffers, and smpclient's rate against that of a real server."""

import asyncio
from random import Random

import pytest
from smpclient import SMPClient
from smpclient.requests.os_management import EchoWrite

from pytest_nrf_fota.sim.link_timing import LinkTiming
from pytest_nrf_fota.sim.modelled_link import ModelledTransport
from pytest_nrf_fota.sim.upload_server import FlashCost, ServerBuild
from pytest_nrf_fota.sim.virtual_time import run_in_virtual_time

IMAGE = Random(1).randbytes(205_649)


@pytest.mark.parametrize(
    ("interval_ms", "real_kb_s"), [(7.5, 65.3), (15, 54.4), (30, 40.8), (50, 24.5)]
)
def test_stop_and_wait_is_as_fast_as_on_a_real_server(interval_ms: float, real_kb_s: float) -> None:
    """smpclient's own upload to Zephyr's server (3.4.99, native_sim), 4 x 2475 bytes, MTU 498."""
    transport, seconds = run_in_virtual_time(
        _upload(LinkTiming(interval_s=interval_ms / 1000), ServerBuild())
    )
    assert transport.server.store.stored == IMAGE
    assert len(IMAGE) / seconds / 1000 == pytest.approx(real_kb_s, rel=0.005)


def test_flash_costs_words_and_pages() -> None:
    cost = FlashCost(word_s=43e-6, page_erase_s=0.0875)
    assert cost.of(0, 2448) == pytest.approx(612 * 43e-6 + 0.0875)
    assert cost.of(2448, 1648) == pytest.approx(412 * 43e-6)
    assert cost.of(4096, 4097) == pytest.approx(1025 * 43e-6 + 2 * 0.0875)


@pytest.mark.parametrize(("burst", "answered", "dropped"), [(3, 3, 0), (4, 3, 1), (6, 3, 3)])
def test_a_pool_of_four_serves_three_requests_at_once(
    burst: int, answered: int, dropped: int
) -> None:
    """As probed: 3 small echoes are always answered; of more, 3."""
    transport = run_in_virtual_time(_burst(burst))
    assert transport.server.dropped == dropped
    assert transport.received == answered


def test_what_follows_a_lost_fragment_is_forgotten_by_unsubscribing() -> None:
    assert run_in_virtual_time(_half_a_frame()) == "whole again"


async def _upload(timing: LinkTiming, build: ServerBuild) -> tuple[ModelledTransport, float]:
    transport = ModelledTransport(timing, build, mtu_bytes=498)
    client = SMPClient(transport, "")
    await client.connect(5)
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    async for _ in client.upload(IMAGE):
        pass
    return transport, loop.time() - begun_s


async def _burst(count: int) -> ModelledTransport:
    # Busy with the first one until all are there.
    busy = ServerBuild(handling_s=0.02)
    transport = ModelledTransport(LinkTiming(interval_s=0.05), busy, mtu_bytes=498)
    await transport.connect("", 1)
    for _ in range(count):
        await transport.send(EchoWrite(d="?").BYTES)
    await asyncio.sleep(5)
    return transport


async def _half_a_frame() -> str:
    transport = ModelledTransport(LinkTiming(), ServerBuild(), mtu_bytes=498)
    await transport.connect("", 1)
    await transport.send_part(EchoWrite(d="x" * 600).BYTES[:495])
    await transport.restart_reassembly()
    client = SMPClient(transport, "")
    answer = await client.request(EchoWrite(d="whole again"))
    return str(getattr(answer, "r", answer))
