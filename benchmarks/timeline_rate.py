"""How long `nrf-fota timeline` takes for a large flight recorder, and in how much memory.

Run: python benchmarks/timeline_rate.py [size in MB]
"""

import base64
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table
from sample_boots import differing_boot

from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.record.events import (
    RECORDED_LINE,
    Event,
    FactsJudged,
    Moment,
    Recorded,
    RunStarted,
    SmpMessage,
    StepEnded,
    StepStarted,
    UartBytes,
    UartLine,
    VerdictReached,
)

_COMMAND = "from pytest_nrf_fota.cli import app; app()"
_PORT = "/dev/ttyACM0"
_PIECE_BYTES = 2451
_UPLOAD_BYTES = 400_000


def _uart(text: str) -> Iterator[Event]:
    yield UartBytes(port=_PORT, base64=base64.b64encode(f"{text}\r\n".encode()).decode())
    yield UartLine(port=_PORT, text=text)


def _app_lines(chance: random.Random) -> Iterator[Event]:
    """An application that logs."""
    for sample in range(2000):
        yield from _uart(
            f"[00:{sample // 600 % 60:02}:{sample // 10 % 60:02}.{chance.randrange(1000):03},000] "
            f"<inf> sensor_task: sample {sample}: {chance.uniform(-20, 60):.2f} C"
        )


def _upload(chance: random.Random) -> Iterator[Event]:
    """An upload in pieces, one of a hundred sent again."""
    yield StepStarted(step="upload", detail="app_update.bin")
    for number, offset in enumerate(range(0, _UPLOAD_BYTES, _PIECE_BYTES)):
        for _ in range(1 + (chance.random() < 0.01)):
            asked = {"off": offset, "data": f"8a63398bb8e97492... ({_PIECE_BYTES} bytes)"}
            yield _message("request", number, asked)
        yield _message("answer", number, {"rc": 0, "off": offset + _PIECE_BYTES})
    yield StepEnded(step="upload", duration_s=1.0)


def _message(direction: str, number: int, payload: dict[str, object]) -> SmpMessage:
    return SmpMessage.model_validate(
        {
            "direction": direction,
            "name": "image upload",
            "sequence": number % 256,
            "size_bytes": 2475,
            "payload": payload,
        }
    )


def _boots(chance: random.Random) -> Iterator[Event]:
    for line in differing_boot(chance).splitlines():
        yield from _uart(line)


def _tests(chance: random.Random) -> Iterator[Event]:
    """Upgrade after upgrade, without end."""
    while True:
        yield from _upload(chance)
        yield Moment(name="set pending")
        yield from _boots(chance)
        yield from _app_lines(chance)


def _verdict() -> Iterator[Event]:
    yield Moment(name="set pending")
    for line in ("*** Booting Zephyr OS build v3.2.99-ncs2 ***", "Attempting to boot slot 1."):
        yield from _uart(line)
    for line in ("Failed to validate signature.", "Failed to validate, permanently invalidating!"):
        yield from _uart(line)
    yield FactsJudged(since="set pending", has_images=False, was_tried=True, updates=())
    yield VerdictReached(
        outcome="not upgraded",
        subject="MCUboot 14 in S0 -> 15 in S1",
        reason="the bootloader refused the image: 'Failed to validate signature.'",
        evidence=(Evidence(Source.UART, Says.OLD, "NSIB boots slot 1"),),
    )


def write_recorder(path: Path, size_mb: float) -> None:
    """A recorder of this size that ends with a refused update."""
    chance = random.Random(1)
    t_s = 0.0
    with path.open("wb") as file:

        def put(event: Event) -> None:
            line = RECORDED_LINE.dump_json(Recorded(t_s=round(t_s, 6), event=event))
            file.write(line + b"\n")

        put(RunStarted(title="tests/test_endurance.py::test_all_night", wall_clock=""))
        for event in _tests(chance):
            t_s += 0.01
            put(event)
            if file.tell() > size_mb * 1e6:
                break
        for event in _verdict():
            t_s += 0.01
            put(event)


def main() -> None:
    """Make pages of recorders of several sizes, each as a process of its own; print a table."""
    largest_mb = float(sys.argv[1]) if len(sys.argv) > 1 else 100.0
    table = Table("recorder", "wall time", "CPU", "rate", "most memory", "page")
    with tempfile.TemporaryDirectory() as folder:
        for size_mb in (0.1, largest_mb / 10, largest_mb):
            recorder, page = Path(folder) / "recorder.jsonl", Path(folder) / "timeline.html"
            write_recorder(recorder, size_mb)
            wall_s, cpu_s, memory_mb = _make(recorder)
            table.add_row(
                f"{recorder.stat().st_size / 1e6:.1f} MB",
                f"{wall_s:.1f} s",
                f"{cpu_s:.1f} s",
                f"{size_mb / wall_s:.1f} MB/s",
                f"{memory_mb:.0f} MB",
                f"{page.stat().st_size / 1e3:.0f} kB",
            )
    Screen().print(table)


def _make(recorder: Path) -> tuple[float, float, float]:
    """Seconds of wall time and of CPU, and the largest resident set in MB, of one command."""
    begin_s = time.monotonic()
    command = [sys.executable, "-c", _COMMAND, "timeline", str(recorder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, "the page was not made"
    assert isinstance(used, resource.struct_rusage)
    return time.monotonic() - begin_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
