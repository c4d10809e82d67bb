"""Read a boot log, as a stream or from a file, into a `BootReport`.

Memory is bounded: of each stage the first and the last lines are kept, of all boots the first, the
last, and the first of each kind. While an application runs, only lines that hold one of the watched
texts are looked at.
"""

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.bootlog.captured_text import CapturedText
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.facts.app import read_app, read_shell, read_smp_events
from pytest_nrf_fota.bootlog.facts.banners import read_banners
from pytest_nrf_fota.bootlog.facts.client import ClientReader
from pytest_nrf_fota.bootlog.facts.faults import read_faults, read_reset_causes
from pytest_nrf_fota.bootlog.facts.mcuboot import read_mcuboot, read_network_core
from pytest_nrf_fota.bootlog.facts.nsib import read_nsib
from pytest_nrf_fota.bootlog.facts.upgrade import upgrade_sign
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.matching import (
    NOTHING,
    LineFacts,
    LineMatcher,
    WatchedLines,
    watch_words,
)
from pytest_nrf_fota.bootlog.repair import LineRepair
from pytest_nrf_fota.bootlog.report import (
    BootLoop,
    BootRecord,
    BootReport,
    Seen,
    SmpEvent,
    StageSpan,
)
from pytest_nrf_fota.bootlog.segments import Limits, RawBoot, RawLine, RawStage, Segmenter
from pytest_nrf_fota.bootlog.stamps import split_stamps
from pytest_nrf_fota.bootlog.two_boards import TwoBoardsWatch

_READ_BYTES = 256 * 1024
_LIMITS = Limits(first_lines=400, last_lines=400)
_FIRST_BOOTS = 40
_LAST_BOOTS = 40
_MOST_KINDS_OF_BOOT = 120
_MOST_LOOPS = 50
_LEAST_BOOTS_OF_A_LOOP = 3
_MOST_GARBLED = 50
_MOST_UNKNOWN = 30
_KEPT_LAST_LINES = 30
_LEAST_CUT_CHARS = 10
_MOST_TAKEN_AT_ONCE = 1000
# Lines that are looked at one by one, whatever they hold: at the start of the log, behind a line
# that was watched for, and behind the start of each stage.
_CLOSE_LINES_OF_LOG = 2000
_CLOSE_LINES_BEHIND = 40
_BINARY_PART = 0.3
_BOOTLOADERS = (Stage.NSIB, Stage.MCUBOOT, Stage.TFM)


def read_log_file(path: Path) -> BootReport:
    """Read a log file of any size.

    Raises `OSError` where the file cannot be read.
    """
    reader = BootReader()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            reader.feed(data)
    return reader.finish()


def read_log_text(text: str) -> BootReport:
    """Read a log that was pasted as text."""
    reader = BootReader()
    reader.feed(text.encode("utf-8", "surrogateescape"))
    return reader.finish()


def read_log_lines(lines: Iterable[LogLine]) -> BootReport:
    """Read lines of a console."""
    reader = BootReader()
    reader.feed_lines(lines)
    return reader.finish()


class BootReader:
    """Reads a log piece by piece.

    `feed` and `feed_lines` take the log in order; `finish` ends it and gives the report.

    Args:
        app_ready: regular expression of the line with which the application is ready, as a board
            file names it; None where that is unknown.
    """

    def __init__(self, app_ready: str | None = None) -> None:
        self._ready = re.compile(app_ready) if app_ready is not None else None
        self._cleaner = CapturedText()
        self._matcher = LineMatcher()
        self._repair = LineRepair(self._matcher)
        self._words = watch_words()
        self._store = _BootStore()
        self._segmenter = Segmenter(
            self._store.add, lambda text: False, _LIMITS, keeps_preamble=True
        )
        self._client = ClientReader()
        self._two_boards = TwoBoardsWatch()
        self._line_count = 0
        self._size_bytes = 0
        self._close_lines = _CLOSE_LINES_OF_LOG
        self._garbled: list[Seen] = []
        self._garbled_count = 0
        self._stage: Stage | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes as they come from a file or a port."""
        self._size_bytes += len(data)
        for start in range(0, len(data), _READ_BYTES):
            self._take_block(self._cleaner.feed(data[start : start + _READ_BYTES]))

    def feed_lines(self, lines: Iterable[LogLine]) -> None:
        """Take complete lines of a console, with their times."""
        for line in lines:
            self._line_count += 1
            self._size_bytes += len(line.text) + 1
            self._take_line(line.text, line.time_s)

    def finish(self) -> BootReport:
        """The report; nothing may be fed afterwards."""
        self._take_block(self._cleaner.finish())
        self._segmenter.finish()
        boots = self._store.records(self._is_ready)
        client = self._client.close()
        return BootReport(
            boots=boots,
            boot_count=self._segmenter.boot_count,
            line_count=self._line_count,
            size_bytes=self._size_bytes,
            begins_in_boot=bool(boots) and boots[0].start_is_missing,
            loops=self._store.loops(),
            two_boards=self._two_boards.close(boots),
            garbled=tuple(self._garbled),
            garbled_count=self._garbled_count,
            smp_frames=self._cleaner.smp_frames,
            client=client,
            upgrade=upgrade_sign(boots, client),
            unknown_count=sum(boot.unknown_count for boot in boots),
            is_binary=self._cleaner.unreadable_bytes > _BINARY_PART * max(1, self._size_bytes),
        )

    def _is_ready(self, text: str) -> bool:
        return self._ready is not None and self._ready.search(text) is not None

    def _take_block(self, block: str) -> None:
        position, end = 0, len(block)
        watched: WatchedLines | None = None
        while position < end:
            if self._close_lines <= 0 and self._may_pass_over():
                watched = watched or WatchedLines(block, self._words)
                following = watched.next_line_start(position)
                if following > position:
                    self._pass_over(block, position, following)
                    position = following
                    continue
                self._close_lines = _CLOSE_LINES_BEHIND
            position = self._take_plain_lines(block, position, end)
            if position == end:
                return
            line_end = block.find("\n", position)
            self._line_count += 1
            self._close_lines -= 1
            self._take_line(block[position:line_end], None)
            position = line_end + 1

    def _may_pass_over(self) -> bool:
        return self._segmenter.stage is Stage.APP or not self._segmenter.has_boot

    def _take_plain_lines(self, block: str, position: int, end: int) -> int:
        """Give lines that begin and end nothing to their stage; where the first other one begins.

        This loop is what decides how fast dense boot logs are read.
        """
        stage = self._segmenter.plain_stage
        if stage is None or self._line_count < _CLOSE_LINES_OF_LOG:
            return position
        now, is_app = stage.stage, stage.stage is Stage.APP
        remembered = self._matcher.remembered
        taken: list[RawLine] = []
        number = self._line_count
        last_number = number + self._close_lines if is_app else sys.maxsize
        while position < end and number < last_number and len(taken) < _MOST_TAKEN_AT_ONCE:
            line_end = block.find("\n", position)
            text = block[position:line_end]
            has_stamp = text[17:19] == "] " and text[13] == "," and text[0] == "["
            body = text[19:] if has_stamp else text
            facts = remembered.get(body)
            if facts is None or (
                (facts.stage is not now or not facts.is_plain)
                and (not is_app or facts is not NOTHING or "*" in body)
            ):
                break
            number += 1
            if body or not is_app:
                taken.append(_new_line(RawLine, (number, text, body, None, facts, False)))
            if facts.ends_stage:
                self._segmenter.end_stage()
            position = line_end + 1
        stage.extend(taken)
        count = number - self._line_count
        self._line_count += count
        self._close_lines -= count
        return position

    def _pass_over(self, block: str, start: int, end: int) -> None:
        count = block.count("\n", start, end)
        lines: list[RawLine] = []
        if self._segmenter.has_boot:
            tail = block[max(start, end - 4000) : end].splitlines()[-_KEPT_LAST_LINES:]
            if end - start > 4000:
                tail = tail[1:]
            first_number = self._line_count + count - len(tail) + 1
            for number, text in enumerate(tail, start=first_number):
                stamped = split_stamps(text)
                lines.append(
                    RawLine(number, stamped.text, stamped.body, stamped.time_s, NOTHING, False)
                )
        self._line_count += count
        self._segmenter.pass_over(count, lines)

    def _take_line(self, text: str, time_s: float | None) -> None:
        stamped = split_stamps(text)
        facts = self._matcher.facts(stamped.body)
        body = stamped.body
        glued = body.find("*** ", 1) if "banner" in facts.names else -1
        before = body[: glued + 1].rstrip("* ")
        if glued > 0 and len(before) >= _LEAST_CUT_CHARS and not before.endswith(("$", ">")):
            # A reset cut the line before the banner, and with it the end of the line.
            time_s = stamped.time_s if time_s is None else time_s
            self._take_line(stamped.text[: -len(body)] + before, time_s)
            self._take_line(body[len(before) :].lstrip(), time_s)
            return
        repaired = False
        if facts is NOTHING and self._may_be_damaged(stamped.body):
            facts = self._repair.facts(stamped.body)
            repaired = facts is not NOTHING
        line = RawLine(
            self._line_count,
            stamped.text,
            stamped.body,
            stamped.time_s if time_s is None else time_s,
            facts,
            repaired,
        )
        if repaired or not text.isascii():
            self._note_damage(line)
        self._segmenter.take(line)
        self._watch(line, facts)

    def _watch(self, line: RawLine, facts: LineFacts) -> None:
        stage = self._segmenter.stage
        if stage is not self._stage:
            self._stage = stage
            self._close_lines = max(self._close_lines, _CLOSE_LINES_BEHIND)
            self._two_boards.new_stage()
        if self._line_count <= _CLOSE_LINES_OF_LOG:
            self._two_boards.take(line)
        if facts.hits and not facts.names.isdisjoint(_CLIENT_PATTERNS):
            self._client.take(line)

    def _may_be_damaged(self, body: str) -> bool:
        stage = self._segmenter.stage
        if body.count("\ufffd") * 4 > len(body):
            return False
        return stage is not Stage.APP or self._segmenter.awaits_next_stage or "*" in body

    def _note_damage(self, line: RawLine) -> None:
        if not line.repaired and "\ufffd" not in line.text:
            return
        self._garbled_count += 1
        if len(self._garbled) < _MOST_GARBLED:
            self._garbled.append(line.seen())


_new_line = tuple.__new__
_CLIENT_PATTERNS = frozenset({"client_image", "client_field", "client_error"})


@dataclass
class _Run:
    """Equal boots in a row."""

    kind: int
    first: RawBoot
    count: int = 1


class _BootStore:
    """Keeps the first boots, the last, and the first of each kind; counts runs of equal ones."""

    def __init__(self) -> None:
        self._first: list[RawBoot] = []
        self._others: list[RawBoot] = []
        self._last: deque[RawBoot] = deque(maxlen=_LAST_BOOTS)
        self._kinds: set[int] = set()
        self._run: _Run | None = None
        self._loops: list[_Run] = []
        self._count = 0

    def add(self, boot: RawBoot) -> None:
        """The next boot, complete."""
        self._count += 1
        kind = _kind(boot)
        run = self._run
        if run is not None and run.kind == kind:
            run.count += 1
            boot.repeats_previous = True
        else:
            self._end_run()
            self._run = _Run(kind, boot)
        if len(self._first) < _FIRST_BOOTS:
            self._first.append(boot)
        elif kind not in self._kinds and len(self._others) < _MOST_KINDS_OF_BOOT:
            self._others.append(boot)
        else:
            self._last.append(boot)
        if len(self._kinds) < 10_000:
            self._kinds.add(kind)

    def records(self, is_ready: Callable[[str], bool]) -> tuple[BootRecord, ...]:
        """The boots that were kept, in order."""
        boots = sorted((*self._first, *self._others, *self._last), key=lambda boot: boot.number)
        return tuple(_record(boot, is_ready, is_last=boot.number == self._count) for boot in boots)

    def loops(self) -> tuple[BootLoop, ...]:
        """Runs of three and more equal boots."""
        self._end_run()
        loops = []
        for run in self._loops:
            record = _record(run.first, lambda text: False, is_last=False)
            fault = record.faults[-1] if record.faults else None
            loops.append(
                BootLoop(record.number, run.count, record.reached_app, fault, record.first)
            )
        return tuple(loops)

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is None or run.count < _LEAST_BOOTS_OF_A_LOOP or run.first.start_is_missing:
            return
        if len(self._loops) < _MOST_LOOPS:
            self._loops.append(run)


def _kind(boot: RawBoot) -> int:
    """Equal for boots that said the same, times aside."""
    said: list[object] = []
    for stage in boot.stages:
        said.append(stage.stage)
        if stage.stage is not Stage.APP:
            said += [line.body for line in stage.lines]
            continue
        said += [
            line.body
            for line in stage.lines
            if line.facts.hits and not line.facts.names.isdisjoint(_TELLING_OF_APPS)
        ]
    return hash(tuple(said))


_TELLING_OF_APPS = frozenset(
    {"fault", "fatal_error", "assertion", "fault_pc", "watchdog", "identity"}
)


def _record(raw: RawBoot, is_ready: Callable[[str], bool], *, is_last: bool) -> BootRecord:
    """All facts of one boot."""
    lines = raw.lines
    by_stage = {stage.stage: stage for stage in raw.stages}
    nsib, mcuboot = by_stage.get(Stage.NSIB), by_stage.get(Stage.MCUBOOT)
    tfm, app = by_stage.get(Stage.TFM), by_stage.get(Stage.APP)
    unknown = [
        line
        for stage in raw.stages
        if stage.stage in _BOOTLOADERS
        for line in stage.lines
        if line.facts is NOTHING and line.body.strip()
    ]
    went_on = tfm is not None or app is not None
    ready = next((line.seen() for line in app.lines if is_ready(line.text)), None) if app else None
    events: tuple[SmpEvent, ...] = read_smp_events(app) if app is not None else ()
    return BootRecord(
        number=raw.number,
        start_is_missing=raw.start_is_missing,
        first=lines[0].seen(),
        last=lines[-1].seen(),
        line_count=sum(stage.line_count for stage in raw.stages),
        stages=tuple(_span(stage) for stage in raw.stages),
        nsib=read_nsib(nsib) if nsib is not None else None,
        mcuboot=read_mcuboot(mcuboot, went_on=went_on) if mcuboot is not None else None,
        network_core=read_network_core(mcuboot) if mcuboot is not None else None,
        trusted_firmware=tuple(line.seen() for line in tfm.lines[:_MOST_UNKNOWN]) if tfm else (),
        app=read_app(app, ready) if app is not None else None,
        faults=read_faults(raw, followed_by_boot=not is_last),
        reset_causes=read_reset_causes(raw),
        smp_events=events,
        shell=read_shell(app) if app is not None else None,
        repeats_previous=raw.repeats_previous,
        unknown=tuple(line.seen() for line in unknown[:_MOST_UNKNOWN]),
        unknown_count=len(unknown),
        dropped_lines=sum(stage.dropped for stage in raw.stages),
    )


def _span(stage: RawStage) -> StageSpan:
    lines = stage.lines
    told = [line for line in lines if _tells(line)]
    return StageSpan(
        stage.stage,
        lines[0].seen(),
        (stage.last or lines[-1]).seen(),
        stage.line_count,
        read_banners(lines),
        not told,
    )


def _tells(line: RawLine) -> bool:
    """Whether it is a line of the stage itself, not a banner, not empty."""
    if line.facts.names & {"banner", "banner_more", "mcuboot_banner"}:
        return False
    return any(char.isalnum() for char in line.body)
