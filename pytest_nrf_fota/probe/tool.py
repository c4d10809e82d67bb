"""A tool that drives a kit's probe: how it is found, and what it gives. See docs/extending.md."""

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.boards.traits import ProbeToolTraits
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.command import CommandResult, Tool, run_command
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.wires.probe import Probe


class Machine(Protocol):
    """Where a tool is looked for: this machine, or the one that the doctor looks at."""

    def which(self, program: str) -> Path | None:
        """The program that a shell would start."""

    def package_version(self, name: str) -> str | None:
        """The version of an installed Python package; None where it cannot be imported."""

    def run(self, arguments: Sequence[str], deadline: Deadline) -> CommandResult:
        """Run a program of it, to its end. Raises `ProbeFaultError` as `run_command` does."""


class ThisMachine:
    """The PATH and the Python environment of this process."""

    def which(self, program: str) -> Path | None:
        """The program that a shell would start."""
        found = shutil.which(program)
        return Path(found) if found else None

    def package_version(self, name: str) -> str | None:
        """The version of an installed Python package; None where it cannot be imported."""
        if importlib.util.find_spec(name) is None:
            return None
        return importlib.metadata.version(name)

    def run(self, arguments: Sequence[str], deadline: Deadline) -> CommandResult:
        """Run a program of it, to its end. Raises `ProbeFaultError` as `run_command` does."""
        return run_command(arguments, deadline)


@dataclass(frozen=True)
class FoundTool:
    """A tool that works.

    Args:
        version: its name and version, for people.
        place: where it is, for people.
        list_probes: serial numbers of all attached probes, as the tool writes them.
        open_probe: the probe of a serial number; the folder is for files on the way to the tool.
            Nothing is held between the probe's operations.
        command: what runs it, where that is a program; its calls are recorded.
    """

    version: str
    place: str
    list_probes: Callable[[Deadline], tuple[str, ...]]
    open_probe: Callable[[str, Path, Soc], Probe]
    command: Tool | None = None


@dataclass(frozen=True)
class ProbeTool(ProbeToolTraits):
    """One tool that can drive a kit's probe, as `--runner` names it.

    Args:
        find: finds it on a machine. Raises `ProbeError` where it is missing or does not work.
        remedy: what to do where it is missing, in one sentence.
        install: the one command that installs it; `pip install ...` is run with the right Python.
        needs_jlink_library: whether it works through SEGGER's library, which `nrf-fota doctor`
            then looks for.
    """

    find: Callable[[Machine, Deadline], FoundTool]
    remedy: str
    install: str = ""
    needs_jlink_library: bool = False


def program(machine: Machine, name: str) -> Path:
    """The program of this name. Raises `ProbeFaultError` where there is none."""
    path = machine.which(name)
    if path is None:
        raise ProbeFaultError(ProbeFault.TOOL_MISSING, "not on the PATH", where=name)
    return path
