"""Which tool drives the probe, and which of the attached probes is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.boards.traits import ANY_TOOL, PROBE_TOOLS_HOOK, known_probe_tool
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ExtensionError, InputError, ProbeError
from pytest_nrf_fota.extensions import registered
from pytest_nrf_fota.findings.probe_faults import OF_THE_KIT
from pytest_nrf_fota.probe.fault import HostGoneError, ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.once_more import once_more
from pytest_nrf_fota.probe.read_effect import remembered_effect
from pytest_nrf_fota.probe.tool import FoundTool, Machine, ProbeTool, ThisMachine
from pytest_nrf_fota.wires.probe import Probe


@dataclass(frozen=True)
class ChosenTool:
    """The tool that drives the probe, and why this one.

    `listed` are the probes that it listed when it was chosen; None where it was not asked yet.
    """

    name: str
    found: FoundTool
    reason: str
    listed: tuple[str, ...] | None = None


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


def choose_tool(runner: str, deadline: Deadline, ssh_host: str = "") -> ChosenTool:
    """The tool that was asked for; with `auto` the first one that works.

    A tool works when it tells its version and lists the attached probes, be it none. With `auto`
    each gets its share of the time, so that one that hangs keeps no other from being tried; what is
    left in the end goes to one that was too slow. With `ssh_host` it is called there, over SSH.

    Raises:
        ProbeError: it does not work; with `auto`, none does; or the host does not answer.
    """
    tools = probe_tools()
    machine = _machine(ssh_host)
    if runner != ANY_TOOL:
        return ChosenTool(runner, _asked_for(tools[runner], machine, deadline), "asked for")
    missed: dict[str, ProbeError] = {}
    for place, tool in enumerate(tools.values()):
        share = deadline.within(deadline.remaining_s / (len(tools) - place))
        try:
            return _if_it_works(tool, machine, share, missed)
        except HostGoneError:
            raise
        except ProbeError as error:
            missed[tool.name] = error
    slow = [name for name, error in missed.items() if _is(error, ProbeFault.TIMED_OUT)]
    for name in slow:
        if not deadline.expired:
            try:
                return _if_it_works(tools[name], machine, deadline, {})
            except ProbeError as error:
                missed[name] = error
    raise _none_works(missed)


def _if_it_works(
    tool: ProbeTool, machine: Machine, deadline: Deadline, missed: Mapping[str, ProbeError]
) -> ChosenTool:
    found = tool.find(machine, deadline)
    remarks = [found.version, *(f"{name}: {error.what}" for name, error in missed.items())]

    def note(error: ProbeFaultError) -> None:
        remarks.append(f"asked once more, because {error.what}")

    try:
        listed = once_more(lambda: found.list_probes(deadline), deadline, note)
    except ProbeFaultError as error:
        if error.fault not in OF_THE_KIT:
            raise
        # The tool works; whoever opens the probe meets this again, with the kit that is meant.
        return ChosenTool(tool.name, found, "; ".join(remarks))
    return ChosenTool(tool.name, found, "; ".join(remarks), listed)


def _machine(ssh_host: str) -> Machine:
    if not ssh_host:
        return ThisMachine()
    from pytest_nrf_fota.probe.over_ssh import SshMachine

    return SshMachine(ssh_host)


def _is(error: ProbeError, fault: ProbeFault) -> bool:
    return isinstance(error, ProbeFaultError) and error.fault is fault


def _none_works(missed: Mapping[str, ProbeError]) -> ProbeError:
    """The error for `auto`. A tool that is there is nearer than one that is not."""
    where = "; ".join(f"{name}: {error.what}" for name, error in missed.items())
    what = "No tool for the kit's probe works here."
    for error in missed.values():
        if isinstance(error, ProbeFaultError) and error.fault is not ProbeFault.TOOL_MISSING:
            return ProbeFaultError(error.fault, what, where=where, next_step=error.next_step)
    return ProbeFaultError(ProbeFault.TOOL_MISSING, what, where=where)


def _asked_for(tool: ProbeTool, machine: Machine, deadline: Deadline) -> FoundTool:
    try:
        return tool.find(machine, deadline)
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


def describe_tool(runner: str, within_s: float, soc: Soc | None = None, ssh_host: str = "") -> str:
    """One line for the screen: which tool drives the probe and why, or that no tool works.

    With a chip, also what is known of the tool's reads there.
    """
    try:
        chosen = choose_tool(runner, Deadline.after(within_s), ssh_host)
    except ProbeError as error:
        reasons = error.where if runner == ANY_TOOL else error.what
        return f"no working probe tool ({reasons})"
    reads = f"; {remembered_effect(chosen.found.version, soc)}" if soc is not None else ""
    place = f" on {ssh_host}, over SSH" if ssh_host else ""
    return f"probe tool {chosen.name}{place} ({chosen.reason}){reads}"


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


def make_probe(
    board: BoardType, device_id: str | None, work_folder: Path, deadline: Deadline | None = None
) -> Probe:
    """The probe of the kit that is meant, through the tool that --runner or the board file names.

    Args and errors as `choose_tool` and `open_probe`; without a deadline the board's
    `timeouts.probe_s` is the limit, which is `--flash-timeout`.
    """
    deadline = deadline or Deadline.after(board.timeouts.probe_s)
    chosen = choose_tool(board.probe.runner, deadline, board.probe.ssh_host)
    return open_probe(chosen, device_id, work_folder, board.soc, deadline)


def open_probe(
    chosen: ChosenTool, device_id: str | None, work_folder: Path, soc: Soc, deadline: Deadline
) -> Probe:
    """The probe that is meant, through this tool; nothing is held between its operations.

    Args:
        chosen: from `choose_tool`.
        device_id: serial number with or without leading zeros; None takes the only one.
        work_folder: gets the parts of hex files.
        soc: of the kit.
        deadline: for the tool's list of probes.

    Raises:
        ProbeError: see `pick_probe`, or the tool cannot list.
    """
    return open_listed_probe(chosen, device_id, work_folder, soc, deadline)[0]


def open_listed_probe(
    chosen: ChosenTool, device_id: str | None, work_folder: Path, soc: Soc, deadline: Deadline
) -> tuple[Probe, str]:
    """As `open_probe`, with the serial number as the tool lists it."""
    listed = _listed_by(chosen, deadline)
    serial_number = pick_probe(listed, device_id, where=f"J-Links that {chosen.name} lists")
    return chosen.found.open_probe(serial_number, work_folder, soc), serial_number


def listed_probes(runner: str, deadline: Deadline, ssh_host: str = "") -> Sequence[str]:
    """Serial numbers of all probes that the tool sees. Errors as `choose_tool`."""
    return _listed_by(choose_tool(runner, deadline, ssh_host), deadline)


def _listed_by(chosen: ChosenTool, deadline: Deadline) -> Sequence[str]:
    if chosen.listed is not None:
        return chosen.listed
    return once_more(lambda: chosen.found.list_probes(deadline), deadline, lambda error: None)
