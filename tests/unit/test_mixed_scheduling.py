"""Who gets which test when a worker has lost its kit; workers as a scheduler sees them."""

from typing import TYPE_CHECKING, cast

import pytest

from pytest_nrf_fota.mixed_scheduling import MixedScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class Worker:
    """Begins a test when it knows the next one, as xdist's worker does; passes over placeholders.

    `held` is what was sent and has not begun, `ran` what has.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.held: list[int] = []
        self.ran: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.held += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    def next(self) -> int | None:
        """The next one that it can begin; None where it waits."""
        if len(self.held) > 1 or (self.held and self.shutting_down):
            return self.held.pop(0)
        return None


TESTS = [f"test_{number}" for number in range(6)]


def scheduling(
    *workers: Worker, tests: list[str] = TESTS, expected_s: dict[str, float] | None = None
) -> MixedScheduling:
    """With workers that have collected."""
    config = cast(pytest.Config, None)
    made = MixedScheduling(config, len(workers), lambda node: frozenset(), expected_s or {})
    for worker in workers:
        made.add_node(node(worker))
    for worker in workers:
        made.add_node_collection(node(worker), tests)
    made.schedule()
    return made


def node(worker: Worker) -> "WorkerController":
    return cast("WorkerController", worker)


def work(made: MixedScheduling, *workers: Worker, turns: int = 100) -> None:
    """Let them work in turns until all wait, as xdist's loop does."""
    for _ in range(turns):
        for worker in workers:
            index = worker.next()
            if index is None:
                continue
            is_placeholder = index in worker.ran
            if not is_placeholder:
                worker.ran.append(index)
            made.mark_test_complete(node(worker), index)
        if made.tests_finished:
            for worker in workers:
                worker.shutdown()


def test_each_test_runs_once() -> None:
    one, two = Worker("one"), Worker("two")
    made = scheduling(one, two)
    work(made, one, two)
    assert sorted(one.ran + two.ran) == list(range(6))
    assert made.tests_finished and not made.has_pending


def test_a_module_stays_with_the_worker_that_has_begun_it() -> None:
    """Each worker would make its fixtures anew. Who has nothing else helps."""
    names = ["a.py::1", "a.py::2", "a.py::3", "b.py::1", "b.py::2"]
    one, two = Worker("one"), Worker("two")
    made = scheduling(
        one, two, tests=names, expected_s=dict(zip(names, (9.0, 8.0, 7.0, 2.0, 1.0), strict=True))
    )
    assert [*one.held] == [0, 1] and [*two.held] == [3, 4]
    assert two.next() == 3
    made.mark_test_complete(node(two), 3)
    assert [*two.held] == [4, 2]


def test_modules_of_a_lost_worker_are_nobodys() -> None:
    names = ["a.py::1", "a.py::2", "a.py::3", "b.py::1", "b.py::2", "b.py::3", "b.py::4"]
    one, two = Worker("one"), Worker("two")
    made = scheduling(
        one,
        two,
        tests=names,
        expected_s=dict(zip(names, (9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0), strict=True)),
    )
    assert [*two.held] == [3, 4]
    assert one.next() == 0
    made.lose(node(one), names[0], may_run_again=False)
    made.mark_test_complete(node(one), 0)
    assert two.next() == 3
    made.mark_test_complete(node(two), 3)
    assert [*two.held] == [4, 2]


def test_a_worker_with_its_last_test_takes_what_another_leaves() -> None:
    """It has begun that test, and was not told to end."""
    one, two = Worker("one"), Worker("two")
    made = scheduling(one, two, tests=TESTS[:2])
    assert one.next() == 0 and two.next() == 1
    two.ran.append(1)
    made.mark_test_complete(node(two), 1)
    assert not two.shutting_down and not made.tests_finished
    assert made.lose(node(one), "test_0", may_run_again=True)
    assert one.shutting_down
    made.mark_test_complete(node(one), 0)
    work(made, two)
    assert two.ran == [1, 0]
    assert made.tests_finished and made.not_run == []


def test_no_test_loses_two_kits_to_others() -> None:
    """Once more is enough; then nobody tries it on a third."""
    one, two, three = Worker("one"), Worker("two"), Worker("three")
    made = scheduling(one, two, three)
    assert one.next() == 0
    assert made.lose(node(one), "test_0", may_run_again=True)
    made.mark_test_complete(node(one), 0)
    assert not made.lose(node(two), "test_0", may_run_again=True)


def test_what_a_lost_worker_had_to_come_is_given_back() -> None:
    """And what it has run without a kit is not run again."""
    one, two = Worker("one"), Worker("two")
    made = scheduling(one, two, tests=TESTS[:4])
    assert one.next() == 0
    held = [*one.held]
    made.lose(node(one), "test_0", may_run_again=False)
    made.mark_test_complete(node(one), 0)
    for index in held:
        made.give_back(node(one), TESTS[index])
        made.mark_test_complete(node(one), index)
    work(made, two)
    assert sorted(two.ran) == [1, 2, 3]
    assert made.tests_finished and made.not_run == []


def test_without_a_kit_nothing_runs_and_the_run_ends() -> None:
    one = Worker("one")
    made = scheduling(one)
    assert one.next() == 0
    assert not made.lose(node(one), "test_0", may_run_again=True)
    made.mark_test_complete(node(one), 0)
    for index in [*one.held]:
        made.give_back(node(one), TESTS[index])
        made.mark_test_complete(node(one), index)
    assert made.tests_finished
    assert made.not_run == TESTS[1:]


def test_a_crashed_worker_is_waited_for_beside_a_lost_kit() -> None:
    """xdist replaces it, so its tests are not given up."""
    one, two = Worker("one"), Worker("two")
    made = scheduling(one, two)
    assert one.next() == 0 and two.next() == 1
    made.lose(node(one), "test_0", may_run_again=False)
    made.mark_test_complete(node(one), 0)
    assert made.remove_node(node(two)) == "test_1"
    assert not made.tests_finished and made.not_run == []
    other = Worker("other")
    made.add_node(node(other))
    made.add_node_collection(node(other), TESTS)
    made.schedule()
    for index in [*one.held]:
        made.give_back(node(one), TESTS[index])
        made.mark_test_complete(node(one), index)
    work(made, other)
    assert sorted(other.ran) == [2, 3, 4, 5] and made.not_run == []


def test_the_longest_begin_first() -> None:
    """One that nobody knows is neither long nor short; in between the order is the tests' own."""
    one = Worker("one")
    known_s = {"test_0": 5.0, "test_1": 10.0, "test_3": 90.0, "test_4": 10.0}
    made = scheduling(one, expected_s=known_s)
    work(made, one)
    assert one.ran == [3, 1, 2, 4, 5, 0]


def test_what_a_lost_kit_leaves_waits_in_its_turn() -> None:
    """Behind what is longer, before what is shorter."""
    one, two = Worker("one"), Worker("two")
    known_s = {f"test_{number}": 10.0 + number for number in range(6)}
    made = scheduling(one, two, expected_s=known_s)
    assert (one.next(), two.next()) == (5, 4)
    one.ran.append(5)
    assert made.lose(node(one), "test_5", may_run_again=True)
    made.mark_test_complete(node(one), 5)
    made.give_back(node(one), "test_3")
    made.mark_test_complete(node(one), 3)
    two.ran.append(4)
    made.mark_test_complete(node(two), 4)
    work(made, two)
    assert two.ran == [4, 2, 5, 3, 1, 0]
