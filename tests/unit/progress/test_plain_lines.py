"""Plain lines in a log."""

import queue
import threading

from pytest_nrf_fota.progress.plain_lines import PlainLines
from pytest_nrf_fota.progress.running_steps import RunningSteps
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.record.recorder import FlightRecorder


def test_line_again_and_again_while_a_step_lasts() -> None:
    said: queue.Queue[str] = queue.Queue()
    watcher = RunningSteps(PlainLines(said.put), first_after_s=0.05, interval_s=0.05)
    recorder = FlightRecorder()
    recorder.watchers.append(watcher)
    step = LongStep("upload", "app.bin", size_bytes=2_000)
    with recorder.watched(step):
        first = said.get(timeout=10)
        step.reached(1_000)
        second = said.get(timeout=10)
        while "nothing of" in second:
            second = said.get(timeout=10)
    watcher.close()

    assert first.startswith("nrf-fota: upload app.bin: nothing of 2.0 kB yet, 0:0")
    assert second.startswith("nrf-fota: upload app.bin: 1.0 of 2.0 kB, 0:0")


def test_what_begins_beside_a_step_brings_no_line_sooner() -> None:
    """One line in the interval at most, however many steps begin and end in it."""
    said: queue.Queue[str] = queue.Queue()
    watcher = RunningSteps(PlainLines(said.put), first_after_s=0.0, interval_s=600.0)
    recorder = FlightRecorder()
    recorder.watchers.append(watcher)
    with recorder.watched(LongStep("boot")):
        said.get(timeout=10)
        for _ in range(50):
            with recorder.watched(LongStep("program")):
                pass
    watcher.close()

    assert said.empty()


def test_log_that_is_full_ends_no_step() -> None:
    wrote = threading.Event()

    def full(line: str) -> None:
        wrote.set()
        raise OSError(28, line)

    watcher = RunningSteps(PlainLines(full), first_after_s=0.0, interval_s=0.01)
    recorder = FlightRecorder()
    recorder.watchers.append(watcher)
    with recorder.watched(LongStep("boot")):
        assert wrote.wait(10)
    watcher.close()
