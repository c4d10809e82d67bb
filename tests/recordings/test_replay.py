"""Every recording in this folder, replayed: the same boots, verdicts and faults as then.

A kit's recording becomes a test by being copied here.
"""

import os
from pathlib import Path

import pytest

from pytest_nrf_fota.recordings.pack import board_of
from pytest_nrf_fota.recordings.read import read_packed

from .replay import replay

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ports are played by ptys")
RECORDINGS = sorted(Path(__file__).parent.glob("*.zip"))


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.stem for path in RECORDINGS])
def test_recording_is_read_as_it_was(path: Path, tmp_path: Path) -> None:
    recording = read_packed(path)
    board = None
    for number, part in enumerate(recording.parts):
        board = board_of(part.events) or board
        found = replay(recording, part, tmp_path / str(number), board)
        assert found == part.expected, part.title


def test_there_are_recordings_of_each_tool() -> None:
    """Made by make.py; one of them of a failure."""
    names = {path.stem for path in RECORDINGS}
    assert {
        "fake-nrfutil-upgrade",
        "fake-nrfjprog-upgrade",
        "fake-pynrfjprog-upgrade",
        "fake-nrfutil-protected",
    } <= names
