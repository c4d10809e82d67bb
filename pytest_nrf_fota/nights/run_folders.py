"""Find the runs and tests in the folders that a user gave, and read each test's result."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.nights.printable import printable
from pytest_nrf_fota.record.recorded_facts import result_of_recorder
from pytest_nrf_fota.record.result import RESULT_NAME, TestResult, read_result

RECORDER_NAME = "recorder.jsonl"
TIME_LINE_NAME = "timeline.html"

# xdist's names of its workers.
_WORKER = re.compile(r"gw\d+")


@dataclass(frozen=True)
class Unreadable:
    """A folder that is left out of the report, and why."""

    path: Path
    why: str

    @property
    def name(self) -> str:
        """The path as it can be shown: its bytes may be no text."""
        return printable(str(self.path))


@dataclass(frozen=True)
class TestFolder:
    """The folder of one execution of a test.

    Args:
        source: its result, or the recorder of one that left none.
        stamp: the same as long as nobody writes to `source`.
    """

    __test__ = False

    run: Path
    source: Path
    stamp: str

    @property
    def name(self) -> str:
        """The folder below that of its run, with slashes."""
        return self.source.parent.relative_to(self.run).as_posix()


def runs_in(given: Path) -> tuple[Path, ...]:
    """The runs in a folder: itself, or those in it. Raises `OSError`."""
    if _is_run(given):
        return (given,)
    return tuple(sorted(child for child in given.iterdir() if child.is_dir() and _is_run(child)))


def is_test_folder(folder: Path) -> bool:
    """Whether it is that of one test, not of a run."""
    return (folder / RESULT_NAME).is_file() or (folder / RECORDER_NAME).is_file()


def _is_run(folder: Path) -> bool:
    try:
        return any(True for _ in _test_paths(folder))
    except OSError:
        return False


def _test_paths(folder: Path) -> Iterator[Path]:
    for child in folder.iterdir():
        if not child.is_dir():
            continue
        if is_test_folder(child):
            yield child
        elif _WORKER.fullmatch(child.name):
            yield from (test for test in child.iterdir() if is_test_folder(test))


def tests_in_run(run: Path, on_unreadable: Callable[[Unreadable], None]) -> tuple[TestFolder, ...]:
    """All tests of a run, without reading them; what cannot be listed is reported once."""
    found: list[TestFolder] = []
    try:
        for folder in _test_paths(run):
            if not folder.name.isprintable():
                on_unreadable(Unreadable(folder, "its name cannot be written down"))
                continue
            source = folder / RESULT_NAME
            source = source if source.is_file() else folder / RECORDER_NAME
            state = source.stat()
            found.append(TestFolder(run, source, f"{state.st_size}:{state.st_mtime_ns}"))
    except OSError as error:
        on_unreadable(Unreadable(run, error.strerror or str(error)))
    return tuple(sorted(found, key=lambda test: test.name))


def read_tests(
    tests: Sequence[TestFolder], on_unreadable: Callable[[Unreadable], None]
) -> Iterator[tuple[TestFolder, TestResult]]:
    """Read results one by one; of one that is damaged the recorder is read."""
    for test in tests:
        try:
            result = _read(test)
        except FotaError as error:
            on_unreadable(Unreadable(test.source.parent, error.what))
        except OSError as error:
            on_unreadable(Unreadable(test.source.parent, error.strerror or str(error)))
        else:
            # A second board of a test has a recorder of its own, which is no test.
            if "::" in result.node_id:
                yield test, result


def _read(test: TestFolder) -> TestResult:
    recorder = test.source.parent / RECORDER_NAME
    if test.source.name == RECORDER_NAME:
        return result_of_recorder(recorder)
    try:
        return read_result(test.source)
    except FotaError:
        if not recorder.is_file():
            raise
        return result_of_recorder(recorder)
