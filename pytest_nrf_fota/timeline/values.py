"""What a time line holds, as values; nothing in it is drawn yet."""

from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.findings.evidence import Evidence
from pytest_nrf_fota.findings.finding import Finding


class Tone(Enum):
    """How a mark is to be taken, the worst last; its value is its class on the page."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"

    @property
    def rank(self) -> int:
        """For comparing: the higher, the worse."""
        return list(Tone).index(self)


@dataclass(frozen=True)
class Mark:
    """Something that happened, or several things that lie too close to be told apart.

    Args:
        start_s, end_s: when, in seconds since the recorder began; equal for a moment.
        number: the line of the recorder that a click leads to.
        text: what is shown when it is pointed at.
        label: what is written in it where there is room.
        tone: how it is to be taken.
        look: a class on the page, such as a boot stage.
        count: how many things it stands for.
        bad_count: of several, how many went wrong.
    """

    start_s: float
    end_s: float
    number: int
    text: str
    label: str = ""
    tone: Tone = Tone.PLAIN
    look: str = ""
    count: int = 1
    bad_count: int = 0

    @property
    def bad(self) -> int:
        """How many of the things went wrong."""
        return self.bad_count if self.count > 1 else int(self.tone is Tone.BAD)


@dataclass(frozen=True)
class Lane:
    """One lane: its name, and rows of marks in order, one row but for nested steps."""

    name: str
    rows: tuple[tuple[Mark, ...], ...]

    @property
    def count(self) -> int:
        """How many things it shows."""
        return sum(mark.count for row in self.rows for mark in row)


@dataclass(frozen=True)
class UploadRate:
    """What was uploaded from `start_s` to `end_s`, on average, in bytes per second."""

    start_s: float
    end_s: float
    bytes_per_s: float


@dataclass(frozen=True)
class UploadCurve:
    """One upload.

    Args:
        number: the recorder's line with its first request.
        start_s, end_s: its first request and its last answer.
        size_bytes: of the image, as the first request tells; None where none did.
        sent_bytes: what the board had acknowledged in the end.
        rates: how fast it went, in order.
        retries: requests that were sent again, as marks.
    """

    number: int
    start_s: float
    end_s: float
    size_bytes: int | None
    sent_bytes: int
    rates: tuple[UploadRate, ...]
    retries: tuple[Mark, ...]

    @property
    def bytes_per_s(self) -> float:
        """On average."""
        return self.sent_bytes / max(1e-9, self.end_s - self.start_s)


@dataclass(frozen=True)
class Decisive:
    """A line that decided, or shows why.

    Args:
        number: its line in the recorder.
        t_s: when.
        source: what it is from: `UART`, `SMP`, ...
        text: the line.
        why: what it decided: a piece of evidence, or a cause by its name.
        tone: GOOD where it speaks for the update.
    """

    number: int
    t_s: float
    source: str
    text: str
    why: str
    tone: Tone


@dataclass(frozen=True)
class EvidenceLine:
    """A wire's evidence, and the recorder's line that shows it best; None where none does."""

    evidence: Evidence
    number: int | None


@dataclass(frozen=True)
class JudgedUpdate:
    """A verdict: what it was about, what it said, its evidence."""

    number: int
    t_s: float
    outcome: str
    subject: str
    reason: str
    preflight: str
    notes: tuple[str, ...]
    evidence: tuple[EvidenceLine, ...]
    is_upgraded: bool


@dataclass(frozen=True)
class Problem:
    """A cause that explain's rules found; `numbers` are the recorder's lines that show it."""

    finding: Finding
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Result:
    """How the test ended, as pytest reported it.

    `outcome` is `passed`, `failed`, `error` or `skipped`; `why` its first line.
    """

    outcome: str
    why: str = ""


@dataclass(frozen=True)
class TimeLine:
    """A test's time line.

    Args:
        title, started, board, unit: what was recorded, and when it began (ISO 8601).
        duration_s: from the recorder's begin to its last event.
        result: how the test ended; None where the recorder does not say.
        broken_off_in: the step that was under way when the recorder ended; empty where none was.
        lanes: in the order in which they are shown.
        uploads: the uploads; of very many, the first and the last.
        uploads_left_out: how many are not among them.
        verdicts: in order.
        problems: most likely first.
        failed: the last step that failed, as text; empty where none did.
        decisive: the lines that decided, in order of time.
        event_count: all events but the raw bytes.
        unreadable, is_cut_off: what of the file could not be read.
        stages: for each boot stage the recorder's lines from its first to its last, and its look.
        flagged: lines of the recorder with which the board reports an error or a refusal.
    """

    title: str
    started: str
    board: str
    unit: str
    duration_s: float
    result: Result | None
    broken_off_in: str
    lanes: tuple[Lane, ...]
    uploads: tuple[UploadCurve, ...]
    uploads_left_out: int
    verdicts: tuple[JudgedUpdate, ...]
    problems: tuple[Problem, ...]
    failed: str
    decisive: tuple[Decisive, ...]
    event_count: int
    unreadable: int
    is_cut_off: bool
    stages: tuple[tuple[int, int, str], ...]
    flagged: frozenset[int]
