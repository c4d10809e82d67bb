"""Open the interfaces of an attached kit: its consoles among its serial ports, and a radio."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.console.passkey import passkey_source
from pytest_nrf_fota.console.port_holder import require_free
from pytest_nrf_fota.console.port_presence import wait_for_port
from pytest_nrf_fota.console.ports import AttachedKit, Vcom, plain_serial_number
from pytest_nrf_fota.console.vcom_choice import (
    VcomChoice,
    VcomMemory,
    choose_vcom,
    given_vcom,
    shows_own_boot,
)
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError
from pytest_nrf_fota.findings.probe_faults import CURED_BY_RECOVERY
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.providers.connection_memory import ConnectionMemory
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.smp.bonds import bonds_in_memory
from pytest_nrf_fota.smp.host_radio import HciController, HostBluetooth, HostRadio
from pytest_nrf_fota.smp.pairing import HostPairing
from pytest_nrf_fota.smp.serial_over_console import SmpFrameRouter
from pytest_nrf_fota.smp.transport import Reach, open_transport
from pytest_nrf_fota.wires.probe import Probe

if TYPE_CHECKING:
    from bumble.keys import KeyStore


def kit_with_serial_number(serial_number: str, kits: Sequence[AttachedKit]) -> AttachedKit:
    """The kit of this J-Link serial number, with or without leading zeros, among `attached_kits`.

    Raises `ConsoleLostError` where it has no serial port.
    """
    wanted = plain_serial_number(serial_number)
    for kit in kits:
        if kit.serial_number == wanted:
            return kit
    listed = ", ".join(kit.serial_number for kit in kits) or "none"
    raise ConsoleLostError(
        f"The kit {serial_number} has no serial port here.",
        where=f"J-Links with serial ports: {listed}",
        next_step="Is it plugged in and on, are its virtual COM ports enabled (J-Link Commander, "
        "`VCOM enable`), and, in a container, are /dev/ttyACM* passed through?",
    )


def own_lines(board: BoardType) -> tuple[str, ...]:
    """Lines of a boot that only the application core prints."""
    boot = board.boot
    lines = (boot.app_ready, boot.bootloader_version)
    return tuple(line for line in lines if line is not None)


def vcom_memory() -> VcomMemory:
    """What was found out about kits before, in the user's cache folder."""
    return VcomMemory(user_cache_path("pytest-nrf-fota") / "vcom")


class KitWires:
    """Opens an attached kit's interfaces for one test after another.

    Args:
        board: the board type.
        kit: the kit and its serial ports.
        log_folder: gets the UARTs' raw bytes.
        radio: which radio of this host; None is the host's Bluetooth.
        memory: which port is the application core's, from earlier sessions.

    Raises:
        ConsoleLostError: the kit has no such port as SMP is to use, or none beside it.
    """

    def __init__(
        self,
        board: BoardType,
        kit: AttachedKit,
        log_folder: Path,
        radio: HostRadio | None,
        memory: VcomMemory,
    ) -> None:
        self._board = board
        self._kit, self._smp_vcom = _divided(kit, board)
        self._log_folder = log_folder
        self._radio = radio or HostBluetooth()
        self._memory = memory
        self._connection_memory = ConnectionMemory()
        self._bonds: KeyStore | None = None
        self._last: tuple[VcomChoice, Wires] | None = None

    def open(self, probe: Probe, recorder: FlightRecorder) -> Wires:
        """Open the consoles and the radio; `probe` is open and part of what is returned.

        Raises `RigError` where a port cannot be had. The probe stays open then.
        """
        self._check_last_choice()
        choice = self._choose(probe)
        frames = SmpFrameRouter()
        shares_console = self._board.reached_by.needs is Interface.CONSOLE
        with contextlib.ExitStack() as opened:
            console = self._console(
                choice.application,
                "uart.log",
                recorder,
                on_smp_frame=frames.deliver if shares_console else None,
            )
            opened.callback(console.close)
            network = self._network_console(choice, recorder)
            if network is not None:
                opened.callback(network.close)
            smp_port: Console | None = None
            if self._smp_vcom is not None:
                smp_port = self._console(
                    self._smp_vcom, "uart_smp.log", recorder, on_smp_frame=frames.deliver
                )
                opened.callback(smp_port.close)
            reach = Reach(
                self._board,
                console,
                recorder,
                frames,
                smp_port=smp_port,
                host_radio=self._radio,
                pairing=partial(self._pairing, console, recorder.secrets),
            )
            transport = open_transport(reach)
            wires = Wires(
                probe,
                console,
                transport.radio,
                smp_port=smp_port,
                smp_address=transport.address,
                network_console=network,
                console_doubt=choice.doubt,
                connection_memory=self._connection_memory,
            )
            opened.pop_all()
        self._last = choice, wires
        return wires

    def _choose(self, probe: Probe) -> VcomChoice:
        if self._board.console.port is not None:
            return given_vcom(self._kit, self._board.console.port)
        return choose_vcom(
            self._kit,
            own_lines=own_lines(self._board),
            baudrate=self._board.console.baudrate,
            reset=lambda: self.starts(probe),
            listen_s=self._board.timeouts.boot_s,
            reopen_s=self._board.console.reopen_s,
            memory=self._memory,
        )

    def starts(self, probe: Probe) -> bool:
        """Reset the kit; False where its access port is closed, until `prepare` recovers it."""
        try:
            probe.reset(self._board.probe.reset, Deadline.after(self._board.timeouts.probe_s))
        except ProbeFaultError as error:
            if error.fault not in CURED_BY_RECOVERY:
                raise
            return False
        return True

    def _check_last_choice(self) -> None:
        """Forget a choice where the other port showed the boot, and remember one that held."""
        if self._last is None or self._last[0].how == "given":
            return
        choice, wires = self._last
        lines = own_lines(self._board)
        if shows_own_boot(_text(wires.console), lines):
            self._memory.remember(self._kit, choice.application)
        elif wires.network_console and shows_own_boot(_text(wires.network_console), lines):
            self._memory.forget(self._kit)

    def _console(
        self,
        vcom: Vcom,
        log_name: str,
        recorder: FlightRecorder,
        *,
        is_network_core: bool = False,
        on_smp_frame: Callable[[bytes], None] | None = None,
    ) -> Console:
        wait_for_port(vcom.name, Deadline.after(self._board.console.reopen_s))
        require_free(vcom.name)
        return Console(
            vcom.name,
            baudrate=self._board.console.baudrate,
            raw_log_path=self._log_folder / log_name,
            recorder=recorder,
            reopen_timeout_s=self._board.console.reopen_s,
            is_network_core=is_network_core,
            on_smp_frame=on_smp_frame,
        )

    def _network_console(self, choice: VcomChoice, recorder: FlightRecorder) -> Console | None:
        # The first port was the network core's on all versions of the nRF5340 DK.
        if self._board.soc.network is None or not choice.others:
            return None
        return self._console(choice.others[0], "uart_network.log", recorder, is_network_core=True)

    def _pairing(self, console: Console, secrets: Secrets) -> HostPairing:
        if isinstance(self._radio, HciController) and self._bonds is None:
            # The kit keeps its half of a bond as long, unless it is recovered.
            self._bonds = bonds_in_memory(secrets.add_bytes)
        settings = self._board.radio
        source = passkey_source(console, settings)
        return HostPairing(settings.pairing, source, self._bonds)


def _divided(kit: AttachedKit, board: BoardType) -> tuple[AttachedKit, Vcom | None]:
    """The kit without the port that SMP has for itself, and that port."""
    smp_vcom = board.radio.vcom
    if smp_vcom is None:
        return kit, None
    listed = ", ".join(f"{number} {vcom.device}" for number, vcom in enumerate(kit.vcoms))
    needed = 2 if board.console.port is None else 1
    if smp_vcom >= len(kit.vcoms) or len(kit.vcoms) < needed:
        raise ConsoleLostError(
            f"The kit {kit.serial_number} has no serial port number {smp_vcom} for SMP besides "
            "its console.",
            where=f"radio.vcom in the board file; the kit's ports: {listed or 'none'}",
            next_step="Name another port in radio.vcom, or send SMP over the console's UART: "
            'radio.kind = "serial_over_console".',
        )
    rest = tuple(vcom for number, vcom in enumerate(kit.vcoms) if number != smp_vcom)
    return replace(kit, vcoms=rest), kit.vcoms[smp_vcom]


def _text(console: Console) -> str:
    return console.text_since(LogPosition(0))
