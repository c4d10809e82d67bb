"""The reader of boots: from bytes of a file, or lines of a console as they come, to boots.

Memory is bounded: of each stage the first and the last lines are kept and known ones between, of
all boots the first, the last, and the first of each kind. Of a long log, the output of a running
application is searched for watched texts, and only lines that hold one are looked at.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from itertools import groupby

from pytest_nrf_fota.bootlog.captured_text import CapturedText
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.facts.boot import BoardPatterns, read_boot
from pytest_nrf_fota.bootlog.facts.client import ClientReader
from pytest_nrf_fota.bootlog.kept_boots import BootRun, KeptBoots
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.matching import (
    NOTHING,
    LineMatcher,
    WatchedLines,
    next_start,
    watch_words,
)
from pytest_nrf_fota.bootlog.ports import OnePort
from pytest_nrf_fota.bootlog.repair import LineRepair
from pytest_nrf_fota.bootlog.repeats import RepeatedBoots
from pytest_nrf_fota.bootlog.report import Boot, BootLoop, BootReport
from pytest_nrf_fota.bootlog.segments import RawBoot, RawLine, Segmenter
from pytest_nrf_fota.bootlog.stamps import split_stamps
from pytest_nrf_fota.bootlog.two_boards import TwoBoardsWatch
from pytest_nrf_fota.bounded_regex import BoundedRegex

_READ_BYTES = 1024 * 1024
_LEAST_CUT_CHARS = 10
_MOST_TAKEN_AT_ONCE = 1000
# Banners and what a driver prints before the line that tells the stage.
_LINES_BEFORE_A_BOOT = 16
# Lines that are looked at one by one, whatever they hold: at the start of the log, behind a line
# that was watched for, and behind the start of each stage.
_CLOSE_LINES_OF_LOG = 50_000
_CLOSE_LINES_BEHIND = 40
_LINES_OF_TWO_BOARDS = 2000
_BINARY_PART = 0.3
_NOISE_BYTES = 1024 * 1024


class BootReader:
    """Reads a log piece by piece, each line once.

    `feed` and `feed_lines` take the log in order; `boots` gives the boots so far at any time;
    `finish` ends it and gives the report. However the log is cut, the boots are the same.

    Args:
        patterns: the board's own lines; None where no board is known.
        on_line: gets each line that is looked at.
        words: lines of a running application that hold one of these are looked at as well.
    """

    def __init__(
        self,
        patterns: BoardPatterns | None = None,
        *,
        on_line: Callable[[RawLine], None] | None = None,
        words: tuple[str, ...] = (),
    ) -> None:
        self._patterns = patterns
        self._ready = BoundedRegex(patterns.app_ready) if patterns is not None else None
        self._ready_takes_too_long = False
        self._on_line = on_line
        self._captured = CapturedText()
        self._matcher = LineMatcher()
        self._repair = LineRepair(self._matcher)
        self._port = OnePort(self._matcher)
        self._watched = WatchedLines(watch_words(self._matcher.patterns, words))
        self._kept = KeptBoots()
        self._segmenter = Segmenter(self._kept.add, self._is_ready)
        self._client = ClientReader()
        self._two_boards = TwoBoardsWatch()
        self._size_bytes = 0
        self._close_lines = _CLOSE_LINES_OF_LOG
        self._stage: Stage | None = None
        self._line_starts: deque[tuple[int, int]] = deque(maxlen=_LINES_BEFORE_A_BOOT)
        self.line_count = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they come from a file."""
        self._size_bytes += len(data)
        for start in range(0, len(data), _READ_BYTES):
            self._take_block(self._captured.feed(data[start : start + _READ_BYTES]), None)

    def feed_lines(self, lines: Iterable[LogLine]) -> None:
        """Take complete lines of a console, with their times."""
        for time_s, group in groupby(lines, lambda line: line.time_s):
            block = "".join(f"{line.text}\n" for line in group)
            self._size_bytes += len(block)
            self._take_block(block, time_s)

    @property
    def is_noise(self) -> bool:
        """Whether so much was read, and so little of it is text, that no log will come."""
        return self._size_bytes > _NOISE_BYTES and self._is_binary

    def boots(self, since_line: int = 1) -> tuple[Boot, ...]:
        """The boots that began at this line of the log or later, the one that goes on included.

        Of very many, the first, the last and all that differ are kept.
        """
        kept = self._kept.boots
        going_on = self._segmenter.open_boot()
        if going_on is not None:
            kept.append(going_on)
        return tuple(self._boot(raw) for raw in kept if raw.start_line >= since_line)

    def finish(self) -> BootReport:
        """The report; nothing may be fed afterwards."""
        self._take_block(self._captured.finish(), None)
        self._segmenter.finish()
        boots, client = self.boots(), self._client.close()
        return BootReport(
            boots=boots,
            boot_count=self._segmenter.boot_count,
            line_count=self.line_count,
            size_bytes=self._size_bytes,
            begins_in_boot=bool(boots) and boots[0].start_is_missing,
            loops=tuple(self._loop(run) for run in self._kept.close()),
            two_boards=self._two_boards.close(boots, of_other_ports=self._port.others),
            client=client,
            unknown_count=sum(boot.unknown_count for boot in boots),
            is_binary=self._is_binary,
        )

    @property
    def _is_binary(self) -> bool:
        return self._captured.unreadable_bytes > _BINARY_PART * max(1, self._size_bytes)

    def _boot(self, raw: RawBoot) -> Boot:
        if raw.number >= self._segmenter.boot_count:  # lines may still be added to it
            return read_boot(raw, self._patterns, is_last=True)
        raw.read = raw.read or read_boot(raw, self._patterns, is_last=False)
        return raw.read

    def _loop(self, run: BootRun) -> BootLoop:
        boot = self._boot(run.first)
        fault = boot.faults[-1] if boot.faults else None
        return BootLoop(boot.number, run.count, boot.reached_app, fault, boot.first)

    def _is_ready(self, text: str) -> bool:
        if self._ready is None or self._ready_takes_too_long:
            return False
        try:
            return self._ready.search(text) is not None
        except TimeoutError:
            # Whoever waits for it says so; nobody may wait for each line that long.
            self._ready_takes_too_long = True
            return False

    def _take_block(self, block: str, time_s: float | None) -> None:
        position, end = 0, len(block)
        starts: list[int] = []
        repeats = RepeatedBoots(block)
        self._line_starts.clear()
        while position < end:
            if self._close_lines <= 0 and self._may_pass_over():
                starts = starts or self._watched.starts(block, position)
                following = next_start(starts, position)
                if following > position:
                    passed = block[position:following]
                    stage = self._segmenter.plain_stage
                    if stage is not None:
                        stage.pass_over(self.line_count, passed, time_s)
                    self.line_count += passed.count("\n")
                    position = following
                    continue
                self._close_lines = _CLOSE_LINES_BEHIND
            plain_end = self._take_plain_lines(block, position, end, time_s)
            if plain_end > position:
                position = plain_end
                continue
            line_end = block.find("\n", position)
            self.line_count += 1
            self._close_lines -= 1
            self._line_starts.append((self.line_count, position))
            boots = self._segmenter.boot_count
            self._take_line(block[position:line_end], time_s)
            position = line_end + 1
            if self._segmenter.boot_count != boots:
                position += self._skip_copies(block, repeats)

    def _skip_copies(self, block: str, repeats: RepeatedBoots) -> int:
        """Pass over boots that are copies of the two before them; how many characters they have."""
        number = self._segmenter.start_line
        start = next((place for line, place in self._line_starts if line == number), None)
        if start is None or not self._kept.has_its_first or self._ready is not None:
            return 0
        copies, size_chars = repeats.copies_to_skip(start)
        if copies:
            lines = block.count("\n", start, start + size_chars)
            self._segmenter.skip_copies(copies, lines)
            self._kept.add_copies(copies)
            self.line_count += copies * lines
        return copies * size_chars

    def _may_pass_over(self) -> bool:
        if not self._segmenter.has_boot:
            return True
        return self._segmenter.stage is Stage.APP and not self._awaits_ready_line()

    def _awaits_ready_line(self) -> bool:
        stage = self._segmenter.plain_stage
        return self._ready is not None and stage is not None and stage.ready is None

    def _take_plain_lines(self, block: str, position: int, end: int, time_s: float | None) -> int:
        """Give lines that begin and end nothing to their stage; where the first other one begins.

        This loop is what decides how fast dense boot logs are read.
        """
        stage = self._segmenter.plain_stage
        if stage is None or self.line_count < _LINES_OF_TWO_BOARDS:
            return position
        now, is_app = stage.stage, stage.stage is Stage.APP
        if is_app and self._awaits_ready_line():
            return position
        remembered, facts_of = self._matcher.remembered, self._matcher.facts
        taken: list[RawLine] = []
        number = self.line_count
        last_number = number + self._close_lines if is_app else sys.maxsize
        while position < end and number < last_number and len(taken) < _MOST_TAKEN_AT_ONCE:
            line_end = block.find("\n", position)
            text = block[position:line_end]
            has_stamp = text[17:19] == "] " and text[13] == "," and text[0] == "["
            body = text[19:] if has_stamp else text
            facts = remembered.get(body)
            if facts is None and has_stamp and is_app and body[:1] == "<":
                facts = facts_of(body)
            if facts is None or (
                (facts.stage is not now or not facts.is_plain)
                and (not is_app or facts is not NOTHING or "*" in body)
            ):
                break
            number += 1
            taken.append(_new_line(RawLine, (number, text, body, time_s, facts, False)))
            if facts.ends_stage:
                self._segmenter.end_stage()
            position = line_end + 1
        stage.extend(taken)
        if self._on_line is not None:
            for line in taken:
                self._on_line(line)
        count = number - self.line_count
        self.line_count += count
        self._close_lines -= count
        return position

    def _take_line(self, text: str, time_s: float | None) -> None:
        stamped = split_stamps(text)
        own = self._port.own_text(self.line_count, stamped.text)
        if own is None:
            return
        if own is not stamped.text:
            stamped = split_stamps(own)._replace(time_s=stamped.time_s)
        facts = self._matcher.facts(stamped.body)
        body = stamped.body
        time_s = stamped.time_s if time_s is None else time_s
        glued = body.find("*** ", 1) if "banner" in facts.names else -1
        before = body[: glued + 1].rstrip("* ")
        if glued > 0 and len(before) >= _LEAST_CUT_CHARS and not before.endswith(("$", ">")):
            # A reset cut the line before the banner, and with it the end of the line.
            self._take_line(stamped.text[: -len(body)] + before, time_s)
            self._take_line(body[len(before) :].lstrip(), time_s)
            return
        repaired = False
        if facts is NOTHING and self._may_be_damaged(stamped.body):
            facts = self._repair.facts(stamped.body)
            repaired = facts is not NOTHING
        line = RawLine(self.line_count, stamped.text, stamped.body, time_s, facts, repaired)
        self._segmenter.take(line)
        self._watch(line)

    def _watch(self, line: RawLine) -> None:
        stage = self._segmenter.stage
        if stage is not self._stage:
            self._stage = stage
            self._close_lines = max(self._close_lines, _CLOSE_LINES_BEHIND)
            self._two_boards.new_stage()
        if self.line_count <= _LINES_OF_TWO_BOARDS:
            self._two_boards.take(line)
        if not line.facts.names.isdisjoint(_CLIENT_PATTERNS):
            self._client.take(line)
        if self._on_line is not None:
            self._on_line(line)

    def _may_be_damaged(self, body: str) -> bool:
        stage = self._segmenter.stage
        if body.count("\ufffd") * 4 > len(body):
            return False
        return stage is not Stage.APP or self._segmenter.awaits_next_stage or "*" in body


_new_line = tuple.__new__
_CLIENT_PATTERNS = frozenset({"client_image", "client_state", "client_field", "client_error"})
