"""Long steps in pytest's output: live lines on a terminal, a plain line now and then elsewhere."""

import io
import os
import sys
from typing import TextIO

import pytest
from _pytest.terminal import TerminalReporter

from pytest_nrf_fota.progress.plain_lines import PLAIN_INTERVAL_S, PlainLines
from pytest_nrf_fota.progress.running_steps import RunningSteps
from pytest_nrf_fota.record.recorder import FlightRecorder

# What is over sooner needs no line, and would only flicker.
_FIRST_AFTER_S = 0.5
_REDRAW_S = 0.2
_CAPTURES = ("fd", "sys")

_watcher_key: pytest.StashKey[RunningSteps] = pytest.StashKey()


def begin_showing(config: pytest.Config) -> None:
    """Show this session's long steps from now on, where pytest prints and nobody asked for quiet.

    Called while pytest captures nothing: tests' output goes elsewhere later, this must not.
    A worker of xdist has no terminal and shows none.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    is_worker = hasattr(config, "workerinput")
    if is_worker or not isinstance(reporter, TerminalReporter) or reporter.verbosity < 0:
        return
    stream = _own_stream()
    if stream is None:
        return
    watcher = (
        _live(reporter, stream)
        if stream.isatty() and _may_move_cursor(config)
        else _plain(reporter, stream)
    )
    config.stash[_watcher_key] = watcher
    config.add_cleanup(stream.close)
    config.add_cleanup(watcher.close)


def show_steps_of(recorder: FlightRecorder, config: pytest.Config) -> None:
    """Let this session show the long steps of a recorder."""
    watcher = config.stash.get(_watcher_key, None)
    if watcher is not None:
        recorder.watchers.append(watcher)


def _own_stream() -> TextIO | None:
    """Where pytest prints now, as a file of our own; None where that is no file."""
    try:
        sys.stdout.flush()
        descriptor = os.dup(sys.stdout.fileno())
    except (OSError, ValueError, io.UnsupportedOperation):
        return None
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return os.fdopen(descriptor, "w", encoding=encoding, errors="replace", buffering=1)


def _may_move_cursor(config: pytest.Config) -> bool:
    """Whether nobody else writes to the terminal while a step runs.

    With `-s`, `--capture=tee-sys` and live logs tests do, and a line that comes back to where the
    cursor was would be drawn over theirs.
    """
    logging = config.pluginmanager.get_plugin("logging-plugin")
    has_live_log = bool(
        logging is not None
        and (config.getoption("log_cli_level") is not None or config.getini("log_cli"))
    )
    is_dumb = os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return config.getoption("capture") in _CAPTURES and not has_live_log and not is_dumb


def _live(reporter: TerminalReporter, stream: TextIO) -> RunningSteps:
    from pytest_nrf_fota.progress.live_lines import LiveLines

    place = _PlaceInLine(reporter, stream)
    screen = LiveLines(stream, enter=place.leave_it, leave=place.come_back)
    return RunningSteps(screen, first_after_s=_FIRST_AFTER_S, interval_s=_REDRAW_S)


class _PlaceInLine:
    """Where pytest stopped in its line, behind a test's name or dots, and goes on later."""

    def __init__(self, reporter: TerminalReporter, stream: TextIO) -> None:
        self._reporter = reporter
        self._stream = stream
        self._column = 0

    def leave_it(self) -> str:
        """What moves the cursor to the begin of the next line."""
        self._column = self._reporter._tw.width_of_current_line
        return "\n" if self._column else ""

    def come_back(self) -> str:
        """What moves it back; nothing where the line was full, and pytest goes on in the next."""
        columns = os.get_terminal_size(self._stream.fileno()).columns
        column = self._column % columns if columns else 0
        return f"\x1b[1A\x1b[{column}C" if column else ""


def _plain(reporter: TerminalReporter, stream: TextIO) -> RunningSteps:
    def write(line: str) -> None:
        # pytest's own `ensure_newline`, which would print into the test's captured output: with
        # this it begins its line anew, as behind a live log.
        begun = "\n" if reporter._tw.width_of_current_line else ""
        if reporter.showlongtestinfo:
            reporter.currentfspath = None
        reporter._tw._current_line = ""
        stream.write(f"{begun}{line}\n")
        stream.flush()

    return RunningSteps(
        PlainLines(write), first_after_s=PLAIN_INTERVAL_S, interval_s=PLAIN_INTERVAL_S
    )
