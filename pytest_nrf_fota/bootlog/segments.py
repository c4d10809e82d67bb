"""Cut a log into boots and stages, line by line."""

from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.catalogue.levels import APP_LOG, LEVEL_LINE
from pytest_nrf_fota.bootlog.matching import NOTHING, LineFacts
from pytest_nrf_fota.bootlog.report import Boot, Seen
from pytest_nrf_fota.bootlog.stamps import split_stamps

# Nothing of an application that ran before: terminal programs, elisions, drivers that log before
# the first stage's banner.
_NO_SIGN_OF_AN_APP = frozenset({"flash_driver", "esp_rom", "esp_reset"})
_CLIENT = frozenset(
    {"client_image", "client_state", "client_field", "client_split", "client_error"}
)
# Words that clients on the host say, too, where no level or stamp shows a board's log.
_ANYBODYS_WORDS = frozenset(
    {
        *("bluetooth_state", "central_connected", "download", "download_failed"),
        *("image_confirmed", "app_version"),
    }
)
_SAME_UPTIME_S = 30.0
_STARTS_MCUBOOT = frozenset({"mcuboot_start", "port_banner"})
_MOST_LINES_BETWEEN = 3
_BANNERS = frozenset({"banner", "banner_more", "mcuboot_banner"})
BOOT_LINES = _BANNERS | _STARTS_MCUBOOT
"""Lines that no program prints but at its start."""
_LONGEST_SHOWN_CHARS = 500
# Of each stage so many of the first lines are kept, of the last, and of known ones between.
KEPT_LINES = 400


class RawLine(NamedTuple):
    """One line with what is known of it."""

    number: int
    text: str
    body: str
    time_s: float | None
    facts: LineFacts
    repaired: bool

    @property
    def uptime_s(self) -> float | None:
        """The board's own time stamp; read when it is asked for, because few are."""
        return split_stamps(self.text).uptime_s

    def seen(self) -> Seen:
        """The line as a report shows it."""
        return Seen(
            self.number, self.text[:_LONGEST_SHOWN_CHARS], self.time_s, self.uptime_s, self.repaired
        )


@dataclass
class RawStage:
    """One stage's lines. Of the middle of very many, only known ones are kept.

    `ready` is the line that the board file calls ready.
    """

    stage: Stage
    first_lines: list[RawLine] = field(default_factory=list)
    known_lines: list[RawLine] = field(default_factory=list)
    last_lines: deque[RawLine] = field(default_factory=deque)
    line_count: int = 0
    last: RawLine | None = None
    ready: RawLine | None = None

    def add(self, line: RawLine) -> None:
        """Append a line. Empty ones, which also stand for SMP frames, are counted only."""
        self.line_count += 1
        if not line.body.strip():
            return
        self.last = line
        if len(self.first_lines) < KEPT_LINES:
            self.first_lines.append(line)
            return
        self.last_lines.append(line)
        if len(self.last_lines) > KEPT_LINES:
            left_out = self.last_lines.popleft()
            if left_out.facts.hits and len(self.known_lines) < KEPT_LINES:
                self.known_lines.append(left_out)

    def extend(self, lines: list[RawLine]) -> None:
        """Append several lines."""
        told = [line for line in lines if line.body.strip()]
        if len(self.first_lines) + len(told) > KEPT_LINES:
            for line in lines:
                self.add(line)
            return
        self.first_lines += told
        self.last = told[-1] if told else self.last
        self.line_count += len(lines)

    def pass_over(self, lines_before: int, block: str, time_s: float | None) -> None:
        """Append lines of which none is known; only what is kept is looked at."""
        count, start = block.count("\n"), 0
        before = self.line_count
        while start < len(block) and len(self.first_lines) < KEPT_LINES:
            end = block.index("\n", start)
            number = lines_before + self.line_count - before + 1
            self.add(_unknown_line(number, block[start:end], time_s))
            start = end + 1
        last: list[RawLine] = []
        number, end = lines_before + count, len(block)
        while end > start and len(last) < KEPT_LINES:
            begin = max(start, block.rfind("\n", start, end - 1) + 1)
            line = _unknown_line(number, block[begin : end - 1], time_s)
            last += [line] if line.body.strip() else []
            number, end = number - 1, begin
        for line in reversed(last):
            self.add(line)
        self.line_count = before + count

    def give_back(self, is_wanted: Callable[[RawLine], bool], most: int) -> list[RawLine]:
        """Take the last lines of a kind out again, with up to `most` unknown ones behind them."""
        kept = self.last_lines or self.first_lines
        count = unknown = 0
        for place, line in enumerate(reversed(kept), start=1):
            if is_wanted(line):
                count = place
            elif line.facts is not NOTHING or unknown == most:
                break
            else:
                unknown += 1
        if count in (0, len(self.lines)):  # nothing would be left
            return []
        taken = [kept.pop() for _ in range(count)][::-1]
        self.line_count -= count
        rest = self.last_lines or self.first_lines
        self.last = rest[-1] if rest else None
        return taken

    @property
    def lines(self) -> list[RawLine]:
        """The lines that are kept, in order."""
        return [*self.first_lines, *self.known_lines, *self.last_lines]

    @property
    def dropped(self) -> int:
        """Lines of which nothing is kept."""
        return self.line_count - len(self.lines)


def _unknown_line(number: int, text: str, time_s: float | None) -> RawLine:
    stamped = split_stamps(text)
    time_s = stamped.time_s if time_s is None else time_s
    return RawLine(number, stamped.text, stamped.body, time_s, NOTHING, False)


@dataclass
class RawBoot:
    """One boot's lines, by stage.

    `start_line` is the number of the line that began it; what a driver had printed before it
    belongs to the boot as well.
    """

    number: int
    start_line: int
    start_is_missing: bool = False
    stages: list[RawStage] = field(default_factory=list)
    read: Boot | None = None

    @property
    def lines(self) -> list[RawLine]:
        """All lines that are kept, in order."""
        return [line for stage in self.stages for line in stage.lines]


class Segmenter:
    """Assigns lines to boots and stages.

    Banners look alike in all stages of NCS 2.3, so a banner only opens a stage; the next specific
    line says which. A stage that is not later than the one before it begins a new boot.

    Args:
        on_boot: gets each boot when the next one begins, or the log ends.
        is_ready: whether a line is the one that the board file calls ready.
    """

    def __init__(self, on_boot: Callable[[RawBoot], None], is_ready: Callable[[str], bool]) -> None:
        self._on_boot = on_boot
        self._is_ready = is_ready
        self._boot: RawBoot | None = None
        self._boot_count = 0
        self._pending: list[RawLine] = []
        self._stage_is_over = False
        self._app_banner_is_due = False
        self._last_stamped: RawLine | None = None
        self._early: deque[RawLine] = deque(maxlen=8)

    @property
    def stage(self) -> Stage | None:
        """The stage that runs; None before the first and while a banner waits for its stage."""
        if self._boot is None or self._pending:
            return None
        return self._boot.stages[-1].stage

    @property
    def plain_stage(self) -> RawStage | None:
        """Where a line goes that neither begins nor ends a stage; None while a banner waits."""
        if self._boot is None or self._pending:
            return None
        return self._boot.stages[-1]

    @property
    def has_boot(self) -> bool:
        """Whether any boot was begun."""
        return self._boot is not None or bool(self._pending)

    @property
    def awaits_next_stage(self) -> bool:
        """Whether the next stage may begin without a line that only it prints."""
        return bool(self._pending) or self._stage_is_over or self._boot is None

    @property
    def boot_count(self) -> int:
        """Boots begun so far."""
        return self._boot_count

    def take(self, line: RawLine) -> None:
        """The next line."""
        names = line.facts.names
        if "mcuboot_banner" in names:
            self._settle_banners()
            self._settle_silent_stage()
            self._enter(Stage.MCUBOOT, line)
        elif "banner" in names or ("banner_more" in names and self._lost_a_banner()):
            self._settle_banners()
            self._settle_silent_stage()
            self._pending.append(line)
        else:
            self._take_telling_line(line)
        if line.text[:1] == "[":
            self._last_stamped = line

    @property
    def start_line(self) -> int:
        """Number of the line that began the boot that goes on; 0 before the first."""
        return self._boot.start_line if self._boot is not None else 0

    def skip_copies(self, count: int, lines: int) -> None:
        """Boots like the one that goes on, of so many lines each, came in between."""
        assert self._boot is not None
        shift = count * lines
        self._boot_count += count
        boot = self._boot
        boot.number += count
        boot.start_line += shift
        for stage in boot.stages:
            stage.first_lines = [
                line._replace(number=line.number + shift) for line in stage.first_lines
            ]
            if stage.last is not None:
                stage.last = stage.last._replace(number=stage.last.number + shift)

    def end_stage(self) -> None:
        """A line behind which the next stage may begin went to `plain_stage`."""
        self._stage_is_over = True

    def open_boot(self) -> RawBoot | None:
        """The boot that goes on, as it is if the log ends here; None before the first."""
        found: list[RawBoot] = []
        twin = copy(self)
        twin._on_boot = found.append
        twin._pending, twin._early = list(self._pending), self._early.copy()
        if self._boot is not None:
            twin._boot = replace(self._boot, stages=list(self._boot.stages))
        twin.finish()
        return found[0] if found else None

    def finish(self) -> None:
        """No more lines will come."""
        self._settle_banners()
        if self._boot is None:
            self._settle_silent_stage()
        self._pending.clear()
        self._end_boot()

    def _take_telling_line(self, line: RawLine) -> None:
        stage = self._stage_of(line)
        if stage is not None and self._begins(stage, line):
            self._enter(stage, line)
        elif self._pending:
            self._pending.append(line)
        elif self._boot is not None:
            self._add(line)
        else:
            self._early.append(line)
        if line.facts.ends_stage:
            self._stage_is_over = True

    def _stage_of(self, line: RawLine) -> Stage | None:
        facts = line.facts
        if facts.stage is not None and facts.stage is not Stage.APP:
            return facts.stage if self._may_follow(facts) else None
        if self._is_ready(line.text):
            return Stage.APP
        if self._pending:
            return Stage.APP if self._ends_pending(line) else None
        if self._boot is None:
            return Stage.APP if _is_app_sign(line) else None
        if facts.stage is Stage.APP and facts.strong_stage is Stage.APP:
            return Stage.APP
        if facts.stage is Stage.APP and self._last_bootloader_is_over():
            return Stage.APP
        if self._last_bootloader_is_over() and APP_LOG.search(line.body):
            return Stage.APP
        if "prompt" in facts.names and self.stage is Stage.MCUBOOT:
            return Stage.APP
        if "fatal_error" in facts.names and self._last_bootloader_is_over():
            return Stage.APP
        return None

    def _may_follow(self, facts: LineFacts) -> bool:
        """What another stage might print, too, neither goes back nor leaves a stage early."""
        current = self.stage
        if self._pending or facts.stage is None or facts.stage is current:
            return True
        if facts.strong_stage is not None and facts.strong_stage is not Stage.APP:
            return True
        return current is not None and facts.stage > current and self._stage_is_over

    def _ends_pending(self, line: RawLine) -> bool:
        if "banner_more" in line.facts.names or "esp_rom" in line.facts.names:
            return False
        return bool(line.facts.hits) or any(char.isalnum() for char in line.body)

    def _begins(self, stage: Stage, line: RawLine) -> bool:
        if self._pending or self._starts_again(stage, line):
            return True
        if self._boot is None:
            return stage is not Stage.APP or _is_app_sign(line)
        return self._boot.stages[-1].stage is not stage

    def _starts_again(self, stage: Stage, line: RawLine) -> bool:
        """Whether MCUboot starts behind its own last line: a log without banners."""
        return (
            stage is Stage.MCUBOOT
            and self._stage_is_over
            and self.stage is Stage.MCUBOOT
            and not line.facts.names.isdisjoint(_STARTS_MCUBOOT)
        )

    def _enter(self, stage: Stage, line: RawLine) -> None:
        boot = self._boot
        if stage is Stage.APP and self._continues_app(line):
            self._app_banner_is_due = False
        elif boot is not None and stage is Stage.MCUBOOT and self._was_mcuboot(boot):
            boot.stages[-1].stage = Stage.MCUBOOT
            boot.start_is_missing = False
            self._app_banner_is_due = False
        elif boot is not None and stage is Stage.MCUBOOT and self._goes_on(boot, line):
            self._stage_is_over = False
        else:
            decided = self._decided_before(stage, line)
            if boot is None or stage <= boot.stages[-1].stage:
                self._end_boot()
                self._boot_count += 1
                missing = not self._pending and stage is Stage.APP
                start_line = (self._pending or [line])[0].number
                boot = self._boot = RawBoot(self._boot_count, start_line, missing)
            boot.stages.append(RawStage(stage))
            # An application may log before it prints its banner.
            self._app_banner_is_due = stage is Stage.APP and not self._pending
            self._stage_is_over = False
            self._last_stamped = None
            boot.stages[-1].extend(decided)
        self._add(line)

    def _goes_on(self, boot: RawBoot, line: RawLine) -> bool:
        """Whether MCUboot's banner was followed by one that names the SDK like an application's."""
        only = boot.stages[-1]
        if not self._pending or only.stage is not Stage.MCUBOOT or only.line_count > 2:
            return False
        if "mcuboot_banner" in line.facts.names:
            return False
        return all(line.facts.names & _BANNERS for line in only.lines)

    def _decided_before(self, stage: Stage, line: RawLine) -> list[RawLine]:
        """Swap types right before MCUboot's first sure line are MCUboot's, not the application's.

        An application with minimal logging prints them in the same words, so they open no stage.
        """
        if stage is not Stage.MCUBOOT or self._pending or self.stage is not Stage.APP:
            return []
        if not line.facts.names.isdisjoint(_STARTS_MCUBOOT):
            return []  # MCUboot decides behind this line
        assert self._boot is not None
        return self._boot.stages[-1].give_back(_is_swap_type, _MOST_LINES_BETWEEN)

    def _was_mcuboot(self, boot: RawBoot) -> bool:
        """Whether a log began with swap types that MCUboot, not an application, had printed."""
        only = boot.stages[0]
        if not boot.start_is_missing or self._pending or boot.stages[-1] is not only:
            return False
        first, *more = only.lines
        if not _is_swap_type(first) or len(more) > _MOST_LINES_BETWEEN + 8:
            return False
        unknown = [line for line in more if not _is_swap_type(line)]
        return len(unknown) <= _MOST_LINES_BETWEEN and all(
            line.facts is NOTHING for line in unknown
        )

    def _continues_app(self, line: RawLine) -> bool:
        """Whether the banner before this line is that of the application that already logs."""
        if not self._app_banner_is_due or self._boot is None:
            return False
        if self._boot.stages[-1].stage is not Stage.APP:
            return False
        if not self._boot.start_is_missing:
            return True
        before = self._last_stamped.uptime_s if self._last_stamped is not None else None
        now = line.uptime_s
        return before is not None and now is not None and 0 <= now - before < _SAME_UPTIME_S

    def _add(self, line: RawLine) -> None:
        assert self._boot is not None
        stage = self._boot.stages[-1]
        if self._early:
            for earlier in self._early:
                if earlier.facts.hits:
                    stage.add(earlier)
            self._early.clear()
        if self._pending:
            for earlier in self._pending:
                stage.add(earlier)
            self._pending.clear()
        stage.add(line)
        if stage.stage is Stage.APP and stage.ready is None and self._is_ready(line.text):
            stage.ready = line

    def _settle_banners(self) -> None:
        """Behind a bootloader's last line, a banner that no specific line follows is the app's."""
        if not self._pending or self._boot is None:
            return
        if not (self._stage_is_over and self.last_stage in (Stage.MCUBOOT, Stage.TFM)):
            return
        self._boot.stages.append(RawStage(Stage.APP))
        self._stage_is_over = False
        self._app_banner_is_due = False
        *earlier, last = self._pending
        self._pending = earlier
        self._add(last)

    def _settle_silent_stage(self) -> None:
        """A banner that the next one follows at once is a stage that printed nothing else."""
        if not any("banner" in line.facts.names for line in self._pending):
            return
        *self._pending, last = self._pending
        if self._stage_is_over and self._boot is not None and self.last_stage is Stage.NSIB:
            self._boot.stages.append(RawStage(Stage.MCUBOOT))
            self._add(last)
            self._stage_is_over = True
            return
        self._end_boot()
        self._boot_count += 1
        start_line = (self._pending or [last])[0].number
        self._boot = RawBoot(self._boot_count, start_line, stages=[RawStage(Stage.APP)])
        self._app_banner_is_due = self._stage_is_over = False
        self._add(last)

    @property
    def last_stage(self) -> Stage | None:
        """The last stage that was begun."""
        return self._boot.stages[-1].stage if self._boot is not None else None

    def _last_bootloader_is_over(self) -> bool:
        return self._stage_is_over and self.stage in (Stage.MCUBOOT, Stage.TFM)

    def _lost_a_banner(self) -> bool:
        """Whether a banner's second line stands alone where a banner is due: the first is lost."""
        return not self._pending and (self._stage_is_over or self._boot is None)

    def _end_boot(self) -> None:
        if self._boot is not None:
            self._on_boot(self._boot)
            self._boot = None


def _is_swap_type(line: RawLine) -> bool:
    return "swap_type" in line.facts.names


def _is_app_sign(line: RawLine) -> bool:
    names = line.facts.names
    if names & (_NO_SIGN_OF_AN_APP | _CLIENT) or "\ufffd" in line.body:
        return False
    if names and names <= _ANYBODYS_WORDS:
        return line.uptime_s is not None or LEVEL_LINE.search(line.body) is not None
    if line.facts is NOTHING:
        return line.uptime_s is not None or LEVEL_LINE.search(line.body) is not None
    return "banner_more" not in names
