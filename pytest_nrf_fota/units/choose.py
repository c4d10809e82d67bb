"""Take one unit of a board type from the provider that its board file names."""

from pathlib import Path

from typing_extensions import assert_never

from pytest_nrf_fota.board import BoardType
from pytest_nrf_fota.units.protocol import Unit


def take_unit(board: BoardType, worker: str, log_folder: Path, device_id: str | None) -> Unit:
    """Lease one individual.

    Args:
        board: the board type.
        worker: name of the xdist worker, so that units of parallel workers have different names.
        log_folder: gets the unit's logs.
        device_id: serial number of the kit to take; None takes the only one.

    Raises:
        RigError: there is none, or it cannot be used.
    """
    match board.provider:
        case "sim":
            from pytest_nrf_fota.units.sim import SimUnit

            return SimUnit(board, f"{board.name}-{worker}", log_folder)
        case "qemu":
            from pytest_nrf_fota.units.qemu import QemuMachine, QemuUnit

            assert board.qemu is not None
            flash = board.memory[0]
            machine = QemuMachine(
                machine=board.qemu.machine,
                cpu=board.qemu.cpu,
                flash_base_address=flash.start,
                flash_size_bytes=flash.size,
                flash_page_size_bytes=flash.page_size,
                baudrate=board.console.baudrate,
            )
            return QemuUnit(f"{board.name}-{worker}", machine, log_folder)
        case "usb":
            from pytest_nrf_fota.units.usb import find_kit

            return find_kit(board, log_folder, device_id)
        case _:
            assert_never(board.provider)
