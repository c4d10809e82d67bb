"""A machine made of files, and ports that somebody holds."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .machine import Machine, Port, open_port

_HOLD = 'exec 3<>"$0"; echo held; read end'


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of this machine's own kits is none of the tests' business."""
    monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Linux with a Python in which pytest starts, and nothing else."""
    return Machine(tmp_path)


@pytest.fixture
def port() -> Iterator[Port]:
    """A real serial port."""
    with open_port() as opened:
        yield opened


@pytest.fixture
def hold() -> Iterator[Callable[[str], int]]:
    """Start a process called minicom that has a port open; returns its id."""
    with ExitStack() as processes:

        def start(name: str) -> int:
            process = subprocess.Popen(
                ["minicom", "-c", _HOLD, name],
                executable="/bin/sh",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            processes.enter_context(process)
            processes.callback(process.terminate)
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            return process.pid

        yield start
