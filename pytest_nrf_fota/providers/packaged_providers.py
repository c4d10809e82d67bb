"""The providers of this package. What one needs is imported when a unit of its is taken."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.capabilities import Capability
from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.providers.provider import Provider, Unit, Wanted

if TYPE_CHECKING:
    from pytest_nrf_fota.console.ports import AttachedKit

_KIT_INTERFACES = frozenset({Interface.BLUETOOTH, Interface.CONSOLE, Interface.SMP_PORT})
_PROGRAM_INTERFACES = frozenset({Interface.CONSOLE, Interface.SMP_PORT})


def _kit(wanted: Wanted) -> Unit:
    from pytest_nrf_fota.providers.usb import find_kit

    return find_kit(
        wanted.board,
        wanted.log_folder,
        wanted.device_id,
        wanted.radio,
        recorder=wanted.recorder,
    )


def _attached(board: BoardType) -> "Sequence[AttachedKit]":
    from pytest_nrf_fota.providers.usb import listed_kits

    return listed_kits(board)


def _virtual_kit(wanted: Wanted) -> Unit:
    from pytest_nrf_fota.providers.sim import SimUnit

    return SimUnit(wanted.board, wanted.unit_name, wanted.log_folder, wanted.radio)


def _qemu(wanted: Wanted) -> Unit:
    from pytest_nrf_fota.probe.qemu import QemuFlash
    from pytest_nrf_fota.providers.qemu import QemuMachine, QemuUnit

    board = wanted.board
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
    return QemuUnit(board, wanted.unit_name, machine, wanted.log_folder)


def _native_sim(wanted: Wanted) -> Unit:
    from pytest_nrf_fota.providers.native_sim import NativeSimUnit

    return NativeSimUnit(wanted.board, wanted.unit_name, wanted.log_folder)


PROVIDERS = (
    Provider(
        "usb",
        _KIT_INTERFACES,
        frozenset({Capability.PROBE_ERASE}),
        is_kit=True,
        has_probe_tool=True,
        take=_kit,
        attached=_attached,
    ),
    Provider(
        "sim",
        _KIT_INTERFACES,
        frozenset(
            {
                *(Capability.PROBE_ERASE, Capability.SWAP_RESET),
                *(Capability.FAULT_INJECTION, Capability.POWER),
            }
        ),
        is_kit=True,
        needs_section="sim",
        take=_virtual_kit,
    ),
    Provider(
        "qemu",
        _PROGRAM_INTERFACES,
        frozenset({Capability.SWAP_RESET}),
        needs_section="qemu",
        take=_qemu,
    ),
    Provider("native_sim", _PROGRAM_INTERFACES | {Interface.NETWORK}, take=_native_sim),
)
