"""What the steps work on: the kit's wires, and every tool that drives its probe."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.traits import ANY_TOOL
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.ports import AttachedKit, Vcom, attached_kits, plain_serial_number
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.probe.choose import pick_probe, probe_tools
from pytest_nrf_fota.probe.recording import RecordingProbe, tool_recorder
from pytest_nrf_fota.probe.tool import FoundTool, ThisMachine
from pytest_nrf_fota.providers.choose import take_unit
from pytest_nrf_fota.providers.provider import Unit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import HostRadio
from pytest_nrf_fota.wires.probe import Probe

TakeUnit: TypeAlias = Callable[
    [BoardType, str, Path, str | None, HostRadio | None, FlightRecorder | None], Unit
]
"""As `take_unit`."""

_NO_PROBE = "no tool reaches the probe"


class SkippedError(Exception):
    """A step cannot be done here; the text says why."""


@dataclass(frozen=True)
class Tools:
    """The probe's tools: those that work, and why the others do not."""

    found: Mapping[str, FoundTool]
    missing: Mapping[str, str]


class Bench:
    """One kit under first contact.

    Args:
        board: its type, as the baseline's build made it.
        baseline: hex file that it is to run.
        folder: gets logs.
        recorder: gets every step.
        device_id: serial number of the kit; None takes the only one.
        radio: which radio of this host; None takes what the board file or the provider has.
        take: takes the kit from its provider.
        look: lists attached kits and their ports.
    """

    def __init__(
        self,
        board: BoardType,
        baseline: Path,
        folder: Path,
        recorder: FlightRecorder,
        device_id: str | None = None,
        radio: HostRadio | None = None,
        *,
        take: TakeUnit = take_unit,
        look: Callable[[], Sequence[AttachedKit]] = attached_kits,
    ) -> None:
        self.board = board
        self.baseline = baseline
        self.folder = folder
        self.recorder = recorder
        self.radio = radio
        self._device_id = device_id
        self._take = take
        self._look = look
        self._unit: Unit | None = None
        self._dut: Dut | None = None
        self._why_closed = ""

    def deadline(self) -> Deadline:
        """For one call of a tool: `--flash-timeout`."""
        return Deadline.after(self.board.timeouts.probe_s)

    @cached_property
    def tools(self) -> Tools:
        """All tools for the probe that work here, or the one that was asked for.

        Raises `SkippedError` where the board needs none.
        """
        if not self.board.provided_by.has_probe_tool:
            raise SkippedError(f"no tool drives the probe of {self.board.name}")
        found: dict[str, FoundTool] = {}
        missing: dict[str, str] = {}
        for name, tool in probe_tools().items():
            if self.board.probe.runner not in (ANY_TOOL, name):
                continue
            try:
                one = tool.find(ThisMachine(), self.deadline())
            except FotaError as error:
                missing[name] = error.what
                continue
            if one.command is not None:
                one.command.observe(tool_recorder(self.recorder))
            found[name] = one
        return Tools(found, missing)

    @cached_property
    def probes(self) -> Mapping[str, Probe]:
        """The kit's probe through each tool that lists it; of a virtual kit its own."""
        if not self.board.provided_by.has_probe_tool:
            return {self.board.provider: self.dut.wires.probe}
        probes: dict[str, Probe] = {}
        for name, tool in self.tools.found.items():
            # What one cannot is told by the step that asks each.
            with contextlib.suppress(FotaError):
                listed = tool.list_probes(self.deadline())
                number = pick_probe(listed, self._device_id, where=name)
                opened = tool.open_probe(number, self.folder / name, self.board.soc)
                probes[name] = RecordingProbe(opened, self.recorder)
        if not probes:
            raise SkippedError(_NO_PROBE)
        return probes

    @property
    def probe(self) -> Probe:
        """The kit's probe through the first tool that reaches it; needs no other wire."""
        return next(iter(self.probes.values()))

    def require_probe(self) -> None:
        """Raise `SkippedError` where no tool reaches the probe: nobody need agree to anything."""
        if self.board.provided_by.has_probe_tool and not self.probes:
            raise SkippedError(_NO_PROBE)

    def recovered(self) -> None:
        """The kit was recovered: what kept its wires from being opened may be gone."""
        self._why_closed = ""
        if self._dut is not None:
            self._dut.probe.forget()

    def disconnect(self) -> None:
        """End the SMP connection where there is one."""
        if self._dut is not None:
            self._dut.mcumgr.disconnect()

    @property
    def dut(self) -> Dut:
        """The kit with all its wires open. Raises `SkippedError` where they could not be opened."""
        if self._dut is None:
            if self._why_closed:
                raise SkippedError(f"the kit's wires could not be opened: {self._why_closed}")
            try:
                self._dut = self._open()
            except FotaError as error:
                self._why_closed = error.what
                raise
        return self._dut

    @property
    def consoles(self) -> Mapping[str, Console]:
        """The open UARTs by core."""
        consoles = {"application core": self.dut.console}
        if self.dut.network_console is not None:
            consoles["network core"] = self.dut.network_console
        return consoles

    def vcoms(self) -> tuple[Vcom, ...]:
        """The kit's serial ports as USB shows them now; none of a virtual kit."""
        if not self.board.provided_by.has_probe_tool:
            return ()
        wanted = plain_serial_number(self._device_id or "")
        return tuple(
            vcom
            for kit in self._look()
            for vcom in kit.vcoms
            if not wanted or kit.serial_number == wanted
        )

    def ports(self) -> tuple[str, ...]:
        """Names of the kit's serial ports as they are now, and of a console elsewhere."""
        if not self.board.provided_by.has_probe_tool:
            return tuple(console.port for console in self.consoles.values())
        vcoms, given = self.vcoms(), self.board.console.port
        devices = tuple(vcom.device for vcom in vcoms)
        if given is None or given in (*devices, *(vcom.name for vcom in vcoms)):
            return devices
        return (*devices, given)

    def close(self) -> None:
        """Let go of the kit. Never raises."""
        if self._dut is not None:
            self._dut.close()
        if self._unit is not None:
            self._unit.release()

    def _open(self) -> Dut:
        if self._unit is None:
            self._unit = self._take(
                self.board,
                "first",
                self.folder / "unit",
                self._device_id,
                self.radio,
                self.recorder,
            )
        wires = self._unit.open_wires(self.recorder)
        return Dut(self.board, self._unit.name, wires, self.recorder, runs_preflight=False)
