"""The commands on this machine, as people and programs run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from pytest_nrf_fota.boards.board_file import board_names, packaged_boards
from pytest_nrf_fota.doctor.attached import BoardsReport
from pytest_nrf_fota.doctor.report import DoctorReport

COMMAND = (sys.executable, "-c", "from pytest_nrf_fota.cli import app; app()")

Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH without any tool."""
    (tmp_path / "bin").mkdir()
    return str(tmp_path / "bin")


def run(*arguments: str, path: str | None = None) -> Finished:
    environment = os.environ | {"COLUMNS": "80"} | ({"PATH": path} if path else {})
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def refusal(*arguments: str) -> str:
    done = run(*arguments)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_every_board(bare_path: str) -> None:
    """Each packaged board has its line; one that would start is enough for 0."""
    done = run("doctor", path=bare_path)
    assert done.returncode == 0, done.stdout
    assert " boards are ready on this machine." in done.stdout.splitlines()[0]
    for name in board_names([packaged_boards()]):
        assert f"  {name} " in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the virtual kit needs a pty")
def test_the_virtual_kit_would_start() -> None:
    """And it does: this very suite runs on it."""
    done = run("doctor", "--board", "nrf5340dk_sim", "--json")
    assert done.returncode == 0, done.stdout
    report = DoctorReport.model_validate_json(done.stdout)
    assert report.would_start
    assert json.loads(done.stdout)["boards"][0]["name"] == "nrf5340dk_sim"


def test_a_board_that_would_not_start_does_not(bare_path: str, tmp_path: Path) -> None:
    """The doctor's no, and what pytest says to the same board on the same machine."""
    done = run("doctor", "--board", "qemu_cortex_m0", path=bare_path)
    assert done.returncode == 1
    assert done.stdout.startswith("NO: not ready for pytest --board qemu_cortex_m0: QEMU.")
    test = tmp_path / "test_board.py"
    test.write_text(
        "def test_board(unit, pytestconfig):\n    from pathlib import Path\n"
        "    from pytest_nrf_fota.record.recorder import FlightRecorder\n"
        "    unit.open_wires(FlightRecorder())\n"
    )
    command = (
        sys.executable,
        "-m",
        "pytest",
        "--board",
        "qemu_cortex_m0",
        str(test),
        "-p",
        "no:cacheprovider",
    )
    started = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PATH": bare_path}, cwd=tmp_path
    )
    assert started.returncode == 1
    assert "qemu-system-arm is not installed" in started.stdout


def test_unknown_board() -> None:
    """What it could have been."""
    assert "Did you mean nrf5340dk?" in refusal("doctor", "--board", "nrf5340dl")


def test_unknown_runner_and_radio() -> None:
    """Allowed values."""
    assert "pynrfjprog" in refusal("doctor", "--runner", "openocd")
    assert "bumble:usb:0" in refusal("doctor", "--radio", "wifi")


def test_console_that_is_none() -> None:
    """Before anything is looked at."""
    assert "socket://HOST:PORT" in refusal("doctor", "--console-port", "telnet://bench:23")
    assert "baudrate" in refusal("doctor", "--console-baudrate", "0")


def test_options_that_pytest_would_refuse() -> None:
    """As pytest does, but only for a board that was named."""
    named = ("doctor", "--board", "qemu_cortex_m0")
    assert "--device-id is for kits" in refusal(*named, "--device-id", "1")
    assert "--runner is for kits" in refusal(*named, "--runner", "nrfutil")
    assert "--console-port is for kits" in refusal(*named, "--console-port", "COM7")
    assert "--radio is for boards on BLE" in refusal(*named, "--radio", "bleak")
    assert run("doctor", "--device-id", "1").returncode != 2


def test_missing_board_folder(tmp_path: Path) -> None:
    """For both commands."""
    for command in ("doctor", "boards"):
        assert "does not exist" in refusal(command, "--board-dir", str(tmp_path / "nothing"))


def test_own_boards_count(tmp_path: Path) -> None:
    """A board file of the user is one more board."""
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\ntitle = "My product"\nbase = "nrf5340dk_sim"\n'
    )
    done = run("boards", "--board-dir", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    report = BoardsReport.model_validate_json(done.stdout)
    assert "My product" in [board.title for board in report.without_hardware]


def test_boards_with_and_without_listening() -> None:
    """Works wherever it runs, kits or none."""
    for arguments in ((), ("--listen",)):
        done = run("boards", *arguments)
        assert done.returncode == 0, done.stderr
        assert " attached." in done.stdout.splitlines()[0]
        assert "nrf5340dk_sim" in done.stdout
        assert "\x1b" not in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pexpect needs a pty")
def test_watched_boards() -> None:
    """Drawn anew until Ctrl-C, on a terminal alone."""
    program, *arguments = (*COMMAND, "boards", "--watch")
    with pexpect.spawn(program, arguments, encoding="utf-8", timeout=60) as terminal:
        for _ in range(2):
            terminal.expect("attached")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0
    assert "no terminal" in refusal("boards", "--watch")
    assert "--watch leaves the kits alone" in refusal("boards", "--watch", "--json")
    assert "No such file" in refusal("boards", "--hardware-map=nowhere.yaml")
