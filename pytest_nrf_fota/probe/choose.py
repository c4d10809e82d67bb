"""Which tool drives the probe, and which of the attached probes is meant."""

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType, ProbeRunner
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe import nrfjprog, nrfutil, pynrfjprog
from pytest_nrf_fota.probe.command import Tool
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.wires.probe import Probe

ToolName: TypeAlias = Literal["nrfutil", "nrfjprog", "pynrfjprog"]
# The order of `auto`: Nordic's present tool, its archived predecessor, then the package.
TOOL_NAMES: tuple[ToolName, ...] = get_args(ToolName)
_CHECK_S = 20.0
_PYNRFJPROG_CALL = "pytest_nrf_fota.probe.pynrfjprog_call"


@dataclass(frozen=True)
class ChosenTool:
    """The tool that drives the probe, and why this one."""

    name: ToolName
    tool: Tool
    reason: str


def choose_tool(runner: ProbeRunner) -> ChosenTool:
    """The tool that was asked for; with `auto` the first one that works.

    A tool works when it tells its version; pynrfjprog, when it is installed.

    Raises:
        ProbeFaultError: it does not work; with `auto`, none of the three does.
    """
    if runner != "auto":
        return ChosenTool(runner, _working_tool(runner)[0], "asked for")
    missed: list[str] = []
    for name in TOOL_NAMES:
        try:
            tool, version = _working_tool(name)
        except ProbeFaultError as error:
            missed.append(f"{name}: {error.what}")
            continue
        because = "; ".join(missed)
        return ChosenTool(name, tool, version + (f"; {because}" if because else ""))
    raise ProbeFaultError(
        ProbeFault.TOOL_MISSING, "No tool for the kit's probe works here.", where="; ".join(missed)
    )


def describe_tool(runner: ProbeRunner) -> str:
    """One line for the screen: which tool drives the probe and why, or that none works."""
    try:
        chosen = choose_tool(runner)
    except ProbeFaultError as error:
        reasons = error.where if runner == "auto" else f"{runner}: {error.what}"
        return f"none works ({reasons})"
    return f"{chosen.name} ({chosen.reason})"


def listed_probes(chosen: ChosenTool, deadline: Deadline) -> tuple[str, ...]:
    """Serial numbers of all attached J-Links, as this tool writes them.

    Raises `ProbeFaultError`.
    """
    match chosen.name:
        case "nrfutil":
            return nrfutil.listed_probes(chosen.tool, deadline)
        case "nrfjprog":
            return nrfjprog.listed_probes(chosen.tool, deadline)
        case "pynrfjprog":
            return pynrfjprog.listed_probes(chosen.tool, deadline)
        case _:
            assert_never(chosen.name)


def pick_probe(listed: Sequence[str], device_id: str | None, where: str) -> str:
    """The serial number that is meant, as it is listed; leading zeros do not count.

    Raises:
        ProbeFaultError: none is attached, not the one asked for, or several and none asked for.
    """
    if not listed:
        raise ProbeFaultError(ProbeFault.NOT_FOUND, "No J-Link is attached.", where=where)
    all_of_them = ", ".join(listed)
    if device_id is None:
        if len(listed) > 1:
            raise ProbeFaultError(
                ProbeFault.SEVERAL,
                f"{len(listed)} J-Links are attached: {all_of_them}",
                where=where,
            )
        return listed[0]
    for serial_number in listed:
        if serial_number.lstrip("0") == device_id.lstrip("0"):
            return serial_number
    raise ProbeFaultError(
        ProbeFault.NOT_FOUND,
        f"No J-Link with serial number {device_id} is attached; attached: {all_of_them}",
        where=where,
    )


def make_probe(board: BoardType, device_id: str | None, work_folder: Path) -> Probe:
    """The probe of the kit that is meant, through the tool that --runner or the board file names.

    Args and errors as `choose_tool` and `open_probe`.
    """
    return open_probe(choose_tool(board.probe.runner), device_id, work_folder, board.soc)


def open_probe(chosen: ChosenTool, device_id: str | None, work_folder: Path, soc: Soc) -> Probe:
    """The probe that is meant, through this tool; nothing is held between its operations.

    Args:
        chosen: from `choose_tool`.
        device_id: serial number with or without leading zeros; None takes the only one.
        work_folder: gets the parts of hex files.
        soc: of the kit.

    Raises:
        ProbeFaultError: see `pick_probe`, or the tool cannot list.
    """
    listed = listed_probes(chosen, Deadline.after(_CHECK_S))
    serial_number = pick_probe(listed, device_id, where=f"J-Links that {chosen.name} lists")
    match chosen.name:
        case "nrfutil":
            return nrfutil.NrfutilProbe(chosen.tool, serial_number, work_folder, soc)
        case "nrfjprog":
            return nrfjprog.NrfjprogProbe(chosen.tool, serial_number, work_folder, soc)
        case "pynrfjprog":
            return pynrfjprog.PynrfjprogProbe(chosen.tool, serial_number, work_folder, soc)
        case _:
            assert_never(chosen.name)


def _working_tool(name: ToolName) -> tuple[Tool, str]:
    deadline = Deadline.after(_CHECK_S)
    match name:
        case "nrfutil":
            tool = Tool(name, (_program(name), "--json", "device"))
            return tool, f"nrfutil device {nrfutil.tool_version(tool, deadline)}"
        case "nrfjprog":
            tool = Tool(name, (_program(name),))
            return tool, nrfjprog.tool_version(tool, deadline)
        case "pynrfjprog":
            if importlib.util.find_spec(name) is None:
                raise ProbeFaultError(
                    ProbeFault.TOOL_MISSING,
                    "the package is not installed",
                    where=f"the environment of {sys.executable}",
                )
            return Tool(name, (sys.executable, "-m", _PYNRFJPROG_CALL)), "the package is installed"
        case _:
            assert_never(name)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ProbeFaultError(ProbeFault.TOOL_MISSING, "not on the PATH", where=name)
    return path
