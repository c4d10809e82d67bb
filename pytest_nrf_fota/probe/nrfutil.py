"""The SWD wire through `nrfutil device`, Nordic's present tool, by its JSON output.

Commands and options: docs.nordicsemi.com, nRF Util, the pages of device program, recover, erase,
read, reset and list; sdk-zephyr scripts/west_commands/runners/nrfutil.py. Messages: nRF Util,
"Command output management" (NDJSON; task_begin, task_progress, task_end, info, log), and the types
in NordicSemiconductor/pc-nrfconnect-shared, nrfutil/sandboxTypes.ts. Never run on a kit:
docs/hardware.md.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, JsonValue, ValidationError
from typing_extensions import assert_never

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.probe.command import CommandResult, Tool
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError, fault_in, tool_failed
from pytest_nrf_fota.probe.hex_parts import split_by_core
from pytest_nrf_fota.probe.tool import FoundTool, Machine, ProbeTool, program
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind

# Error codes in a failed task (sdk-zephyr scripts/west_commands/runners/nrf_common.py).
_PROTECTED_CODE = 24
_VERIFY_CODE = 25


class _Error(BaseModel):
    code: int = 0
    description: str = ""


class _Task(BaseModel):
    """The `data` of a `task_end`. Older versions leave `result` out."""

    result: Literal["success", "fail"] | None = None
    message: str | None = None
    error: _Error | None = None
    data: JsonValue = None


class _Traits(BaseModel):
    jlink: bool = False
    segger_usb: bool = Field(default=False, alias="seggerUsb")


class _Device(BaseModel):
    serial_number: str | None = Field(default=None, alias="serialNumber")
    traits: _Traits = _Traits()


class _DeviceList(BaseModel):
    """The devices one by one: what one of them lacks hides no other."""

    devices: tuple[JsonValue, ...]


class _JLink(BaseModel):
    device_version: str | None = Field(default=None, alias="deviceVersion")
    device_family: str | None = Field(default=None, alias="deviceFamily")
    firmware: str = Field(default="", alias="jlinkObFirmwareVersion")


class _Info(BaseModel):
    jlink: _JLink = _JLink()


class _DeviceInfo(BaseModel):
    device_info: _Info = Field(default=_Info(), alias="deviceInfo")


class _Line(BaseModel):
    type: str
    data: JsonValue = None


@dataclass(frozen=True)
class NrfutilAnswer:
    """What one call said: the data of its `task_end` and `info` messages, and all other text."""

    task_ends: tuple[_Task, ...]
    infos: tuple[JsonValue, ...]
    other_text: str


def read_answer(result: CommandResult) -> NrfutilAnswer:
    """Read the output of `nrfutil --json device ...`; lines that are no messages are kept as text.

    Raises `ProbeFaultError` where the call failed, or did not say that it succeeded.
    """
    task_ends: list[_Task] = []
    infos: list[JsonValue] = []
    other: list[str] = []
    for text in _pieces(result.stdout):
        try:
            message = _Line.model_validate_json(text)
            if message.type == "task_end":
                task_ends.append(_Task.model_validate(message.data))
            elif message.type == "info":
                infos.append(message.data)
            elif message.type == "log":
                other.append(text)
        except ValidationError:
            other.append(text)
    answer = NrfutilAnswer(tuple(task_ends), tuple(infos), "\n".join([*other, result.stderr]))
    _require_success(result, answer)
    return answer


def _pieces(output: str) -> Iterator[str]:
    """The output's JSON objects, on one line or over several, and the lines between them."""
    decoder = json.JSONDecoder()
    position = 0
    while position < len(output):
        line_end = output.find("\n", position)
        line_end = len(output) if line_end < 0 else line_end
        line = output[position:line_end].strip()
        end = line_end
        if line.startswith("{"):
            start = output.index("{", position)
            try:
                _, end = decoder.raw_decode(output, start)
                line = output[start:end]
            except json.JSONDecodeError as error:
                is_open = error.msg.startswith("Unterminated")
                if is_open or error.pos >= len(output.rstrip()):
                    # An object that was cut off: what it holds are no messages.
                    yield from output[position:].splitlines()
                    return
            except RecursionError:
                yield from output[position:].splitlines()
                return
        yield line
        position = end + (output[end : end + 1] == "\n")


def _require_success(result: CommandResult, answer: NrfutilAnswer) -> None:
    failed = [task for task in answer.task_ends if task.result == "fail"]
    if result.exit_code == 0 and not failed:
        if answer.task_ends or answer.infos:
            return
        raise ProbeFaultError(
            ProbeFault.BAD_OUTPUT,
            f"nrfutil ended without saying that it succeeded. {result.last_words}".rstrip(),
            where=result.command,
        )
    words = [_words(task) for task in failed]
    codes = [task.error.code for task in failed if task.error is not None]
    raise tool_failed(
        _fault(codes, "\n".join([*words, answer.other_text])),
        "nrfutil",
        f"status {result.exit_code}",
        " / ".join(word for word in words if word) or result.last_words,
        where=result.command,
    )


def _words(task: _Task) -> str:
    parts = [task.message, task.error.description if task.error else None]
    return ", ".join(dict.fromkeys(part for part in parts if part))


def _fault(codes: Sequence[int], text: str) -> ProbeFault:
    if _PROTECTED_CODE in codes:
        return ProbeFault.PROTECTED
    if _VERIFY_CODE in codes:
        return ProbeFault.VERIFY_FAILED
    return fault_in(text) or ProbeFault.OTHER


def listed_probes(tool: Tool, deadline: Deadline) -> tuple[str, ...]:
    """Serial numbers of the attached J-Links, as nrfutil writes them.

    Raises `ProbeFaultError`, also where J-Links are on USB and nrfutil can use none of them.
    """
    result = tool.run(("list",), deadline)
    answer = read_answer(result)
    found: dict[str, None] = {}
    unusable: dict[str, None] = {}
    for device in _devices(answer):
        # Without access to the USB device nrfutil lists it without a serial number.
        if device.traits.jlink and device.serial_number:
            found[device.serial_number] = None
        elif device.traits.segger_usb and not device.traits.jlink:
            unusable[device.serial_number or "without a serial number"] = None
    if unusable and not found:
        raise ProbeFaultError(
            ProbeFault.NOT_REACHABLE,
            f"On USB there is a J-Link ({', '.join(unusable)}), but nrfutil cannot talk to it: "
            "SEGGER's J-Link software is missing, or too old.",
            where=result.command,
        )
    return tuple(found)


def _devices(answer: NrfutilAnswer) -> Iterator[_Device]:
    for data in [*answer.infos, *(task.data for task in answer.task_ends)]:
        try:
            entries = _DeviceList.model_validate(data).devices
        except ValidationError:
            continue
        for entry in entries:
            try:
                yield _Device.model_validate(entry)
            except ValidationError:
                continue


class NrfutilProbe:
    """A `Probe` through `nrfutil device`.

    Args:
        tool: `nrfutil --json device`.
        serial_number: of the probe, as nrfutil lists it.
        work_folder: gets the parts of hex files.
        soc: of the kit; tools are told a core only where it has several.
    """

    def __init__(self, tool: Tool, serial_number: str, work_folder: Path, soc: Soc) -> None:
        self._tool = tool
        self._soc = soc
        self._serial_number = serial_number
        self._work_folder = work_folder

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify probe and chip (`device-info`)."""
        answer = self._run("device-info", (), deadline)
        jlink = _JLink()
        for data in [*answer.infos, *(task.data for task in answer.task_ends)]:
            try:
                jlink = _DeviceInfo.model_validate(data).device_info.jlink
            except ValidationError:
                continue
        target = jlink.device_version or jlink.device_family or "unknown"
        return ProbeInfo("nrfutil", self._serial_number, target, jlink.firmware)

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core."""
        self._run("recover", self._core(core), deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Program and verify, network core first; of external flash the touched ranges only."""
        for part in split_by_core(hex_file, self._work_folder, self._soc):
            options = "chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE"
            if part.has_external:
                options += ",ext_mem_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE"
            options += ",verify=VERIFY_READ,reset=RESET_NONE"
            arguments = ("--firmware", str(part.path), *self._core(part.core), "--options", options)
            self._run("program", arguments, deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the whole external flash, through the application core."""
        self._run("erase", ("--all-external", *self._core(Core.APPLICATION)), deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory into a hex file, which leaves no doubt about word widths."""
        self._work_folder.mkdir(parents=True, exist_ok=True)
        memory_file = self._work_folder / "memory.hex"
        memory_file.unlink(missing_ok=True)
        place = ("--address", f"0x{address:08x}", "--bytes", str(size_bytes))
        arguments = (*place, "--to-file", str(memory_file), *self._core(self._soc.core_of(address)))
        try:
            self._run("read", arguments, deadline)
            segments = read_hex(memory_file)
        except PackageError as error:
            raise ProbeFaultError(
                ProbeFault.BAD_OUTPUT,
                f"nrfutil read 0x{address:x} into no usable file: {error.what}",
                where=f"nrfutil device read {' '.join(arguments)}",
            ) from error
        finally:
            memory_file.unlink(missing_ok=True)
        for segment in segments:
            if segment.address <= address and address + size_bytes <= segment.end:
                start = address - segment.address
                return segment.data[start : start + size_bytes]
        got = ", ".join(f"0x{s.address:x}-0x{s.end:x}" for s in segments)
        raise ProbeFaultError(
            ProbeFault.BAD_OUTPUT,
            f"nrfutil was to read {size_bytes} bytes at 0x{address:x} and gave {got}.",
            where=f"nrfutil device read {' '.join(arguments)}",
        )

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on from where a read has halted it (`go`)."""
        self._run("go", self._core(core), deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the board."""
        match kind:
            case ResetKind.SYSTEM:
                name = "RESET_SYSTEM"
            case ResetKind.PIN:
                name = "RESET_PIN"
            case _:
                assert_never(kind)
        self._run("reset", ("--reset-kind", name), deadline)

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _core(self, core: Core) -> tuple[str, ...]:
        if not self._soc.names_core:
            return ()
        match core:
            case Core.APPLICATION:
                return "--core", "Application"
            case Core.NETWORK:
                return "--core", "Network"
            case _:
                assert_never(core)

    def _run(self, command: str, arguments: Sequence[str], deadline: Deadline) -> NrfutilAnswer:
        whole = (command, "--serial-number", self._serial_number, *arguments)
        return read_answer(self._tool.run(whole, deadline))


def tool_version(tool: Tool, deadline: Deadline) -> str:
    """The version of `nrfutil device`.

    Raises `ProbeFaultError` where the command is missing (TOOL_MISSING), or it does not start.
    """
    result = tool.run(("--version",), deadline)
    if result.exit_code != 0:
        fault = fault_in(f"{result.stdout}\n{result.stderr}")
        if fault is ProbeFault.OTHER_NRFUTIL:
            raise ProbeFaultError(
                fault,
                "This nrfutil is Nordic's old Python program (`pip install nrfutil`, version 6 and "
                "before), which makes packages of the nRF5 SDK and drives no probe: "
                f"{result.last_words}",
                where=result.command,
            )
        if fault is not None:
            status = f"status {result.exit_code}"
            raise tool_failed(fault, "nrfutil", status, result.last_words, where=result.command)
        raise ProbeFaultError(
            ProbeFault.TOOL_MISSING,
            f"nrfutil has no command `device`: {result.last_words}",
            where=result.command,
        )
    for piece in _pieces(result.stdout):
        try:
            data = json.loads(piece)
        except ValueError:
            continue
        if isinstance(data, dict) and isinstance(data.get("data"), dict):
            return str(data["data"].get("version", "unknown version"))
    return "unknown version"


def device_command(machine: Machine) -> Tool:
    """`nrfutil device`, whether it works or not. Raises `ProbeFaultError` without nrfutil."""
    return Tool("nrfutil", (str(program(machine, "nrfutil")), "--json", "device"), machine.run)


def find(machine: Machine, deadline: Deadline) -> FoundTool:
    """nrfutil with its command `device`. Raises `ProbeFaultError`."""
    tool = device_command(machine)
    return FoundTool(
        version=f"nrfutil device {tool_version(tool, deadline)}",
        place=str(program(machine, "nrfutil")),
        list_probes=partial(listed_probes, tool),
        open_probe=partial(NrfutilProbe, tool),
        command=tool,
    )


NRFUTIL = ProbeTool(
    "nrfutil",
    find,
    remedy="Get nRF Util from Nordic's download page onto the PATH, then its command `device`.",
    install="nrfutil install device",
    needs_jlink_library=True,
)
