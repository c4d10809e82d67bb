"""SMP frames between the keystrokes of the shell's UART."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smp import packet as smp_packet
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.requests.image_management import ImageStatesRead
from smpclient.requests.os_management import EchoWrite

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.app.console_smp import (
    LONGEST_LINE_BYTES,
    SerialFrameAssembler,
    SmpLineTap,
    encode_answer,
)
from pytest_nrf_fota.sim.app.smp_queue import SmpQueue
from pytest_nrf_fota.smp.serial_over_console import ConsoleSmpRadio, SmpFrameRouter
from pytest_nrf_fota.wires.probe import ResetKind

BUFFER_BYTES = 2475
TYPED = st.binary(max_size=30).map(lambda data: data.translate(None, b"\x04\x06"))


def lines_of(message: bytes, line_length: int = 128) -> list[bytes]:
    return list(smp_packet.encode(message, line_length=line_length))


class TestLineTap:
    @given(st.lists(st.tuples(TYPED, st.binary(max_size=300)), max_size=4), st.integers(1, 50))
    @settings(deadline=None)
    def test_keystrokes_and_frames_part_however_they_are_cut(
        self, pieces: list[tuple[bytes, bytes]], cut_bytes: int
    ) -> None:
        sent = b"".join(typed + b"".join(lines_of(message)) for typed, message in pieces)
        tap = SmpLineTap()
        for_shell, lines = b"", []
        for start in range(0, len(sent), cut_bytes):
            shell_bytes, more = tap.divide(sent[start : start + cut_bytes])
            for_shell += shell_bytes
            lines += more

        assert for_shell == b"".join(typed for typed, _ in pieces)
        assert lines == [line for _, message in pieces for line in lines_of(message)]

    def test_a_line_of_127_bytes_passes_and_a_longer_one_is_cut(self) -> None:
        longest = b"\x06\x09" + b"A" * (LONGEST_LINE_BYTES - 3) + b"\n"
        too_long = b"\x06\x09" + b"A" * (LONGEST_LINE_BYTES - 2) + b"\n"

        assert SmpLineTap().divide(longest) == (b"", [longest])
        assert SmpLineTap().divide(too_long) == (b"", [too_long[:-1]])

    def test_a_lone_delimiter_byte_waits_for_the_other(self) -> None:
        tap = SmpLineTap()

        assert tap.divide(b"\x06version\r") == (b"version\r", [])
        assert tap.divide(b"\x09AAAA\n") == (b"", [b"\x06\x09AAAA\n"])
        assert tap.divide(b"\x09") == (b"\x09", [])


class TestAssembler:
    @given(st.lists(st.binary(max_size=BUFFER_BYTES - 4), min_size=1, max_size=3))
    @settings(deadline=None)
    def test_lines_make_messages(self, messages: list[bytes]) -> None:
        assembler = SerialFrameAssembler(BUFFER_BYTES)
        for message in messages:
            lines = lines_of(message)
            assert [assembler.feed(line) for line in lines[:-1]] == [None] * (len(lines) - 1)
            assert assembler.feed(lines[-1]) == message
            assert assembler.is_empty

    @given(st.lists(st.binary(max_size=80)))
    @settings(deadline=None)
    def test_after_any_lines_a_message_still_arrives(self, garbage: list[bytes]) -> None:
        assembler = SerialFrameAssembler(BUFFER_BYTES)
        for line in garbage:
            assembler.feed(b"\x06\x09" + line)
            assembler.feed(b"\x04\x14" + line + b"\n")

        assert [assembler.feed(line) for line in lines_of(b"message")] == [b"message"]

    def test_a_message_that_does_not_fit_the_buffer_is_dropped(self) -> None:
        for size_bytes, arrives in ((BUFFER_BYTES - 4, True), (BUFFER_BYTES - 3, False)):
            assembler = SerialFrameAssembler(BUFFER_BYTES)
            answers = [assembler.feed(line) for line in lines_of(bytes(size_bytes))]
            assert (answers[-1] is not None) == arrives

    def test_a_wrong_crc_is_dropped(self) -> None:
        (line,) = lines_of(b"message")
        damaged = line[:6] + (b"B" if line[6:7] == b"A" else b"A") + line[7:]

        assert SerialFrameAssembler(BUFFER_BYTES).feed(damaged) is None

    def test_a_continuation_without_beginning_is_dropped(self) -> None:
        first, *rest = lines_of(bytes(200))
        assembler = SerialFrameAssembler(BUFFER_BYTES)

        assert [assembler.feed(line) for line in rest] == [None] * len(rest)
        assert assembler.is_empty
        assert [assembler.feed(line) for line in (first, *rest)][-1] == bytes(200)


def test_answers_fill_lines_of_127_bytes() -> None:
    lines = encode_answer(bytes(200)).splitlines(keepends=True)

    assert [len(line) for line in lines[:-1]] == [LONGEST_LINE_BYTES] * (len(lines) - 1)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The UART of a kit that runs the baseline."""
    folder = tmp_path_factory.mktemp("kit")
    board = load_board("nrf5340dk_sim")
    unit = SimUnit(board, "kit", folder)
    try:
        wires = unit.open_wires(FlightRecorder())
        try:
            wires.probe.program(DemoSource(board, folder).baseline, Deadline.after(20))
            wires.probe.reset(ResetKind.PIN, Deadline.after(20))
        finally:
            wires.close()
        yield wires.console.port
    finally:
        unit.release()


def test_smp_and_shell_share_the_uart(port: str, tmp_path: Path) -> None:
    frames = SmpFrameRouter()
    console = Console(
        port,
        baudrate=115200,
        raw_log_path=tmp_path / "uart.log",
        recorder=FlightRecorder(),
        on_smp_frame=frames.deliver,
    )

    async def talk() -> None:
        client = SMPClient(ConsoleSmpRadio(console, frames).transport(), "")
        async with client:
            console.write(b"flash read mx25r")
            answer = await client.request(EchoWrite(d="x" * 150))
            assert success(answer) and answer.r == "x" * 150
            console.write(b"6435f@0 40 1\r")
            images = await client.request(ImageStatesRead())
            assert success(images) and images.images[0].version == "1.0.0"

    try:
        since = console.position()
        asyncio.run(talk())
        wait_for_text(console, since, "00000040: ff")
        assert "Swap type: none" in console.text_since(since)
    finally:
        console.close()


def wait_for_text(console: Console, since: LogPosition, text: str) -> None:
    deadline = Deadline.after(20)
    # The size first: text that comes between the two questions would be waited for again.
    seen_chars = console.log.size_chars
    while text not in console.text_since(since):
        assert console.log.wait_for_more(seen_chars, deadline), console.text_since(since)
        seen_chars = console.log.size_chars


class TestBuffers:
    """Requests are served one at a time from one pool."""

    @pytest.mark.parametrize("buffers", [2, 3, 4, 8])
    @pytest.mark.parametrize("excess", [-1, 0, 1, 6])
    def test_a_burst_before_the_server_begins(self, buffers: int, excess: int) -> None:
        """As many as there are buffers leave none for the first answer, and more are dropped."""

        async def burst() -> list[bytes]:
            queue = SmpQueue(EchoServer(), buffers)
            answers: list[bytes] = []
            for number in range(buffers + excess):
                if queue.take_buffer():
                    queue.submit(bytes([number]), _keep_in(answers))
            await _serve_all(queue, answers, min(buffers, buffers + excess))
            return answers

        echoes = [bytes([number]) for number in range(buffers)]
        expected = echoes[:-1] if excess < 0 else [b"no memory", *echoes[1:]]
        assert asyncio.run(burst()) == expected

    @pytest.mark.parametrize("buffers", [2, 3, 4, 8])
    def test_a_burst_while_the_server_is_busy(self, buffers: int) -> None:
        """The first request and its answer keep two buffers; what finds none is dropped."""

        async def burst() -> list[bytes]:
            queue = SmpQueue(EchoServer(), buffers)
            answers: list[bytes] = []
            keep = _keep_in(answers)

            async def respond_while_more_arrive(answer: bytes) -> None:
                for number in range(1, 10):
                    if queue.take_buffer():
                        queue.submit(bytes([number]), keep)
                await keep(answer)

            assert queue.take_buffer()
            queue.submit(b"\x00", respond_while_more_arrive)
            await _serve_all(queue, answers, buffers - 1)
            return answers

        assert asyncio.run(burst()) == [bytes([number]) for number in range(buffers - 1)]

    def test_a_response_without_buffer_is_rc_2(self) -> None:
        async def ask() -> bytes:
            queue = SmpQueue(EchoServer(), 1)
            answers: asyncio.Queue[bytes] = asyncio.Queue()
            task = asyncio.create_task(queue.run())
            assert queue.take_buffer()
            assert not queue.take_buffer()
            queue.submit(b"request", answers.put)
            answer = await asyncio.wait_for(answers.get(), 20)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return answer

        assert asyncio.run(ask()) == b"no memory"

    def test_a_request_without_answer_gives_its_buffers_back(self) -> None:
        async def ask() -> bytes:
            queue = SmpQueue(EchoServer(), 2)
            answers: asyncio.Queue[bytes] = asyncio.Queue()
            task = asyncio.create_task(queue.run())
            for frame in (b"", b"request"):
                while not queue.take_buffer():
                    await asyncio.sleep(0)
                queue.submit(frame, answers.put)
                await asyncio.sleep(0)
            answer = await asyncio.wait_for(answers.get(), 20)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return answer

        assert asyncio.run(ask()) == b"request"


def _keep_in(answers: list[bytes]) -> Callable[[bytes], Awaitable[None]]:
    async def keep(answer: bytes) -> None:
        await asyncio.sleep(0)
        answers.append(answer)

    return keep


async def _serve_all(queue: SmpQueue, answers: list[bytes], count: int) -> None:
    """Let the queue answer `count` requests, and one more, for which all buffers are back."""

    async def wait() -> None:
        while len(answers) < count or not queue.take_buffer():
            await asyncio.sleep(0)
        queue.submit(b"last", _keep_in(answers))
        while len(answers) <= count:
            await asyncio.sleep(0)

    task = asyncio.create_task(queue.run())
    try:
        await asyncio.wait_for(wait(), 20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert answers.pop() == b"last"


class EchoServer:
    """Answers with the request, and an empty one not at all."""

    def answer(self, frame: bytes) -> bytes | None:
        return frame or None

    def answer_no_memory(self, frame: bytes) -> bytes | None:
        return b"no memory"
