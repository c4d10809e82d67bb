"""SMP on a UART that loses bytes: what is sent again, and what must not be."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from smp.image_management import ImageUploadWriteResponse
from smpclient import SMPClient
from smpclient.requests.image_management import (
    ImageErase,
    ImageStatesRead,
    ImageStatesWrite,
    ImageUploadWrite,
)
from smpclient.requests.os_management import EchoWrite, MCUMgrParametersRead, ResetWrite
from smpclient.transport import SMPTransportDisconnected

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.smp.harmless_twice import has_forgotten_upload, is_harmless_twice
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.serial_over_console import ConsoleSmpRadio, SmpFrameRouter
from pytest_nrf_fota.wires.probe import ResetKind

SOON_S = 0.2
"""When a request is sent again here: a kit in the same machine answers sooner, or the repetition is
harmless."""


@pytest.mark.parametrize(
    ("request_bytes", "may_be"),
    [
        pytest.param(ImageStatesRead().BYTES, True, id="image list"),
        pytest.param(MCUMgrParametersRead().BYTES, True, id="parameters"),
        pytest.param(ImageUploadWrite(off=512, data=b"x").BYTES, True, id="later packet"),
        pytest.param(ImageUploadWrite(off=0, data=b"x", len=9).BYTES, False, id="first packet"),
        pytest.param(ImageUploadWrite(off=512, data=b"x").BYTES[:-3], False, id="cut packet"),
        pytest.param(ImageStatesWrite(hash=bytes(32), confirm=False).BYTES, False, id="mark"),
        pytest.param(ImageErase(slot=1).BYTES, False, id="erase"),
        pytest.param(ResetWrite().BYTES, False, id="reset"),
        pytest.param(EchoWrite(d="off").BYTES, False, id="echo"),
    ],
)
def test_what_may_be_sent_again(request_bytes: bytes, may_be: bool) -> None:
    """A second reset would be one too many, and a first packet erases the slot."""
    assert is_harmless_twice(request_bytes) is may_be


def test_board_that_was_reset_has_forgotten_the_upload() -> None:
    """It asks for less than it had; one that has the packet already asks for more, or the same."""
    request = ImageUploadWrite(off=512, data=b"x").BYTES
    assert has_forgotten_upload(request, ImageUploadWriteResponse(off=0).BYTES)
    assert not has_forgotten_upload(request, ImageUploadWriteResponse(off=512).BYTES)
    assert not has_forgotten_upload(request, ImageUploadWriteResponse(off=1024).BYTES)
    assert not has_forgotten_upload(request, ImageUploadWriteResponse(rc=3).BYTES)
    assert not has_forgotten_upload(ImageStatesRead().BYTES, ImageStatesRead().BYTES)


class LossyConsole(Console):
    """A kit's console that loses requests, and brings answers to `receive`."""

    def __init__(
        self, port: str, folder: Path, recorder: FlightRecorder, receive: Callable[[bytes], None]
    ) -> None:
        super().__init__(
            port,
            baudrate=115200,
            raw_log_path=folder / "uart.log",
            recorder=recorder,
            on_smp_frame=receive,
        )
        self.requests_to_lose = 0
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """A byte in the middle is missing, and with it the message."""
        self.written.append(data)
        if self.requests_to_lose > 0:
            self.requests_to_lose -= 1
            data = data[:20] + data[21:]
        super().write(data)

    def write_some(self, data: bytes) -> int:
        """An upload's way to write."""
        self.write(data)
        return len(data)


class LossyWire:
    """A client of a kit on a UART that loses what it is told to."""

    def __init__(self, port: str, folder: Path) -> None:
        self.recording = folder / "recorder.jsonl"
        self._recorder = FlightRecorder()
        self._recorder.open(self.recording, "a UART that loses bytes")
        self._frames = SmpFrameRouter()
        self.answers_to_spoil = 0
        self.spoilt: Callable[[bytes], bytes | None] = lambda frame: None
        self.console = LossyConsole(port, folder, self._recorder, self._take_frame)

    def client(self, repeat_after_s: float = SOON_S) -> SMPClient:
        """A client on this wire."""
        radio = ConsoleSmpRadio(
            self.console, self._frames, recorder=self._recorder, repeat_after_s=repeat_after_s
        )
        return SMPClient(radio.transport(), "", timeout_s=20)

    def session(self) -> Mcumgr:
        """A session on it."""
        radio = ConsoleSmpRadio(self.console, self._frames, recorder=self._recorder)
        mcumgr = Mcumgr(radio, self._recorder, SmpTimeouts(5.0, 20.0))
        mcumgr.connect("", 5)
        return mcumgr

    @property
    def repeats(self) -> int:
        """How often a request was sent again."""
        return sum(one == other for one, other in pairwise(self.console.written))

    @property
    def recorded_repeats(self) -> int:
        """How many of these the flight recorder has."""
        return self.recording.read_text().count('"retrying"')

    def close(self) -> None:
        """Close the port."""
        self.console.close()
        self._recorder.close()

    def _take_frame(self, frame: bytes) -> None:
        if self.answers_to_spoil > 0:
            self.answers_to_spoil -= 1
            spoilt = self.spoilt(frame)
            if spoilt is None:
                return
            frame = spoilt
        self._frames.deliver(frame)


@dataclass(frozen=True)
class Kit:
    """A kit that runs the baseline, and the next application for it."""

    board: BoardType
    unit: SimUnit
    image: bytes

    @property
    def port(self) -> str:
        """The application core's UART."""
        return self.unit.vcoms[1]

    def secondary_slot(self, size_bytes: int) -> bytes:
        """The beginning of the secondary slot, read over SWD."""
        control = KitControl(self.unit.control_address)
        try:
            address = self.board.slots.secondary.address
            return control.read(address, size_bytes, Deadline.after(20))
        finally:
            control.close()


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    folder = tmp_path_factory.mktemp("kit")
    board = load_board("nrf5340dk_sim")
    unit = SimUnit(board, "kit", folder)
    firmware = DemoSource(board, folder)
    try:
        wires = unit.open_wires(FlightRecorder())
        try:
            wires.probe.program(firmware.baseline, Deadline.after(20))
            wires.probe.reset(ResetKind.PIN, Deadline.after(20))
        finally:
            wires.close()
        package = read_package(firmware.app_update, package_target(board))
        yield Kit(board, unit, package.files[0].data)
    finally:
        unit.release()


@pytest.fixture
def wire(kit: Kit, tmp_path: Path) -> Iterator[LossyWire]:
    opened = LossyWire(kit.port, tmp_path)
    yield opened
    opened.close()


def _damaged(frame: bytes) -> bytes:
    """The same frame with another CRC: still base64, of the same length."""
    at = len(frame) - 6
    return frame[:at] + (b"B" if frame[at : at + 1] == b"A" else b"A") + frame[at + 1 :]


def _shortened(frame: bytes) -> bytes:
    """The same frame without one of its bytes: no base64 any more."""
    return frame[:5] + frame[6:]


def _lose_request(wire: LossyWire) -> None:
    wire.console.requests_to_lose = 1


def _lose_answer(wire: LossyWire) -> None:
    wire.answers_to_spoil = 1


def _damage_answer(wire: LossyWire) -> None:
    wire.spoilt = _damaged
    wire.answers_to_spoil = 1


def _shorten_answer(wire: LossyWire) -> None:
    wire.spoilt = _shortened
    wire.answers_to_spoil = 1


@pytest.mark.parametrize("lose", [_lose_request, _lose_answer, _damage_answer, _shorten_answer])
def test_upload_goes_on_where_a_message_is_lost(
    wire: LossyWire, kit: Kit, lose: Callable[[LossyWire], None]
) -> None:
    """What arrived is what was sent; each repetition is in the flight recorder."""
    image = kit.image

    async def upload() -> int:
        losses = 0
        client = wire.client()
        async with client:
            chunks = client.upload(image, first_timeout_s=20, subsequent_timeout_s=20)
            async for offset_bytes in chunks:
                # The last packet ends the upload: what follows is another.
                if offset_bytes * 4 // len(image) == losses < 4:
                    losses += 1
                    lose(wire)
        return losses

    losses = asyncio.run(upload())
    assert losses == 4
    assert kit.secondary_slot(len(image)) == image
    assert wire.repeats >= losses
    assert wire.recorded_repeats == wire.repeats


@pytest.mark.parametrize("lose", [_lose_request, _lose_answer, _damage_answer, _shorten_answer])
@pytest.mark.parametrize("first_lost_at_bytes", [pytest.param(-1, marks=pytest.mark.long_proof), 0])
def test_a_session_s_upload_goes_on_where_a_message_is_lost(
    wire: LossyWire, kit: Kit, lose: Callable[[LossyWire], None], first_lost_at_bytes: int
) -> None:
    """Also where it was the first one: the server knows the upload again."""
    image, losses = kit.image, 0

    def lose_some(done_bytes: int) -> None:
        nonlocal losses
        if done_bytes * 4 // len(image) == losses < 4:
            losses += 1
            lose(wire)

    with wire.session() as mcumgr:
        mcumgr.image_erase(20)
        if first_lost_at_bytes < 0:
            lose(wire)
        mcumgr.image_upload(image, within_s=60, on_progress=lose_some)
        assert mcumgr.echo("usable") == "usable"
    assert losses == 4
    assert kit.secondary_slot(len(image)) == image
    # A later answer tells as much as one that was lost.
    assert lose is not _lose_request or wire.recorded_repeats >= losses


def test_request_is_given_up_after_two_repetitions(wire: LossyWire) -> None:
    """A board that hangs is not asked for ever."""

    async def ask() -> None:
        client = wire.client()
        async with client:
            wire.console.requests_to_lose = 3
            sent_before = len(wire.console.written)
            with pytest.raises(TimeoutError):
                await client.request(ImageStatesRead(), timeout_s=10 * SOON_S)
            assert len(wire.console.written) - sent_before == 3

    asyncio.run(ask())


def test_packet_that_waits_while_the_board_is_reset(wire: LossyWire) -> None:
    """It lies unread in the UART, and an application that knows of no upload answers it at once."""

    async def upload() -> None:
        # A board that is slow to answer is sent nothing again meanwhile.
        client = wire.client(repeat_after_s=20)
        async with client:
            sent_before = len(wire.console.written)
            with pytest.raises(SMPTransportDisconnected, match="forgotten the upload"):
                await client.request(ImageUploadWrite(off=512, data=bytes(16)), timeout_s=5)
            assert len(wire.console.written) - sent_before == 1

    asyncio.run(upload())


def test_request_that_may_do_harm_twice_is_sent_once(wire: LossyWire) -> None:
    """A lost echo stays lost, and so does one whose answer is damaged."""

    async def ask() -> None:
        client = wire.client()
        async with client:
            wire.console.requests_to_lose = 1
            sent_before = len(wire.console.written)
            with pytest.raises(TimeoutError):
                await client.request(EchoWrite(d="lost on its way"), timeout_s=5 * SOON_S)
            assert len(wire.console.written) - sent_before == 1
            for damage in (_damage_answer, _shorten_answer):
                damage(wire)
                with pytest.raises(TimeoutError):
                    await client.request(EchoWrite(d="damaged"), timeout_s=5 * SOON_S)

    asyncio.run(ask())
