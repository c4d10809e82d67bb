"""Notes of kits that are set aside: many writers, damaged files, other users' files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.errors import InputError, RigError
from pytest_nrf_fota.farm.desk import (
    KitChoice,
    QuarantinedKitError,
    fitting_kits,
    quarantined_kits_of,
)
from pytest_nrf_fota.farm.quarantine import (
    add_quarantine,
    clear_quarantine,
    quarantine_of,
    quarantined_kits,
    set_aside_by_hand,
)
from pytest_nrf_fota.farm.state_files import state_folder

BOARD = load_board("nrf5340dk")
ATTACHED = tuple(AttachedKit(number, ()) for number in ("1", "2"))
WRITER = """
import os, sys
from datetime import datetime, timezone
from pytest_nrf_fota.farm.kit_results import KitRun, add_run
from pytest_nrf_fota.farm.quarantine import add_quarantine
os.umask(0o077)
print(add_quarantine("7", sys.argv[1]).why)
when = datetime.now(timezone.utc)
add_run("7", KitRun(run="same", when=when, board="x", passed=(sys.argv[1],)))
"""


def test_a_note_is_there_until_it_is_cleared(state: Path) -> None:
    """Under the kit's number in any spelling, or a place's name; the first reason stays."""
    add_quarantine("001050012345", "its\nprobe is gone", run="/runs/1")
    add_quarantine("1050012345", "another reason")
    add_quarantine("rack 3/kit-1", "by hand")
    note = quarantine_of("1050012345")
    assert note is not None and (note.why, note.run) == ("its probe is gone", "/runs/1")
    assert set(quarantined_kits()) == {"1050012345", "rack 3/kit-1"}
    assert clear_quarantine("00001050012345") and not clear_quarantine("1050012345")
    assert set(quarantined_kits()) == {"rack 3/kit-1"}
    with pytest.raises(InputError):
        add_quarantine("000", "nobody")


def test_many_processes_write_one_note(state: Path) -> None:
    """One reason holds for all of them, and no result is lost."""
    from pytest_nrf_fota.farm.kit_results import history_of

    writers = [
        subprocess.Popen(
            (sys.executable, "-c", WRITER, f"reason {number}"), stdout=subprocess.PIPE, text=True
        )
        for number in range(5)
    ]
    told = {writer.communicate(timeout=60)[0] for writer in writers}
    note = quarantine_of("7")
    assert note is not None and told == {f"{note.why}\n"}
    (run,) = history_of("7").runs
    assert set(run.passed) == {f"reason {number}" for number in range(5)}
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {0o666}


def test_a_damaged_note_keeps_its_kit_aside(state: Path) -> None:
    """As one that was written when the power went."""
    add_quarantine("7", "gone")
    (state / "7.quarantine.json").write_text('{"kit": "7", "si')
    note = quarantine_of("7")
    assert note is not None and note.why == "its note cannot be read"
    assert clear_quarantine("7") and quarantine_of("7") is None


@pytest.mark.skipif(os.name != "posix", reason="POSIX's links")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's limit of a file's size")
def test_a_note_that_cannot_be_written_to_its_end_still_stands(state: Path) -> None:
    """As on a full disk: what was wrong with the kit is not forgotten."""
    import resource
    import signal

    add_quarantine("7", "its probe is gone")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))
    try:
        with pytest.raises(RigError):
            set_aside_by_hand("7", "a person knows better" * 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert quarantine_of("7") is not None


def test_no_link_is_followed(state: Path, tmp_path: Path) -> None:
    add_quarantine("7", "gone")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (state / "7.quarantine.json").unlink()
    (state / "7.quarantine.json").symlink_to(victim)
    with pytest.raises(RigError, match="cannot be used"):
        clear_quarantine("7")
    assert victim.read_text() == "mine"


def test_quarantined_kits_are_not_taken() -> None:
    """The others are; where all that are asked for are aside, the error says how to go on."""
    add_quarantine("1", "no USB", run="/runs/9")
    (kit,) = fitting_kits(BOARD, KitChoice(), ATTACHED)
    assert kit.serial_number == "2"
    assert set(quarantined_kits_of(BOARD, KitChoice(), ATTACHED)) == {"1"}
    assert not quarantined_kits_of(BOARD, KitChoice(("2",)), ATTACHED)
    with pytest.raises(QuarantinedKitError) as raised:
        fitting_kits(BOARD, KitChoice(("0001",)), ATTACHED)
    assert "1: quarantined since " in raised.value.where and "no USB" in raised.value.where
    assert "/runs/9" in raised.value.where
    assert "nrf-fota quarantine clear 1" in raised.value.next_step


def test_where_the_notes_are(tmp_path: Path) -> None:
    """Not in a folder that is emptied when the host starts, unless it is told so."""
    notes, locks = tmp_path / "a", tmp_path / "b"
    given = {"NRF_FOTA_STATE_DIR": str(notes), "NRF_FOTA_LOCK_DIR": str(locks)}
    assert state_folder(given) == notes
    assert state_folder({"NRF_FOTA_LOCK_DIR": str(locks)}) == locks / "state"
    if sys.platform != "win32":
        assert state_folder({}) == Path("/var/tmp/nrf-fota-state")


def test_a_folder_of_notes_that_cannot_be_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a mistyped name has quarantined kits taken."""
    a_file = tmp_path / "file"
    a_file.touch()
    places = [a_file, a_file / "state"]
    if Path("/proc/self").exists():
        places.append(Path("/proc/nope"))
    for place in places:
        monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(place))
        with pytest.raises(RigError, match="what is known of the kits cannot be used"):
            quarantined_kits()
        with pytest.raises(RigError, match="what is known of the kits cannot be used"):
            fitting_kits(BOARD, KitChoice(), ATTACHED)


def test_a_folder_of_notes_that_is_not_there_yet_is_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking makes none, and leaves nothing."""
    monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(tmp_path / "a" / "b"))
    assert quarantined_kits() == {} and quarantine_of("7") is None
    assert [path for path in tmp_path.rglob("*") if path.name != "kit-locks"] == []


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may do anything")
def test_another_user_s_folder_of_notes_is_read(state: Path) -> None:
    add_quarantine("7", "gone")
    state.chmod(0o555)
    assert set(quarantined_kits()) == {"7"}
    state.chmod(0o755)


@pytest.mark.parametrize("variable", ["NRF_FOTA_STATE_DIR", "NRF_FOTA_LOCK_DIR"])
def test_a_relative_folder_is_not_shared(variable: str) -> None:
    """Two runs in two folders would not know of each other; `~` is no such."""
    with pytest.raises(RigError, match=f"{variable} is no absolute path") as raised:
        state_folder({variable: "relative/folder"})
    assert raised.value.where == "relative/folder"
    assert state_folder({variable: "~/kits"}).is_relative_to(Path.home() / "kits")
