"""A night on a farm, in virtual time: this plugin's scheduler, kits that die, and what it costs.

Run: python benchmarks/simulated_night.py [--kits 64] [--rounds 64] [--nights 20] [--seed 1]

The scheduler is the one that runs on real kits; workers behave as those of pytest-xdist do: they
begin a test when they know the next one, and pass over a placeholder. Every test takes as long as
that scenario took on a virtual kit at the speed of a kit, more or less a tenth. Kits die at random,
most often for good; what a dead kit had is run by others.

The ideal is a night without a gap: all kits work as long as they live, and end at once. A test that
is neither run nor an error with its reason is lost.
"""

import argparse
import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import mean
from typing import cast

import pytest
from rich.console import Console as Screen
from rich.table import Table
from xdist.workermanage import WorkerController

from pytest_nrf_fota.mixed_scheduling import MixedScheduling

# Seconds of the packaged scenarios, module by module, on one nrf5340dk_sim at speed 1
# (farm_scaling.py).
_SCENARIOS_S = {
    "test_app_upgrade": (69, 76, 67, 67, 76, 73, 73, 73, 90, 65, 53, 53, 54, 76),
    "test_clean_up": (109, 106, 116),
    "test_cut_upgrades": (166, 166, 67, 124, 72, 79, 70, 70, 90, 90),
    "test_key_rotation": (122, 94, 60, 66),
    "test_mcuboot_upgrade": (61, 66, 61, 56, 118, 58, 57, 67, 60, 60, 72, 61, 63),
    "test_robustness": (
        *(67, 67, 72, 70, 70, 67, 67, 67, 67, 170, 71, 189, 106, 77, 81, 75, 121, 64, 67, 67, 67),
    ),
    "test_silent_bootloaders": (68, 68, 76, 76, 76, 76, 57, 57, 76, 76, 61, 60),
}
# What a module's fixtures take, each time that a worker comes to it: the length of a swap.
_SET_UP_S = {"test_cut_upgrades": 65}
_SPREAD = 0.1


@dataclass(frozen=True)
class Dangers:
    """How often a kit is lost, per hour of its work, and how often power helps it up again."""

    per_hour: float
    revived_share: float
    revival_s: float = 60.0


class Clock:
    """Virtual time: does what is due, in order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do this later."""
        heapq.heappush(self._due, (self.now_s + delay_s, next(self._numbers), action))

    def run(self) -> None:
        """Until nothing is due any more."""
        while self._due:
            self.now_s, _, action = heapq.heappop(self._due)
            action()


@dataclass
class _Gateway:
    id: str


class Worker:
    """A worker of pytest-xdist with a kit, as the scheduler sees it."""

    def __init__(self, name: str, night: "Night", dies_at_s: float, may_revive: bool) -> None:
        self.gateway = _Gateway(name)
        self.shutting_down = False
        self.works_s = 0.0
        self.ended_at_s = 0.0
        self._night = night
        self._dies_at_s = dies_at_s
        self._may_revive = may_revive
        self._queue: list[int] = []
        self._module = ""
        self._has_run: set[int] = set()
        self._is_busy = False
        self._is_lost = False
        self.has_died = False
        self.was_revived = False

    def send_runtest_some(self, indices: list[int]) -> None:
        """The scheduler sends tests."""
        self._queue += indices
        self._begin_soon()

    def shutdown(self) -> None:
        """The scheduler has nothing more for it."""
        self.shutting_down = True
        self._begin_soon()

    def _begin_soon(self) -> None:
        self._night.clock.after(0.0, self._begin)

    def _begin(self) -> None:
        if self._is_busy or not self._queue:
            return
        if len(self._queue) < 2 and not self.shutting_down:
            return
        index = self._queue.pop(0)
        self._is_busy = True
        if index in self._has_run:
            # A placeholder: it let the test before it begin.
            self._end(index)
        elif self._is_lost:
            self._night.scheduling.give_back(self._node, self._night.tests[index])
            self._end(index)
        else:
            self._run(index)

    def _run(self, index: int) -> None:
        self._has_run.add(index)
        now_s, takes_s = self._night.clock.now_s, self._night.takes_s[index]
        module = self._night.tests[index].partition("::")[0]
        if module != self._module:
            takes_s += _SET_UP_S.get(module, 0)
            self._module = module
        if now_s + takes_s < self._dies_at_s:
            self.works_s += takes_s
            self._night.clock.after(takes_s, lambda: self._pass(index))
        else:
            self._night.clock.after(max(0.0, self._dies_at_s - now_s), lambda: self._die(index))

    def _pass(self, index: int) -> None:
        self._night.ended[index] = "passed"
        self._end(index)

    def _die(self, index: int) -> None:
        self.has_died = True
        dangers = self._night.dangers
        if self._may_revive:
            # Switched off and on, it is as good as new, and the test begins anew.
            self._may_revive = False
            self.was_revived = True
            self._dies_at_s = float("inf")
            self._night.clock.after(dangers.revival_s, lambda: self._run(index))
            return
        self._is_lost = True
        test = self._night.tests[index]
        if self._night.scheduling.lose(self._node, test, may_run_again=True):
            self._night.again.add(index)
        else:
            self._night.ended[index] = "error"
        self._end(index)

    def _end(self, index: int) -> None:
        self._is_busy = False
        self.ended_at_s = self._night.clock.now_s
        self._night.scheduling.mark_test_complete(self._node, index)
        self._night.stop_when_finished()
        self._begin_soon()

    @property
    def _node(self) -> WorkerController:
        # The scheduler uses no more of one than there is here.
        return cast(WorkerController, self)


class Night:
    """One night: all tests, on kits of which some die.

    Args:
        kits: one worker each.
        rounds: how often all scenarios run, as for so many builds.
        dangers: what kits suffer.
        longest_first: whether the scheduler knows how long tests take.
        seed: of all that is random.
    """

    def __init__(
        self, kits: int, rounds: int, dangers: Dangers, *, longest_first: bool, seed: int
    ) -> None:
        self.clock = Clock()
        self.dangers = dangers
        chance = random.Random(seed)
        # What tests took in another night, by name; as pytest-repeat names them.
        usual_s = {
            f"{module}::test_{number}[{turn}]": takes_s
            for module, scenarios_s in _SCENARIOS_S.items()
            for number, takes_s in enumerate(scenarios_s)
            for turn in range(rounds)
        }
        self.tests = list(usual_s)
        self.takes_s = [
            takes_s * chance.uniform(1 - _SPREAD, 1 + _SPREAD) for takes_s in usual_s.values()
        ]
        known = usual_s if longest_first else {}
        self.scheduling = MixedScheduling(
            cast(pytest.Config, None), kits, lambda _: frozenset(), known
        )
        self.dies_at_s = [_time_of_death(dangers, chance) for _ in range(kits)]
        self.workers = [
            Worker(f"gw{number}", self, dies_at_s, chance.random() < dangers.revived_share)
            for number, dies_at_s in enumerate(self.dies_at_s)
        ]
        self.ended: dict[int, str] = {}
        self.again: set[int] = set()

    def run(self) -> None:
        """Until every worker has ended."""
        for worker in self.workers:
            node = cast(WorkerController, worker)
            self.scheduling.add_node(node)
            self.scheduling.add_node_collection(node, self.tests)
        self.scheduling.schedule()
        self.clock.run()

    def stop_when_finished(self) -> None:
        """Tell the workers to end, as pytest-xdist's session does."""
        if self.scheduling.tests_finished:
            for worker in self.workers:
                if not worker.shutting_down:
                    worker.shutdown()

    @property
    def makespan_s(self) -> float:
        """From the first test's begin to the last one's end."""
        return max(worker.ended_at_s for worker in self.workers)

    @property
    def idle_share(self) -> float:
        """Of the time that kits live until the last test ends, how much they run none."""
        lives_s = [
            min(self.makespan_s, float("inf") if worker.was_revived else dies_at_s)
            for worker, dies_at_s in zip(self.workers, self.dies_at_s, strict=True)
        ]
        return 1 - sum(worker.works_s for worker in self.workers) / sum(lives_s)

    @property
    def ideal_s(self) -> float:
        """The least that kits with these lives need for the work that was done."""
        left_s = sum(worker.works_s for worker in self.workers)
        lives_s = sorted(
            float("inf") if worker.was_revived else dies_at_s
            for worker, dies_at_s in zip(self.workers, self.dies_at_s, strict=True)
        )
        begins_s = 0.0
        for number, ends_s in enumerate(lives_s):
            alive = len(lives_s) - number
            if begins_s + left_s / alive <= ends_s:
                return begins_s + left_s / alive
            left_s -= (ends_s - begins_s) * alive
            begins_s = ends_s
        return begins_s


def _time_of_death(dangers: Dangers, chance: random.Random) -> float:
    if not dangers.per_hour:
        return float("inf")
    return chance.expovariate(dangers.per_hour / 3600)


@dataclass(frozen=True)
class Kind:
    """What nights are compared."""

    name: str
    dangers: Dangers
    longest_first: bool


_KINDS = (
    Kind("nothing known of the tests", Dangers(0, 0), False),
    Kind("the longest first", Dangers(0, 0), True),
    Kind("a kit dies every 50 h", Dangers(1 / 50, 0.5), True),
    Kind("a kit dies every 5 h", Dangers(1 / 5, 0.5), True),
)


def main() -> None:
    """Simulate nights and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("kits", 64), ("rounds", 64), ("nights", 10), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    table = Table("a night", "died", "run again", "errors", "lost", "takes", "of ideal", "idle")
    for kind in _KINDS:
        nights = [
            Night(
                given.kits,
                given.rounds,
                kind.dangers,
                longest_first=kind.longest_first,
                seed=given.seed + number,
            )
            for number in range(given.nights)
        ]
        for night in nights:
            night.run()
        table.add_row(kind.name, *_row(nights))
    tests = given.rounds * sum(map(len, _SCENARIOS_S.values()))
    Screen().print(
        f"{given.kits} kits, {tests} tests; mean of {given.nights} nights, all that is lost"
    )
    Screen().print(table)


def _row(nights: Sequence[Night]) -> list[str]:
    counts = [Counter(night.ended.values()) for night in nights]
    lost = sum(len(night.tests) - len(night.ended) for night in nights)
    return [
        f"{mean(sum(worker.has_died for worker in night.workers) for night in nights):.1f}",
        f"{mean(len(night.again) for night in nights):.1f}",
        f"{mean(count['error'] for count in counts):.1f}",
        str(lost),
        f"{mean(night.makespan_s for night in nights) / 3600:.2f} h",
        f"{mean(night.makespan_s / night.ideal_s for night in nights):.3f}",
        f"{mean(night.idle_share for night in nights):.1%}",
    ]


if __name__ == "__main__":
    main()
