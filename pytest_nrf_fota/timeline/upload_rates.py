"""From the requests and answers of uploads to how fast each went."""

from dataclasses import dataclass, field
from itertools import pairwise

from pytest_nrf_fota.record.events import SmpMessage
from pytest_nrf_fota.timeline.level_of_detail import MarkBins
from pytest_nrf_fota.timeline.values import Mark, Tone, UploadCurve, UploadRate

UPLOAD = "image upload"
_MOST_UPLOADS = 200
# So many are drawn in detail, the others coarsely.
_DETAILED_UPLOADS = 20
_MOST_POINTS = 1024
_MOST_RATES = 96
_FEW_RATES = 12
_MOST_RETRIES = 100


@dataclass
class _Upload:
    number: int
    start_s: float
    size_bytes: int | None
    end_s: float
    asked_bytes: int = -1
    points: list[tuple[float, int]] = field(default_factory=list)
    retries: MarkBins = field(default_factory=lambda: MarkBins(_MOST_RETRIES))


class UploadRates:
    """Follows uploads; of each a bounded number of points is kept, of very many the outer ones."""

    def __init__(self) -> None:
        self.left_out = 0
        self._done: list[UploadCurve] = []
        self._upload: _Upload | None = None

    def take(self, number: int, t_s: float, message: SmpMessage) -> None:
        """A message of an upload."""
        offset_bytes = message.payload.get("off")
        if message.name != UPLOAD or not isinstance(offset_bytes, int):
            return
        if message.direction == "request":
            self._ask(number, t_s, offset_bytes, message)
        elif self._upload is not None:
            upload = self._upload
            upload.end_s = t_s
            upload.points.append((t_s, offset_bytes))
            if len(upload.points) > 2 * _MOST_POINTS:
                upload.points = upload.points[1::2]

    def curves(self) -> tuple[UploadCurve, ...]:
        """What was uploaded, in order."""
        self._finish()
        return tuple(self._done)

    def _ask(self, number: int, t_s: float, offset_bytes: int, message: SmpMessage) -> None:
        upload = self._upload
        if upload is None or (offset_bytes == 0 and upload.points):
            self._finish()
            size = message.payload.get("len")
            upload = _Upload(number, t_s, size if isinstance(size, int) else None, t_s)
            self._upload = upload
        elif offset_bytes <= upload.asked_bytes:
            text = f"sent again: bytes from {offset_bytes}"
            upload.retries.add(Mark(t_s, t_s, number, text, tone=Tone.BAD, look="retry"))
        upload.asked_bytes = offset_bytes

    def _finish(self) -> None:
        if self._upload is None:
            return
        most = _MOST_RATES if len(self._done) < _DETAILED_UPLOADS else _FEW_RATES
        self._done.append(_curve(self._upload, most))
        self._upload = None
        if len(self._done) > _MOST_UPLOADS:
            del self._done[_MOST_UPLOADS // 2]
            self.left_out += 1


def _curve(upload: _Upload, most_rates: int) -> UploadCurve:
    points = [(upload.start_s, 0), *upload.points]
    step = max(1, -(-(len(points) - 1) // most_rates))
    kept = [*points[:-1:step], points[-1]]
    rates = tuple(
        UploadRate(start_s, end_s, max(0, until - since) / (end_s - start_s))
        for (start_s, since), (end_s, until) in pairwise(kept)
        if end_s > start_s
    )
    return UploadCurve(
        number=upload.number,
        start_s=upload.start_s,
        end_s=upload.end_s,
        size_bytes=upload.size_bytes,
        sent_bytes=max(offset for _, offset in points),
        rates=rates,
        retries=upload.retries.marks(),
    )
