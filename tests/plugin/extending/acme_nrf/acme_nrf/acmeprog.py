"""The SWD wire through Acme's own programmer, the program `acmeprog`."""

from functools import partial
from pathlib import Path

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ProbeError
from pytest_nrf_fota.probe.command import Tool
from pytest_nrf_fota.probe.tool import FoundTool, Machine, ProbeTool, program
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind


class AcmeProbe:
    """One kit behind `acmeprog`: a call for each operation, nothing is held between two."""

    def __init__(self, tool: Tool, serial_number: str, work_folder: Path, soc: Soc) -> None:
        del work_folder  # acmeprog takes hex files as they are
        self._tool = tool
        self._serial_number = serial_number
        self._soc = soc

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify the probe and its kit."""
        version = self._run("version", deadline=deadline)
        return ProbeInfo("acmeprog", self._serial_number, self._soc.title, version)

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core."""
        self._run("recover", core.value, deadline=deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Write a hex file and verify it."""
        self._run("program", str(hex_file.resolve()), deadline=deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash."""
        self._run("erase-external", deadline=deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory, which acmeprog prints as hexadecimal digits."""
        return bytes.fromhex(self._run("read", str(address), str(size_bytes), deadline=deadline))

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on that a read has halted."""
        self._run("resume", core.value, deadline=deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the kit."""
        self._run("reset", kind.value, deadline=deadline)

    def close(self) -> None:
        """Nothing to let go of."""

    def _run(self, *arguments: str, deadline: Deadline) -> str:
        return run(self._tool, "--serial", self._serial_number, *arguments, deadline=deadline)


def run(tool: Tool, *arguments: str, deadline: Deadline) -> str:
    """What acmeprog prints. Raises `ProbeError`."""
    result = tool.run(arguments, deadline)
    if result.exit_code != 0:
        raise ProbeError(
            f"acmeprog failed: {result.last_words}",
            where=result.command,
            next_step="Look the message up in Acme's wiki, page acmeprog.",
        )
    return result.stdout.strip()


def find(machine: Machine, deadline: Deadline) -> FoundTool:
    """acmeprog on the PATH. Raises `ProbeError` where it is missing or does not start."""
    path = program(machine, "acmeprog")
    tool = Tool("acmeprog", (str(path),))

    def list_probes(deadline: Deadline) -> tuple[str, ...]:
        return tuple(run(tool, "list", deadline=deadline).split())

    version = run(tool, "version", deadline=deadline)
    return FoundTool(version, str(path), list_probes, partial(AcmeProbe, tool))


ACMEPROG = ProbeTool(
    "acmeprog",
    find,
    remedy="Get acmeprog from Acme's package feed.",
    install="sudo apt install acmeprog",
)
