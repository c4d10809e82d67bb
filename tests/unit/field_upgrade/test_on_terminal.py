"""`nrf-fota upgrade` as a person sees it, and Ctrl-C."""

import os
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pexpect
import pyte
import pytest

from pytest_nrf_fota.boards.board_file import load_board
from tests.unit.field_upgrade.kit import PROGRAM, Kit, running_kit

COLUMNS, LINES = 120, 40
_MOVING = r"upload.*?[1-9][0-9]\.\d of 99\.0 kB, \d+\.\d kB/s"


@pytest.fixture
def slow_kit(work_folder: Path) -> Iterator[Kit]:
    """Whose radio is as slow as a real one: the upload lasts seconds."""
    board = load_board("nrf5340dk_sim")
    assert board.sim is not None
    board = board.model_copy(update={"sim": board.sim.model_copy(update={"speed": 1.0})})
    with running_kit(board, work_folder / "of_kit") as kit:
        yield kit


def _spawn(kit: Kit) -> tuple["pexpect.spawn[str]", StringIO]:
    """The command on a terminal, and all that it writes there."""
    program, *arguments = PROGRAM
    child = pexpect.spawn(
        program,
        [*arguments, *kit.ble, str(kit.firmware.app_update)],
        dimensions=(LINES, COLUMNS),
        timeout=60,
        encoding="utf-8",
        env={**os.environ, "TERM": "xterm-256color"},
    )
    child.logfile_read = written = StringIO()
    return child, written


def _screen(written: str) -> tuple[list[str], bool]:
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.Stream(screen).feed(written)
    return [line.rstrip() for line in screen.display if line.strip()], screen.cursor.hidden


def test_upload_moves_and_what_is_left_are_whole_lines(slow_kit: Kit) -> None:
    child, written = _spawn(slow_kit)
    child.expect(_MOVING)
    moving, is_hidden = _screen(written.getvalue())
    child.expect(pexpect.EOF)
    after, stays_hidden = _screen(written.getvalue())
    child.close()

    assert child.exitstatus == 0
    assert moving[-1].startswith("upload app_update.bin") and is_hidden
    assert not stays_hidden
    assert [line.split()[0] for line in after] == [
        *("board", "image", "sent", "pending", "reset", "confirmed"),
        *("application", "SMP:", "logs"),
    ]


@pytest.mark.long_proof
def test_interrupted_upload_goes_on_with_the_next_command(slow_kit: Kit) -> None:
    """Ctrl-C ends it soon, in whole lines; the board still serves, and keeps what it has."""
    child, written = _spawn(slow_kit)
    child.expect(_MOVING)
    child.sendintr()
    child.expect(pexpect.EOF)
    after, is_hidden = _screen(written.getvalue())
    child.close()
    again = slow_kit.upgrade(slow_kit.firmware.app_update, *slow_kit.ble)

    assert child.exitstatus == 130
    assert after[-1].startswith("interrupted; ") and not is_hidden
    assert not any(line.startswith("upload") for line in after)
    assert again.code == 0, again.text
    assert "gone on with at" in again.text


@pytest.mark.long_proof
def test_pipe_gets_plain_text(slow_kit: Kit) -> None:
    ran = subprocess.run(
        [*PROGRAM, *slow_kit.ble, str(slow_kit.firmware.app_update)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\x1b" not in ran.stdout and "UPGRADED" in ran.stdout


@pytest.mark.long_proof
def test_interrupted_swap_promises_no_second_command(slow_kit: Kit) -> None:
    """From when it is pending, the next command would refuse: the user is told what to look at."""
    child, written = _spawn(slow_kit)
    child.expect("reset      over SMP")
    child.sendintr()
    child.expect(pexpect.EOF)
    after, is_hidden = _screen(written.getvalue())
    child.close()

    assert child.exitstatus == 130 and not is_hidden
    said = "\n".join(after)
    assert "interrupted; all of the update was sent" in said and "--dry-run" in said
    assert "the same command goes on" not in said
    assert after[-1].startswith("logs ")
