"""Under xdist, on kits: each test goes to a worker whose board can run it, and whose kit lives."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from pytest_nrf_fota.errors import InputError

if TYPE_CHECKING:
    import pytest
    from xdist.workermanage import WorkerController

# A worker begins a test when it knows the next one (xdist, remote.py).
_AHEAD = 2


class _Queue:
    """What was sent to one worker and has not ended, in order.

    A worker that has nothing to come after its last test gets that test once more, as a
    `placeholder`: it begins the test then, and passes over the placeholder. Told to shut down it
    would begin as well, but take no test that another worker's lost kit leaves.
    """

    def __init__(self) -> None:
        self.tests: list[int] = []
        self._placeholders: list[int] = []
        self.needs_placeholder = False

    def add(self, index: int) -> None:
        """A test was sent."""
        self.tests.append(index)
        self.needs_placeholder = True

    def add_placeholder(self) -> int:
        """The last test is sent once more; returns it."""
        self.needs_placeholder = False
        self._placeholders.append(self.tests[-1])
        return self.tests[-1]

    def end(self, index: int) -> bool:
        """One has ended; returns whether it was a test. A test ends before its placeholder."""
        if index in self.tests:
            self.tests.remove(index)
            return True
        self._placeholders.remove(index)
        return False


class MixedScheduling:
    """Gives tests out one by one, the longest first; xdist's `Scheduling`.

    So no kit works for long when all others have ended. Of what a test takes nothing may be known:
    then it counts as the one in the middle, and where nothing at all is known, tests begin in their
    order. A worker is first given tests of modules that it has begun, or that nobody has: each
    worker makes a module's fixtures anew, which on a kit may take as long as a test.

    A test that no board can run goes to any worker, and is skipped there with the reason. A worker
    that has lost its kit gets no more tests; those that it has are given to others.

    Args:
        config: of the session; pytest-rerunfailures asks a scheduler for it.
        worker_count: how many workers are waited for at first.
        unfit_tests: of a worker that has collected, the tests that its board cannot run.
        expected_s: how long tests take, by name; those that are known.
    """

    def __init__(
        self,
        config: "pytest.Config",
        worker_count: int,
        unfit_tests: "Callable[[WorkerController], frozenset[str]]",
        expected_s: Mapping[str, float],
    ) -> None:
        self.config = config
        self._worker_count = worker_count
        self._unfit_tests = unfit_tests
        self._expected_s = expected_s
        self._usual_s = median(expected_s.values()) if expected_s else 0.0
        self._collection: Sequence[str] = ()
        self._pending: list[int] = []
        self._fit_nowhere: frozenset[str] = frozenset()
        self._has_begun = False
        self._sent: dict[WorkerController, _Queue] = {}
        self._begun: dict[str, set[WorkerController]] = {}
        self._unfit: dict[WorkerController, frozenset[str]] = {}
        # Workers without a kit, and which of their tests others are to run.
        self._lost: dict[WorkerController, set[int]] = {}
        self._lost_count = 0
        self._run_again: set[int] = set()
        self._not_run: list[int] = []

    @property
    def nodes(self) -> "list[WorkerController]":
        """All workers."""
        return list(self._sent)

    @property
    def not_run(self) -> list[str]:
        """Tests that no worker with a kit was left for."""
        return [self._collection[index] for index in sorted(self._not_run)]

    @property
    def collection_is_completed(self) -> bool:
        """Whether all workers have collected."""
        return self._has_begun or len(self._unfit) >= self._worker_count

    @property
    def tests_finished(self) -> bool:
        """Whether every test has ended, or can run nowhere any more."""
        return (
            self.collection_is_completed
            and self._has_begun
            and not self._pending
            and not any(queue.tests for queue in self._sent.values())
        )

    @property
    def has_pending(self) -> bool:
        """Whether a test has not ended."""
        return bool(self._pending) or any(queue.tests for queue in self._sent.values())

    def add_node(self, node: "WorkerController") -> None:
        """A worker has started."""
        self._sent[node] = _Queue()

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
            self._wait_in_turn(range(len(self._collection)))
            self._fit_nowhere = frozenset.intersection(*self._unfit.values())
        self._give_out()

    def mark_test_complete(
        self, node: "WorkerController", item_index: int, duration: float = 0
    ) -> None:
        """A worker has ended a test, or given it back."""
        if self._sent[node].end(item_index) and item_index in self._lost.get(node, ()):
            self._wait_in_turn([item_index])
        self._give_out()

    def mark_test_pending(self, item: str) -> None:
        """A test is to run once more."""
        self._pending.insert(0, self._collection.index(item))
        self._give_out()

    def lose(self, node: "WorkerController", test: str, *, may_run_again: bool) -> bool:
        """A worker has lost its kit in a test, and has no other; whether the test runs again.

        It does once, where it may and another worker has a kit for it.
        """
        index = self._collection.index(test)
        self._lost_count += node not in self._lost
        self._leave_modules(node)
        given_back = self._lost.setdefault(node, set())
        can_run = any(self._can_run(one, index) for one in self._alive())
        is_again = may_run_again and can_run and index not in self._run_again
        if is_again:
            self._run_again.add(index)
            given_back.add(index)
        self._give_out()
        return is_again

    def give_back(self, node: "WorkerController", test: str) -> None:
        """A worker without a kit has not run a test that needs one."""
        self._lost.setdefault(node, set()).add(self._collection.index(test))

    def remove_pending_tests_from_node(
        self, node: "WorkerController", indices: Sequence[int]
    ) -> None:
        """xdist's answer to a theft of tests, which there is none of here."""
        raise NotImplementedError

    def remove_node(self, node: "WorkerController") -> str | None:
        """A worker has ended; the test that it died in, if it did. Its others are pending again."""
        tests = self._sent.pop(node).tests
        self._unfit.pop(node, None)
        self._lost.pop(node, None)
        self._leave_modules(node)
        if not tests:
            return None
        died_in, *rest = tests
        self._wait_in_turn(rest)
        return self._collection[died_in]

    def _wait_in_turn(self, indices: Iterable[int]) -> None:
        self._pending = sorted([*indices, *self._pending], key=self._turn)

    def _turn(self, index: int) -> tuple[float, int]:
        return (-self._expected_s.get(self._collection[index], self._usual_s), index)

    def _alive(self) -> "list[WorkerController]":
        """Workers that can be given tests."""
        return [node for node in self._unfit if node not in self._lost and not node.shutting_down]

    def _give_out(self) -> None:
        alive = self._alive()
        for _ in range(_AHEAD):
            for node in alive:
                if len(self._sent[node].tests) < _AHEAD:
                    self._send_one(node)
        for node in alive:
            if len(self._sent[node].tests) < _AHEAD and self._sent[node].needs_placeholder:
                node.send_runtest_some([self._sent[node].add_placeholder()])
        # One that has crashed is replaced soon; one without a kit is not.
        if self._lost_count and len(alive) >= self._worker_count - self._lost_count:
            stranded = {i for i in self._pending if not any(self._can_run(n, i) for n in alive)}
            self._not_run += sorted(stranded)
            self._pending = [index for index in self._pending if index not in stranded]
        for node in self._lost:
            if not node.shutting_down:
                node.shutdown()

    def _send_one(self, node: "WorkerController") -> None:
        fit = (index for index in self._pending if self._can_run(node, index))
        at_home = (
            index
            for index in self._pending
            if not self._is_elsewhere(node, index) and self._can_run(node, index)
        )
        index = next(chain(at_home, fit), None)
        if index is None:
            return
        self._pending.remove(index)
        self._begun.setdefault(self._module(index), set()).add(node)
        self._sent[node].add(index)
        node.send_runtest_some([index])

    def _is_elsewhere(self, node: "WorkerController", index: int) -> bool:
        """Whether others have begun the test's module, and this worker has not."""
        workers = self._begun.get(self._module(index), set())
        return bool(workers) and node not in workers

    def _leave_modules(self, node: "WorkerController") -> None:
        for workers in self._begun.values():
            workers.discard(node)

    def _module(self, index: int) -> str:
        return self._collection[index].partition("::")[0]

    def _can_run(self, node: "WorkerController", index: int) -> bool:
        name = self._collection[index]
        return name not in self._unfit[node] or name in self._fit_nowhere
