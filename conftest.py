"""pytest configuration of this repository's own tests.

Without a path `pytest --board NAME` runs the upgrade scenarios, `tests/hil`, and nothing else; the
project's own suite is `pytest --board nrf5340dk_sim tests`.
"""

import gc
import importlib
import itertools
import json
import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import RigError

pytest_plugins = ["pytester"]

# Runs that tests start use none of these, and each would load them: a fifth of what a run with one
# test costs, hundreds of times. A test that is about one of them takes `PYTEST_ADDOPTS` away.
LEAN_RUNS = "-p no:hypothesispytest -p no:anyio -p no:unraisableexception"


# Holds what Python and pytest are started with there.
CHILD_PROCESSES = Path(__file__).parent / "tests" / "child_processes"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage: thousands of tests are made, and all of them stay.

    With xdist each worker collects all of them; it was a quarter of their time for it. While tests
    run they are looked at ten times less often, which is half a second each time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        young, middle, old = gc.get_threshold()
        gc.set_threshold(10 * young, middle, 10 * old)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each of xdist's workers begin with its share of the slow modules.

    `--dist worksteal` gives each as many neighbours in this list, and lets who is done take half of
    what somebody else has left. So the quick tests come last: of a slow module that is taken apart
    each part makes its fixtures anew, and a slow test that comes last has no company.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1:
        return
    path = Path(__file__).parent / "tests" / "durations.json"
    durations: dict[str, dict[str, float]] = json.loads(path.read_text())
    slow: dict[tuple[float, str], list[pytest.Item]] = {}
    quick: list[pytest.Item] = []
    for item in items:
        module = item.nodeid.partition("::")[0]
        kind = "proofs" if item.get_closest_marker("long_proof") else "tests"
        seconds = durations[kind].get(module)
        (quick if seconds is None else slow.setdefault((seconds, module), [])).append(item)
    sizes = [(len(items) + number) // workers for number in range(workers)]
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    loads_s = [0.0] * workers
    for (seconds, _), tests in sorted(slow.items(), key=lambda module: module[0], reverse=True):
        with_room = [n for n in range(workers) if len(shares[n]) < sizes[n]]
        least = min(with_room, key=loads_s.__getitem__)
        room = sizes[least] - len(shares[least])
        shares[least] += tests[:room]
        loads_s[least] += seconds
        quick += tests[room:]
    others = iter(quick)
    for share, size in zip(shares, sizes, strict=True):
        share += itertools.islice(others, size - len(share))
    items[:] = itertools.chain(*shares)


@pytest.fixture(scope="session", autouse=True)
def lean_runs() -> Iterator[None]:
    """Processes that tests start load fewer plugins, and seldom look for garbage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", LEAN_RUNS)
        patch.setenv("PYTHONPATH", str(CHILD_PROCESSES), prepend=os.pathsep)
        if os.name != "posix":
            yield
            return
        patch.syspath_prepend(CHILD_PROCESSES)
        fork_server = importlib.import_module("forked").fork_server
        # The path of a Unix socket has to be short.
        folder = tempfile.TemporaryDirectory(prefix="nrf-fota-forks-")
        with folder, fork_server(Path(folder.name)):
            yield


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """pytest's own, which takes `PYTEST_ADDOPTS` away."""
    monkeypatch.setenv("PYTEST_ADDOPTS", LEAN_RUNS)
    if os.name == "posix":
        start = importlib.import_module("forked").start_for_pytester
        monkeypatch.setattr(pytester, "popen", start)
    return pytester


def pytest_configure(config: pytest.Config) -> None:
    """Where a board is given and no path, take the path of the scenarios."""
    sources = pytest.Config.ArgsSource
    if config.getoption("nrf_fota_board", None) and config.args_source is sources.TESTPATHS:
        config.args = [str(config.rootpath / "tests" / "hil")]
        config.args_source = sources.ARGS
        config.pluginmanager.register(ScenariosAlone())


class ScenariosAlone:
    """A session that was given a board and no path."""

    def pytest_report_header(self) -> str:
        """Say what was chosen, and how to choose otherwise."""
        return "no path is given: tests/hil; the project's own suite is pytest --board NAME tests"

    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, call: "pytest.CallInfo[None]"
    ) -> None:
        """Without a board end at once: every other scenario would report the same."""
        if (
            call.excinfo is not None
            and isinstance(call.excinfo.value, RigError)
            and "unit" not in getattr(node, "funcargs", {"unit"})
        ):
            node.session.shouldfail = "there is no board to run the scenarios on"


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A preflight that breaks ends no test of a user; here it does."""
    result = yield
    # Imported late: a run without a board has no use for them.
    from pytest_nrf_fota.dut.dut import Dut
    from pytest_nrf_fota.record.events import PreflightDone
    from pytest_nrf_fota.record.recorder import read_recording

    dut = pyfuncitem.funcargs.get("dut")
    if isinstance(dut, Dut) and dut.recorder.path is not None:
        broken = [
            line.event.reason
            for line in read_recording(dut.recorder.path)
            if isinstance(line.event, PreflightDone) and line.event.answer == "failed"
        ]
        assert not broken, f"the preflight failed: {broken}"
    return result
