"""Kits, a desk for each test, and processes that end with it."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.farm.desk import Desk, VirtualKits
from tests.farm.meeting import MEET, Meeting

SERIAL_NUMBERS = ("1050000001", "1050000002", "1050000003")
# Far beyond what any of them takes, and what they wait for a kit (120 s).
_ENDS_WITHIN_S = 240.0


@pytest.fixture(scope="session")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualKits]:
    """Three virtual kits; each process has its own three."""
    started = VirtualKits(tmp_path_factory.mktemp("kits"), SERIAL_NUMBERS)
    yield started
    started.end()


@pytest.fixture
def desk(
    kits: VirtualKits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meeting: Meeting
) -> Iterator[Desk]:
    """A desk with all three."""
    monkeypatch.setenv("MEETING", str(meeting.folder))
    (tmp_path / "desk").mkdir()
    made = Desk(tmp_path / "desk", kits, meeting)
    (made.work / "meeting.py").write_text(MEET)
    (made.work / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    yield made
    made.end()


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[Meeting]:
    """Where the test meets those whom it started."""
    with Meeting(tmp_path / "meeting") as place:
        yield place


Finish = Callable[["subprocess.Popen[str]"], tuple[int, str]]


@pytest.fixture
def finish() -> Finish:
    """Waits for a process: its exit code and what it printed."""

    def wait(process: "subprocess.Popen[str]") -> tuple[int, str]:
        try:
            output, _ = process.communicate(timeout=_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            pytest.fail(f"it did not end:\n{output}")
        return process.returncode, output

    return wait


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Virtual kits are POSIX only."""
    if os.name != "posix":
        for item in items:
            item.add_marker(pytest.mark.skip(reason="virtual kits are POSIX only"))
