"""Folders for locks and notes that cannot be used: refused before anything is collected."""

from pathlib import Path

import pytest

from tests.farm.conftest import Finish
from tests.farm.desk import Desk

FIRST = "1050000001"


@pytest.fixture(autouse=True)
def _user_tests(desk: Desk) -> None:
    (desk.work / "test_mine.py").write_text("def test_on_the_kit(unit):\n    pass\n")
    desk.attach(FIRST)


def test_a_folder_of_notes_that_is_a_file(
    desk: Desk, finish: Finish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run would take kits that are set aside."""
    (tmp_path / "notes").touch()
    monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(tmp_path / "notes"))
    code, output = finish(desk.pytest())
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "The folder of what is known of the kits cannot be used" in output
    assert "collected" not in output


def test_a_folder_of_locks_that_is_a_file(desk: Desk, finish: Finish, tmp_path: Path) -> None:
    """No kit is shown as free that nobody could take."""
    (tmp_path / "desk" / "locks").touch()
    for process in (desk.pytest(), desk.nrf_fota("boards")):
        code, output = finish(process)
        assert code in (2, pytest.ExitCode.USAGE_ERROR), output
        assert "cannot be used" in output and "free" not in output


def test_a_relative_folder_of_locks(desk: Desk, finish: Finish) -> None:
    """It would be another one for each folder that a run starts in."""
    desk.locks = Path("locks")
    for process in (desk.pytest(), desk.nrf_fota("boards"), desk.nrf_fota("quarantine", "list")):
        code, output = finish(process)
        assert code in (2, pytest.ExitCode.USAGE_ERROR), output
        assert "NRF_FOTA_LOCK_DIR is no absolute path" in output
    assert not (desk.work / "locks").exists()
