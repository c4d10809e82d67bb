"""Which tool drives the probe, and which of the attached probes is meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.boards.traits import ANY_TOOL, PROBE_TOOLS_HOOK, known_probe_tool
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ExtensionError, InputError, ProbeError
from pytest_nrf_fota.extensions import registered
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.read_effect import remembered_effect
from pytest_nrf_fota.probe.tool import FoundTool, ProbeTool, ThisMachine
from pytest_nrf_fota.wires.probe import Probe

_CHECK_S = 20.0


@dataclass(frozen=True)
class ChosenTool:
    """The tool that drives the probe, and why this one."""

    name: str
    found: FoundTool
    reason: str


def probe_tools() -> dict[str, ProbeTool]:
    """All registered tools by name, in the order in which `auto` tries them.

    Raises `ExtensionError`.
    """
    tools = registered(PROBE_TOOLS_HOOK, ProbeTool)
    if ANY_TOOL in tools:
        raise ExtensionError(
            f"A probe tool cannot be named {ANY_TOOL!r}.",
            where=PROBE_TOOLS_HOOK,
            next_step=f"Rename it; --runner {ANY_TOOL} takes the first tool that works.",
        )
    return tools


def given_tool(name: str | None) -> str | None:
    """What was given as `--runner`. Raises `InputError` where no tool has this name."""
    if name is None:
        return None
    try:
        return known_probe_tool(name)
    except ValueError as error:
        raise InputError(
            f"There is no probe tool named {name!r}.",
            where="--runner",
            next_step=f"Known tools: {', '.join((ANY_TOOL, *probe_tools()))}.",
        ) from error


def choose_tool(runner: str) -> ChosenTool:
    """The tool that was asked for; with `auto` the first one that works.

    A tool works when it tells its version; pynrfjprog, when it is installed.

    Raises:
        ProbeError: it does not work; with `auto`, none does.
    """
    tools = probe_tools()
    if runner != ANY_TOOL:
        return ChosenTool(runner, _asked_for(tools[runner]), "asked for")
    missed: list[str] = []
    for name, tool in tools.items():
        try:
            found = tool.find(ThisMachine(), Deadline.after(_CHECK_S))
        except ProbeError as error:
            missed.append(f"{name}: {error.what}")
            continue
        return ChosenTool(name, found, "; ".join((found.version, *missed)))
    raise ProbeFaultError(
        ProbeFault.TOOL_MISSING, "No tool for the kit's probe works here.", where="; ".join(missed)
    )


def _asked_for(tool: ProbeTool) -> FoundTool:
    try:
        return tool.find(ThisMachine(), Deadline.after(_CHECK_S))
    except ProbeFaultError as error:
        if error.fault is not ProbeFault.TOOL_MISSING:
            raise
        # The fault's own remedy names all packaged tools, not the one that was asked for.
        command = f" Command: {tool.install}" if tool.install else ""
        raise ProbeFaultError(
            error.fault,
            f"{tool.name}: {error.what}",
            where=error.where,
            next_step=f"Choose another tool with --runner, or: {tool.remedy}{command}",
        ) from error


def describe_tool(runner: str, soc: Soc | None = None) -> str:
    """One line for the screen: which tool drives the probe and why, or that no tool works.

    With a chip, also what is known of the tool's reads there.
    """
    try:
        chosen = choose_tool(runner)
    except ProbeError as error:
        reasons = error.where if runner == ANY_TOOL else error.what
        return f"no working probe tool ({reasons})"
    reads = f"; {remembered_effect(chosen.found.version, soc)}" if soc is not None else ""
    return f"probe tool {chosen.name} ({chosen.reason}){reads}"


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
        ProbeError: see `pick_probe`, or the tool cannot list.
    """
    listed = chosen.found.list_probes(Deadline.after(_CHECK_S))
    serial_number = pick_probe(listed, device_id, where=f"J-Links that {chosen.name} lists")
    return chosen.found.open_probe(serial_number, work_folder, soc)
