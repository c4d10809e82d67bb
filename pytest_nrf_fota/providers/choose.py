"""Take one unit of a board type from the provider that its board file names."""

from pathlib import Path

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.providers.provider import Unit
from pytest_nrf_fota.smp.host_radio import HostRadio, host_radio


def take_unit(
    board: BoardType,
    worker: str,
    log_folder: Path,
    device_id: str | None,
    radio: HostRadio | None = None,
) -> Unit:
    """Lease one individual.

    Args:
        board: the board type.
        worker: name of the xdist worker, so that units of parallel workers have different names.
        log_folder: gets the unit's logs.
        device_id: serial number of the kit to take; None takes the only one.
        radio: this host's radio for boards on BLE; None takes what the board file or the provider
            has.

    Raises:
        RigError: there is none, or it cannot be used.
    """
    if radio is None and board.radio.host is not None:
        radio = host_radio(board.radio.host)
    match board.provider:
        case "sim":
            from pytest_nrf_fota.providers.sim import SimUnit

            return SimUnit(board, f"{board.name}-{worker}", log_folder, radio)
        case "qemu":
            from pytest_nrf_fota.probe.qemu import QemuFlash
            from pytest_nrf_fota.providers.qemu import QemuMachine, QemuUnit

            assert board.qemu is not None
            machine = QemuMachine(
                machine=board.qemu.machine,
                cpu=board.qemu.cpu,
                flash=tuple(QemuFlash(r.start, r.size, r.page_size) for r in board.memory),
                baudrate=board.console.baudrate,
                log_uart=board.qemu.log_uart,
                smp_uart=board.qemu.smp_uart,
                smp_line_buffers=board.qemu.smp_line_buffers,
            )
            return QemuUnit(f"{board.name}-{worker}", machine, log_folder)
        case "native_sim":
            from pytest_nrf_fota.providers.native_sim import NativeSimUnit

            return NativeSimUnit(board, f"{board.name}-{worker}", log_folder)
        case "usb":
            from pytest_nrf_fota.providers.usb import find_kit

            return find_kit(board, log_folder, device_id, radio)
        case _:
            assert_never(board.provider)
