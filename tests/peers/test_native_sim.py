"""Real Zephyr as a Linux program: SMP over its pty and over UDP, its shell, and its resets."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from contextlib import closing
from io import FileIO
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import BoardError, NotSeenError, ProbeError, RigError
from pytest_nrf_fota.providers import native_sim as provider
from pytest_nrf_fota.providers.native_sim import NativeSimProcess, NativeSimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.wires.probe import Core
from tests.peers.conftest import MakeDut

pytestmark = [pytest.mark.long_proof, pytest.mark.usefixtures("native_sim")]

BOARDS = ("native_sim", "native_sim_udp", "native_sim_shell")
# Where the file system begins in the program's flash, and what littlefs writes there.
FILE_SYSTEM_ADDRESS = 0xFC000
FILE_SYSTEM_BYTES = 0x4000
FILE_SYSTEM_NAME = b"littlefs"
_LIMIT_S = 10.0


def _deadline() -> Deadline:
    return Deadline.after(_LIMIT_S)


def _reset_over_smp(dut: Dut) -> None:
    since = dut.position("reset over SMP")
    dut.mcumgr.reset_device()
    boot = dut.wait_for_boot(since, _LIMIT_S)
    assert any("sys_arch_reboot called" in line.text for line in dut.console.lines_since(since))
    assert boot.reached_app


@pytest.mark.parametrize("board_name", BOARDS)
def test_smp_survives_every_kind_of_reset(board_name: str, make_dut: MakeDut) -> None:
    """The board vanishes and returns; each connection finds it again."""
    dut = make_dut(board_name)
    for reset in (_reset_over_smp, lambda dut: dut.reset(), _reset_over_smp):
        dut.connect()
        assert dut.mcumgr.echo("still there") == "still there"
        reset(dut)
    dut.connect()
    long_text = "long" * 35  # two lines of SMP over a UART; the board drops a third
    assert dut.mcumgr.echo(long_text) == long_text
    with pytest.raises(BoardError, match="ENOTSUP"):
        dut.mcumgr.get_image_list()


@pytest.mark.parametrize(
    ("board_name", "buffer_size_bytes", "buffer_count"),
    [("native_sim", 384, 4), ("native_sim_udp", 2048, 2), ("native_sim_shell", 384, 4)],
)
def test_parameters_are_those_of_the_build(
    board_name: str, buffer_size_bytes: int, buffer_count: int, make_dut: MakeDut
) -> None:
    """As manifest.json of smpclient's source distribution says."""
    dut = make_dut(board_name)
    dut.connect()
    parameters = dut.mcumgr.get_parameters()
    assert parameters.buffer_size_bytes == buffer_size_bytes
    assert parameters.buffer_count == buffer_count


def test_a_board_that_vanished_under_a_connection_is_noticed(make_dut: MakeDut) -> None:
    """The pty is gone with the program; the next connection is made to the new one."""
    dut = make_dut("native_sim")
    dut.connect()
    since = dut.console.position()
    dut.probe.reset(dut.board.probe.reset, _deadline())
    dut.wait_for_boot(since, _LIMIT_S)
    with pytest.raises(NotSeenError):
        dut.mcumgr.echo("nobody")
    dut.connect()
    assert dut.mcumgr.echo("the new one") == "the new one"


def test_shell_answers_and_refuses(make_dut: MakeDut) -> None:
    """Prompt, echo, colours and errors of a real Zephyr shell."""
    dut = make_dut("native_sim_shell")
    assert dut.shell.run("kernel version", _LIMIT_S) == ("Zephyr version 4.4.0",)
    threads = dut.shell.run("kernel thread list", _LIMIT_S)
    assert any("mcumgr smp" in line for line in threads)
    for command, refusal in (
        ("nosuch", "nosuch: command not found"),
        ("kernel sleep", "sleep: wrong parameter count"),
    ):
        with pytest.raises(BoardError, match=refusal):
            dut.shell.run(command, _LIMIT_S)
    assert dut.shell.run("kernel version", _LIMIT_S) == ("Zephyr version 4.4.0",)


def test_shell_and_smp_share_the_uart(make_dut: MakeDut) -> None:
    """Neither loses anything to the other."""
    dut = make_dut("native_sim_shell")
    dut.connect()
    for number in range(10):
        assert dut.mcumgr.echo(f"smp {number}") == f"smp {number}"
        assert dut.shell.run(f"rem shell {number}", _LIMIT_S) == ()
        assert dut.shell.run("kernel version", _LIMIT_S) == ("Zephyr version 4.4.0",)
    assert "\x06" not in dut.console.text_since(dut.opened_at)


def test_reboot_from_the_shell_is_a_boot(make_dut: MakeDut) -> None:
    """The program ends, and is back with the same console."""
    dut = make_dut("native_sim_shell")
    since = dut.console.position()
    dut.console.type_text("kernel reboot cold\r")
    dut.wait_for_boot(since, _LIMIT_S)
    assert dut.shell.run("kernel version", _LIMIT_S) == ("Zephyr version 4.4.0",)


def test_flash_outlives_resets_and_not_a_recover(make_dut: MakeDut) -> None:
    """A file system is made once, found after a reset, and gone after a recover."""
    dut = make_dut("native_sim")
    made = dut.read_memory(FILE_SYSTEM_ADDRESS, FILE_SYSTEM_BYTES)
    assert FILE_SYSTEM_NAME in made
    since = dut.console.position()
    dut.reset()
    assert "formatting" not in dut.console.text_since(since)
    dut.probe.recover(Core.APPLICATION, _deadline())
    with pytest.raises(ProbeError, match="cannot be read"):
        dut.read_memory(FILE_SYSTEM_ADDRESS, FILE_SYSTEM_BYTES)
    since = dut.console.position()
    dut.reset()
    assert "formatting" in dut.console.text_since(since)


def test_nothing_can_be_programmed(make_dut: MakeDut, tmp_path: Path) -> None:
    """The program is its own firmware."""
    dut = make_dut("native_sim")
    with pytest.raises(ProbeError, match="nothing can be programmed"):
        dut.probe.program(tmp_path / "any.hex", _deadline())
    with pytest.raises(ProbeError, match="no network core"):
        dut.probe.recover(Core.NETWORK, _deadline())
    with pytest.raises(ProbeError, match="no external flash"):
        dut.probe.erase_external(_deadline())


def test_a_program_that_dies_is_a_lost_console(tmp_path: Path) -> None:
    """Only a reset after a boot is followed by a new start."""
    program = tmp_path / "broken"
    program.write_text(f"#!{sys.executable}\nprint('no banner')\nraise SystemExit(1)\n")
    program.chmod(0o755)
    process = NativeSimProcess("broken", program, tmp_path, joins_uart=False)
    console = os.open(process.console_port, os.O_RDONLY | os.O_NOCTTY)
    with closing(process), os.fdopen(console, "rb", buffering=0) as port:
        process.start()
        assert _read_until_hang_up(port) == b"no banner\n"
        assert process.is_lost
        with pytest.raises(ProbeError, match="ended with status 1"):
            process.start()


def test_wires_can_be_opened_again_while_the_program_runs(tmp_path: Path) -> None:
    """As with a test's wires in a session's unit; the running program is found again."""
    board = load_board("native_sim")
    unit = NativeSimUnit(board, "unit", tmp_path / "unit")
    try:
        for round_number in range(2):
            recorder = FlightRecorder()
            with closing(Dut(board, unit.name, unit.open_wires(recorder), recorder)) as dut:
                if round_number == 0:
                    dut.reset()
                dut.connect()
                assert dut.mcumgr.echo("here") == "here"
    finally:
        unit.release()


def test_one_unit_at_a_time_has_the_udp_port(
    make_dut: MakeDut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program can use no other port, so a second unit waits, and says why it gives up."""
    make_dut("native_sim_udp")
    monkeypatch.setattr(provider, "_UDP_WAIT_S", 0.2)
    with pytest.raises(RigError, match="UDP port 1337 is not free"):
        NativeSimUnit(load_board("native_sim_udp"), "second", tmp_path / "second")


def test_program_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves nobody behind."""
    script = tmp_path / "owner.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from pytest_nrf_fota.boards.board_file import load_board\n"
        "from pytest_nrf_fota.dut.dut import Dut\n"
        "from pytest_nrf_fota.record.recorder import FlightRecorder\n"
        "from pytest_nrf_fota.providers.native_sim import NativeSimUnit\n"
        "board = load_board('native_sim')\n"
        "unit = NativeSimUnit(board, 'owned', Path(sys.argv[1]))\n"
        "dut = Dut(board, 'owned', unit.open_wires(FlightRecorder()), FlightRecorder())\n"
        "dut.reset()\n"
        "print(dut.wires.smp_address(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "unit")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        port = owner.stdout.readline().decode().strip()
        # Held open: the read ends when the program, the pty's other end, is gone.
        with open(port, "rb", buffering=0, opener=_without_terminal) as pty:
            os.kill(owner.pid, signal.SIGKILL)
            _read_until_hang_up(pty)


def _read_until_hang_up(port: FileIO) -> bytes:
    seen = b""
    deadline = _deadline()
    # Linux ends a read that waits at a hang-up, and refuses one that comes later.
    with contextlib.suppress(OSError):
        while select.select([port], [], [], deadline.remaining_s)[0]:
            chunk = port.read(100)
            if not chunk:
                return seen
            seen += chunk
        pytest.fail(f"still open; read so far: {seen[:200]!r}")
    return seen


def _without_terminal(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOCTTY)


def test_plugin_runs_on_native_sim_and_says_what_it_has_not(
    user_folder: pytest.Pytester,
) -> None:
    """A user's test with the plugin's fixtures; upgrades are skipped with the reason."""
    user_folder.makepyfile(
        test_mine="""
        import pytest

        @pytest.fixture
        def booted(dut):
            dut.reset()
            dut.connect()
            return dut

        def test_echo(booted, mcumgr):
            assert mcumgr.echo("hello") == "hello"

        def test_reset(booted):
            booted.mcumgr.reset_device()

        @pytest.mark.needs("shell")
        def test_shell(booted, shell):
            raise AssertionError("this board has no shell")

        @pytest.mark.needs("image_group", "revert")
        def test_upgrade(booted, firmware):
            raise AssertionError("this board has no images")

        def test_firmware(dut, firmware):
            dut.prepare(firmware.baseline)
        """
    )
    result = user_folder.runpytest_subprocess("--board", "native_sim", "-rs")
    result.assert_outcomes(passed=2, skipped=3)
    result.stdout.fnmatch_lines(["SKIPPED * native_sim has no shell: *"])
    result.stdout.fnmatch_lines(["SKIPPED * native_sim has no image_group: *"])
    result.stdout.fnmatch_lines(["SKIPPED * native_sim is one program without bootloader*"])
