"""The flight recorder: every step of a test as JSON lines, in the order it happened."""

import gzip
import hashlib
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
    Kept,
    NetworkUartLine,
    Recorded,
    RunStarted,
    StepEnd,
    StepEnded,
    StepStarted,
    UartBytes,
    UartLine,
)
from pytest_nrf_fota.record.hex_rows import may_hold_rows
from pytest_nrf_fota.record.long_step import LongStep, StepWatcher
from pytest_nrf_fota.record.masked_events import masked_recorded
from pytest_nrf_fota.record.secrets import Secrets, secrets_of_environment

KEPT_FOLDER = "tool-output"
"""Holds what tools printed and wrote, beside the recorder's file; gzip, named by its SHA-256."""

_SHORT_BYTES = 2048
# Of one test. A comparison of all memories, as nrfjprog prints them, makes less than a tenth.
_MOST_KEPT_BYTES = 64 * 1024 * 1024
_FASTEST = 1

StepObserver: TypeAlias = Callable[[str, str], AbstractContextManager[None]]
"""Makes a context around a step, from its name and detail; how Allure gets to know steps."""


class FlightRecorder:
    """Writes events to one file at a time; safe to use from any thread.

    The file is flushed after every event, so that a killed run loses nothing. Events that arrive
    while no file is open are kept and become the first events of the next file.

    Args:
        secrets: what is masked in all that is written; None takes those of the environment.
    """

    def __init__(self, secrets: Secrets | None = None) -> None:
        self.secrets = secrets_of_environment() if secrets is None else secrets
        self.step_observers: list[StepObserver] = []
        self.watchers: list[StepWatcher] = []
        self._took_s: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()
        self._file: TextIOWrapper | None = None
        self._uart_log: TextIOWrapper | None = None
        self._path: Path | None = None
        self._opened_at_s = time.monotonic()
        self._waiting: list[tuple[float, Event]] = []
        self._kept_bytes = 0

    @property
    def path(self) -> Path | None:
        """The file being written, or the last one written; None before the first."""
        return self._path

    def open(
        self,
        path: Path,
        title: str,
        versions: dict[str, str] | None = None,
        whose: dict[str, str] | None = None,
        *,
        uart_log: Path | None = None,
    ) -> None:
        """Start a new file at `path`; an open one is closed first.

        UART lines go to `uart_log` as well, as plain text.
        """
        self.close()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._file = path.open("w", encoding="utf-8")
            if uart_log is not None:
                self._uart_log = uart_log.open("w", encoding="utf-8", newline="\n")
            self._path = path
            self._opened_at_s = time.monotonic()
            self._kept_bytes = 0
            wall_clock = datetime.now().astimezone().isoformat(timespec="milliseconds")
            self._write(
                self._opened_at_s,
                RunStarted(
                    title=title, wall_clock=wall_clock, versions=versions or {}, whose=whose or {}
                ),
            )
            for at_s, event in self._waiting:
                self._write(at_s, event)
            self._waiting.clear()

    def keep(self, content: bytes) -> Kept:
        """Keep what an event is about: short text in the event, the rest in a file of its own.

        While no file is open, and where the folder is full or the disk refuses, size and hash
        remain. Secrets are masked first, so that the hash tells nothing of them either.
        """
        content = self.secrets.masked_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        kept = Kept(size_bytes=len(content), sha256=digest)
        if len(content) <= _SHORT_BYTES:
            try:
                return kept.model_copy(update={"text": content.decode()})
            except UnicodeDecodeError:
                pass
        with self._lock:
            if self._file is None or self._path is None:
                return kept
            file = self._path.parent / KEPT_FOLDER / f"{digest}.gz"
            if not file.exists():
                packed = gzip.compress(content, _FASTEST, mtime=0)
                if self._kept_bytes + len(packed) > _MOST_KEPT_BYTES:
                    return kept
                try:
                    file.parent.mkdir(exist_ok=True)
                    file.write_bytes(packed)
                except OSError:
                    return kept
                self._kept_bytes += len(packed)
        return kept.model_copy(update={"file": file.name})

    def record(self, event: Event, at_s: float | None = None) -> None:
        """Append one event; of one that is told late, `at_s` is when it happened (monotonic)."""
        at_s = time.monotonic() if at_s is None else at_s
        with self._lock:
            if self._file is None:
                self._waiting.append((at_s, event))
            else:
                self._write(at_s, event)

    @contextmanager
    def step(self, name: str, detail: str = "", *, long: LongStep | None = None) -> Iterator[None]:
        """Record the begin, the end and, where it fails, the error of a step.

        `long` is the same step where it is to be watched; what it has reached is recorded, too.
        """
        started = StepStarted(step=name, detail=detail)
        if long is not None:
            known = {"size_bytes": long.size_bytes, "expected_s": long.expected_s}
            started = started.model_copy(update=known)
        self.record(started)
        started_at_s = time.monotonic()
        error, end = "", _how(None)
        try:
            with ExitStack() as stack:
                for observer in self.step_observers:
                    stack.enter_context(observer(name, detail))
                if long is not None:
                    stack.enter_context(self.watched(long))
                yield
        except BaseException as raised:
            error, end = f"{type(raised).__name__}: {raised}", _how(raised)
            raise
        finally:
            duration_s = time.monotonic() - started_at_s
            ended = StepEnded(step=name, duration_s=duration_s, end=end, error=error)
            if long is not None and long.size_bytes is not None:
                counted = {"done_bytes": long.done_bytes or 0, "retries": long.retries}
                ended = ended.model_copy(update=counted)
            self.record(ended)

    @contextmanager
    def group(self, name: str, detail: str = "") -> Iterator[None]:
        """Show the steps within as parts of one, where steps are shown; nothing is recorded."""
        with ExitStack() as stack:
            for observer in self.step_observers:
                stack.enter_context(observer(name, detail))
            yield

    @contextmanager
    def watched(self, step: LongStep) -> Iterator[None]:
        """Let the watchers show a long step, which is recorded otherwise, or not at all.

        Where nothing says how long it takes, what it took last is expected.
        """
        key = (step.name, step.detail)
        if step.expected_s is None:
            step.expected_s = self._took_s.get(key)
        started_at_s = time.monotonic()
        try:
            for watcher in self.watchers:
                watcher.begins(step)
            yield
            self._took_s[key] = time.monotonic() - started_at_s
        finally:
            for watcher in self.watchers:
                watcher.ends(step)

    def close(self) -> None:
        """Close the current file. Later events wait for the next one."""
        with self._lock:
            for file in (self._file, self._uart_log):
                if file is not None:
                    file.close()
            self._file = self._uart_log = None

    def _write(self, at_s: float, event: Event) -> None:
        assert self._file is not None
        recorded = Recorded(t_s=round(at_s - self._opened_at_s, 6), event=event)
        line = recorded.model_dump_json()
        # A port's bytes are masked by whoever reads the port, because they come in pieces; so are
        # dumps of keys among its lines.
        if not isinstance(event, UartBytes) and (
            self.secrets.may_be_in(line)
            or (not isinstance(event, UartLine | NetworkUartLine) and may_hold_rows(line))
        ):
            recorded = masked_recorded(recorded, self.secrets)
            line = recorded.model_dump_json()
        self._file.write(line + "\n")
        self._file.flush()
        if self._uart_log is not None and isinstance(recorded.event, UartLine):
            self._uart_log.write(recorded.event.text + "\n")
            self._uart_log.flush()


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
