"""Whatever a server and its link do: the image in flash is the file's, or the error says why."""

import asyncio
from contextlib import aclosing
from random import Random

import hypothesis
import pytest
from hypothesis import strategies
from smpclient.transport import SMPTransportDisconnected

from pytest_nrf_fota.sim.virtual_time import run_in_virtual_time
from pytest_nrf_fota.smp.upload.frames import FramePlan, ImageFile
from pytest_nrf_fota.smp.upload.pipeline import Complete, Forgotten, Limits, Silent, Stuck
from pytest_nrf_fota.smp.upload.uploader import Uploader, UploadFailedError, upload_all
from tests.unit.smp.upload.flaky_server import Fate, FlakyServer, FlakyWire

IMAGE = Random(3).randbytes(9_000)
LARGE_IMAGE = Random(4).randbytes(500_000)
MOST_CONNECTIONS = 40

delays = strategies.sampled_from([0.0, 0.004, 0.05, 0.4, 2.0])
fates = strategies.builds(
    Fate,
    is_lost=strategies.booleans(),
    breaks=strategies.sampled_from([False] * 9 + [True]),
    delays_s=strategies.lists(delays, max_size=3).map(tuple),
    is_refused=strategies.sampled_from([False] * 4 + [True]),
)
plans = strategies.sampled_from(
    [
        FramePlan(400, 100),
        FramePlan(400, None),
        FramePlan(384, 244),
        FramePlan(600, None, sure_frame_bytes=200),
    ]
)


def limits(window: int, interval_s: float | None) -> Limits:
    return Limits(
        window=window,
        floor=max(1, window - 1),
        interval_s=interval_s,
        care_from=window,
        first_answer_s=40.0,
        first_again_s=1.2,
        silence_s=5.0,
        restarts=True,
    )


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    mishaps=strategies.lists(fates, max_size=60),
    plan=plans,
    window=strategies.integers(1, 5),
    interval_s=strategies.sampled_from([None, 0.0075, 0.05]),
    tells_match=strategies.booleans(),
)
def test_the_image_in_flash_is_the_file_s_or_the_error_says_why(
    mishaps: list[Fate],
    plan: FramePlan,
    window: int,
    interval_s: float | None,
    tells_match: bool,
) -> None:
    server = FlakyServer(mishaps, tells_match=tells_match)
    run_in_virtual_time(_until_done(server, IMAGE, plan, limits(window, interval_s)))
    assert server.store.is_complete
    assert server.store.stored == IMAGE
    assert not server.restarted_after_completion


@pytest.mark.parametrize("offset_bytes", [0, 1, 2_400, 100_000, 250_000, 490_000])
def test_a_broken_upload_goes_on_where_it_was(offset_bytes: int) -> None:
    server, plan = FlakyServer(), FramePlan(2_475, 495)
    first, resumed_at_bytes = run_in_virtual_time(_break_at(server, plan, offset_bytes))
    assert server.store.stored == LARGE_IMAGE
    assert server.store.erased == 1
    assert first >= offset_bytes
    # At most what was on its way is sent again.
    assert resumed_at_bytes >= first


def test_a_link_that_breaks_behind_the_last_byte_begins_nothing_anew() -> None:
    """The server forgets an upload that is complete: only its image list tells."""
    image = IMAGE[:1_000]
    server = FlakyServer([Fate(), Fate(), Fate(delays_s=(), breaks=True)])
    run_in_virtual_time(_until_done(server, image, FramePlan(400, 100), limits(1, None)))
    assert server.store.stored == image
    assert not server.restarted_after_completion


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(
    steps=strategies.integers(0, 12), plan=plans, mishaps=strategies.lists(fates, max_size=20)
)
def test_an_upload_that_is_ended_early_leaves_no_half_request(
    steps: int, plan: FramePlan, mishaps: list[Fate]
) -> None:
    """Whatever is asked next is taken for what it is, and answered."""
    unbroken = [Fate(fate.is_lost, False, fate.delays_s, fate.is_refused) for fate in mishaps]
    server = FlakyServer(unbroken)
    wire = run_in_virtual_time(_end_early(server, plan, steps))
    assert not wire.has_half_a_request
    # And goes on later.
    server.connect()
    run_in_virtual_time(_until_done(server, IMAGE, plan, limits(3, None)))
    assert server.store.stored == IMAGE


@pytest.mark.parametrize("window", [1, 2, 3])
def test_a_cancelled_upload_leaves_no_half_request(window: int) -> None:
    async def cancel() -> FlakyWire:
        wire = FlakyServer([Fate(), Fate(), Fate(delays_s=())]).connect()
        plan = FramePlan(2_475, 495)
        uploader = Uploader(wire, ImageFile(LARGE_IMAGE, 0), plan, limits(window, 0.05))
        running = asyncio.ensure_future(upload_all(uploader))
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        return wire

    assert not run_in_virtual_time(cancel()).has_half_a_request


def test_a_wrong_hash_is_told() -> None:
    server = FlakyServer()
    uploader = run_in_virtual_time(_spoilt(server))
    assert uploader.outcome == Complete(match=False)


def test_a_server_that_never_answers_is_named_with_the_time_that_was_waited() -> None:
    server = FlakyServer([Fate(), *[Fate(is_lost=True)] * 100])
    with pytest.raises(UploadFailedError) as failure:
        run_in_virtual_time(_once(server, IMAGE))
    assert isinstance(failure.value.outcome, Silent)
    assert failure.value.outcome.waited_s == pytest.approx(5.0, abs=1.0)


@pytest.mark.parametrize("window", [1, 3])
def test_a_last_answer_that_is_lost_begins_nothing_anew(window: int) -> None:
    """The server answers a straggler with offset 0: it is complete, or was reset."""
    image, plan = IMAGE[:1_000], FramePlan(400, 100)
    server = FlakyServer([Fate(), Fate(), Fate(delays_s=())])
    uploader = Uploader(server.connect(), ImageFile(image, 0), plan, limits(window, None))
    with pytest.raises(UploadFailedError) as failure:
        run_in_virtual_time(upload_all(uploader))
    assert failure.value.outcome == Forgotten(may_be_complete=True)
    assert not server.restarted_after_completion
    assert server.store.stored == image


def test_a_server_that_was_reset_is_told_from_one_that_is_complete() -> None:
    server = FlakyServer()

    async def forget() -> None:
        uploader = Uploader(
            server.connect(), ImageFile(IMAGE, 0), FramePlan(400, None), limits(1, None)
        )
        async with aclosing(uploader.run()) as steps:
            async for progress in steps:
                if progress.done_bytes > 2_000:
                    server.reset()

    with pytest.raises(UploadFailedError) as failure:
        run_in_virtual_time(forget())
    assert failure.value.outcome == Forgotten(may_be_complete=False)


def test_an_image_of_one_request_is_sent_once() -> None:
    """Its server may be complete, and would begin it anew."""
    server = FlakyServer([Fate(delays_s=())])
    with pytest.raises(UploadFailedError) as failure:
        run_in_virtual_time(_once(server, IMAGE[:100]))
    assert isinstance(failure.value.outcome, Silent)
    assert server.requests == 1


def test_a_server_that_stores_nothing_is_named() -> None:
    server = FlakyServer([Fate(), *[Fate(is_refused=True)] * 200])
    with pytest.raises(UploadFailedError) as failure:
        run_in_virtual_time(_once(server, IMAGE))
    assert isinstance(failure.value.outcome, Stuck)


async def _once(server: FlakyServer, image: bytes) -> None:
    plan = FramePlan(400, 100)
    await upload_all(Uploader(server.connect(), ImageFile(image, 0), plan, limits(3, None)))


async def _spoilt(server: FlakyServer) -> Uploader:
    uploader = Uploader(
        server.connect(), ImageFile(IMAGE, 0), FramePlan(400, None), limits(2, None)
    )
    async with aclosing(uploader.run()) as steps:
        async for progress in steps:
            if progress.done_bytes < 2_000:
                server.store.stored[-1] ^= 0xFF
    return uploader


async def _until_done(server: FlakyServer, image: bytes, plan: FramePlan, used: Limits) -> None:
    """As a session does: connect anew, ask the image list where the last byte was sent."""
    for _ in range(MOST_CONNECTIONS):
        uploader = Uploader(server.connect(), ImageFile(image, 0), plan, used)
        try:
            await upload_all(uploader)
        except (SMPTransportDisconnected, UploadFailedError) as error:
            failure = error.outcome if isinstance(error, UploadFailedError) else None
            assert failure is None or isinstance(failure, Silent | Stuck | Forgotten)
            if uploader.may_be_complete and server.store.is_complete:
                return
        else:
            assert isinstance(uploader.outcome, Complete)
            assert uploader.outcome.match is not False
            return
    raise AssertionError("never done")


async def _break_at(server: FlakyServer, plan: FramePlan, offset_bytes: int) -> tuple[int, int]:
    wire = server.connect()
    uploader = Uploader(wire, ImageFile(LARGE_IMAGE, 0), plan, limits(3, 0.03))
    broken_at_bytes = 0
    with pytest.raises(SMPTransportDisconnected):
        async with aclosing(uploader.run()) as steps:
            async for progress in steps:
                broken_at_bytes = progress.done_bytes
                if progress.done_bytes >= offset_bytes:
                    wire.lose()
    again = Uploader(server.connect(), ImageFile(LARGE_IMAGE, 0), plan, limits(3, 0.03))
    resumed_at_bytes: int | None = None
    async with aclosing(again.run()) as steps:
        async for progress in steps:
            if resumed_at_bytes is None:
                resumed_at_bytes = progress.done_bytes
    assert resumed_at_bytes is not None
    return broken_at_bytes, resumed_at_bytes


async def _end_early(server: FlakyServer, plan: FramePlan, most_steps: int) -> FlakyWire:
    wire = server.connect()
    uploader = Uploader(wire, ImageFile(IMAGE, 0), plan, limits(3, 0.05))
    taken = 0
    try:
        async with aclosing(uploader.run()) as steps:
            async for _ in steps:
                taken += 1
                if taken > most_steps:
                    break
    except UploadFailedError as failure:
        assert isinstance(failure.outcome, Silent | Stuck)
    return wire
