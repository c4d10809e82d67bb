"""Long logs and logs that are none: bounded memory, loops, noise."""

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import BootReport
from tests.unit.boot_lines import PATTERNS, report_of

_BOOT = """*** Booting MCUboot v2.1.0 ***
*** Using Zephyr OS build v4.0.99 ***
I: Starting bootloader
I: Image index: 0, Swap type: none
I: Bootloader chainload address offset: 0x28000
I: Jumping to the first image slot
*** Booting Zephyr OS build v4.0.99 ***
"""
_CRASH = """[00:00:00.100,000] <err> os: ***** BUS FAULT *****
[00:00:00.100,000] <err> os: Faulting instruction address (r15/pc): 0x00012345
[00:00:00.100,000] <err> os: >>> ZEPHYR FATAL ERROR 0: CPU exception on CPU 0
[00:00:00.100,000] <err> fatal_error: Resetting system
"""


def _app_lines(count: int) -> str:
    return "".join(
        f"[00:00:01.{place % 1000:03},000] <inf> app: {place}\n" for place in range(count)
    )


def test_a_crash_loop_is_counted() -> None:
    report = report_of(_BOOT + _app_lines(3) + (_BOOT + _CRASH) * 200)
    (loop,) = report.loops
    assert (loop.first_boot, loop.count, loop.reached_app) == (2, 200, True)
    assert loop.fault is not None
    assert loop.fault.pc == 0x12345
    assert report.boot_count == 201
    assert report.boots[-1].number == 201
    assert len(report.boots) < 120


@pytest.mark.parametrize(
    "change",
    [
        lambda number, boot: boot,
        # The board's own times, which no two boots share.
        lambda number, boot: boot.replace(
            ".100,000", f".{number % 1000:03},{number * 7 % 1000:03}"
        ),
        # A version that changes now and then.
        lambda number, boot: boot.replace("v4.0.99", f"v4.0.{number // 700}"),
        # One boot that is cut.
        lambda number, boot: boot if number != 1200 else boot[: len(boot) // 2],
    ],
)
def test_copies_of_a_boot_are_read_as_if_each_was_looked_at(
    change: Callable[[int, str], str],
) -> None:
    """In one piece many copies are passed over; boot by boot none can be."""
    boots = [change(number, _BOOT + _CRASH) for number in range(2000)]
    at_once, one_by_one = BootReader(), BootReader()
    at_once.feed("".join(boots).encode())
    for boot in boots:
        one_by_one.feed(boot.encode())
    whole, pieces = at_once.finish(), one_by_one.finish()
    assert whole.boots == pieces.boots
    assert (whole.boot_count, whole.line_count) == (pieces.boot_count, pieces.line_count)
    assert whole.loops == pieces.loops


def test_a_boot_of_its_own_kind_is_kept_among_thousands() -> None:
    special = _BOOT.replace(
        "I: Bootloader", "E: Image in the secondary slot is not valid!\nI: Bootloader"
    )
    report = report_of(_BOOT * 500 + special + _BOOT * 500)
    (refused,) = [boot for boot in report.boots if boot.mcuboot and boot.mcuboot.refusals]
    assert refused.number == 501
    assert refused.first.line_number == 500 * 7 + 1
    assert [loop.count for loop in report.loops] == [500, 500]


def test_lines_are_numbered_and_watched_for_in_a_long_log() -> None:
    erased = "[01:00:00.000,000] <inf> mcumgr_img_grp: Erased 0xa000 bytes of image slot\n"
    text = _BOOT + _app_lines(30_000) + erased + _app_lines(30_000) + _BOOT + _CRASH
    report = report_of(text)
    assert report.line_count == text.count("\n")
    first, second = report.boots
    (seen,) = [line for line in first.lines if "Erased 0xa000 bytes" in line.text]
    assert seen.line_number == 7 + 30_000 + 1
    assert second.first.line_number == 60_000 + 8 + 1
    assert first.line_count == 60_000 + 8
    assert first.dropped_lines > 50_000
    assert first.last.text.endswith("app: 29999")
    assert second.faults[0].seen.line_number == 60_000 + 8 + 7 + 1


@pytest.mark.long_proof
def test_memory_does_not_grow_with_the_log() -> None:
    def most_memory_bytes(repeats: int) -> int:
        piece = (_BOOT + _app_lines(2000) + _CRASH).encode()
        tracemalloc.start()
        try:
            reader = BootReader()
            for _ in range(repeats):
                reader.feed(piece)
            reader.finish()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most_memory_bytes(240) < 1.5 * most_memory_bytes(120)


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n", b"\x00" * 100, b"\x1b[", b"\x06\t"])
def test_a_log_without_text(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    report = report_of(path.read_bytes())
    assert (report.boots, report.boot_count, report.client) == ((), 0, None)
    assert not report.begins_in_boot
    assert report.size_bytes == len(data)


def test_noise_is_called_binary() -> None:
    reader = BootReader()
    reader.feed(random.Random(1).randbytes(300_000))
    report = reader.finish()
    assert report.is_binary
    assert report.boots == ()
    assert not report_of(_BOOT).is_binary


def test_a_boot_between_noise_is_found() -> None:
    noise = random.Random(2).randbytes(30_000) + b"\n"
    reader = BootReader()
    reader.feed(noise + _BOOT.encode() + noise)
    report = reader.finish()
    stages = [span.stage for boot in report.boots for span in boot.stages]
    assert stages[:2] == [Stage.MCUBOOT, Stage.APP]
    assert report.boots[0].mcuboot is not None
    assert report.boots[0].mcuboot.chainload_address == 0x28000


def test_a_line_without_end_is_cut() -> None:
    reader = BootReader()
    for _ in range(50):
        reader.feed(b"x" * 100_000)
    reader.feed(b"\n" + _BOOT.encode())
    report = reader.finish()
    assert [span.stage for span in report.boots[-1].stages] == [Stage.MCUBOOT, Stage.APP]


def test_wide_text_of_another_system_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(_BOOT.replace("\n", "\r\n").encode("utf-16"))
    report = report_of(path.read_bytes())
    assert [span.stage for boot in report.boots for span in boot.stages] == [
        Stage.MCUBOOT,
        Stage.APP,
    ]
    assert report.line_count == 7


def _of_console(step_s: float) -> BootReport:
    lines = [LogLine(place * step_s, text) for place, text in enumerate(_BOOT.splitlines())]
    reader = BootReader()
    reader.feed_lines(lines)
    return reader.finish()


def test_times_of_a_console_give_the_time_between_stages() -> None:
    (boot,) = _of_console(0.5).boots
    span = boot.stage(Stage.MCUBOOT)
    assert span is not None
    assert span.duration_s == 2.5
    assert [banner.product for banner in span.banners] == ["MCUboot", "Zephyr OS"]


def test_the_line_that_a_board_file_calls_ready() -> None:
    reader = BootReader(PATTERNS)
    reader.feed((_BOOT + "Advertising successfully started\n" + _BOOT).encode())
    first, second = reader.finish().boots
    assert first.app is not None
    assert first.app.ready is not None
    assert first.app.ready.line_number == 8
    assert second.app is not None
    assert second.app.ready is None
