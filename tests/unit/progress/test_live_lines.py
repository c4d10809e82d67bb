"""Live lines on a real pty, as a person sees its screen."""

import threading

import pytest

from pytest_nrf_fota.progress.live_lines import LiveLines
from pytest_nrf_fota.progress.running_steps import RunningSteps
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.record.recorder import FlightRecorder
from tests.unit.progress.terminal import Terminal, open_terminal


def _watch(terminal: Terminal, **places: object) -> tuple[FlightRecorder, RunningSteps]:
    screen = LiveLines(terminal.stream, **places)  # type: ignore[arg-type]
    watcher = RunningSteps(screen, first_after_s=0.0, interval_s=0.01)
    recorder = FlightRecorder()
    recorder.watchers.append(watcher)
    return recorder, watcher


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_one_line_moves_and_is_gone(columns: int) -> None:
    """However narrow: the line is cut, never wrapped, or it could not be taken away."""
    with open_terminal(columns) as terminal:
        recorder, watcher = _watch(terminal)
        step = LongStep("upload", "an_application_with_a_long_name.bin", size_bytes=456_700)
        terminal.stream.write("before\n")
        with recorder.watched(step):
            step.reached(100_000)
            begin = terminal.wait_for("100.0 of 456" if columns > 40 else "100.")
            step.reached(200_000)
            middle = terminal.wait_for("200.0 of 456" if columns > 40 else "200.")
        after = terminal.settle("after")
        watcher.close()
        column, line, is_hidden = terminal.cursor

    assert [len(shown) for shown in (begin, middle)] == [2, 2]
    assert middle[1].startswith("upload an_")
    assert after == ["before", "after"]
    assert (column, line, is_hidden) == (5, 1, False)


def test_one_line_for_each_of_two_steps() -> None:
    with open_terminal() as terminal:
        recorder, watcher = _watch(terminal)
        done = threading.Event()

        def program() -> None:
            with recorder.watched(LongStep("program", "second.hex")):
                done.wait(10)

        thread = threading.Thread(target=program)
        with recorder.watched(LongStep("erase external flash", expected_s=52.0)):
            thread.start()
            both = terminal.wait_for("program second.hex")
            done.set()
            thread.join()
        after = terminal.settle("after")
        watcher.close()

    assert [line.split("  ")[0].split(" ━")[0].split(" ╺")[0] for line in both] == [
        "erase external flash",
        "program second.hex",
    ]
    assert after == ["after"]


def test_step_that_is_over_at_once_is_not_shown() -> None:
    with open_terminal() as terminal:
        screen = LiveLines(terminal.stream)
        watcher = RunningSteps(screen, first_after_s=60.0, interval_s=0.01)
        recorder = FlightRecorder()
        recorder.watchers.append(watcher)
        for _ in range(100):
            with recorder.watched(LongStep("boot")):
                pass
        terminal.settle("after")
        watcher.close()
        raw = terminal.raw

    assert raw == b"after"


def test_error_and_interrupt_leave_nothing() -> None:
    with open_terminal() as terminal:
        recorder, watcher = _watch(terminal)
        for error in (KeyboardInterrupt, ValueError):
            with pytest.raises(error), recorder.watched(LongStep("boot")):
                terminal.wait_for("boot")
                raise error
            terminal.settle(f"{error.__name__}\n")
        watcher.close()
        lines, (_, _, is_hidden) = terminal.lines(), terminal.cursor

    assert lines == ["KeyboardInterrupt", "ValueError"]
    assert not is_hidden


def test_closing_takes_away_a_line_whose_step_never_ended() -> None:
    with open_terminal() as terminal:
        _, watcher = _watch(terminal)
        watcher.begins(LongStep("boot"))
        terminal.wait_for("boot")
        watcher.close()
        after = terminal.settle("after")
        threads = [thread.name for thread in threading.enumerate()]

    assert after == ["after"]
    assert "long steps" not in threads


def test_terminal_that_is_gone_ends_no_step() -> None:
    with open_terminal() as terminal:
        recorder, watcher = _watch(terminal)
        with recorder.watched(LongStep("boot")):
            terminal.wait_for("boot")
            terminal.stream.close()
        with recorder.watched(LongStep("boot")):
            pass
        watcher.close()
