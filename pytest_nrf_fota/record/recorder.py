"""The flight recorder: every step of a test as JSON lines, in the order it happened."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TypeAlias

from pytest_nrf_fota.errors import (
    BoardError,
    ConnectionBrokeError,
    NotSeenError,
    RadioLostError,
)
from pytest_nrf_fota.record.events import (
    RECORDED_LINE,
    Event,
    Recorded,
    RunStarted,
    StepEnd,
    StepEnded,
    StepStarted,
)

StepObserver: TypeAlias = Callable[[str, str], AbstractContextManager[None]]
"""Makes a context around a step, from its name and detail; how Allure gets to know steps."""


class FlightRecorder:
    """Writes events to one file at a time; safe to use from any thread.

    The file is flushed after every event, so that a killed run loses nothing. Events that arrive
    while no file is open are kept and become the first events of the next file.
    """

    def __init__(self) -> None:
        self.step_observers: list[StepObserver] = []
        self._lock = threading.Lock()
        self._file: TextIOWrapper | None = None
        self._path: Path | None = None
        self._opened_at_s = time.monotonic()
        self._waiting: list[tuple[float, Event]] = []

    @property
    def path(self) -> Path | None:
        """The file being written, or the last one written; None before the first."""
        return self._path

    def open(self, path: Path, title: str, versions: dict[str, str] | None = None) -> None:
        """Start a new file at `path`; an open one is closed first."""
        self.close()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._file = path.open("w", encoding="utf-8")
            self._path = path
            self._opened_at_s = time.monotonic()
            wall_clock = datetime.now().astimezone().isoformat(timespec="milliseconds")
            self._write(
                self._opened_at_s,
                RunStarted(title=title, wall_clock=wall_clock, versions=versions or {}),
            )
            for at_s, event in self._waiting:
                self._write(at_s, event)
            self._waiting.clear()

    def record(self, event: Event) -> None:
        """Append one event."""
        at_s = time.monotonic()
        with self._lock:
            if self._file is None:
                self._waiting.append((at_s, event))
            else:
                self._write(at_s, event)

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        """Record the begin, the end and, where it fails, the error of a step."""
        self.record(StepStarted(step=name, detail=detail))
        started_at_s = time.monotonic()
        error, end = "", _how(None)
        try:
            with ExitStack() as stack:
                for observer in self.step_observers:
                    stack.enter_context(observer(name, detail))
                yield
        except BaseException as raised:
            error, end = f"{type(raised).__name__}: {raised}", _how(raised)
            raise
        finally:
            duration_s = time.monotonic() - started_at_s
            self.record(StepEnded(step=name, duration_s=duration_s, end=end, error=error))

    def close(self) -> None:
        """Close the current file. Later events wait for the next one."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write(self, at_s: float, event: Event) -> None:
        assert self._file is not None
        line = Recorded(t_s=round(at_s - self._opened_at_s, 6), event=event)
        self._file.write(line.model_dump_json() + "\n")
        self._file.flush()


def _how(raised: BaseException | None) -> StepEnd:
    match raised:
        case None:
            return "done"
        case ConnectionBrokeError() | RadioLostError():
            return "connection lost"
        case NotSeenError() | TimeoutError():
            return "no answer"
        case BoardError():
            return "refused"
        case _:
            # Anything else ended the test, not the board the step.
            return "broken off"


def read_recording(path: Path) -> tuple[Recorded, ...]:
    """All events of a recorder file, in order.

    A last line that was cut off by a kill is left out; any other unreadable line raises
    `pydantic.ValidationError`.
    """
    # As bytes, because the cut may be in the middle of a character.
    *lines, _unfinished = path.read_bytes().split(b"\n")
    return tuple(RECORDED_LINE.validate_json(line) for line in lines if line)
