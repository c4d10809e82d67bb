"""A flight recorder, event by event: of any size, cut off, or damaged in between."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.record.events import RECORDED_LINE, Event

# What the port delivered; the lines made of it are events of their own. The recorder writes the
# kind behind the time, so these need not be parsed.
_RAW = b'"event":{"kind":"uart_bytes"'
_KIND_IS_WITHIN_BYTES = 80
# The longest event holds a board type or a tool's output of 2 KiB; no line is read beyond this.
_LONGEST_LINE_BYTES = 4 * 1024 * 1024


class NumberedEvent(NamedTuple):
    """One event, the number of its line in the file from 1, and its time in seconds."""

    number: int
    t_s: float
    event: Event


@dataclass
class ReadingLosses:
    """What of a file could not be read: lines that are no event, and a last line cut by a kill."""

    unreadable: int = 0
    is_cut_off: bool = False


def read_events(
    path: Path, losses: ReadingLosses, only: Collection[int] | None = None
) -> Iterator[NumberedEvent]:
    """The events in order, without the raw bytes of UARTs; one line is in memory at a time.

    Args:
        path: the recorder's file.
        losses: is told what could not be read.
        only: numbers of lines; others are not parsed.

    Raises `OSError`, and `InputError` where the first line is none of a flight recorder.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                losses.is_cut_off = True
                while line and not line.endswith(b"\n"):
                    line = file.readline(_LONGEST_LINE_BYTES)
                losses.is_cut_off = not line.endswith(b"\n")
                losses.unreadable += line.endswith(b"\n")
                continue
            if only is not None and number not in only:
                continue
            if _RAW in line[:_KIND_IS_WITHIN_BYTES] or not line.strip():
                continue
            try:
                recorded = RECORDED_LINE.validate_json(line)
            except ValidationError as error:
                if number == 1:
                    raise _no_recorder(path) from error
                losses.unreadable += 1
                continue
            yield NumberedEvent(number, recorded.t_s, recorded.event)
    if number == 0 or (number == 1 and losses.is_cut_off):
        raise _no_recorder(path)


def _no_recorder(path: Path) -> InputError:
    return InputError(
        "This is no flight recorder.",
        where=str(path),
        next_step="Give a recorder.jsonl, or the folder of a test in nrf_fota_runs/RUN.",
    )
