"""What a diagnosis is made from: a log, a client's words, a package. Each may be missing."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.client_side import NO_CLIENT, ClientSide, joined, listings_of
from pytest_nrf_fota.bootlog.report import Boot, BootReport, ListedImage, Seen
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.explain.client_side import steps_of_text
from pytest_nrf_fota.explain.known_lines import Known, KnownLines, merge
from pytest_nrf_fota.explain.read_log import ReadLog, read_log
from pytest_nrf_fota.explain.sent_package import signs_of_another_package
from pytest_nrf_fota.findings.finding import Origin

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.dfu_package import DfuPackage
    from pytest_nrf_fota.record.events import Event, PreflightDone

_BLOCK_BYTES = 1024 * 1024
# A client's log is read as text; what is larger is no client's log.
_LARGEST_CLIENT_BYTES = 64 * 1024 * 1024
_LARGEST_RECORDING_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class RecordedPreflight:
    """The last preflight in a flight recorder, and its line."""

    line_number: int
    done: "PreflightDone"


@dataclass(frozen=True)
class Case:
    """One upgrade that is to be explained.

    Args:
        boots: what the board's UART said.
        lines: all known lines, of the board and of the client.
        client: what the client did and was answered.
        package: the DFU package that was given as the one that was sent; see `sent_package`.
        client_origin: which input the client's lines come from.
        has_client: a client's log or recording was given.
        has_text: the log holds a line that is not blank.
        preflight: what a simulation of the upgrade had shown.
        test_saw: what a test run recorded of how it went wrong: its verdict's reason, else the
            step that failed; lines of the flight recorder.
    """

    boots: BootReport
    lines: KnownLines
    client: ClientSide = NO_CLIENT
    package: "DfuPackage | None" = None
    client_origin: Origin = Origin.LOG
    has_client: bool = False
    has_text: bool = True
    preflight: RecordedPreflight | None = None
    test_saw: tuple[Seen, ...] = ()

    @cached_property
    def sent_package(self) -> "DfuPackage | None":
        """The package, unless the client's hashes show that another one was sent."""
        if self.package is None or signs_of_another_package(self.client, self.package):
            return None
        return self.package

    def known(self, *names: str) -> tuple[Known, ...]:
        """The lines of these patterns, in order."""
        return self.lines.find(*names)

    def boot_of(self, line: Known | Seen) -> Boot | None:
        """The boot that a line of the log belongs to."""
        seen = line
        if isinstance(line, Known):
            if line.origin is not Origin.LOG:
                return None
            seen = line.seen
        assert isinstance(seen, Seen)
        for boot in self.boots.boots:
            if boot.first.line_number <= seen.line_number <= boot.last.line_number:
                return boot
        return None

    def same_boot(self, one: Known, other: Known) -> bool:
        """Whether two lines belong to the same boot, or both to none."""
        return self.boot_of(one) == self.boot_of(other)

    def stage_of(self, line: Known | Seen) -> Stage | None:
        """The stage that printed a line of the log."""
        boot = self.boot_of(line)
        seen = line.seen if isinstance(line, Known) else line
        for span in boot.stages if boot is not None else ():
            if span.first.line_number <= seen.line_number <= span.last.line_number:
                return span.stage
        return None

    def boots_after(self, line: Known | Seen) -> tuple[Boot, ...]:
        """The boots that begin behind a line of the log."""
        number = line.seen.line_number if isinstance(line, Known) else line.line_number
        return tuple(boot for boot in self.boots.boots if boot.first.line_number > number)

    @property
    def has_nsib(self) -> bool:
        """Whether a line of NSIB was seen."""
        return any(boot.nsib is not None for boot in self.boots.boots)

    @property
    def listed(self) -> tuple[ListedImage, ...]:
        """The images of the last list that a client showed."""
        last = self.client.last_listing
        return last.images if last is not None else ()


def case_of(
    log: Iterable[bytes],
    *,
    client: Path | None = None,
    package: "DfuPackage | None" = None,
) -> Case:
    """A case from a log's blocks, a client's log or a flight recorder, and a package.

    Raises `InputError` for a client's log that cannot be read as one.
    """
    board = read_log(log, Origin.LOG)
    has_text = bool(board.texts)
    if client is None:
        return Case(board.boots, board.lines, _client_in(board), package, has_text=has_text)
    preflight = None
    test_saw: tuple[Seen, ...] = ()
    if is_recording(client):
        events = list(_events(client))
        test_saw = _seen_by_test(events)
        lines, side = board.lines, _client_of_recording(events)
        preflight = _preflight_in(events)
    else:
        printed = _read_client_log(client)
        lines, side = merge(board.lines, printed.lines), _client_of(printed)
    return Case(
        boots=board.boots,
        lines=lines,
        client=joined(ClientSide((), listings_of(board.boots.client)), side),
        package=package,
        client_origin=Origin.CLIENT,
        has_client=True,
        has_text=has_text,
        preflight=preflight,
        test_saw=test_saw,
    )


def case_of_recording(path: Path) -> Case:
    """A case from a flight recorder alone: it holds the console and the SMP messages."""
    from pytest_nrf_fota.record.events import SmpMessage, UartLine

    events = list(_events(path))
    uart = "".join(f"{event.text}\n" for _, event in events if isinstance(event, UartLine))
    board = read_log([uart.encode("utf-8", "replace")], Origin.LOG)
    return Case(
        boots=board.boots,
        lines=board.lines,
        client=_client_of_recording(events),
        client_origin=Origin.CLIENT,
        has_client=any(isinstance(event, SmpMessage) for _, event in events),
        preflight=_preflight_in(events),
        test_saw=_seen_by_test(events),
    )


def case_of_text(log: str, client: str = "", package: "DfuPackage | None" = None) -> Case:
    """A case from texts, as pasted."""
    board = read_log([log.encode("utf-8", "replace")], Origin.LOG)
    if not client:
        return Case(board.boots, board.lines, _client_in(board), package)
    printed = read_log([client.encode("utf-8", "replace")], Origin.CLIENT)
    return Case(
        boots=board.boots,
        lines=merge(board.lines, printed.lines),
        client=joined(ClientSide((), listings_of(board.boots.client)), _client_of(printed)),
        package=package,
        client_origin=Origin.CLIENT,
        has_client=True,
    )


def _client_in(board: ReadLog) -> ClientSide:
    """A client's output in the log itself; among a board's lines only its listings are sure."""
    if board.boots.boots:
        return ClientSide((), listings_of(board.boots.client))
    return _client_of(board)


def _client_of(printed: ReadLog) -> ClientSide:
    return ClientSide(
        steps_of_text(printed.texts, printed.lines), listings_of(printed.boots.client)
    )


def blocks_of(path: Path) -> Iterator[bytes]:
    """A file's content, block by block. Raises `OSError`."""
    with path.open("rb") as file:
        while data := file.read(_BLOCK_BYTES):
            yield data


def is_recording(path: Path) -> bool:
    """Whether a file is one of our flight recorders."""
    with path.open("rb") as file:
        first = file.readline(_BLOCK_BYTES)
    try:
        value = json.loads(first)
    except ValueError:
        return False
    return isinstance(value, dict) and {"t_s", "event"} <= set(value)


def _events(path: Path) -> "Iterator[tuple[int, Event]]":
    # Imported late, as below: a UART log alone is read without pydantic.
    from pydantic import ValidationError

    from pytest_nrf_fota.record.events import RECORDED_LINE

    if path.stat().st_size > _LARGEST_RECORDING_BYTES:
        raise InputError(
            f"The flight recorder has {path.stat().st_size} bytes; no test writes so much.",
            where=str(path),
            next_step="Give the recorder.jsonl of one test.",
        )
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            # A run that was killed leaves a last line that is cut.
            if not line.endswith(b"\n") or not line.strip():
                continue
            try:
                yield number, RECORDED_LINE.validate_json(line).event
            except ValidationError as error:
                raise InputError(
                    f"Line {number} is no event of a flight recorder.",
                    where=str(path),
                    next_step="Give the file as the test run wrote it.",
                ) from error


def _client_of_recording(events: "Iterable[tuple[int, Event]]") -> ClientSide:
    from pytest_nrf_fota.explain.recorded_client import client_of_recording, is_of_client

    return client_of_recording((n, e) for n, e in events if is_of_client(e))


def _preflight_in(events: "Iterable[tuple[int, Event]]") -> RecordedPreflight | None:
    from pytest_nrf_fota.record.events import PreflightDone

    done = [RecordedPreflight(n, e) for n, e in events if isinstance(e, PreflightDone)]
    return done[-1] if done else None


def _seen_by_test(events: "Iterable[tuple[int, Event]]") -> tuple[Seen, ...]:
    """The reason of the last verdict that is none of an upgrade, or the last step that failed."""
    from pytest_nrf_fota.record.events import StepEnded, VerdictReached

    said: list[Seen] = []
    failed: list[Seen] = []
    for number, event in events:
        if isinstance(event, VerdictReached):
            said = [Seen(number, f"verdict: {event.reason}")] if event.reason else []
            failed = []
        elif isinstance(event, StepEnded):
            first = event.error.splitlines()[:1] if event.error else []
            failed = [Seen(number, f"{event.step}: {line}") for line in first]
    return tuple(said or failed)


def _read_client_log(path: Path) -> ReadLog:
    if path.stat().st_size > _LARGEST_CLIENT_BYTES:
        raise InputError(
            f"The client's log has {path.stat().st_size} bytes; 64 MiB are read at most.",
            where=str(path),
            next_step="Cut it to the upgrade in question; the board's log comes first: LOG.",
        )
    return read_log(blocks_of(path), Origin.CLIENT)
