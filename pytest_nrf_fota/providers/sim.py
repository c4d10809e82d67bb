"""Units that are virtual kits: a process each, and wires into it. POSIX only."""

import contextlib
import json
import selectors
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.execution import Execution, require_unicorn
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.passkey import passkey_source
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardFileError, ProbeError, RigError
from pytest_nrf_fota.firmware.mcuboot_mode import app_of, mcuboot_of
from pytest_nrf_fota.probe.read_effect import ProbeReads
from pytest_nrf_fota.probe.recording import RecordingProbe
from pytest_nrf_fota.providers.connection_memory import ConnectionMemory
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.providers.sim_faults import SimFaults
from pytest_nrf_fota.record.events import Moment
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.sim.client import (
    KitControl,
    KitNotModelledError,
    KitPort,
    KitRefusedError,
    KitUnreachableError,
)
from pytest_nrf_fota.sim.control import Addresses
from pytest_nrf_fota.sim.slot_map import slot_map_of
from pytest_nrf_fota.smp.bonds import bonds_in_memory
from pytest_nrf_fota.smp.host_radio import HciController, HostRadio
from pytest_nrf_fota.smp.pairing import HostPairing
from pytest_nrf_fota.smp.serial_over_console import SmpFrameRouter
from pytest_nrf_fota.smp.transport import Reach, open_transport
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind

if TYPE_CHECKING:
    from bumble.keys import KeyStore

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_STATE_TIMEOUT_S = 5.0


class ModelledBootWarning(UserWarning):
    """A virtual kit that executes bootloaders let a model boot, as its board file allows."""


class SimProbe:
    """The SWD wire of a virtual kit: its debug port.

    Args:
        control: the kit.
        unit_name: for messages.
        soc: the chip.
        watches_boots: warns at the end of boots that a model did instead of the machine code.
    """

    def __init__(
        self, control: KitPort, unit_name: str, soc: Soc, *, watches_boots: bool = False
    ) -> None:
        self._control = control
        self._unit_name = unit_name
        self._soc = soc
        self._watches_boots = watches_boots
        self._boots_before = len(self._modelled_boots())

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify the kit."""
        with self._errors("identify"):
            self._control.state(deadline)
        return ProbeInfo("sim", self._unit_name, f"{self._soc.title} (virtual)", "1")

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core."""
        with self._errors(f"recover the {core.value} core"):
            self._control.recover(core.value, deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Program a hex file."""
        with self._errors(f"program {hex_file}"):
            self._control.program(str(hex_file.resolve()), deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash."""
        with self._errors("erase the external flash"):
            self._control.erase_external(deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory."""
        with self._errors(f"read 0x{address:x}"):
            return self._control.read(address, size_bytes, deadline)

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let the kit's cores go on, both of which a read halts."""
        with self._errors(f"resume the {core.value} core"):
            self._control.resume(core.value, deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the kit."""
        with self._errors("reset"):
            self._control.reset(kind.value, deadline)

    def close(self) -> None:
        """Let go of the kit."""
        boots = self._modelled_boots()[self._boots_before :]
        self._control.close()
        if boots:
            often = "once" if len(boots) == 1 else f"in {len(boots)} boots"
            warnings.warn(
                ModelledBootWarning(
                    f"{self._unit_name}: the bootloaders were not executed to their end {often}, "
                    f'and the model booted instead (execution = "else_model"): {boots[0]}'
                ),
                stacklevel=2,
            )

    def _modelled_boots(self) -> tuple[str, ...]:
        if not self._watches_boots:
            return ()
        # What ends the kit is told elsewhere.
        with contextlib.suppress(KitUnreachableError, KitRefusedError):
            return self._control.state(Deadline.after(_STATE_TIMEOUT_S)).modelled_boots
        return ()

    @contextlib.contextmanager
    def _errors(self, operation: str) -> Iterator[None]:
        try:
            yield
        except KitNotModelledError as error:
            raise ProbeError(
                f"{error}.",
                where=self._unit_name,
                next_step="Nobody knows what the board would do. Run this build on a board that "
                'models its bootloaders: execution = "off" under [sim] in a board file of your '
                'own; with execution = "else_model" what can be executed is.',
            ) from error
        except KitRefusedError as error:
            raise ProbeError(
                f"The kit refused to {operation}: {error}",
                where=self._unit_name,
                next_step="Recover the kit first; UICR is cleared only by a recover.",
            ) from error
        except KitUnreachableError as error:
            raise ProbeError(
                f"The kit did not {operation}: {error}",
                where=self._unit_name,
                next_step="Its process is gone or hangs; see kit.log in the run folder.",
            ) from error


class SimUnit:
    """One virtual kit, running from construction until `release`.

    The kit's process ends when its standard input does, so it is gone even when this process is
    killed. Where it has ended by itself, `open_wires` starts a new one, with empty memories.

    Args:
        board: the board type.
        name: the unit's name.
        log_folder: gets the UART's raw bytes and the kit's own log.
        radio: another radio than the kit's own HCI socket, where somebody has put that on the air.

    Raises:
        RigError: the process does not start.
    """

    def __init__(
        self, board: BoardType, name: str, log_folder: Path, radio: HostRadio | None = None
    ) -> None:
        self.name = name
        self._radio = radio
        self._board = board
        self._log_folder = log_folder
        log_folder.mkdir(parents=True, exist_ok=True)
        self._kit_log = (log_folder / "kit.log").open("ab")
        self._process = self._start()
        self._addresses: Addresses | None = None
        self._bonds: KeyStore | None = None
        self._connection_memory = ConnectionMemory()
        self._reads = ProbeReads()
        try:
            self._addresses = self._read_addresses(Deadline.after(_START_TIMEOUT_S))
        except BaseException:
            self.release()
            raise

    @property
    def pid(self) -> int:
        """Process id of the kit."""
        return self._process.pid

    @property
    def vcoms(self) -> tuple[str, ...]:
        """Ports of the cores' UARTs in a kit's order: the application core's comes last."""
        ports = (self._running.net_uart, self._running.app_uart)
        return tuple(port for port in ports if port)

    @property
    def smp_vcom(self) -> str:
        """Port that carries nothing but SMP; whatever number the board file gives it."""
        return self._running.smp_uart

    @property
    def hci(self) -> str:
        """bumble's name of the transport to the kit's HCI socket."""
        return self._running.hci

    @property
    def control_address(self) -> str:
        """Path of the kit's control socket, for `KitControl`."""
        return self._running.control

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Open control socket, UART and radio."""
        if self._process.poll() is not None and self._radio is None:
            self._start_anew(recorder)
        try:
            control = KitControl(self._running.control)
        except KitUnreachableError as error:
            raise ProbeError(
                f"The virtual kit is gone: {error}",
                where=self.name,
                next_step=f"See {self._log_folder / 'kit.log'}.",
            ) from error
        sim = self._board.sim
        may_model = sim is not None and sim.execution is Execution.ELSE_MODEL
        sim_probe = SimProbe(control, self.name, self._board.soc, watches_boots=may_model)
        probe = RecordingProbe(sim_probe, recorder)
        frames = SmpFrameRouter()
        needs = self._board.reached_by.needs
        try:
            console = Console(
                self._running.app_uart,
                baudrate=self._board.console.baudrate,
                raw_log_path=self._log_folder / "uart.log",
                recorder=recorder,
                reopen_timeout_s=self._board.console.reopen_s,
                on_smp_frame=frames.deliver if needs is Interface.CONSOLE else None,
            )
        except BaseException:
            probe.close()
            raise
        try:
            network_console = self._network_console(recorder)
        except BaseException:
            console.close()
            probe.close()
            raise
        smp_port: Console | None = None
        if needs is Interface.SMP_PORT:
            try:
                smp_port = self._open_smp_port(frames, recorder)
            except BaseException:
                if network_console is not None:
                    network_console.close()
                console.close()
                probe.close()
                raise
        reach = Reach(
            self._board,
            console,
            recorder,
            frames,
            smp_port=smp_port,
            host_radio=self._radio or HciController(self._running.hci),
            pairing=partial(self._pairing, console, recorder.secrets),
        )
        transport = open_transport(reach)
        return Wires(
            probe,
            console,
            transport.radio,
            smp_port=smp_port,
            smp_address=transport.address,
            network_console=network_console,
            faults=SimFaults(control, self._board.slots, recorder),
            connection_memory=self._connection_memory,
            reads=self._reads,
        )

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "pytest_nrf_fota.sim", kit_settings_json(self._board)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._kit_log,
        )

    def _start_anew(self, recorder: FlightRecorder) -> None:
        """A kit that was killed costs one test: the next one gets a fresh kit."""
        status = self._process.returncode
        recorder.record(
            Moment(name=f"the virtual kit had ended ({status}): a fresh one is started")
        )
        self._end_process()
        self._bonds, self._connection_memory = None, ConnectionMemory()
        self._reads = ProbeReads()
        self._process, self._addresses = self._start(), None
        self._addresses = self._read_addresses(Deadline.after(_START_TIMEOUT_S))

    def _open_smp_port(self, frames: SmpFrameRouter, recorder: FlightRecorder) -> Console:
        return Console(
            self._running.smp_uart,
            baudrate=self._board.console.baudrate,
            raw_log_path=self._log_folder / "uart_smp.log",
            recorder=recorder,
            reopen_timeout_s=self._board.console.reopen_s,
            on_smp_frame=frames.deliver,
        )

    def _network_console(self, recorder: FlightRecorder) -> Console | None:
        if not self._running.net_uart:
            return None
        return Console(
            self._running.net_uart,
            baudrate=self._board.console.baudrate,
            raw_log_path=self._log_folder / "uart_network.log",
            recorder=recorder,
            reopen_timeout_s=self._board.console.reopen_s,
            is_network_core=True,
        )

    def release(self) -> None:
        """End the kit's process."""
        self._end_process()
        self._kit_log.close()

    def _end_process(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        if self._addresses is not None:
            # A kit that was killed could not remove its sockets itself.
            shutil.rmtree(Path(self._addresses.control).parent, ignore_errors=True)

    def _pairing(self, console: Console, secrets: Secrets) -> HostPairing:
        # The kit keeps its half of a bond as long, unless it is recovered.
        self._bonds = self._bonds or bonds_in_memory(secrets.add_bytes)
        settings = self._board.radio
        return HostPairing(settings.pairing, passkey_source(console, settings), self._bonds)

    @property
    def _running(self) -> Addresses:
        assert self._addresses is not None, "construction fails where the kit does not start"
        return self._addresses

    def _read_addresses(self, deadline: Deadline) -> Addresses:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ready = selector.select(deadline.remaining_s)
        line = self._process.stdout.readline() if ready else b""
        try:
            return Addresses.model_validate_json(line)
        except ValidationError as error:
            log = self._log_folder / "kit.log"
            last_words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            raise RigError(
                f"The virtual kit's process did not start: {' '.join(last_words) or 'no output'}",
                where=str(log),
                next_step="Run `nrf-fota sim` by hand, and read the log.",
            ) from error


def kit_settings_json(board: BoardType) -> str:
    """The settings of a virtual kit of this board type, as its process takes them.

    Raises `BoardFileError` where the board file lacks what a kit needs.
    """
    if board.sim is None:
        raise BoardFileError(
            "A virtual kit needs [sim].",
            where=board.name,
            next_step='Start the board file from the virtual kit: base = "nrf5340dk_sim".',
        )
    if board.executes_bootloaders:
        require_unicorn(board.name)
    sectors = board.boot.max_image_sectors
    settings = {
        **({} if sectors is None else {"max_sectors": sectors}),
        "slots": asdict(slot_map_of(board)),
        "soc": board.soc.name,
        "external_flash_bytes": board.external_flash_bytes,
        "ncs": board.boot.ncs,
        "rollback_protection": board.boot.rollback_protection,
        "speed": None if board.sim.speed == "max" else board.sim.speed,
        "identity_address": board.sim.identity_address,
        "keep_last_line": board.sim.keep_last_line,
        "reads_halt": board.sim.reads_halt,
        "execution": board.sim.execution.value,
        "link": {
            "interval_s": board.sim.link.interval_ms / 1000,
            "phy_mbit_s": board.sim.link.phy_mbit_s,
            "pdus_per_event": board.sim.link.pdus_per_event,
        },
        "assumed": {
            "mcuboot": mcuboot_of(board).model_dump(),
            "app": app_of(board).model_dump(),
        },
        "flash_device": board.external_flash.shell_device if board.external_flash else None,
    }
    return json.dumps(settings)
