"""The SWD wire through Nordic's Python package `pynrfjprog`, one process for each operation.

The package is licensed for use with Nordic chips only: it is an extra (`[nrfjprog]`), imported by
`pynrfjprog_call.py` alone, in that process. Never run on a kit: docs/hardware.md.
"""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe import pynrfjprog_call
from pytest_nrf_fota.probe.command import CommandResult, Tool
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError, fault_in, tool_failed
from pytest_nrf_fota.probe.hex_parts import split_by_core
from pytest_nrf_fota.probe.pynrfjprog_call import ANSWER_MARK, Answer, Request
from pytest_nrf_fota.probe.tool import FoundTool, Machine, ProbeTool
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind

# Names of NrfjprogdllErr (pynrfjprog 10.24.2, APIError.py).
API_ERRORS: Mapping[str, ProbeFault] = MappingProxyType(
    {
        "OUT_OF_MEMORY": ProbeFault.OTHER,
        "INVALID_OPERATION": ProbeFault.NOT_SUPPORTED,
        "INVALID_PARAMETER": ProbeFault.NOT_SUPPORTED,
        "INVALID_DEVICE_FOR_OPERATION": ProbeFault.WRONG_CHIP,
        "WRONG_FAMILY_FOR_DEVICE": ProbeFault.WRONG_CHIP,
        "UNKNOWN_DEVICE": ProbeFault.WRONG_CHIP,
        "INVALID_SESSION": ProbeFault.OTHER,
        "EMULATOR_NOT_CONNECTED": ProbeFault.NOT_FOUND,
        "CANNOT_CONNECT": ProbeFault.NO_CONNECTION,
        "LOW_VOLTAGE": ProbeFault.LOW_VOLTAGE,
        "NO_EMULATOR_CONNECTED": ProbeFault.NOT_FOUND,
        "NVMC_ERROR": ProbeFault.FLASH_FAILED,
        "RECOVER_FAILED": ProbeFault.RECOVER_FAILED,
        "NOT_AVAILABLE_BECAUSE_PROTECTION": ProbeFault.PROTECTED,
        "NOT_AVAILABLE_BECAUSE_MPU_CONFIG": ProbeFault.PROTECTED,
        "NOT_AVAILABLE_BECAUSE_COPROCESSOR_DISABLED": ProbeFault.PROTECTED,
        "NOT_AVAILABLE_BECAUSE_TRUST_ZONE": ProbeFault.PROTECTED,
        "NOT_AVAILABLE_BECAUSE_BPROT": ProbeFault.PROTECTED,
        "JLINKARM_DLL_NOT_FOUND": ProbeFault.JLINK_MISSING,
        "JLINKARM_DLL_COULD_NOT_BE_OPENED": ProbeFault.JLINK_MISSING,
        "JLINKARM_DLL_ERROR": ProbeFault.NO_CONNECTION,
        "JLINKARM_DLL_TOO_OLD": ProbeFault.TOOL_TOO_OLD,
        "JLINKARM_DLL_READ_ERROR": ProbeFault.NO_CONNECTION,
        "JLINKARM_DLL_TIME_OUT_ERROR": ProbeFault.JLINK_TIMED_OUT,
        "SERIAL_PORT_NOT_FOUND": ProbeFault.NOT_FOUND,
        "SERIAL_PORT_PERMISSION_ERROR": ProbeFault.NO_PERMISSION,
        "SERIAL_PORT_WRITE_ERROR": ProbeFault.NO_CONNECTION,
        "SERIAL_PORT_READ_ERROR": ProbeFault.NO_CONNECTION,
        "SERIAL_PORT_RESOURCE_ERROR": ProbeFault.BUSY,
        "SERIAL_PORT_NOT_OPEN_ERROR": ProbeFault.NO_CONNECTION,
        "NRFJPROG_SUB_DLL_NOT_FOUND": ProbeFault.TOOL_BROKEN,
        "NRFJPROG_SUB_DLL_COULD_NOT_BE_OPENED": ProbeFault.TOOL_BROKEN,
        "NRFJPROG_SUB_DLL_COULD_NOT_LOAD_FUNCTIONS": ProbeFault.TOOL_BROKEN,
        "NRFJPROG_HOST_EXE_NOT_FOUND": ProbeFault.TOOL_BROKEN,
        "VERIFY_ERROR": ProbeFault.VERIFY_FAILED,
        "RAM_IS_OFF_ERROR": ProbeFault.OTHER,
        "FILE_OPERATION_FAILED": ProbeFault.BAD_FILE,
        "FILE_PARSING_ERROR": ProbeFault.BAD_FILE,
        "FILE_UNKNOWN_FORMAT_ERROR": ProbeFault.BAD_FILE,
        "FILE_INVALID_ERROR": ProbeFault.BAD_FILE,
        "UNKNOWN_MEMORY_ERROR": ProbeFault.BAD_FILE,
        "CONFIG_TYPE_ERROR": ProbeFault.TOOL_BROKEN,
        "CONFIG_SYNTAX_ERROR": ProbeFault.TOOL_BROKEN,
        "CONFIG_PROPERTY_MISSING_ERROR": ProbeFault.TOOL_BROKEN,
        "PYTHON_ALREADY_INSTANTIATED_ERROR": ProbeFault.OTHER,
        "TIME_OUT": ProbeFault.NO_CONNECTION,
        "DFU_ERROR": ProbeFault.OTHER,
        "INTERNAL_ERROR": ProbeFault.OTHER,
        "NOT_IMPLEMENTED_ERROR": ProbeFault.NOT_SUPPORTED,
    }
)
# What a more telling message may correct: these names only say that something went wrong.
_VAGUE = (ProbeFault.OTHER, ProbeFault.NO_CONNECTION, ProbeFault.RECOVER_FAILED)
_READ_BYTES = 1024 * 1024


def read_answer(result: CommandResult) -> Answer:
    """The answer of `pynrfjprog_call`.

    Raises `ProbeFaultError`: there is none, or it reports an `APIError`.
    """
    lines = [line for line in result.stdout.splitlines() if line.startswith(ANSWER_MARK)]
    try:
        answer = Answer.model_validate_json(lines[-1][len(ANSWER_MARK) :] if lines else "")
    except ValidationError:
        missing = "No module named 'pynrfjprog" in result.stderr
        raise ProbeFaultError(
            ProbeFault.TOOL_MISSING if missing else ProbeFault.BAD_OUTPUT,
            f"pynrfjprog gave no answer (exit code {result.exit_code}): "
            f"{result.last_words or 'it said nothing'}",
            where=result.command,
        ) from None
    if answer.error_code == 0:
        return answer
    fault = API_ERRORS.get(answer.error_name, ProbeFault.OTHER)
    if fault in _VAGUE:
        fault = fault_in(answer.error_text) or fault
    status = f"error {answer.error_code}"
    words = " / ".join(answer.error_text.splitlines())
    raise tool_failed(fault, "pynrfjprog", status, words, where=result.command)


def listed_probes(tool: Tool, deadline: Deadline) -> tuple[str, ...]:
    """Serial numbers of the attached J-Links. Raises `ProbeFaultError`."""
    answer = _ask(tool, Request(operation="list"), deadline)
    return tuple(str(number) for number in answer.serial_numbers)


class PynrfjprogProbe:
    """A `Probe` through `pynrfjprog`.

    Args:
        tool: `python -m pytest_nrf_fota.probe.pynrfjprog_call`.
        serial_number: of the probe.
        work_folder: gets the parts of hex files.
        soc: of the kit; tools are told a core only where it has several.
    """

    def __init__(self, tool: Tool, serial_number: str, work_folder: Path, soc: Soc) -> None:
        self._tool = tool
        self._soc = soc
        self._serial_number = int(serial_number)
        self._work_folder = work_folder

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify chip and library."""
        answer = self._ask(Request(operation="info"), deadline)
        return ProbeInfo("pynrfjprog", str(self._serial_number), answer.target, answer.version)

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core."""
        self._ask(Request(operation="recover", core=core), deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Program and verify, network core first."""
        for part in split_by_core(hex_file, self._work_folder, self._soc):
            request = Request(
                operation="program",
                core=part.core,
                hex_file=str(part.path.resolve()),
                has_external=part.has_external,
            )
            self._ask(request, deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the whole external flash."""
        start = self._soc.external_window.start
        self._ask(Request(operation="erase_external", address=start), deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory, at most 1 MiB by one call."""
        memory = bytearray()
        for part in range(address, address + size_bytes, _READ_BYTES):
            request = Request(
                operation="read",
                core=self._soc.core_of(part),
                address=part,
                size_bytes=min(_READ_BYTES, address + size_bytes - part),
                has_external=self._soc.is_external(part),
            )
            answer = self._ask(request, deadline)
            memory += bytes.fromhex(answer.memory_hex)
        if len(memory) != size_bytes:
            raise ProbeFaultError(
                ProbeFault.BAD_OUTPUT,
                f"pynrfjprog was to read {size_bytes} bytes and gave {len(memory)}.",
                where=f"0x{address:x}",
            )
        return bytes(memory)

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on from where a read has halted it."""
        self._ask(Request(operation="resume", core=core), deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the board."""
        self._ask(Request(operation="reset", reset=kind), deadline)

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _ask(self, request: Request, deadline: Deadline) -> Answer:
        core = request.core if self._soc.names_core else None
        known = {"serial_number": self._serial_number, "core": core}
        return _ask(self._tool, request.model_copy(update=known), deadline)


def _ask(tool: Tool, request: Request, deadline: Deadline) -> Answer:
    return read_answer(tool.run((request.model_dump_json(exclude_defaults=True),), deadline))


def find(machine: Machine, deadline: Deadline) -> FoundTool:
    """The package, which is not started for that. Raises `ProbeFaultError`."""
    del deadline
    version = machine.package_version("pynrfjprog")
    if version is None:
        raise ProbeFaultError(
            ProbeFault.TOOL_MISSING,
            "the package is not installed",
            where=f"the environment of {sys.executable}",
        )
    tool = Tool("pynrfjprog", (sys.executable, "-m", pynrfjprog_call.__name__))
    return FoundTool(
        version=f"pynrfjprog {version}",
        place="Python package",
        list_probes=partial(listed_probes, tool),
        open_probe=partial(PynrfjprogProbe, tool),
        command=tool,
    )


PYNRFJPROG = ProbeTool(
    "pynrfjprog",
    find,
    remedy="Install the package.",
    install="pip install 'pynrfjprog>=10.24'",
    needs_jlink_library=True,
)
