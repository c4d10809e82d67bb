"""Kits on USB: which one is meant, its probe through a vendor's tool, its ports, a radio.

The probe is contacted once before a port is opened: at its first contact it may update its
firmware, for which it leaves the USB and comes back, and its ports with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.console.port_presence import kit_with_its_ports
from pytest_nrf_fota.console.ports import AttachedKit, attached_kits, plain_serial_number
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.findings.probe_faults import CURED_BY_RECOVERY
from pytest_nrf_fota.probe.choose import (
    ChosenTool,
    choose_tool,
    listed_probes,
    open_listed_probe,
    open_probe,
    pick_probe,
)
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.probe.once_more import OnceMoreProbe
from pytest_nrf_fota.probe.read_effect import ProbeReads, read_effect_memory, tool_on_chip
from pytest_nrf_fota.probe.recording import RecordingProbe, tool_recorder
from pytest_nrf_fota.providers.kit_wires import KitWires, kit_with_serial_number, vcom_memory
from pytest_nrf_fota.providers.provider import Unit, Wires
from pytest_nrf_fota.record.events import ProbeRetried
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.adapter_check import require_adapter
from pytest_nrf_fota.smp.host_radio import HostRadio
from pytest_nrf_fota.wires.probe import Probe


class UsbUnit:
    """One attached kit; nothing of it is held between two tests.

    Args:
        name: its J-Link serial number.
        probe: its probe.
        wires: opens its other wires.
        tool: drives the probe; its calls are recorded.
        reads: what is known of the probe's reads.
        retried: what was done twice before there was a recorder.
    """

    def __init__(
        self,
        name: str,
        probe: Probe,
        wires: KitWires,
        tool: ChosenTool,
        reads: ProbeReads,
        retried: Sequence[ProbeRetried] = (),
    ) -> None:
        self.name = name
        self._probe = probe
        self._wires = wires
        self._reads = reads
        self._retried = list(retried)
        self._command = tool.found.command

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Open the consoles and the radio. Raises `RigError`."""
        if self._command is not None:
            self._command.observe(tool_recorder(recorder))
        while self._retried:
            recorder.record(self._retried.pop(0))
        probe = OnceMoreProbe(
            self._probe, lambda operation, error: recorder.record(_retried(operation, error))
        )
        wires = self._wires.open(RecordingProbe(probe, recorder), recorder)
        return replace(wires, reads=self._reads)

    def check(self, recorder: FlightRecorder, *, with_radio: bool) -> None:
        """Reset the kit, open and close its ports, and its radio's adapter. Raises `RigError`."""
        wires = self._wires.open(self._probe, recorder)
        try:
            self._wires.starts(self._probe)
            if with_radio:
                require_adapter(wires.radio)
        finally:
            wires.close()

    def release(self) -> None:
        """Let go of the probe."""
        self._probe.close()


def listed_kits(
    board: BoardType, look: Callable[[], Sequence[AttachedKit]] = attached_kits
) -> tuple[AttachedKit, ...]:
    """The kits that are there, by serial number; one may have no port if its console is elsewhere.

    Raises `RigError` where the probe's tool has to be asked for those, and does not answer.
    """
    kits = {kit.serial_number: kit for kit in look()}
    if board.console.port is not None:
        deadline = Deadline.after(board.timeouts.probe_s)
        listed = listed_probes(board.probe.runner, deadline, board.probe.ssh_host)
        for number in map(plain_serial_number, listed):
            kits.setdefault(number, AttachedKit(number, ()))
    return tuple(kits[number] for number in sorted(kits))


def find_kit(
    board: BoardType,
    log_folder: Path,
    device_id: str | None,
    radio: HostRadio | None = None,
    look: Callable[[], Sequence[AttachedKit]] = attached_kits,
    recorder: FlightRecorder | None = None,
) -> Unit:
    """The attached kit, or the one with serial number `device_id`, once its probe was contacted.

    The board's `timeouts.probe_s`, which is `--flash-timeout`, is the limit for all of it: to find
    a tool, for the probe's first answer, for its ports to be there.

    Args:
        board: the board type.
        log_folder: gets the UARTs' raw bytes and the parts of hex files.
        device_id: serial number with or without leading zeros; None takes the only kit.
        radio: this host's radio; None takes the host's Bluetooth.
        look: lists the attached kits.
        recorder: gets the tool's calls from the first one on.

    Raises:
        RigError: none is attached, several are and none was asked for, no tool drives its probe, it
            does not answer, or its ports stay away.
    """
    deadline = Deadline.after(board.timeouts.probe_s)
    log_folder.mkdir(parents=True, exist_ok=True)
    find = _by_its_ports if board.console.port is None else _by_its_probe
    kit, tool, probe = find(board, log_folder, device_id, look(), deadline, recorder)
    retried: list[ProbeRetried] = []
    _contact(
        OnceMoreProbe(probe, lambda operation, error: retried.append(_retried(operation, error))),
        deadline,
    )
    if kit.vcoms:
        kit = kit_with_its_ports(kit, look, deadline, settle_s=board.console.reopen_s)
    wires = KitWires(board, kit, log_folder, radio, vcom_memory())
    reads = ProbeReads(tool_on_chip(tool.found.version, board.soc), read_effect_memory())
    return UsbUnit(kit.serial_number, probe, wires, tool, reads, retried)


def _by_its_ports(
    board: BoardType,
    log_folder: Path,
    device_id: str | None,
    attached: Sequence[AttachedKit],
    deadline: Deadline,
    recorder: FlightRecorder | None,
) -> tuple[AttachedKit, ChosenTool, Probe]:
    if not attached:
        twin = (
            f" Without hardware, run on the virtual kit: --board {board.simulated_twin}"
            if board.simulated_twin
            else ""
        )
        raise RigError(
            f"No {board.title} is attached.",
            where="USB: no serial port of a SEGGER J-Link (vendor 1366)",
            next_step="Plug in a kit and switch it on. A probe without serial ports needs "
            f"--console-port, or console.port in the board file.{twin}",
        )
    serial_number = pick_probe(
        [kit.serial_number for kit in attached], device_id, where="USB: serial ports of J-Links"
    )
    kit = kit_with_serial_number(serial_number, attached)
    tool = _tool(board, deadline, recorder)
    return kit, tool, open_probe(tool, serial_number, log_folder / "probe", board.soc, deadline)


def _by_its_probe(
    board: BoardType,
    log_folder: Path,
    device_id: str | None,
    attached: Sequence[AttachedKit],
    deadline: Deadline,
    recorder: FlightRecorder | None,
) -> tuple[AttachedKit, ChosenTool, Probe]:
    """Where the console is elsewhere, the kit need not have a serial port."""
    tool = _tool(board, deadline, recorder)
    probe, listed_as = open_listed_probe(tool, device_id, log_folder / "probe", board.soc, deadline)
    serial_number = plain_serial_number(listed_as)
    without_ports = AttachedKit(serial_number, ())
    kit = next((k for k in attached if k.serial_number == serial_number), without_ports)
    return kit, tool, probe


def _tool(board: BoardType, deadline: Deadline, recorder: FlightRecorder | None) -> ChosenTool:
    chosen = choose_tool(board.probe.runner, deadline, board.probe.ssh_host)
    if chosen.found.command is not None and recorder is not None:
        # What it says now may be why there is no kit in the end.
        chosen.found.command.observe(tool_recorder(recorder))
    return chosen


def _contact(probe: Probe, deadline: Deadline) -> None:
    """Ask the probe who it is; a kit that must be recovered first need not answer."""
    try:
        probe.info(deadline)
    except ProbeFaultError as error:
        if error.fault not in CURED_BY_RECOVERY:
            raise


def _retried(operation: str, error: ProbeFaultError) -> ProbeRetried:
    return ProbeRetried(operation=operation, fault=error.fault.value, error=error.what)
