"""A time line as one HTML page that loads nothing."""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nrf_fota.timeline.drawing import (
    DrawnMark,
    Scale,
    draw_uploads,
    peak_bytes_per_s,
    pins,
    ticks,
)
from pytest_nrf_fota.timeline.log_rows import LogRow
from pytest_nrf_fota.timeline.values import JudgedUpdate, Lane, TimeLine, Tone

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_PARTS = Path(__file__).parent / "page_parts"
_LEGEND = (
    ("nsib", "NSIB"),
    ("mcuboot", "MCUboot"),
    ("app", "application, connected"),
    ("reset", "reset, connecting"),
    ("bad", "error"),
)
_FAILED = ("failed", "error")
# Control characters, and those that turn the direction of a text: a log line must not rearrange
# the page around it, and HTML has no NUL.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass(frozen=True)
class Headline:
    """What is read first: a word, a sentence, and why."""

    badge: str
    text: str
    why: str
    tone: Tone


@dataclass(frozen=True)
class _DrawnLane:
    name: str
    count: int
    rows: tuple[tuple[DrawnMark, ...], ...]


def page(line: TimeLine, rows: tuple[LogRow, ...]) -> str:
    """The page.

    Args:
        line: the time line.
        rows: the log beneath it.
    """
    scale = Scale(line.duration_s)
    script = _part("script.js")
    return _template().render(
        policy=_policy(script),
        style=_safe(_part("style.css")),
        script=_safe(script),
        line=line,
        headline=headline(line),
        facts=_facts(line),
        warnings=_warnings(line),
        scale=scale,
        ticks=ticks(scale),
        pins=pins(scale, line.decisive),
        lanes=tuple(_lane(scale, lane) for lane in line.lanes),
        uploads=draw_uploads(scale, line),
        peak=peak_bytes_per_s(line),
        legend=_LEGEND,
        rows=rows,
        left_out=line.event_count - len(rows),
        stamp=stamp,
        rate=rate,
        coded=coded,
    )


def headline(line: TimeLine) -> Headline:
    """What a page is about, in a word, a sentence and a reason."""
    judged = next((v for v in reversed(line.verdicts) if not v.is_upgraded), None)
    judged = judged or (line.verdicts[-1] if line.verdicts else None)
    failure = line.result if line.result and line.result.outcome in _FAILED else None
    badge, tone = _badge(line, judged)
    if failure is not None and (judged is None or judged.is_upgraded):
        cause = line.problems[0].finding.cause if line.problems else line.failed
        return Headline(badge, failure.why or "The test failed.", cause, tone)
    if judged is not None:
        said = f"{judged.subject}: {judged.outcome.upper()}"
        return Headline(badge, said, judged.reason, tone)
    cause = line.problems[0].finding.cause if line.problems else line.failed
    if line.broken_off_in:
        return Headline(badge, f"The recording ends in: {line.broken_off_in}", cause, tone)
    return Headline(badge, "No update was judged.", cause, tone)


def _badge(line: TimeLine, judged: JudgedUpdate | None) -> tuple[str, Tone]:
    if line.result is not None:
        tones = {"passed": Tone.GOOD, "skipped": Tone.PLAIN}
        return line.result.outcome.upper(), tones.get(line.result.outcome, Tone.BAD)
    if line.broken_off_in or line.is_cut_off:
        return "BROKEN OFF", Tone.WARN
    if judged is not None:
        return judged.outcome.upper(), Tone.GOOD if judged.is_upgraded else Tone.BAD
    return "RECORDED", Tone.BAD if line.failed else Tone.PLAIN


def _facts(line: TimeLine) -> tuple[tuple[str, str], ...]:
    facts = (
        ("board", line.board),
        ("kit", line.unit),
        ("started", line.started),
        ("duration", f"{line.duration_s:.3f} s"),
        ("events", str(line.event_count)),
    )
    return tuple((name, value) for name, value in facts if value)


def _warnings(line: TimeLine) -> tuple[str, ...]:
    found: list[str] = []
    if line.broken_off_in:
        step = line.broken_off_in
        found.append(f"The recording ends in the step “{step}”: the run was stopped or killed.")
    elif line.is_cut_off:
        found.append("The recording ends in the middle of a line: the run was stopped or killed.")
    if line.unreadable:
        found.append(f"{line.unreadable} lines of the recorder are damaged and left out.")
    return tuple(found)


def _lane(scale: Scale, lane: Lane) -> _DrawnLane:
    # What is drawn last lies on top: what went wrong.
    rows = (sorted(row, key=lambda mark: mark.tone is Tone.BAD) for row in lane.rows)
    return _DrawnLane(lane.name, lane.count, tuple(scale.marks(row) for row in rows))


def stamp(t_s: float) -> str:
    """A time since the recorder began: `+0.623 s`."""
    return f"+{t_s:.3f} s"


def rate(bytes_per_s: float) -> str:
    """A speed, in KB/s of 1000 bytes."""
    return (
        f"{bytes_per_s / 1000:.3g} KB/s" if bytes_per_s < 1e6 else f"{bytes_per_s / 1000:.0f} KB/s"
    )


def visible(value: object) -> object:
    """What is put into the page: control characters of texts are replaced by U+FFFD."""
    if type(value) is str:
        return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


def coded(text: str) -> "Markup":
    """A text with what stands in backticks as code; escaped."""
    from markupsafe import Markup, escape

    parts = (escape(visible(part)) for part in text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )


def _policy(script: str) -> str:
    """Nothing is loaded, and no script runs but ours, which is named by its hash."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _safe(text: str) -> "Markup":
    from markupsafe import Markup

    return Markup(text)


@cache
def _template() -> "Template":
    # Imported here: a run without a page needs none of it.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(_part("page.html.j2"))
