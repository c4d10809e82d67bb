"""A kit on USB without hardware: a vendor's tool that drives a virtual kit, behind the USB unit.

As a plugin (`pytest -p`) it gives the provider `tool_bench` for board files. The tool is the one
that `--runner` or the board file names.
"""

import os
from collections.abc import Sequence
from dataclasses import replace

from pytest_nrf_fota.boards.capabilities import Capability
from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.providers.kit_wires import vcom_memory
from pytest_nrf_fota.providers.provider import Provider, Unit, Wanted, Wires
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.sim_faults import SimFaults
from pytest_nrf_fota.providers.usb import find_kit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.smp.host_radio import HciController

from .kit_behind_tool import KIT_VARIABLE

SERIAL_NUMBER = "1050047412"


class ToolBench:
    """UARTs, radio and faults of a virtual kit; SWD through the tool."""

    def __init__(self, wanted: Wanted) -> None:
        self._board = wanted.board
        self._kit = SimUnit(wanted.board, wanted.unit_name, wanted.log_folder / "kit", wanted.radio)
        os.environ[KIT_VARIABLE] = self._kit.control_address
        vcoms = tuple(Vcom(port, port, 2 * number) for number, port in enumerate(self._kit.vcoms))
        attached = AttachedKit(SERIAL_NUMBER, vcoms)
        # A blank kit prints nothing that tells its ports apart.
        vcom_memory().remember(attached, vcoms[-1])
        self._unit = find_kit(
            wanted.board,
            wanted.log_folder,
            SERIAL_NUMBER,
            HciController(self._kit.hci),
            lambda: (attached,),
        )

    @property
    def name(self) -> str:
        """The serial number."""
        return self._unit.name

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Those of the kit on USB."""
        self._control = KitControl(self._kit.control_address)
        self._control.state(Deadline.after(30))
        faults = SimFaults(self._control, self._board.slots, recorder)
        return replace(self._unit.open_wires(recorder), faults=faults)

    def release(self) -> None:
        """End the virtual kit."""
        self._unit.release()
        self._kit.release()


def _take(wanted: Wanted) -> Unit:
    return ToolBench(wanted)


_BENCH = Provider(
    "tool_bench",
    frozenset({Interface.BLUETOOTH, Interface.CONSOLE, Interface.SMP_PORT}),
    frozenset(
        {
            *(Capability.PROBE_ERASE, Capability.SWAP_RESET),
            *(Capability.FAULT_INJECTION, Capability.POWER),
        }
    ),
    is_kit=True,
    has_probe_tool=True,
    needs_section="sim",
    take=_take,
)


def pytest_nrf_fota_providers() -> Sequence[Provider]:
    """The provider of this module."""
    return [_BENCH]
