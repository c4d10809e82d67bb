"""What a line says of a step."""

import pytest

from pytest_nrf_fota.progress.wording import clock, fraction_done, how_far, title_of
from pytest_nrf_fota.record.long_step import HowFar, LongStep

UPLOAD = LongStep("upload", "app_update.bin", size_bytes=456_700)
ERASE = LongStep("erase external flash", expected_s=52.0, at_most_s=420.0)
PROGRAM = LongStep("program", "merged.hex")
BOOT = LongStep("swap and boot", at_most_s=210.0)


def _now(elapsed_s: float, **more: float | None) -> HowFar:
    known = {"done_bytes": None, "rate_bytes_per_s": None, "left_s": None, "retries": 0} | more
    return HowFar(elapsed_s=elapsed_s, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "now", "said"),
    [
        (UPLOAD, _now(1.2), "nothing of 456.7 kB yet, 0:01"),
        (
            UPLOAD,
            _now(12.0, done_bytes=123_400, rate_bytes_per_s=34_500.0, left_s=9.7, retries=2),
            "123.4 of 456.7 kB, 34.5 kB/s, 0:12, 0:09 left, 2 retries",
        ),
        (UPLOAD, _now(2.0, done_bytes=400, retries=1), "0.4 of 456.7 kB, 0:02, 1 retry"),
        (ERASE, _now(12.0), "0:12 of about 0:52"),
        (ERASE, _now(72.0), "1:12, 0:52 was expected, at most 7:00"),
        (PROGRAM, _now(3.0), "0:03"),
        (BOOT, _now(12.0), "0:12 of at most 3:30"),
    ],
)
def test_how_far(step: LongStep, now: HowFar, said: str) -> None:
    assert how_far(step, now) == said


def test_title() -> None:
    assert (title_of(UPLOAD), title_of(ERASE)) == ("upload app_update.bin", ERASE.name)


def test_time_alone_is_never_the_end() -> None:
    assert fraction_done(ERASE, _now(26.0)) == pytest.approx(0.5)
    assert (fraction_done(ERASE, _now(80.0)) or 0) < 1
    assert fraction_done(BOOT, _now(26.0)) is None
    assert fraction_done(UPLOAD, _now(1.0)) == 0
    assert fraction_done(UPLOAD, _now(1.0, done_bytes=456_700)) == 1


def test_clock() -> None:
    assert [clock(s) for s in (0.0, 52.9, 725.0, 3723.0)] == ["0:00", "0:52", "12:05", "1:02:03"]
