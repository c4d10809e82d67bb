"""Worker processes, each with a bench; a case that does not end in time costs its worker."""

import contextlib
import faulthandler
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol

from pytest_nrf_fota.campaign.case import Case
from pytest_nrf_fota.campaign.result import Answer, Result
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError

_POLL_S = 1.0
_END_S = 5.0
# Imports and the first firmware, with all workers at once on a busy machine.
_START_S = 120.0
# The worker writes where it stands a little before it is ended.
_STACK_LEAD_S = 2.0


class Runner(Protocol):
    """What a worker runs cases with."""

    def run(self, case: Case) -> Result:
        """Run a case."""

    def close(self) -> None:
        """End."""


def make_bench(folder: Path) -> Runner:
    """The bench of a campaign; imported in the worker, which it costs a second."""
    from pytest_nrf_fota.campaign.bench import Bench

    return Bench(folder)


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    connection: "Connection[Case, Result | None]"
    stack: Path
    deadline: Deadline
    case: Case | None = None


class Pool:
    """Runs cases on several processes.

    Args:
        folder: for firmware and logs of all workers; the caller removes it afterwards.
        size: how many workers.
        case_within_s: how long a case may take; later its worker is killed.
        make: makes what a worker runs cases with; a function of a module.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        case_within_s: float,
        make: Callable[[Path], Runner] = make_bench,
    ) -> None:
        self._folder = folder
        self._size = size
        self._case_within_s = case_within_s
        self._make = make
        self._workers: list[_Worker] = []
        self._started = 0

    def run(self, cases: Iterable[Case]) -> Generator[Result | None, None, None]:
        """The results as they come, and None from time to time while none does.

        Whatever ends the iteration, no worker is left behind. Raises `RigError` where a worker
        does not start.
        """
        waiting = iter(cases)
        try:
            for _ in range(self._size):
                self._start()
            while self._workers:
                yield from self._results(waiting)
        finally:
            self._end()

    def _results(self, waiting: Iterator[Case]) -> Iterator[Result | None]:
        ready = wait([worker.connection for worker in self._workers], _POLL_S)
        if not ready:
            yield None
        for worker in list(self._workers):
            if worker.connection in ready:
                yield self._take(worker, waiting)
            elif worker.deadline.expired:
                yield self._give_up(worker)

    def _take(self, worker: _Worker, waiting: Iterator[Case]) -> Result | None:
        try:
            result = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(_END_S)
            said = f"The worker ended with exit code {worker.process.exitcode}."
            if worker.case is None:
                raise _not_started(said) from None
            self._replace(worker)
            return Result(worker.case, Answer.LOST, said=said)
        self._give(waiting, worker)
        return result

    def _give_up(self, worker: _Worker) -> Result:
        if worker.case is None:
            raise _not_started(f"It was not ready within {_START_S:g} s.")
        stack = worker.stack.read_text(encoding="utf-8") if worker.stack.exists() else ""
        said = f"No result within {self._case_within_s:g} s.\n{stack}"
        self._replace(worker)
        return Result(worker.case, Answer.HANG, said=said, wall_s=self._case_within_s)

    def _replace(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        _kill(worker)
        self._start()

    def _give(self, waiting: Iterator[Case], worker: _Worker) -> None:
        case = next(waiting, None)
        if case is None:
            self._workers.remove(worker)
            _let_go(worker)
            return
        worker.case, worker.deadline = case, Deadline.after(self._case_within_s)
        worker.connection.send(case)

    def _start(self) -> None:
        # Not forked: threads and event loops of the parent would be half there.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        folder = self._folder / f"worker-{self._started}"
        folder.mkdir(parents=True, exist_ok=True)
        self._started += 1
        process = context.Process(
            target=_work,
            args=(theirs, folder, self._case_within_s, self._make),
            daemon=True,
        )
        process.start()
        theirs.close()
        starts_by = Deadline.after(_START_S)
        self._workers.append(_Worker(process, ours, _stack_file(folder), starts_by))

    def _end(self) -> None:
        for worker in self._workers:
            _kill(worker)
        self._workers.clear()


def _not_started(why: str) -> RigError:
    return RigError(
        f"A worker of the campaign did not start: {why}",
        where="nrf-fota campaign",
        next_step="See what it printed above; give fewer --workers on a small machine.",
    )


def _let_go(worker: _Worker) -> None:
    """The end of its pipe ends a worker that has nothing to do."""
    worker.connection.close()
    worker.process.join(_END_S)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


def _kill(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.join()


def _stack_file(folder: Path) -> Path:
    return folder / "stack.txt"


def _work(
    connection: "Connection[Result | None, Case]",
    folder: Path,
    case_within_s: float,
    make: Callable[[Path], Runner],
) -> None:
    # Ctrl-C reaches the whole group; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the libraries think of malformed answers is no news here.
    logging.disable(logging.WARNING)
    runner = make(folder)
    with contextlib.suppress(OSError):  # nobody waits any more
        connection.send(None)
    with _stack_file(folder).open("w", encoding="utf-8") as stack:
        while True:
            try:
                case = connection.recv()
            except (EOFError, OSError):
                break
            faulthandler.dump_traceback_later(max(0.1, case_within_s - _STACK_LEAD_S), file=stack)
            result = runner.run(case)
            faulthandler.cancel_dump_traceback_later()
            try:
                connection.send(result)
            except OSError:
                break
    runner.close()
    # A thread of a case that hangs would keep the process.
    os._exit(0)
