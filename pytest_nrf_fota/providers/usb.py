"""Kits on USB: which one is meant, its probe through a vendor's tool, its ports, a radio."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.console.ports import AttachedKit, attached_kits
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.probe.choose import choose_tool, open_probe, pick_probe
from pytest_nrf_fota.probe.read_effect import ProbeReads, read_effect_memory, tool_on_chip
from pytest_nrf_fota.probe.recording import RecordingProbe
from pytest_nrf_fota.providers.kit_wires import KitWires, kit_with_serial_number, vcom_memory
from pytest_nrf_fota.providers.provider import Unit, Wires
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import HostRadio
from pytest_nrf_fota.wires.probe import Probe


class UsbUnit:
    """One attached kit; nothing of it is held between two tests.

    Args:
        name: its J-Link serial number.
        probe: its probe.
        wires: opens its other wires.
        reads: what is known of the probe's reads.
    """

    def __init__(self, name: str, probe: Probe, wires: KitWires, reads: ProbeReads) -> None:
        self.name = name
        self._probe = probe
        self._wires = wires
        self._reads = reads

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Open the consoles and the radio. Raises `RigError`."""
        wires = self._wires.open(RecordingProbe(self._probe, recorder), recorder)
        return replace(wires, reads=self._reads)

    def release(self) -> None:
        """Let go of the probe."""
        self._probe.close()


def find_kit(
    board: BoardType,
    log_folder: Path,
    device_id: str | None,
    radio: HostRadio | None = None,
    kits: Sequence[AttachedKit] | None = None,
) -> Unit:
    """The attached kit, or the one with serial number `device_id`.

    Args:
        board: the board type.
        log_folder: gets the UARTs' raw bytes and the parts of hex files.
        device_id: serial number with or without leading zeros; None takes the only kit.
        radio: this host's radio; None takes the host's Bluetooth.
        kits: the kits to choose from; None looks at USB.

    Raises:
        RigError: none is attached, several are and none was asked for, or no tool drives its probe.
    """
    attached = attached_kits() if kits is None else kits
    if not attached:
        twin = (
            f" Without hardware, run on the virtual kit: --board {board.simulated_twin}"
            if board.simulated_twin
            else ""
        )
        raise RigError(
            f"No {board.title} is attached.",
            where="USB: no serial port of a SEGGER J-Link (vendor 1366)",
            next_step=f"Plug in a kit and switch it on.{twin}",
        )
    serial_number = pick_probe(
        [kit.serial_number for kit in attached], device_id, where="USB: serial ports of J-Links"
    )
    kit = kit_with_serial_number(serial_number, attached)
    wires = KitWires(board, kit, log_folder, radio, vcom_memory())
    tool = choose_tool(board.probe.runner)
    probe = open_probe(tool, serial_number, log_folder / "probe", board.soc)
    log_folder.mkdir(parents=True, exist_ok=True)
    reads = ProbeReads(tool_on_chip(tool.found.version, board.soc), read_effect_memory())
    return UsbUnit(serial_number, probe, wires, reads)
