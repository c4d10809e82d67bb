"""One UART, two kinds of traffic: SMP frames go to SMP, all else goes to the log."""

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
import smp.packet
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_nrf_fota.bootlog.smp_frames import SmpFrameSplitter

_LOGS = Path(__file__).parents[4] / "shared" / "logs"
_CAPTURES = (
    "real-m0-upgrade-test-confirm.log",
    "real-m0-corrupt-image-rejected.log",
    "real-m0-flash-filled-with-zeros.log",
    "real-m0-power-cut-resume.log",
)
_MESSAGE = bytes(range(200))
_LINES = tuple(smp.packet.encode(_MESSAGE))
_BANNER = b"*** Booting MCUboot ee39e2d694bd ***\r\n"


class Receiver:
    """Keeps what a splitter gives away, and in which order."""

    def __init__(self) -> None:
        self.given: list[tuple[str, bytes]] = []
        self._splitter = SmpFrameSplitter(
            lambda text: self.given.append(("text", text)),
            lambda frame: self.given.append(("frame", frame)),
        )

    def feed(self, *chunks: bytes) -> "Receiver":
        for chunk in chunks:
            self._splitter.feed(chunk)
        return self

    @property
    def text(self) -> bytes:
        return b"".join(data for kind, data in self.given if kind == "text")

    @property
    def frames(self) -> list[bytes]:
        return [data for kind, data in self.given if kind == "frame"]

    @property
    def in_order(self) -> list[tuple[str, bytes]]:
        """What was given, with neighbouring texts joined."""
        joined: list[tuple[str, bytes]] = []
        for kind, data in self.given:
            if kind == "text" and joined and joined[-1][0] == "text":
                joined[-1] = ("text", joined[-1][1] + data)
            else:
                joined.append((kind, data))
        return joined


def _decoded(frames: list[bytes]) -> list[bytes]:
    messages: list[bytes] = []
    decoder = smp.packet.decode()
    next(decoder)
    for frame in frames:
        try:
            decoder.send(frame)
        except StopIteration as finished:
            messages.append(finished.value)
            decoder = smp.packet.decode()
            next(decoder)
    return messages


def _capture(name: str) -> bytes:
    path = _LOGS / name
    if not path.is_file():
        message = f"the capture is not here: {path}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path.read_bytes()


@pytest.mark.parametrize("name", _CAPTURES)
def test_a_real_capture_is_split(name: str) -> None:
    capture = _capture(name)
    frame_lines = re.findall(rb"^(?:\x06\x09|\x04\x14)[^\n]*\n", capture, re.MULTILINE)
    for chunk_bytes in (1, 7, 64, len(capture)):
        received = Receiver().feed(
            *(capture[at : at + chunk_bytes] for at in range(0, len(capture), chunk_bytes))
        )
        assert received.frames == frame_lines
        assert received.text == re.sub(rb"(?:\x06\x09|\x04\x14)[^\n]*\n", b"", capture)
    begun = [line for line in frame_lines if line.startswith(b"\x06\x09")]
    assert len(_decoded(frame_lines)) == len(begun)
    assert bool(begun) == (name != "real-m0-power-cut-resume.log")


def test_frames_between_log_lines_are_taken_out() -> None:
    assert len(_LINES) > 1, "the message has continuation frames"
    log = [b"<inf> app: one\r\n", b"<inf> app: two\r\n", b"uart:~$ "]
    received = Receiver().feed(log[0] + _LINES[0] + log[1] + b"".join(_LINES[1:]) + log[2])
    assert received.text == b"".join(log)
    assert _decoded(received.frames) == [_MESSAGE]


_STREAM_PIECES = (
    *_LINES,
    *(b"\x06", b"\x09", b"\x04", b"\x14", b"\n", b"\r\n", b"QUJD", b"=", b"\x1b[0m"),
    *(_BANNER, b"I: Starting bootloader\r\n", _LINES[0][:30], b"\x06\x09" + b"A" * 5000),
)


@given(
    stream=st.lists(st.sampled_from(_STREAM_PIECES), max_size=12).map(b"".join),
    cuts=st.lists(st.integers(0, 12000), max_size=8),
)
@example(stream=b"\x06\x09" + b"A" * 5000 + b"\n", cuts=[4500])
@example(stream=_LINES[0][:30] + _BANNER, cuts=[40])
def test_any_chunking_splits_the_same_and_loses_nothing(stream: bytes, cuts: list[int]) -> None:
    stream += b".\n"  # ends whatever may still be held back
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    in_chunks = Receiver().feed(*chunks).in_order
    assert in_chunks == Receiver().feed(stream).in_order
    # Of a frame's end, only the line feed.
    lost = stream.count(b"\r") - sum(data.count(b"\r") for _, data in in_chunks)
    given = b"".join(data for _, data in in_chunks)
    assert given.replace(b"\r", b"") == stream.replace(b"\r", b"")
    assert 0 <= lost <= sum(kind == "frame" for kind, _ in in_chunks)


def test_an_unfinished_start_waits_for_its_rest() -> None:
    received = Receiver().feed(b"text\x06")
    assert received.text == b"text"
    received.feed(b"\x09" + _LINES[0][2:10])
    assert received.frames == []
    received.feed(_LINES[0][10:])
    assert received.frames == [_LINES[0]]
    assert received.text == b"text"


@pytest.mark.parametrize("first", [b"\x06", b"\x04"])
def test_a_control_character_alone_is_text(first: bytes) -> None:
    assert Receiver().feed(b"a" + first, b"b\n").text == b"a" + first + b"b\n"


def test_a_frame_without_an_end_goes_to_the_log() -> None:
    received = Receiver()
    for _ in range(200):
        received.feed(b"\x06\x09" + b"A" * 4096)
    received.feed(b"A" * 4096, b"\n", _BANNER)
    assert received.frames == []
    assert received.text == (b"\x06\x09" + b"A" * 4096) * 200 + b"A" * 4096 + b"\n" + _BANNER


def test_a_reset_in_the_middle_of_a_frame_does_not_hide_the_banner() -> None:
    received = Receiver().feed(_LINES[0][:30], _BANNER, *_LINES)
    assert received.text == _LINES[0][:30] + _BANNER
    assert _decoded(received.frames) == [_MESSAGE]
