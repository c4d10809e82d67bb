"""Make a failing test readable: the test's own line, the error, the console's last lines."""

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest._code.code import TerminalRepr, Traceback, TracebackEntry

import pytest_nrf_fota
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import (
    FaultNotStruckError,
    FotaError,
    InputError,
    LineNotSeenError,
    RigError,
)
from pytest_nrf_fota.record.events import ConsoleState, FailureExplained, UartLine
from pytest_nrf_fota.record.recorder import read_recording
from pytest_nrf_fota.verdict.evidence import UpgradeNotProvenError

SHOWN_UART_LINES = 30
_PACKAGE = Path(pytest_nrf_fota.__file__).parent
_FUNCTOOLS = Path(functools.__file__)


def is_no_result(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether the test has no result for the firmware: an ERROR, neither passed nor failed."""
    return isinstance(excinfo.value, RigError | FaultNotStruckError)


def is_rig_error(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether the test setup failed."""
    return isinstance(excinfo.value, RigError)


def short_report(
    excinfo: pytest.ExceptionInfo[BaseException], test_file: Path
) -> TerminalRepr | str | None:
    """What to show of one of this package's own errors; None for any other exception.

    The message is complete. So the traceback holds the test's lines only, and an
    error in a fixture is its message alone. `--full-trace` shows everything.
    """
    if not isinstance(excinfo.value, FotaError | UpgradeNotProvenError):
        return None
    if not any(_path(entry) == test_file for entry in excinfo.traceback):
        return str(excinfo.value)

    def of_the_test(shown: pytest.ExceptionInfo[BaseException]) -> Traceback:
        in_test = shown.traceback.cut(path=test_file)
        return Traceback(itertools.takewhile(lambda entry: not _is_own(entry), in_test))

    shown = excinfo.getrepr(style="long", tbfilter=of_the_test, chain=False)
    if shown.reprcrash is not None:
        # What pytest's short summary shows: the reason, not the exception's module.
        shown.reprcrash.message = headline_of(excinfo.value)
    return shown


def repeated_report(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """What to show where pytest raises a fixture's error again, for the next test that wants it."""
    return f"{headline_of(excinfo.value)} (shown in full where it first happened)"


def headline_of(error: BaseException) -> str:
    """An error in one line."""
    match error:
        case FotaError(what=what):
            return what.splitlines()[0]
        case UpgradeNotProvenError(verdict=verdict):
            return f"{verdict.outcome.value}: {verdict.reason or verdict.subject}"
        case _:
            return next(iter(str(error).splitlines()), "") or type(error).__name__


def _path(entry: TracebackEntry) -> Path:
    return Path(str(entry.path))


def _is_own(entry: TracebackEntry) -> bool:
    # A test that reads a cached property of ours gets there through functools.
    path = _path(entry)
    return path.is_relative_to(_PACKAGE) or path == _FUNCTOOLS


def rig_section(board_name: str, radios: Sequence[str]) -> tuple[str, str]:
    """Title and text of a report section that shows how to look into a test setup problem.

    Args:
        board_name: the board of this session.
        radios: what was given as `--radio`.
    """
    command = " ".join(
        ["nrf-fota doctor --board", board_name, *(f"--radio={radio}" for radio in radios)]
    )
    return "Test setup problem", f"What is missing on this machine, if anything: {command}"


def uart_tail(
    recording: Path, excinfo: pytest.ExceptionInfo[BaseException]
) -> tuple[str, str] | None:
    """Title and text of a report section with the console's last lines.

    None where the console was never open, the error shows them itself, or it is about an input.
    """
    if isinstance(excinfo.value, LineNotSeenError | InputError):
        return None
    events = [recorded.event for recorded in read_recording(recording)]
    if not any(isinstance(event, ConsoleState | UartLine) for event in events):
        return None
    lines = [event.text for event in events if isinstance(event, UartLine)]
    title = f"UART, last {SHOWN_UART_LINES} lines (all: {recording.parent})"
    return title, "\n".join(lines[-SHOWN_UART_LINES:]) or "(nothing)"


def explanation_section(explained: FailureExplained) -> tuple[str, str]:
    """Title and text of a report section with the explanation."""
    title = "Diagnosis (nrf-fota explain; line numbers: uart.log, smp log: recorder.jsonl)"
    return title, explained.text


def explain_failure(recording: Path, board: BoardType | None) -> FailureExplained | None:
    """What the recorded lines show about a failing test; None where they show nothing wrong.

    `board` is the one that remedies are for.
    """
    # Imported here: a session without a failure needs none of it.
    from pytest_nrf_fota.explain.case import case_of_recording
    from pytest_nrf_fota.explain.explanation import explain
    from pytest_nrf_fota.explain.text import short_text

    try:
        explanation = explain(case_of_recording(recording), board=board)
    except FotaError:
        # Too large or damaged: the test's own failure is what must be seen.
        return None
    if not explanation.causes:
        return None
    return FailureExplained(
        ending=explanation.ending,
        causes=explanation.causes,
        text="\n".join(short_text(explanation)),
    )
