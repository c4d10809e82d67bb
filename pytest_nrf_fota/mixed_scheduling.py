"""Under xdist, with boards of several types: each test goes to a worker whose board can run it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pytest_nrf_fota.errors import InputError

if TYPE_CHECKING:
    import pytest
    from xdist.workermanage import WorkerController

# A worker begins a test when it knows the next one (xdist, remote.py).
_AHEAD = 2


class MixedScheduling:
    """Gives tests out one by one, in their order; xdist's `Scheduling`.

    A test that no board can run goes to any worker, and is skipped there with the reason.

    Args:
        config: of the session; pytest-rerunfailures asks a scheduler for it.
        worker_count: how many workers are waited for at first.
        unfit_tests: of a worker that has collected, the tests that its board cannot run.
    """

    def __init__(
        self,
        config: "pytest.Config",
        worker_count: int,
        unfit_tests: "Callable[[WorkerController], frozenset[str]]",
    ) -> None:
        self.config = config
        self._worker_count = worker_count
        self._unfit_tests = unfit_tests
        self._collection: Sequence[str] = ()
        self._pending: list[int] = []
        self._fit_nowhere: frozenset[str] = frozenset()
        self._has_begun = False
        self._sent: dict[WorkerController, list[int]] = {}
        self._unfit: dict[WorkerController, frozenset[str]] = {}

    @property
    def nodes(self) -> "list[WorkerController]":
        """All workers."""
        return list(self._sent)

    @property
    def collection_is_completed(self) -> bool:
        """Whether all workers have collected."""
        return self._has_begun or len(self._unfit) >= self._worker_count

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but what each worker holds as its last test."""
        return (
            self.collection_is_completed
            and not self._pending
            and all(len(sent) < _AHEAD for sent in self._sent.values())
        )

    @property
    def has_pending(self) -> bool:
        """Whether a test has not ended."""
        return bool(self._pending) or any(self._sent.values())

    def add_node(self, node: "WorkerController") -> None:
        """A worker has started."""
        self._sent[node] = []

    def add_node_collection(self, node: "WorkerController", collection: Sequence[str]) -> None:
        """A worker has collected. Raises `InputError` where it found other tests than the rest."""
        if not self._unfit and not self._has_begun:
            self._collection = tuple(collection)
        elif tuple(collection) != self._collection:
            raise InputError(
                f"The worker {node.gateway.id} collected other tests than those before it.",
                where="pytest-xdist",
                next_step="Let tests and their parameters not depend on the board.",
            )
        self._unfit[node] = self._unfit_tests(node)

    def schedule(self) -> None:
        """All have collected, or one that replaces another has."""
        if not self._has_begun:
            self._has_begun = True
            self._pending = list(range(len(self._collection)))
            self._fit_nowhere = frozenset.intersection(*self._unfit.values())
        for _ in range(_AHEAD):
            for node in self._unfit:
                if len(self._sent[node]) < _AHEAD:
                    self._send_one(node)
        self._end_idle()

    def mark_test_complete(
        self, node: "WorkerController", item_index: int, duration: float = 0
    ) -> None:
        """A worker has ended a test."""
        self._sent[node].remove(item_index)
        self._send_one(node)
        self._end_idle()

    def mark_test_pending(self, item: str) -> None:
        """A test is to run once more."""
        self._pending.insert(0, self._collection.index(item))
        for node in self._unfit:
            self._send_one(node)

    def remove_pending_tests_from_node(
        self, node: "WorkerController", indices: Sequence[int]
    ) -> None:
        """xdist's answer to a theft of tests, which there is none of here."""
        raise NotImplementedError

    def remove_node(self, node: "WorkerController") -> str | None:
        """A worker has ended; the test that it died in, if it did. Its others are pending again."""
        sent = self._sent.pop(node)
        self._unfit.pop(node, None)
        if not sent:
            return None
        died_in, *rest = sent
        self._pending = sorted([*rest, *self._pending])
        return self._collection[died_in]

    def _send_one(self, node: "WorkerController") -> None:
        if node.shutting_down:
            return
        for index in self._pending:
            if self._can_run(node, index):
                self._pending.remove(index)
                self._sent[node].append(index)
                node.send_runtest_some([index])
                return

    def _can_run(self, node: "WorkerController", index: int) -> bool:
        name = self._collection[index]
        return name not in self._unfit[node] or name in self._fit_nowhere

    def _end_idle(self) -> None:
        """A worker that holds its last test begins it when there is nothing more for it."""
        for node in self._unfit:
            if len(self._sent[node]) < _AHEAD and not node.shutting_down:
                node.shutdown()
