"""Locks on kits, held by processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.claims import KitsTakenError, claim_kits
from pytest_nrf_fota.farm.desk import Kit
from pytest_nrf_fota.farm.kit_lock import state_of, try_claim, use_kit
from pytest_nrf_fota.farm.quarantine import Quarantine

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX's files")
# Claims the kit, says so, and waits for its standard input to end.
HOLDER = """
import encodings.ascii, os, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from pytest_nrf_fota.farm.kit_lock import try_claim
os.umask(0o077)
if len(sys.argv) == 4:
    # Loads all modules while they can be read.
    with TemporaryDirectory() as folder:
        claim = try_claim("7", Path(folder))
        claim.announce()
        claim.release()
    os.setgroups([])
    os.setgid(int(sys.argv[-1]))
    os.setuid(int(sys.argv[-1]))
claim = try_claim(sys.argv[2] if len(sys.argv) == 4 else "7", Path(sys.argv[1]))
if claim is not None:
    claim.announce()
print("held" if claim else "refused", flush=True)
sys.stdin.read()
"""
Hold = Callable[[], "subprocess.Popen[str]"]
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def hold(folder: Path) -> Iterator[Hold]:
    """Starts a process that holds kit 7."""
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            (sys.executable, "-c", HOLDER, str(folder), "--board=x"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_kit_is_held_until_its_holder_is_killed(folder: Path, hold: Hold) -> None:
    """By SIGKILL, too; until then everybody can read who it is."""
    assert str(state_of("7", folder)) == "free"
    assert not folder.exists()
    holder = hold()
    assert try_claim("7", folder) is None
    state = state_of("7", folder)
    assert state.holder is not None and state.holder.pid == holder.pid
    assert "--board=x" in str(state)
    holder.kill()
    holder.wait()
    assert not state_of("7", folder).is_held
    claim = try_claim("7", folder)
    assert claim is not None
    claim.release()
    assert not state_of("7", folder).is_held


def test_a_killed_holders_note_stands_for_nobody(folder: Path, hold: Hold) -> None:
    """What holds the lock now has left no note yet."""
    holder = hold()
    holder.kill()
    holder.wait()
    looking = try_claim("7", folder)
    assert looking is not None
    assert try_claim("7", folder) is None
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(try_claim, "7", folder, 60.0)
        done, _ = wait([waiting], timeout=0.3)
        looking.release()
        claim = waiting.result()
    assert not done and claim is not None
    claim.release()


def test_a_kit_that_is_still_used_is_not_free(folder: Path, hold: Hold) -> None:
    """A worker may outlive its session for a moment; its note is the session's."""
    holder = hold()
    use = use_kit("7", folder)
    assert "which has ended" not in str(state_of("7", folder))
    holder.kill()
    holder.wait()
    assert f"(pid {holder.pid}, which has ended: a process" in str(state_of("7", folder))
    use.release()
    assert not state_of("7", folder).is_held


def test_all_that_are_needed_or_none(folder: Path, hold: Hold) -> None:
    """A session that gets too few keeps none of them."""
    hold()
    kits = [Kit("6"), Kit("7"), Kit("8")]
    with pytest.raises(KitsTakenError, match="3 kits of the 3 that fit") as raised:
        claim_kits(kits, at_least=3, at_most=3, wait_s=0, folder=folder)
    assert raised.value.where.startswith("7: held by")
    assert not state_of("6", folder).is_held
    claimed = claim_kits(kits, at_least=1, at_most=3, wait_s=0, folder=folder)
    assert [one.kit.serial_number for one in claimed] == ["6", "8"]
    assert str(os.getpid()) in str(state_of("8", folder))
    for one in claimed:
        one.claim.release()


def test_a_kit_that_is_quarantined_between_look_and_claim_is_not_taken(folder: Path) -> None:
    """Who had it noted what is wrong with it, and gave it back."""
    note = Quarantine(kit="6", since=None, why="loose cable", by="ci@lab1")
    answers: Iterator[Mapping[str, Quarantine]] = iter([{}])

    def set_aside(kits: Sequence[Kit]) -> Mapping[str, Quarantine]:
        held = {kit.serial_number for kit in kits} & {"6"}
        return next(answers, dict.fromkeys(held, note))

    kits = [Kit("6"), Kit("7")]
    (claimed,) = claim_kits(
        kits, at_least=1, at_most=1, wait_s=0, set_aside=set_aside, folder=folder
    )
    assert claimed.kit.serial_number == "7"
    assert not state_of("6", folder).is_held
    claimed.claim.release()


@needs_posix
def test_other_users() -> None:
    """Whoever comes second finds files of another user, and a umask that let nobody else in."""
    with TemporaryDirectory(prefix="locks_", dir="/tmp") as outer:
        Path(outer).chmod(0o755)
        folder = Path(outer) / "nrf-fota-locks"
        assert _claimed_by(folder) == "held"
        assert folder.stat().st_mode & 0o7777 == 0o1777
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666}
        if os.getuid() != 0:
            pytest.skip("only root can be another user")
        Path(outer).chmod(0o777)
        for user in (NOBODY, 0, NOBODY - 1):
            assert _claimed_by(folder, user) == "held"
        assert {path.stat().st_uid for path in folder.iterdir()} == {0}
        # Neither the folder nor the lock is this user's.
        folder = Path(outer) / "another"
        for user, number in ((NOBODY, "8"), (NOBODY - 1, "7"), (NOBODY - 2, "7"), (NOBODY, "7")):
            assert _claimed_by(folder, user, number) == "held"
        assert _claimed_by(folder) == "held"
        assert {path.stat().st_uid for path in folder.glob("7.*")} == {NOBODY - 1}


def _claimed_by(folder: Path, user: int | None = None, number: str = "7") -> str:
    other = [number, str(user)] if user else []
    command = (sys.executable, "-c", HOLDER, str(folder), *other)
    done = subprocess.run(
        command, input="", capture_output=True, text=True, timeout=60, check=False
    )
    assert not done.stderr
    return done.stdout.strip()


@needs_posix
def test_links_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    """The folder is everybody's, so anybody may have put something there."""
    target = tmp_path / "precious"
    target.write_text("kept")
    folder.mkdir(mode=0o777)
    (folder / "7.holder.json").symlink_to(target)
    os.mkfifo(folder / "8.holder.json")
    for number in ("7", "8"):
        claim = try_claim(number, folder)
        assert claim is not None
        claim.announce()
        assert state_of(number, folder).holder is None
        claim.release()
    (folder / "9.claim.lock").symlink_to(target)
    with pytest.raises(RigError):
        try_claim("9", folder)
    assert target.read_text() == "kept"
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(RigError, match="no folder"):
        try_claim("7", tmp_path / "link")


def test_nobody_knows_who_holds_a_kit_where_no_lock_can_be(tmp_path: Path) -> None:
    """It is not free: a run that wants it is refused."""
    a_file = tmp_path / "file"
    a_file.touch()
    for folder in (a_file, a_file / "locks"):
        with pytest.raises(RigError, match="the kits' locks cannot be used"):
            state_of("7", folder)
        with pytest.raises(RigError, match="the kits' locks cannot be used"):
            try_claim("7", folder)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_folder_that_nobody_can_make_has_no_free_kits() -> None:
    with pytest.raises(RigError, match="the kits' locks cannot be used"):
        state_of("7", Path("/proc/nope"))


def test_locks_in_a_relative_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs in two folders would both have the kit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NRF_FOTA_LOCK_DIR", "relative/folder")
    for wants in (try_claim, use_kit, state_of):
        with pytest.raises(RigError, match="NRF_FOTA_LOCK_DIR is no absolute path"):
            wants("7")
    assert not (tmp_path / "relative").exists()


def test_a_note_is_no_terminal_sequence(folder: Path, hold: Hold) -> None:
    """Nor need it be a note at all."""
    hold()
    note = folder / "7.holder.json"
    for text in ("", "{}", "\x00", '{"user": 1}'):
        note.write_text(text)
        assert str(state_of("7", folder)) == "held by somebody who left no note"
    note.write_text(
        '{"user":"a\\u001b[2J","pid":1,"host":"h","since":"2026-01-31T10:00:00Z","command":"c"}'
    )
    assert "\x1b" not in str(state_of("7", folder))


def test_serial_numbers_are_no_paths(folder: Path) -> None:
    claim = try_claim("../../7", folder)
    assert claim is not None
    assert {path.parent for path in folder.iterdir()} == {folder}
    claim.release()
