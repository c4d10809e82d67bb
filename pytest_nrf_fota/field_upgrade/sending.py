"""Send one file, over as many connections as that takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_nrf_fota.errors import NotSeenError
from pytest_nrf_fota.field_upgrade.link import Link
from pytest_nrf_fota.firmware.dfu_package import UpdateFile
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.record.recorder import FlightRecorder

_SECONDS_PER_KB = 2.0
_LEAST_S = 60.0
_MOST_TRIES_WITHOUT_PROGRESS = 3
# The first number of a new upload is its first piece. No server of Zephyr's takes a longer one by
# default (CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE is 384 bytes, up to 2475 over BLE in NCS).
_LONGEST_FIRST_PIECE_BYTES = 4096


@dataclass(frozen=True)
class Sent:
    """One file that the board has.

    `resumed_at_bytes` is where an earlier upload had stopped, 0 where this began anew.
    """

    file: UpdateFile
    resumed_at_bytes: int
    reconnects: int
    duration_s: float

    def __str__(self) -> str:
        """For people: `254.1 kB in 7.2 s, 35.2 kB/s`."""
        size_bytes = len(self.file.data)
        moved_kb = (size_bytes - self.resumed_at_bytes) / 1000
        parts = [f"{size_bytes / 1000:.1f} kB in {self.duration_s:.1f} s"]
        if self.duration_s > 0:
            parts.append(f"{moved_kb / self.duration_s:.1f} kB/s")
        if self.resumed_at_bytes:
            parts.append(f"gone on with at {self.resumed_at_bytes / 1000:.1f} kB")
        if self.reconnects:
            often = "once" if self.reconnects == 1 else f"{self.reconnects} times"
            parts.append(f"connected anew {often}")
        return ", ".join(parts)


def send(
    link: Link, recorder: FlightRecorder, file: UpdateFile, say: Callable[[str], None]
) -> Sent:
    """Upload a file. Where the connection breaks, connect again and go on where the board asks.

    Raises `BoardError` where the board refuses, `NotSeenError` where three connections in a row
    brought nothing more.
    """
    long = LongStep("upload", file.name, size_bytes=len(file.data))
    within_s = max(_LEAST_S, len(file.data) / 1000 * _SECONDS_PER_KB)
    began_s, tries, reconnects, furthest_bytes = time.monotonic(), 0, 0, 0
    first_bytes: list[int] = []

    def note(done_bytes: int) -> None:
        first_bytes.append(done_bytes) if not first_bytes else None
        long.reached(done_bytes)

    with recorder.step("upload", file.name, long=long):
        while True:
            try:
                link.connect()
                link.mcumgr.image_upload(
                    file.data,
                    image_number=file.image_index,
                    within_s=within_s,
                    on_progress=note,
                )
                break
            except NotSeenError as lost:
                done_bytes = long.done_bytes or 0
                tries = 1 if done_bytes > furthest_bytes else tries + 1
                furthest_bytes = max(furthest_bytes, done_bytes)
                if tries >= _MOST_TRIES_WITHOUT_PROGRESS:
                    raise
                reconnects += 1
                link.mcumgr.disconnect()
                say(f"{lost.what} {done_bytes / 1000:.1f} kB are there; connecting again")
    resumed = first_bytes[0] if first_bytes else 0
    resumed = resumed if resumed > _LONGEST_FIRST_PIECE_BYTES else 0
    return Sent(file, resumed, reconnects, time.monotonic() - began_s)
