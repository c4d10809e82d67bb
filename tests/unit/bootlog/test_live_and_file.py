"""The same bytes are the same lines and the same boots, on a console and in a file, however cut."""

import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.console.log import ConsoleLog, LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.boots import BootsOfConsole
from pytest_nrf_fota.record.recorder import FlightRecorder
from tests.unit.boot_lines import APP_LINES, PATTERNS, mcuboot_lines, nsib_lines

_BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***"
_READY = "Advertising successfully started"
_END = "the end of this test"
_BOOT = [_BANNER, *nsib_lines(0, 14), _BANNER, *mcuboot_lines("test"), *APP_LINES, _READY]
_APP = [f"[00:00:0{n % 10}.000,{n:03}] <inf> sensor: sample {n}" for n in range(900)]
_PIECES = (
    *("".join(f"{line}{end}" for line in _BOOT).encode() for end in ("\r\n", "\n\r", "\n", "\r")),
    *("\n".join(_BOOT[:cut]).encode() for cut in (4, 7, 10)),
    *(f"{line}\r\n".encode() for line in _BOOT),
    b"".join(f"\x1b[0m{line}\x1b[0m\r\n".encode() for line in _BOOT),
    "".join(f"{line}\r\n" for line in _APP).encode(),
    *(
        b"\x06\tAEFCQw==\n",
        b"\x04\x14QUJD\r\n",
        b"\x06\tAEF",
        b"\x1b[1;3",
        b"uart:~$ ",
        b"\r",
        b"\n",
    ),
    *(b"\xff\xfe\x00", b"\xe6\xbc", b"\x00" * 9, b"<err> os: ***** BUS FAULT *****\r\n"),
)
_STREAMS = st.lists(st.sampled_from(_PIECES), max_size=8).map(b"".join)
_CUTS = st.lists(st.integers(0, 4000), max_size=8)
_OF_THE_PLACE_IN_THE_LOG = {"line_number", "time_s", "line_count", "duration_s", "dropped_lines"}


def _chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _said(boots: tuple[Boot, ...]) -> object:
    """All facts of boots; a frame is an empty line in a file, and nothing on a console."""

    def without_places(value: object) -> object:
        match value:
            case {"text": "", "line_number": _}:
                return None
            case dict():
                return {
                    key: without_places(item)
                    for key, item in value.items()
                    if key not in _OF_THE_PLACE_IN_THE_LOG
                }
            case list() | tuple():
                return [item for one in value if (item := without_places(one)) is not None]
            case _:
                return value

    return without_places(TypeAdapter(tuple[Boot, ...]).dump_python(boots))


def _in_file(*chunks: bytes) -> tuple[Boot, ...]:
    reader = BootReader(PATTERNS)
    for chunk in chunks:
        reader.feed(chunk)
    return tuple(boot for boot in reader.finish().boots if not boot.start_is_missing)


@contextmanager
def _console() -> Iterator[tuple[int, Console]]:
    far_end, near_end = os.openpty()
    tty.setraw(near_end)
    with TemporaryDirectory() as folder:
        console = Console(
            os.ttyname(near_end),
            baudrate=115200,
            raw_log_path=Path(folder) / "uart.log",
            recorder=FlightRecorder(),
        )
        try:
            yield far_end, console
        finally:
            console.close()
            os.close(far_end)
            os.close(near_end)


@pytest.mark.skipif(os.name != "posix", reason="ptys are POSIX only")
@settings(max_examples=40, deadline=None)
@given(stream=_STREAMS, cuts=_CUTS)
@example(stream=_PIECES[0] + b"\x06\tAEFCQw==\n" + _PIECES[2], cuts=[20, 300])
@example(stream=_PIECES[3] + b"\x06\tAEFCQw==\n" + _PIECES[0], cuts=[])
def test_a_console_and_a_file_of_the_same_bytes(stream: bytes, cuts: list[int]) -> None:
    # A frame takes its line end with it, and an escape sequence before it the next letter.
    stream += f"\n\n{_END}\n".encode()
    with _console() as (far_end, console):
        live = BootsOfConsole(console.log, PATTERNS)
        for chunk in _chunks(stream, cuts):
            rest = chunk
            while rest:
                rest = rest[os.write(far_end, rest) :]
        expect(console, _END, since=LogPosition(0), deadline=Deadline.after(30.0))
        assert _said(live.since(LogPosition(0))) == _said(_in_file(stream))


@settings(max_examples=60, deadline=None)
@given(stream=_STREAMS, cuts=_CUTS)
@example(
    stream=b"".join(f"{line}\n".encode() for line in _BOOT + _APP * 60), cuts=[1000, 3_000_000]
)
def test_a_file_cut_anywhere_is_the_same_file(stream: bytes, cuts: list[int]) -> None:
    assert _in_file(*_chunks(stream, cuts)) == _in_file(stream)


def _filled(boots: int, app_lines: int) -> tuple[ConsoleLog, BootsOfConsole]:
    log = ConsoleLog()
    read = BootsOfConsole(log, PATTERNS)
    for _ in range(boots):
        for line in _BOOT + _APP[:app_lines]:
            log.append(f"{line}\n", 0.0)
    return log, read


def test_asking_again_reads_nothing_again() -> None:
    log, boots = _filled(3, 20)
    written = 3 * (len(_BOOT) + 20)
    assert boots.lines_read == written
    assert len(boots.since(LogPosition(0))) == len(boots.since(LogPosition(0))) == 3
    assert boots.lines_read == written
    mark = log.position()
    log.append("".join(f"{line}\n" for line in _BOOT), 1.0)
    (new,) = boots.since(mark)
    assert new.number == 4
    assert boots.lines_read == written + len(_BOOT)


def test_what_is_there_already_is_read_once_too() -> None:
    log = ConsoleLog()
    log.append("".join(f"{line}\n" for line in _BOOT), 0.0)
    assert BootsOfConsole(log, PATTERNS).lines_read == len(_BOOT)


def test_asking_in_the_middle_of_a_boot_changes_nothing() -> None:
    log, asked = ConsoleLog(), []
    boots = BootsOfConsole(log, PATTERNS)
    for line in _BOOT * 2:
        log.append(f"{line}\n", 0.0)
        asked.append(boots.since(LogPosition(0)))
    _, unasked = _filled(2, 0)
    assert asked[-1] == unasked.since(LogPosition(0))
    assert [len(boots) for boots in asked][-len(_BOOT) - 1] == 1


def test_the_ready_line_is_found_however_late_it_comes() -> None:
    late = _BOOT[:-1] + _APP * 70 + [_READY] + _APP * 2
    (boot,) = _in_file("".join(f"{line}\n" for line in late).encode())
    assert boot.app_ready


def test_a_fault_in_the_middle_of_much_talk_is_kept() -> None:
    talk = _BOOT + _APP + ["<err> os: ***** BUS FAULT *****"] + _APP
    (boot,) = _in_file("".join(f"{line}\n" for line in talk).encode())
    assert [fault.kind for fault in boot.faults] == ["BUS FAULT"]
    assert "<err> os: ***** BUS FAULT *****" in [line.text for line in boot.lines]
