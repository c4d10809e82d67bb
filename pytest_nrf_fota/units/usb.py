"""Kits on USB."""

from pathlib import Path

from serial.tools import list_ports

from pytest_nrf_fota.board import BoardType
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.units.protocol import Unit

# SEGGER's USB vendor id: the debug probe on every Nordic kit (facts/dual-stage-boot.md, 8).
SEGGER_VENDOR_ID = 0x1366


def attached_serial_numbers() -> tuple[str, ...]:
    """J-Link serial numbers of all attached kits, without leading zeros."""
    ports = [port for port in list_ports.comports() if port.vid == SEGGER_VENDOR_ID]
    return tuple(sorted({(port.serial_number or "").lstrip("0") for port in ports}))


def find_kit(board: BoardType, log_folder: Path, device_id: str | None) -> Unit:
    """The attached kit, or the one with serial number `device_id`.

    Raises `RigError`: none attached, or attached and not usable by this version.
    """
    del log_folder
    serial_numbers = attached_serial_numbers()
    wanted = device_id.lstrip("0") if device_id else None
    if not serial_numbers:
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
    listed = ", ".join(serial_numbers)
    if wanted is not None and wanted not in serial_numbers:
        raise RigError(
            f"No kit with serial number {device_id} is attached.",
            where=f"USB: attached are {listed}",
            next_step="Correct --device-id.",
        )
    raise RigError(
        "This version drives virtual kits and QEMU; it has no backend for the probe of a real kit.",
        where=f"USB: attached are {listed}",
        next_step=f"Use --board {board.simulated_twin or 'nrf5340dk_sim'} until the probe "
        "backends are released.",
    )
