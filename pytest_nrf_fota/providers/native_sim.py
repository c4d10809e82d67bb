"""A unit that is a program: Zephyr built for `native_sim`, a 32-bit Linux process.

It has no bootloader and no image group, but a real SMP server, a real shell and real resets: a
reset ends the process with status 1, and the provider starts it again, as a board comes back on USB
Linux on x86 only.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

from typing_extensions import assert_never

from pytest_nrf_fota import guard
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import NotSeenError, ProbeError, RigError
from pytest_nrf_fota.firmware.smpclient_dist import NativeSimVariant, native_sim_program
from pytest_nrf_fota.probe.native_sim import NativeSimProbe
from pytest_nrf_fota.probe.read_effect import ProbeReads, ReadEffect
from pytest_nrf_fota.probe.recording import RecordingProbe
from pytest_nrf_fota.providers.programs_32_bit import LOADER, PACKAGES, lack_for_32_bit_programs
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.providers.pty_pair import PtyPair
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.packaged_transports import UDP_PORT
from pytest_nrf_fota.smp.serial_over_console import SmpFrameRouter
from pytest_nrf_fota.smp.transport import Reach, open_transport

FLASH_FILE = "flash.bin"
"""The program's default, in the folder where it runs."""

_SMP_PTY = re.compile(rb"uart connected to pseudotty: (\S+)\n")
_BANNER = LINES["banner"].anchors[0].encode()
_RESET_STATUS = 1
_PTY_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = guard.TERMINATE_GRACE_S + 3.0
_READ_OUT_S = 0.1
_LAST_WORDS_S = 2.0
_UDP_WAIT_S = 60.0
_UDP_POLL_S = 0.1
_RELAY_BYTES = 65536


class NativeSimUnit:
    """One program as a board: log on a pty of ours; SMP on its own pty, on UDP, or with the log.

    The program starts with the probe's first `reset` and lives until `release`. Its flash is a
    file and outlives resets. How SMP reaches it follows `radio.kind` of the board file:
    `serial` is the program's own pty, whose name changes with every reset; `udp` is port 1337 of
    this machine, which one unit at a time can have; with `serial_over_console` the program's UART
    is joined with its log, so that a shell, SMP and the log share the console.

    Args:
        board: the board type.
        name: what people call the unit.
        work_directory: gets the flash file and `uart.log`.

    Raises:
        RigError: this machine cannot run such programs, or port 1337 stays taken.
    """

    def __init__(self, board: BoardType, name: str, work_directory: Path) -> None:
        require_32_bit_programs()
        self.name = name
        self._board = board
        self._work_directory = work_directory
        self._program = native_sim_program(_variant_of(board))
        self._process: NativeSimProcess | None = None
        self._udp_claim = (
            _claim_udp_port(name) if board.reached_by.needs is Interface.NETWORK else None
        )

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Open the interfaces; nothing runs before the probe's first `reset`.

        Raises:
            ConsoleLostError: the console's pty cannot be opened.
        """
        needs = self._board.reached_by.needs
        if self._process is not None and self._process.is_lost:
            self._process.close()
            self._process = None
        if self._process is None:
            self._work_directory.mkdir(parents=True, exist_ok=True)
            self._process = NativeSimProcess(
                self.name,
                self._program,
                self._work_directory,
                joins_uart=needs is Interface.CONSOLE,
            )
        process = self._process
        frames = SmpFrameRouter()
        console = Console(
            process.console_port,
            baudrate=self._board.console.baudrate,
            raw_log_path=self._work_directory / "uart.log",
            recorder=recorder,
            on_smp_frame=frames.deliver,
        )
        probe = NativeSimProbe(process, self.name, self._work_directory / FLASH_FILE)
        recording = RecordingProbe(probe, recorder)
        reach = Reach(
            self._board,
            console,
            recorder,
            frames,
            smp_port_name=process.smp_port if needs is Interface.SMP_PORT else None,
        )
        transport = open_transport(reach)
        return Wires(
            recording,
            console,
            transport.radio,
            smp_address=transport.address,
            reads=ProbeReads(effect=ReadEffect.HARMLESS),
        )

    def release(self) -> None:
        """End the program. Never raises."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
        if self._udp_claim is not None:
            self._udp_claim.close()


class NativeSimProcess:
    """The program under guard, and what it prints.

    What it prints goes to the console's pty. A program that booted and ended with status 1 did a
    reset, and is started again; one that ends otherwise is lost, and so is its console then.

    Args:
        name: the unit's name, for messages.
        program: the program.
        work_directory: where it runs; holds its flash file.
        joins_uart: whether its UART is the console, too, instead of a pty of its own.
    """

    def __init__(self, name: str, program: Path, work_directory: Path, *, joins_uart: bool) -> None:
        self._name = name
        self._program = program
        self._work_directory = work_directory
        self._joins_uart = joins_uart
        self._uart = PtyPair()
        self.console_port = self._uart.port
        self._changed = threading.Condition()
        self._guard: subprocess.Popen[bytes] | None = None
        self._watch: threading.Thread | None = None
        self._smp_port: str | None = None
        self._lost_with: int | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the program ended by itself, and not by a reset."""
        return self._lost_with is not None

    def start(self) -> None:
        """Start the program, which must not run. Raises `ProbeError` where it was lost."""
        with self._changed:
            if self._lost_with is not None:
                raise ProbeError(
                    f"The program ended with status {self._lost_with}.",
                    where=f"{self._name}: {self._program}",
                    next_step="Its last words are in the UART log.",
                )
            self._guard = self._spawn()
            self._watch = threading.Thread(
                target=self._watch_runs, args=(self._guard,), name=self._name, daemon=True
            )
            self._watch.start()

    def stop(self) -> None:
        """End the program, if it runs. Never raises."""
        with self._changed:
            running, self._guard = self._guard, None
            watch, self._watch = self._watch, None
            self._smp_port = None
        if running is None or watch is None:
            return
        _end(running)
        deadline = Deadline.after(_CLOSE_TIMEOUT_S)
        watch.join(_READ_OUT_S)
        while watch.is_alive() and not deadline.expired:
            # The thread waits for a console that nobody reads.
            self._uart.discard_unread_output()
            watch.join(_READ_OUT_S)
        _close_pipes(running)
        self._uart.discard_unsent_input()

    def smp_port(self) -> str:
        """The pty that the running program serves SMP on.

        Raises `NotSeenError` where it does not say so in time, or does not run.
        """
        with self._changed:
            if self._guard is None:
                raise NotSeenError(
                    "The program does not run, so it serves no SMP.",
                    where=f"{self._name}: {self._program}",
                    next_step="Start it: dut.reset()",
                )
            if not self._changed.wait_for(lambda: self._smp_port is not None, _PTY_TIMEOUT_S):
                raise NotSeenError(
                    "The program named no pty for SMP.",
                    where=f"{self._name}: {self._program}",
                    next_step="Read the UART log: it prints the pty's name when it starts.",
                )
            assert self._smp_port is not None
            return self._smp_port

    def close(self) -> None:
        """End the program and hang up its console. Never raises."""
        self.stop()
        self._uart.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command_input = self._uart.master if self._joins_uart else subprocess.DEVNULL
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", guard.__file__),
                *("--command-input", str(command_input), "--"),
                *(str(self._program), *(["-uart_stdinout"] if self._joins_uart else [])),
            ],
            cwd=self._work_directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[self._uart.master] if self._joins_uart else [],
            # A session of its own: Ctrl-C ends pytest, which still needs the board to clean up.
            start_new_session=True,
        )

    def _watch_runs(self, running: subprocess.Popen[bytes]) -> None:
        while True:
            booted = self._relay(running)
            status = running.wait()
            with self._changed:
                if self._guard is not running:
                    return
                self._smp_port = None
                if not booted or status != _RESET_STATUS:
                    self._lost_with = status
                    break
                _close_pipes(running)
                try:
                    running = self._guard = self._spawn()
                except OSError:
                    self._lost_with = status
                    break
        _close_pipes(running)
        # Its last words say why it ended.
        self._uart.wait_until_read(Deadline.after(_LAST_WORDS_S))
        # The console sees that its port is gone only when nobody holds the other end any more.
        self._uart.close()

    def _relay(self, running: subprocess.Popen[bytes]) -> bool:
        """Bring what the program prints to the console until it ends; tells whether it booted."""
        assert running.stdout is not None
        head = b""
        while printed := os.read(running.stdout.fileno(), _RELAY_BYTES):
            if _BANNER not in head:
                head += printed
                self._note_smp_port(head, running)
            view = memoryview(printed)
            while view:
                view = view[os.write(self._uart.master, view) :]
        return _BANNER in head

    def _note_smp_port(self, head: bytes, running: subprocess.Popen[bytes]) -> None:
        # The program names its pty before the banner.
        found = _SMP_PTY.search(head)
        if found is None:
            return
        with self._changed:
            if self._guard is running:
                self._smp_port = os.fsdecode(found[1])
                self._changed.notify_all()


def require_32_bit_programs(loader: Path = LOADER) -> None:
    """Raise `RigError` where this machine cannot run 32-bit x86 programs."""
    lack = lack_for_32_bit_programs(loader)
    if lack is None:
        return
    install = f"On Debian or Ubuntu: sudo apt install {PACKAGES}"
    raise RigError(
        "32-bit programs do not run here, and Zephyr's native_sim is one.",
        where=lack.found,
        next_step=install if lack.is_in_packages else "Use another board: qemu_cortex_m0",
    )


def _variant_of(board: BoardType) -> NativeSimVariant:
    match board.firmware.build:
        case "native_sim_serial":
            return "serial"
        case "native_sim_udp":
            return "udp"
        case "native_sim_shell":
            return "shell"
        case "qemu_cortex_m0" | "mps2_an385" | None:
            raise RigError(
                f"firmware.build = {board.firmware.build!r} is no native_sim program.",
                where=f"the board file of {board.name}",
                next_step="Use native_sim_serial, native_sim_udp or native_sim_shell.",
            )
        case _:
            assert_never(board.firmware.build)


def _claim_udp_port(name: str) -> socket.socket:
    """Wait until this unit may have the port; the claim ends when the socket is closed."""
    deadline = Deadline.after(_UDP_WAIT_S)
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    while True:
        try:
            # An abstract name: it vanishes with its owner, even where that is killed.
            claim.bind(f"\0nrf-fota-udp-{UDP_PORT}")
            break
        except OSError as error:
            if deadline.expired:
                claim.close()
                raise _udp_port_taken(name, "another native_sim process holds it") from error
            threading.Event().wait(_UDP_POLL_S)
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            try:
                trial.bind(("", UDP_PORT))
                return claim
            except OSError as error:
                if deadline.expired:
                    claim.close()
                    raise _udp_port_taken(name, str(error)) from error
        threading.Event().wait(_UDP_POLL_S)


def _udp_port_taken(name: str, reason: str) -> RigError:
    return RigError(
        f"UDP port {UDP_PORT} is not free: {reason}",
        where=f"{name}, waited {_UDP_WAIT_S:g} s",
        next_step="The program can use no other port; end whatever uses it.",
    )


def _end(running: subprocess.Popen[bytes]) -> None:
    assert running.stdin is not None
    with contextlib.suppress(OSError):
        running.stdin.close()
    try:
        running.wait(_CLOSE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        # Only when the host stands still; the guard is told to kill what it guards.
        running.terminate()


def _close_pipes(ended: subprocess.Popen[bytes]) -> None:
    for pipe in (ended.stdin, ended.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
