"""Rates at which boot logs are read: an application's log, dense boots, noise.

Run: python benchmarks/bootlog_rate.py [size in MB]
"""

import random
import sys
import time
import tracemalloc
from collections.abc import Iterator
from itertools import cycle

from rich.console import Console as Screen
from rich.table import Table
from sample_boots import DUAL_STAGE_BOOT, differing_boot

from pytest_nrf_fota.bootlog.reader import BootReader

_PIECE_BYTES = 64 * 1024


def _boots(chance: random.Random) -> Iterator[bytes]:
    """The same boot for ever, as of a board that crashes."""
    yield from cycle([DUAL_STAGE_BOOT.encode()])


def _differing_boots(chance: random.Random) -> Iterator[bytes]:
    """Boots with deferred logging, whose time stamps and versions differ."""
    while True:
        yield differing_boot(chance).encode()


def _app_lines(chance: random.Random) -> Iterator[bytes]:
    yield DUAL_STAGE_BOOT.encode()
    sample = 0
    while True:
        sample += 1
        yield (
            f"[{sample // 36000 % 100:02}:{sample // 600 % 60:02}:{sample // 10 % 60:02}."
            f"{chance.randrange(1000):03},{chance.randrange(1000):03}] <inf> sensor_task: "
            f"sample {sample}: temperature {chance.uniform(-20, 60):.2f} C, "
            f"battery {chance.randrange(3000, 4200)} mV\r\n"
        ).encode()


def _app_with_smp(chance: random.Random) -> Iterator[bytes]:
    """An application that also answers SMP on this UART, in colour."""
    for line in _app_lines(chance):
        yield line.replace(b"<inf>", b"\x1b[0m<inf>").replace(b"\r\n", b"\x1b[0m\r\n")
        if chance.randrange(4) == 0:
            yield b"\x06\tABMLAAAJAAGZAb9jb2ZmGQEp/zhI\n"


def _noise(chance: random.Random) -> Iterator[bytes]:
    while True:
        yield chance.randbytes(_PIECE_BYTES)


_LOGS = {
    "application": _app_lines,
    "application, colours and SMP frames": _app_with_smp,
    "one boot again and again": _boots,
    "boots that differ": _differing_boots,
    "binary noise": _noise,
}


def main() -> None:
    """Measure each kind of log once and print a table."""
    size_mb = float(sys.argv[1]) if len(sys.argv) > 1 else 40.0
    table = Table("log", "size", "rate", "boots", "most memory")
    for name, make in _LOGS.items():
        pieces = list(_pieces(make(random.Random(1)), int(size_mb * 1e6)))
        rate_mb_s, boots = _rate(pieces)
        memory_mb = _most_memory_mb(pieces[: len(pieces) // 4])
        table.add_row(
            name, f"{size_mb:g} MB", f"{rate_mb_s:.1f} MB/s", str(boots), f"{memory_mb:.1f} MB"
        )
    Screen().print(table)


def _pieces(parts: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            size_bytes -= len(piece)
            piece.clear()
        if size_bytes <= 0:
            return


def _rate(pieces: list[bytes]) -> tuple[float, int]:
    size_bytes = sum(map(len, pieces))
    begin_s = time.process_time()
    report = _read(pieces)
    return size_bytes / 1e6 / (time.process_time() - begin_s), report


def _read(pieces: list[bytes]) -> int:
    reader = BootReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.finish().boot_count


def _most_memory_mb(pieces: list[bytes]) -> float:
    tracemalloc.start()
    try:
        _read(pieces)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
