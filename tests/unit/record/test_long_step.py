"""How far a step has come, by its own clock."""

from pathlib import Path

import pytest

from pytest_nrf_fota.record.events import StepEnded, StepStarted
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording


class _Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


def test_rate_and_rest(clock: _Clock) -> None:
    step = LongStep("upload", "app.bin", size_bytes=100_000, clock=clock)
    for second in range(5):
        clock.now_s = 100.0 + second
        step.reached(second * 20_000)

    now = step.now()

    assert (now.elapsed_s, now.done_bytes, now.retries) == (4.0, 80_000, 0)
    assert now.rate_bytes_per_s == pytest.approx(20_000)
    assert now.left_s == pytest.approx(1.0)


def test_what_was_there_before_is_no_speed(clock: _Clock) -> None:
    """An upload that goes on where an earlier one broke has not sent those bytes now."""
    step = LongStep("upload", size_bytes=100_000, clock=clock)
    step.reached(50_000)
    clock.now_s += 1
    step.reached(51_000)

    assert step.now().rate_bytes_per_s == pytest.approx(1_000)


def test_stall_shows(clock: _Clock) -> None:
    """The speed is that of the last seconds, and falls while nothing comes."""
    step = LongStep("upload", size_bytes=1_000_000, clock=clock)
    for second in range(60):
        clock.now_s = 100.0 + second
        step.reached(second * 10_000)
    moving = step.now()
    clock.now_s += 30
    stalled = step.now()

    assert moving.rate_bytes_per_s == pytest.approx(10_000)
    assert moving.rate_bytes_per_s is not None and stalled.rate_bytes_per_s is not None
    assert stalled.rate_bytes_per_s < moving.rate_bytes_per_s / 2


def test_same_place_again_is_a_retry_and_a_new_begin_too(clock: _Clock) -> None:
    step = LongStep("upload", size_bytes=100_000, clock=clock)
    for done_bytes in (1_000, 2_000, 2_000, 3_000, 0, 1_000):
        clock.now_s += 1
        step.reached(done_bytes)

    now = step.now()

    assert (now.done_bytes, now.retries) == (1_000, 2)
    assert now.rate_bytes_per_s == pytest.approx(1_000)


def test_step_in_the_recording_has_its_bytes(tmp_path: Path) -> None:
    """Size at its begin; at its end, also where it broke, what the board has."""
    path = tmp_path / "recorder.jsonl"
    recorder = FlightRecorder()
    recorder.open(path, "t")
    step = LongStep("upload", "app.bin", size_bytes=2_000)
    with pytest.raises(ZeroDivisionError), recorder.step("upload", "app.bin", long=step):
        step.reached(500)
        raise ZeroDivisionError
    recorder.close()

    _, begin, end = (recorded.event for recorded in read_recording(path))

    assert isinstance(begin, StepStarted) and isinstance(end, StepEnded)
    assert (begin.size_bytes, end.done_bytes, end.retries) == (2_000, 500, 0)


class _Watcher:
    def __init__(self) -> None:
        self.seen: list[tuple[str, float | None]] = []

    def begins(self, step: LongStep) -> None:
        self.seen.append((f"begin {step.name}", step.expected_s))

    def ends(self, step: LongStep) -> None:
        self.seen.append((f"end {step.name}", None))


def test_what_a_step_took_last_is_expected_of_the_next() -> None:
    """Not what it took to fail, and not where something better is known."""
    recorder, watcher = FlightRecorder(), _Watcher()
    recorder.watchers.append(watcher)
    with pytest.raises(ZeroDivisionError), recorder.watched(LongStep("program", "a.hex")):
        raise ZeroDivisionError
    for step in (
        LongStep("program", "a.hex"),
        LongStep("program", "a.hex"),
        LongStep("program", "b.hex"),
        LongStep("program", "a.hex", expected_s=52.0),
    ):
        with recorder.watched(step):
            pass

    expected = [expected_s for name, expected_s in watcher.seen if name == "begin program"]
    assert [name for name, _ in watcher.seen] == ["begin program", "end program"] * 5
    assert expected[:2] == [None, None]
    assert expected[2] is not None and expected[2] < 1
    assert expected[3:] == [None, 52.0]
