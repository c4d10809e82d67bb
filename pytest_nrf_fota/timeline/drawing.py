"""Where things are drawn: from seconds to parts of the width, in percent."""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.timeline.values import Decisive, Mark, TimeLine, Tone, UploadCurve

ZOOMS = (1, 2, 4, 8, 16, 32, 64)
"""How much wider than the window a time line can be made."""

_LABEL_NEEDS_PERCENT = 0.75  # for each character, at zoom 1 and a width of about 900 pixels
_PIN_NEEDS_PERCENT = 3.0
_TICKS = 8
_ROOM_AT_THE_END = 1.012
_STEPS = (1, 2, 5, 10)
_LONG_S = 120
_CURVE_HEIGHT = 100


@dataclass(frozen=True)
class DrawnMark:
    """A mark at its place; its label is shown from the zoom `label_from` on, 0 is never."""

    mark: Mark
    x: float
    width: float
    label_from: int

    @property
    def tone(self) -> Tone:
        """Of several things that did not all go wrong, a part of it shows that some did."""
        return Tone.PLAIN if 0 < self.bad_part < 1 else self.mark.tone

    @property
    def bad_part(self) -> float:
        """Which part of it went wrong, from 0 to 1."""
        return self.mark.bad / self.mark.count


@dataclass(frozen=True)
class Tick:
    """A place on the time axis, shown from a zoom on."""

    x: float
    text: str
    shown_from: int


@dataclass(frozen=True)
class Pin:
    """Decisive lines that lie together: their places from 1, and the first one's number."""

    x: float
    first: int
    last: int
    number: int
    text: str
    tone: Tone

    @property
    def label(self) -> str:
        """`3` or `3-5`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class DrawnUpload:
    """An upload's curve, as an SVG path in a box of 1000 by 100, and where it lies."""

    curve: UploadCurve
    x: float
    width: float
    path: str
    retries: tuple[DrawnMark, ...]


class Scale:
    """From seconds to percent of the width."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = max(duration_s, 1e-3) * _ROOM_AT_THE_END

    def x(self, t_s: float) -> float:
        """Where a time lies; within the page, whatever a clock said."""
        return round(min(100.0, max(0.0, 100.0 * t_s / self.duration_s)), 3)

    def marks(self, marks: Sequence[Mark]) -> tuple[DrawnMark, ...]:
        """Marks at their places."""
        return tuple(self._mark(mark) for mark in marks)

    def _mark(self, mark: Mark) -> DrawnMark:
        x, end = self.x(mark.start_s), self.x(mark.end_s)
        width = round(end - x, 3)
        needed = _LABEL_NEEDS_PERCENT * max(4, min(len(mark.label), 6))
        label_from = next((z for z in ZOOMS if width * z >= needed), 0) if mark.label else 0
        return DrawnMark(mark, x, width, label_from)


def ticks(scale: Scale) -> tuple[Tick, ...]:
    """The axis: eight or so marks for each width of the window, at every zoom."""
    found: dict[float, Tick] = {}
    for zoom in ZOOMS[:-1:2]:
        step_s = _nice(scale.duration_s / _TICKS / zoom)
        count = int(scale.duration_s / step_s + 1e-9)
        for place in range(count + 1):
            t_s = place * step_s
            x = scale.x(t_s)
            found.setdefault(x, Tick(x, time_text(t_s, step_s), zoom))
    return tuple(sorted(found.values(), key=lambda tick: tick.x))


def _nice(step_s: float) -> float:
    power = 1e-6
    while power * 10 < step_s:
        power *= 10
    return next(power * step for step in _STEPS if power * step >= step_s * 0.999)


def time_text(t_s: float, step_s: float = 1e-3) -> str:
    """A time on the axis: `0.25 s`, `12 s`, `3:05`, `1:02:03`."""
    if t_s < _LONG_S or step_s < 1:
        places = next((n for n in range(6) if step_s * 10**n >= 0.999), 6)
        return f"{t_s:.{places}f} s"
    minutes, seconds = divmod(round(t_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def pins(scale: Scale, decisive: Sequence[Decisive]) -> tuple[Pin, ...]:
    """One pin for decisive lines that lie too close for two."""
    found: list[Pin] = []
    for place, one in enumerate(decisive, start=1):
        x = scale.x(one.t_s)
        if found and x - found[-1].x < _PIN_NEEDS_PERCENT:
            old = found[-1]
            tone = max(old.tone, one.tone, key=lambda tone: tone.rank)
            found[-1] = Pin(old.x, old.first, place, old.number, old.text, tone)
        else:
            found.append(Pin(x, place, place, one.number, f"{one.source}: {one.text}", one.tone))
    return tuple(found)


def peak_bytes_per_s(line: TimeLine) -> float:
    """The fastest that any upload went; what the curves' height stands for."""
    rates = [rate.bytes_per_s for upload in line.uploads for rate in upload.rates]
    return max(rates, default=0.0)


def draw_uploads(scale: Scale, line: TimeLine) -> tuple[DrawnUpload, ...]:
    """The curves, all on one scale."""
    peak = peak_bytes_per_s(line) or 1.0
    return tuple(_upload(scale, upload, peak) for upload in line.uploads)


def _upload(scale: Scale, upload: UploadCurve, peak: float) -> DrawnUpload:
    parts: list[str] = []
    for rate in upload.rates:
        y = round(_CURVE_HEIGHT * (1 - rate.bytes_per_s / peak), 1)
        start, end = 10 * scale.x(rate.start_s), 10 * scale.x(rate.end_s)
        parts.append(
            f"{'L' if parts else f'M{start:.2f} {_CURVE_HEIGHT}L'}{start:.2f} {y}H{end:.2f}"
        )
    if parts:
        parts.append(f"V{_CURVE_HEIGHT}Z")
    x, end = scale.x(upload.start_s), scale.x(upload.end_s)
    width = round(end - x, 3)
    return DrawnUpload(upload, x, width, "".join(parts), scale.marks(upload.retries))
