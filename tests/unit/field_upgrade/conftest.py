"""A virtual kit, and a folder of its own to work in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from tests.unit.field_upgrade.kit import Kit, running_kit


@pytest.fixture
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Logs of the command go there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kit(work_folder: Path) -> Iterator[Kit]:
    """With NSIB, MCUboot in S0, and application 1.0.0."""
    with running_kit(load_board("nrf5340dk_sim"), work_folder / "of_kit") as kit:
        yield kit
