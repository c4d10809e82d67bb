"""The SWD wire through the command line of `nrfjprog`, which Nordic has archived.

Commands: docs.nordicsemi.com, nRF Command Line Tools, "nrfjprog commands"; the order of two cores
as in sdk-zephyr scripts/west_commands/runners/nrfjprog.py. Exit codes: the same manual, "Return
codes", and nrfjprog.h of version 10.19. Never run on a kit: docs/hardware.md.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from typing_extensions import assert_never

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.command import CommandResult, Tool
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError, fault_in, tool_failed
from pytest_nrf_fota.probe.hex_parts import split_by_core
from pytest_nrf_fota.probe.tool import FoundTool, Machine, ProbeTool, program
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind

EXIT_CODES: Mapping[int, tuple[str, ProbeFault]] = MappingProxyType(
    {
        1: ("NrfjprogError", ProbeFault.OTHER),
        2: ("NrfjprogOutdatedError", ProbeFault.TOOL_TOO_OLD),
        3: ("MemoryAllocationError", ProbeFault.OTHER),
        11: ("InvalidArgumentError", ProbeFault.NOT_SUPPORTED),
        12: ("InsufficientArgumentsError", ProbeFault.NOT_SUPPORTED),
        13: ("IncompatibleArgumentsError", ProbeFault.NOT_SUPPORTED),
        14: ("DuplicatedArgumentsError", ProbeFault.NOT_SUPPORTED),
        15: ("NoOperationError", ProbeFault.NOT_SUPPORTED),
        16: ("UnavailableOperationBecauseProtectionError", ProbeFault.PROTECTED),
        17: ("UnavailableOperationInFamilyError", ProbeFault.WRONG_CHIP),
        18: ("WrongFamilyForDeviceError", ProbeFault.WRONG_CHIP),
        19: ("UnavailableOperationBecauseMpuConfiguration", ProbeFault.PROTECTED),
        20: ("NrfjprogDllNotFoundError", ProbeFault.TOOL_BROKEN),
        21: ("NrfjprogDllLoadFailedError", ProbeFault.TOOL_BROKEN),
        22: ("NrfjprogDllFunctionLoadFailedError", ProbeFault.TOOL_BROKEN),
        23: ("NrfjprogDllNotImplementedError", ProbeFault.NOT_SUPPORTED),
        24: ("NrfjprogIniSyntaxError", ProbeFault.TOOL_BROKEN),
        25: ("NrfjprogIniNotFoundError", ProbeFault.TOOL_BROKEN),
        26: ("NrfjprogIniCannotBeOpenedError", ProbeFault.TOOL_BROKEN),
        27: ("NrfjprogIniFamilyMissingError", ProbeFault.TOOL_BROKEN),
        28: ("NrfjprogIniClockspeedMissingError", ProbeFault.TOOL_BROKEN),
        29: ("NrfjprogWorkerExeNotFoundError", ProbeFault.TOOL_BROKEN),
        30: ("JLinkARMDllNotFoundError", ProbeFault.JLINK_MISSING),
        31: ("JLinkARMDllInvalidError", ProbeFault.JLINK_MISSING),
        32: ("JLinkARMDllFailedToOpenError", ProbeFault.JLINK_MISSING),
        33: ("JLinkARMDllError", ProbeFault.NO_CONNECTION),
        34: ("JLinkARMDllTooOldError", ProbeFault.TOOL_TOO_OLD),
        35: ("JLinkARMDllTimeOutError", ProbeFault.JLINK_TIMED_OUT),
        36: ("UnavailableOperationBecauseCoprocessorDisabled", ProbeFault.PROTECTED),
        37: ("UnavailableOperationBecauseTrustZone", ProbeFault.PROTECTED),
        38: ("UnavailableOperationBecauseBPROT", ProbeFault.PROTECTED),
        39: ("NrfjprogIniPropertyMissingError", ProbeFault.TOOL_BROKEN),
        40: ("InvalidSerialNumberError", ProbeFault.NOT_FOUND),
        41: ("NoDebuggersError", ProbeFault.NOT_FOUND),
        42: ("NotPossibleToConnectError", ProbeFault.NO_CONNECTION),
        43: ("LowVoltageError", ProbeFault.LOW_VOLTAGE),
        51: ("FileNotFoundError", ProbeFault.BAD_FILE),
        52: ("InvalidHexFileError", ProbeFault.BAD_FILE),
        53: ("FicrReadError", ProbeFault.NO_CONNECTION),
        54: ("WrongArgumentError", ProbeFault.NOT_SUPPORTED),
        55: ("VerifyError", ProbeFault.VERIFY_FAILED),
        56: ("NoWritePermissionError", ProbeFault.OTHER),
        57: ("NVMCOperationError", ProbeFault.FLASH_FAILED),
        58: ("FlashNotErasedError", ProbeFault.FLASH_FAILED),
        59: ("RamIsOffError", ProbeFault.OTHER),
        60: ("NoReadPermissionError", ProbeFault.BAD_FILE),
        61: ("NoExternalMemoryConfiguredError", ProbeFault.NO_EXTERNAL_FLASH),
        62: ("RecoverFailed", ProbeFault.RECOVER_FAILED),
        63: ("InternalError", ProbeFault.OTHER),
        64: ("TimeOutError", ProbeFault.NO_CONNECTION),
        65: ("ReadError", ProbeFault.NO_CONNECTION),
        70: ("NrfjprogQspiIniNotFoundError", ProbeFault.NO_EXTERNAL_FLASH),
        71: ("NrfjprogQspiIniCannotBeOpenedError", ProbeFault.NO_EXTERNAL_FLASH),
        72: ("NrfjprogQspiSyntaxError", ProbeFault.NO_EXTERNAL_FLASH),
        73: ("NrfjprogQspiIniParsingError", ProbeFault.NO_EXTERNAL_FLASH),
        74: ("NrfjprogQspiIniCustomMissingError", ProbeFault.NO_EXTERNAL_FLASH),
    }
)
# What a more telling message may correct: these codes only say that something went wrong.
_VAGUE = (ProbeFault.OTHER, ProbeFault.NO_CONNECTION, ProbeFault.RECOVER_FAILED)
_READ_BYTES = 1024 * 1024
# Where SEGGER's library was not found its version is missing, or an error in words.
_LIBRARY_VERSION = re.compile(r"JLinkARM\.dll version: *\d")
_MEMORY_LINE = re.compile(r"0x(?P<address>[0-9A-Fa-f]{8}): (?P<words>[0-9A-Fa-f ]+?)\s*(\||$)")
# `--ids` lists a J-Link that another program has opened as 0 (sdk-zephyr, same file).
_BUSY_ID = "0"


def require_success(result: CommandResult) -> CommandResult:
    """The result, where it is one. Raises `ProbeFaultError` with the exit code's name."""
    if result.exit_code == 0:
        return result
    name, fault = EXIT_CODES.get(result.exit_code, ("unknown exit code", ProbeFault.OTHER))
    if fault in _VAGUE:
        fault = fault_in(f"{result.stdout}\n{result.stderr}") or fault
    status = f"exit code {result.exit_code} ({name})"
    raise tool_failed(fault, "nrfjprog", status, result.last_words, where=result.command)


def listed_probes(tool: Tool, deadline: Deadline) -> tuple[str, ...]:
    """Serial numbers of the attached J-Links. Raises `ProbeFaultError` where one is in use."""
    result = require_success(tool.run(("--ids",), deadline))
    found = tuple(line.strip() for line in result.stdout.splitlines() if line.strip())
    if _BUSY_ID in found:
        raise ProbeFaultError(
            ProbeFault.BUSY, "A J-Link is held by another program.", where=result.command
        )
    strange = [line for line in found if not line.isdecimal()]
    if strange:
        raise ProbeFaultError(
            ProbeFault.BAD_OUTPUT,
            f"nrfjprog listed {strange[0]!r} as a serial number.",
            where=result.command,
        )
    return found


def memory_in(result: CommandResult, address: int, size_bytes: int) -> bytes:
    """The memory that `--memrd` printed: `0x00001000: FFFFFF10 51B1E5DB ...  |....|`.

    Words are printed as numbers, the chip is little-endian.

    Raises:
        ProbeFaultError: the lines are not a gapless print of all these bytes.
    """
    memory = bytearray()
    for line in result.stdout.splitlines():
        match = _MEMORY_LINE.match(line.strip())
        if match is None:
            continue
        if int(match["address"], 16) != address + len(memory):
            break
        for word in match["words"].split():
            memory += bytes.fromhex(word)[::-1] if len(word) % 2 == 0 else b""
    if len(memory) != size_bytes:
        raise ProbeFaultError(
            ProbeFault.BAD_OUTPUT,
            f"nrfjprog was to read {size_bytes} bytes at 0x{address:x}; {len(memory)} could be "
            "read in its output.",
            where=result.command,
        )
    return bytes(memory)


class NrfjprogProbe:
    """A `Probe` through `nrfjprog`.

    Args:
        tool: `nrfjprog`.
        serial_number: of the probe, as nrfjprog lists it.
        work_folder: gets the parts of hex files.
        soc: of the kit; tools are told a core only where it has several.
    """

    def __init__(self, tool: Tool, serial_number: str, work_folder: Path, soc: Soc) -> None:
        self._tool = tool
        self._soc = soc
        self._serial_number = serial_number
        self._work_folder = work_folder

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify chip and tool."""
        target = self._run(("--deviceversion",), deadline).stdout.strip()
        version = tool_version(self._tool, deadline)
        return ProbeInfo("nrfjprog", self._serial_number, target or "unknown", version)

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core."""
        self._run(("--recover", *self._coprocessor(core)), deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Program and verify, network core first, with the application core halted meanwhile."""
        parts = split_by_core(hex_file, self._work_folder, self._soc)
        if any(part.core is Core.NETWORK for part in parts):
            self._run(("--halt", *self._coprocessor(Core.APPLICATION)), deadline)
        for part in parts:
            erase = ("--sectorerase", *(("--qspisectorerase",) if part.has_external else ()))
            arguments = ("--program", str(part.path), *erase, "--verify")
            self._run((*arguments, *self._coprocessor(part.core)), deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the whole external flash."""
        self._run(("--qspieraseall",), deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read words, at most 1 MiB by one call."""
        memory, end = bytearray(), address + size_bytes
        for part in range(address, end, _READ_BYTES):
            part_bytes = min(_READ_BYTES, end - part)
            arguments = ("--memrd", f"0x{part:08X}", "--n", str(part_bytes))
            result = self._run((*arguments, *self._coprocessor(self._soc.core_of(part))), deadline)
            memory += memory_in(result, part, part_bytes)
        return bytes(memory)

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on from where a read has halted it."""
        self._run(("--run", *self._coprocessor(core)), deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the board."""
        match kind:
            case ResetKind.SYSTEM:
                self._run(("--reset",), deadline)
            case ResetKind.PIN:
                self._run(("--pinreset",), deadline)
            case _:
                assert_never(kind)

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _coprocessor(self, core: Core) -> tuple[str, ...]:
        if not self._soc.names_core:
            return ()
        match core:
            case Core.APPLICATION:
                return "--coprocessor", "CP_APPLICATION"
            case Core.NETWORK:
                return "--coprocessor", "CP_NETWORK"
            case _:
                assert_never(core)

    def _run(self, arguments: Sequence[str], deadline: Deadline) -> CommandResult:
        family = ("-f", self._soc.family.upper())
        whole = (*arguments, *family, "--snr", self._serial_number)
        return require_success(self._tool.run(whole, deadline))


def tool_version(tool: Tool, deadline: Deadline) -> str:
    """The version of nrfjprog and of the J-Link library.

    Raises `ProbeFaultError` where one of them is missing: nrfjprog alone drives no probe.
    """
    result = require_success(tool.run(("--version",), deadline))
    if _LIBRARY_VERSION.search(result.stdout) is None:
        raise ProbeFaultError(
            ProbeFault.JLINK_MISSING,
            f"nrfjprog finds no J-Link library: {result.last_words or 'it said nothing'}",
            where=result.command,
        )
    return ", ".join(line.strip() for line in result.stdout.splitlines() if "version" in line)


def find(machine: Machine, deadline: Deadline) -> FoundTool:
    """nrfjprog. Raises `ProbeFaultError`."""
    path = str(program(machine, "nrfjprog"))
    tool = Tool("nrfjprog", (path,), machine.run)
    return FoundTool(
        version=tool_version(tool, deadline),
        place=path,
        list_probes=partial(listed_probes, tool),
        open_probe=partial(NrfjprogProbe, tool),
        command=tool,
    )


NRFJPROG = ProbeTool(
    "nrfjprog",
    find,
    remedy="Install nRF Command Line Tools, from Nordic's download page.",
    install="sudo apt install ./nrf-command-line-tools_*_amd64.deb",
    needs_jlink_library=True,
)
