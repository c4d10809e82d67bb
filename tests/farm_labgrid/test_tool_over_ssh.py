"""The probe's tool on the kit's host, over a real SSH server: files there and back, none left."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.boards.soc import NRF5340
from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.probe.choose import choose_tool, describe_tool, open_probe
from pytest_nrf_fota.probe.command import CommandResult
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.over_ssh import SshMachine
from pytest_nrf_fota.providers.usb import listed_kits
from pytest_nrf_fota.wires.probe import Core, ResetKind
from tests.farm.desk import VirtualKits
from tests.farm_labgrid.conftest import StartFarm, User, program
from tests.farm_labgrid.farm import Kit, is_running, wait_for
from tests.unit.probe.kit_behind_tool import write_tool

pytestmark = pytest.mark.long_proof
NUMBER = "1050000001"
ADDRESS = 0x00010000


@pytest.fixture(scope="module")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualKits]:
    """One virtual kit."""
    started = VirtualKits(tmp_path_factory.mktemp("kits"), (NUMBER,))
    yield started
    started.end()


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """What only the far side has: programs in `bin`, temporary files in `tmp`."""
    folder = tmp_path / "far"
    for needed in ("bin", "tmp"):
        (folder / needed).mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def _ssh(ssh_config: Path, far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ssh` with our configuration; sessions have the far side's programs and folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    client = folder / "ssh"
    client.write_text(
        f"#!{sys.executable} -IS\nimport os, sys\n*options, last = sys.argv[1:]\n"
        f"last = 'env TMPDIR={far}/tmp PATH={far}/bin:/usr/bin:/bin ' + last\n"
        f"os.execv({program('ssh')!r}, ['ssh', '-F', {str(ssh_config)!r}, *options, last])\n"
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def left_over(far: Path) -> list[Path]:
    """Files and folders that a call has left on the far side."""
    return list((far / "tmp").iterdir())


@pytest.mark.parametrize("tool", ["nrfutil", "nrfjprog"])
def test_a_kit_is_programmed_and_read_from_elsewhere(
    tool: str, kits: VirtualKits, far: Path, tmp_path: Path
) -> None:
    """With the tool that only its host has; the calls name the far side's files."""
    write_tool(far / "bin", tool, kits.units[NUMBER].control_address, NUMBER)
    chosen = choose_tool("auto", Deadline.after(60), "lab1")
    assert chosen.name == tool
    probe = open_probe(chosen, NUMBER, tmp_path / "work", NRF5340, Deadline.after(60))
    assert probe.info(Deadline.after(60)).serial_number.lstrip("0") == NUMBER
    probe.recover(Core.NETWORK, Deadline.after(60))
    probe.recover(Core.APPLICATION, Deadline.after(60))
    hex_file, data = tmp_path / "with a blank.hex", bytes(range(256)) * 16
    write_hex(hex_file, [Segment(ADDRESS, data)])
    given = hex_file.read_bytes()
    probe.program(hex_file, Deadline.after(60))
    assert probe.read(ADDRESS, len(data), Deadline.after(60)) == data
    probe.reset(ResetKind.PIN, Deadline.after(60))
    probe.close()
    assert hex_file.read_bytes() == given
    assert left_over(far) == []
    assert f"probe tool {tool} on lab1, over SSH" in describe_tool("auto", 60, NRF5340, "lab1")
    board = load_board("nrf5340dk").with_runner(tool, ssh_host="lab1")
    board = board.with_console(port="socket://127.0.0.1:1", baudrate=None)
    assert listed_kits(board, look=tuple) == (AttachedKit(NUMBER, ()),)


def test_a_call_that_fails_is_told_with_its_words_and_leaves_nothing(far: Path) -> None:
    """Exit code and outputs as they are; a signal as a shell tells it; no program, no Python."""
    failing = "import sys; print('out'); sys.exit('no devices')"
    result = call(f"{sys.executable}", "-c", failing)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "out\n", "no devices\n")
    assert result.command.startswith("on lab1: ")
    with pytest.raises(ProbeFaultError) as killed:
        call("sh", "-c", "kill -9 $$")
    assert killed.value.fault is ProbeFault.KILLED
    with pytest.raises(ProbeFaultError) as missing:
        choose_tool("nrfutil", Deadline.after(60), "lab1")
    assert missing.value.fault is ProbeFault.TOOL_MISSING
    assert "not on the PATH of lab1" in missing.value.what
    assert left_over(far) == []


def test_a_tool_that_hangs_ends_on_the_far_side(far: Path, tmp_path: Path) -> None:
    """With what it started, though nobody is connected any more; and its folder goes."""
    note = tmp_path / "pid"
    script = f"trap '' TERM; sleep 1000 & echo $! > {note}; wait; wait"
    with pytest.raises(ProbeFaultError) as slow:
        SshMachine("lab1").run(("sh", "-c", script, "x.hex"), Deadline.after(15))
    assert slow.value.fault is ProbeFault.TIMED_OUT and "on lab1: sh " in slow.value.where
    pid = int(note.read_text())
    wait_for(lambda: is_running(pid), lambda runs: not runs)
    wait_for(lambda: left_over(far), lambda left: not left)


def test_a_host_that_is_dead_is_a_rig_fault(ssh_config: Path) -> None:
    """What, where, and what to try: nobody listens, and a server that ends in the middle."""
    server = int((ssh_config.parent / "pid").read_text())
    os.kill(server, signal.SIGTERM)
    wait_for(lambda: is_running(server), lambda runs: not runs)
    with pytest.raises(ProbeFaultError) as dead:
        choose_tool("auto", Deadline.after(60), "lab1")
    assert dead.value.fault is ProbeFault.NOT_REACHABLE
    assert "The kit's host lab1 does not answer over SSH" in dead.value.what
    assert dead.value.where == "on lab1: nrfutil --json device --version"
    assert "ssh -o BatchMode=yes lab1 true" in dead.value.next_step


MINE = """
from pytest_nrf_fota.deadline import Deadline

def test_mine(dut):
    assert dut.probe.info(Deadline.after(60)).serial_number.lstrip("0") == "1050000001"
    assert len(dut.probe.read(0, 64, Deadline.after(60))) == 64
"""


def test_a_run_on_a_place_whose_kit_is_elsewhere(
    kits: VirtualKits, far: Path, user: User, start_farm: StartFarm
) -> None:
    """Its tag asks for it; the tool is not on this host's PATH, the kit not on its USB."""
    unit = kits.units[NUMBER]
    write_tool(far / "bin", "nrfutil", unit.control_address, NUMBER)
    (user.folder / "test_mine.py").write_text(MINE)
    (user.folder / "wired.toml").write_text(
        f'base = "nrf5340dk"\nname = "wired"\n[console]\nport = "{unit.vcoms[-1]}"\n'
        '[radio]\nkind = "serial_over_console"\n'
    )
    farm = start_farm(Kit(NUMBER, "lab1", (("tool", "ssh"),)))
    options = ("--board=wired", "--board-dir=.", "--runner=nrfutil", f"--farm={farm.url}")
    code, output = user.finish(user.pytest(*options))
    assert code == 0, output
    assert "probe tool nrfutil on lab1, over SSH (asked for)" in output
    assert left_over(far) == []


def call(*command: str) -> CommandResult:
    """Call it on lab1."""
    return SshMachine("lab1").run(command, Deadline.after(60))
