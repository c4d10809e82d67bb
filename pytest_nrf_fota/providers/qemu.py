"""A unit that is QEMU: real Zephyr and real MCUboot without hardware.

POSIX only: pty, Unix sockets.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nrf_fota import guard
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ProbeError, RigError
from pytest_nrf_fota.probe.qemu import QemuFlash
from pytest_nrf_fota.probe.read_effect import ProbeReads, ReadEffect
from pytest_nrf_fota.probe.recording import RecordingProbe
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.providers.pty_pair import PtyPair
from pytest_nrf_fota.providers.qemu_faults import QemuFaults
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.transport import Reach, open_transport

if TYPE_CHECKING:
    from pytest_nrf_fota.probe.qmp import QmpMonitor

_START_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = guard.TERMINATE_GRACE_S + 3.0
_OUTPUT_TAIL_CHARS = 600


@dataclass(frozen=True)
class QemuMachine:
    """What QEMU emulates. The defaults are Zephyr's board `qemu_cortex_m0`.

    `executable` is a name on PATH or a path. Flash as in QEMU's nRF51: 256 KiB in pages of 1 KiB.
    The SMP lines are explained in smp/serial_over_console.py. `log_uart` and `smp_uart` count the
    machine's UARTs from 0; they are the same one where log and SMP share it.
    """

    executable: str = "qemu-system-arm"
    machine: str = "microbit"
    cpu: str = "cortex-m0"
    flash: tuple[QemuFlash, ...] = (QemuFlash(),)
    baudrate: int = 115200
    log_uart: int = 0
    smp_uart: int = 0
    smp_line_length_bytes: int = 128
    smp_line_buffers: int = 2


class QemuUnit:
    """One QEMU process as a board: SWD through GDB and QMP, UART on a pty, SMP on that UART.

    The process starts with the first `open_wires` and lives until `release`, so that its flash
    outlives them as a board's does. A process that ended in between is replaced by a new one,
    whose flash is blank. Nothing runs before the probe's first `reset`.

    Whoever uses the radio must wait for the app's boot line after every reset, before the first
    SMP byte is sent: six bytes that arrive earlier kill the board's UART receiver until the next
    reset.

    Args:
        board: the board type.
        name: what people call the unit.
        machine: what QEMU emulates.
        work_directory: gets `qemu.log` (QEMU's own output) and `uart.log` (the raw UART).
    """

    def __init__(
        self, board: BoardType, name: str, machine: QemuMachine, work_directory: Path
    ) -> None:
        self._board = board
        self._name = name
        self._machine = machine
        self._work_directory = work_directory
        self._process: _QemuProcess | None = None

    @property
    def name(self) -> str:
        """What people call this unit."""
        return self._name

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Start QEMU if it does not run, and open the interfaces to it.

        Raises:
            RigError: QEMU is not installed or does not start.
            ConsoleLostError: the UART's pty cannot be opened.
        """
        from pytest_nrf_fota.probe.qemu import QemuProbe
        from pytest_nrf_fota.smp.serial_over_console import SmpFrameRouter

        if self._process is not None and not self._process.alive:
            self.release()
        if self._process is None:
            self._process = _QemuProcess(self._name, self._machine, self._work_directory)
        process = self._process
        frames = SmpFrameRouter()
        smp_shares_console = self._machine.smp_uart == self._machine.log_uart
        console = Console(
            process.uarts[self._machine.log_uart].port,
            baudrate=self._machine.baudrate,
            raw_log_path=self._work_directory / "uart.log",
            recorder=recorder,
            on_smp_frame=frames.deliver if smp_shares_console else None,
        )
        smp_port = None
        if not smp_shares_console:
            try:
                smp_port = Console(
                    process.uarts[self._machine.smp_uart].port,
                    baudrate=self._machine.baudrate,
                    raw_log_path=self._work_directory / "uart_smp.log",
                    recorder=recorder,
                    on_smp_frame=frames.deliver,
                )
            except BaseException:
                console.close()
                raise
        probe = QemuProbe(
            monitor=process.monitor,
            gdb_socket=process.gdb_socket,
            scratch_directory=process.scratch_directory,
            machine=self._machine.machine,
            unit=self._name,
            flash=self._machine.flash,
            discard_unsent_input=process.discard_unsent_uart_input,
        )
        reach = Reach(
            self._board,
            console,
            recorder,
            frames,
            smp_port=smp_port,
            line_length_bytes=self._machine.smp_line_length_bytes,
            line_buffers=self._machine.smp_line_buffers,
        )
        transport = open_transport(reach)
        return Wires(
            probe=RecordingProbe(probe, recorder),
            console=console,
            radio=transport.radio,
            smp_port=smp_port,
            smp_address=transport.address,
            faults=QemuFaults(probe, recorder),
            reads=ProbeReads(effect=ReadEffect.HARMLESS),
        )

    def release(self) -> None:
        """End QEMU; its flash is gone. Never raises."""
        process, self._process = self._process, None
        if process is not None:
            process.close()


class _QemuProcess:
    """A running QEMU under guard, its CPU stopped, with an open QMP connection."""

    def __init__(self, name: str, machine: QemuMachine, work_directory: Path) -> None:
        deadline = Deadline.after(_START_TIMEOUT_S)
        executable = _find_qemu(machine.executable)
        work_directory.mkdir(parents=True, exist_ok=True)
        output_log = work_directory / "qemu.log"
        # Not in work_directory: the path of a Unix socket may be about 100 characters long.
        self.scratch_directory = Path(tempfile.gettempdir()) / f"nrf-fota-{uuid.uuid4().hex[:12]}"
        self.gdb_socket = self.scratch_directory / "gdb"
        # QMP comes as an open descriptor: no port or path to race for, and the greeting tells
        # when QEMU is up, the end of the stream that it could not start.
        monitor_end, qemu_end = socket.socketpair()
        # A pty of our own instead of QEMU's: QEMU looks only once a second whether someone has
        # opened its pty, and its unread input cannot be dropped from outside.
        last_uart = max(machine.log_uart, machine.smp_uart)
        self.uarts = tuple(PtyPair() for _ in range(last_uart + 1))
        with output_log.open("ab") as output:
            output_begin = output.tell()
            self._guard = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", guard.__file__),
                    *("--scratch-directory", str(self.scratch_directory), "--"),
                    *(executable, "-machine", machine.machine, "-cpu", machine.cpu),
                    *("-name", name.replace(",", ",,")),
                    *("-display", "none", "-monitor", "none", "-S"),
                    # One thread for CPU and devices: UART bytes cost less (1.6 times on mps2).
                    *("-accel", "tcg,thread=single"),
                    *("-gdb", f"unix:{self.gdb_socket},server=on,wait=off"),
                    *("-chardev", f"socket,id=qmp,fd={qemu_end.fileno()}"),
                    *("-mon", "chardev=qmp,mode=control"),
                    *_uart_arguments(self.uarts),
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[qemu_end.fileno(), *(uart.master for uart in self.uarts)],
                # A session of its own: Ctrl-C ends pytest, which still needs the board to clean up.
                start_new_session=True,
            )
        qemu_end.close()
        self._end_watch = threading.Thread(
            target=self._hang_up_at_the_end, name=f"qemu {name}", daemon=True
        )
        self._end_watch.start()
        try:
            self.monitor = _connect(monitor_end, name, deadline)
        except BaseException as error:
            self._end_guard()
            if isinstance(error, ProbeError):
                raise RigError(
                    f"QEMU did not start: {error.what}",
                    where=f"{name}, {output_log}: {_tail(output_log, output_begin)}",
                    next_step=f"Run `{machine.executable} -machine help` by hand.",
                ) from error
            raise

    @property
    def alive(self) -> bool:
        """Whether QEMU still runs."""
        return self._guard.poll() is None

    def discard_unsent_uart_input(self) -> None:
        """Drop what was written to the UARTs and has not reached QEMU."""
        for uart in self.uarts:
            uart.discard_unsent_input()

    def close(self) -> None:
        """End QEMU. Never raises."""
        self.monitor.close()
        self._end_guard()

    def _end_guard(self) -> None:
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.close()
        try:
            self._guard.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Only when the host stands still; the guard is told to kill what it guards.
            self._guard.terminate()
        self._end_watch.join(_CLOSE_TIMEOUT_S)

    def _hang_up_at_the_end(self) -> None:
        # The console sees that its port is gone only when nobody holds the other end any more.
        self._guard.wait()
        for uart in self.uarts:
            uart.close()


def _uart_arguments(uarts: Sequence[PtyPair]) -> list[str]:
    arguments: list[str] = []
    for number, uart in enumerate(uarts):
        arguments += ["-add-fd", f"fd={uart.master},set={number + 1}"]
        arguments += ["-chardev", f"serial,id=uart{number},path=/dev/fdset/{number + 1}"]
        arguments += ["-serial", f"chardev:uart{number}"]
    return arguments


def _find_qemu(executable: str) -> str:
    if os.name != "posix":
        raise RigError(
            "The QEMU board needs Linux or macOS: it uses a pty and Unix sockets.",
            where=sys.platform,
            next_step="Use WSL, or another board.",
        )
    found = shutil.which(executable)
    if found is None:
        raise RigError(
            f"{executable} is not installed.",
            where="PATH",
            next_step=(
                "Install the Debian or Ubuntu package `qemu-system-arm`, or with Homebrew `qemu`."
            ),
        )
    return found


def _connect(connection: socket.socket, name: str, deadline: Deadline) -> "QmpMonitor":
    from pytest_nrf_fota.probe.qmp import QmpMonitor

    return QmpMonitor(connection, deadline, where=name)


def _tail(output_log: Path, begin: int) -> str:
    with output_log.open("rb") as log:
        log.seek(begin)
        text = log.read().decode(errors="replace")
    return re.sub(r"\s+", " ", text).strip()[-_OUTPUT_TAIL_CHARS:] or "no output"
