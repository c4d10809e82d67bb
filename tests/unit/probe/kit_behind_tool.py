"""Executables with the command lines of `nrfjprog` and `nrfutil`, which drive a virtual kit.

They take the commands as the tools' manuals document them and refuse everything else, so a backend
is tried in whole sequences, on flash that keeps the chip's rules. A package stands for pynrfjprog.

A file named `protected` beside the tool closes the kit's access port, as the tool's own command
does: it then refuses all but a recovery, in the words that users saw, and the application core's
recovery opens it. What a file
named `next_call`, or `next_recover`, holds is Python that the next call for the kit, or the next
recovery, runs first, once.

Where no kit is given when they are written, the environment variable KIT_VARIABLE names it.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

KIT_VARIABLE = "PYTEST_NRF_FOTA_KIT_BEHIND_TOOL"

_COMMON = """#!{python}
import json, os, sys
from pathlib import Path
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.sim.client import KitControl, KitRefusedError
limit = Deadline.after(60)
arguments = sys.argv[1:]
HERE = Path(__file__).parent
PROTECTED = HERE / "protected"
control = {control!r} or os.environ.get({variable!r}, "")
kit = KitControl(control) if control else None
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
without = {without!r}
NETWORK = range(0x01000000, 0x02000000)
EXTERNAL = range(0x10000000, 0x20000000)

def after(name):
    return arguments[arguments.index(name) + 1]

def do_what_comes_first():
    for path in (HERE / "next_call", HERE / f"next_{{verb.strip('-')}}"):
        if path.exists():
            text = path.read_text()
            path.unlink()
            exec(text, globals())

def check_core(core, file):
    for segment in read_hex(Path(file)):
        assert (segment.address in NETWORK) == (core == "network"), "data of the other core"
        yield segment.address in EXTERNAL
"""

_NRFJPROG = (
    _COMMON
    + """
if arguments == ["--version"]:
    print("nrfjprog version: 10.24.2 external"); print("JLinkARM.dll version: 7.94i"); sys.exit()
if arguments == ["--ids"]:
    print({serial_number!r}); sys.exit()
if after("--snr") != {serial_number!r}:
    print("ERROR: invalid serial number"); sys.exit(40)
assert after("-f") in ("NRF53", "NRF52")
coprocessor = after("--coprocessor") if "--coprocessor" in arguments else "CP_APPLICATION"
core = {{"CP_APPLICATION": "application", "CP_NETWORK": "network"}}[coprocessor]
verb = arguments[0]
do_what_comes_first()
if PROTECTED.exists() and verb != "--recover":
    # devzone 98292
    print("[error] [ nRF53] - Access protection is enabled, can't read device version.")
    print("ERROR: The operation attempted is unavailable due to readback protection in")
    print("ERROR: your device. Please use --recover to unlock the device."); sys.exit(16)
if verb in without:
    sys.exit(15)
try:
    if verb == "--recover":
        kit.recover(core, limit)
        if core == "application":
            PROTECTED.unlink(missing_ok=True)
    elif verb == "--program":
        assert "--sectorerase" in arguments and "--verify" in arguments
        external = any(check_core(core, after("--program")))
        assert external == ("--qspisectorerase" in arguments)
        kit.program(str(Path(after("--program")).resolve()), limit)
    elif verb == "--memrd":
        start, size = int(after("--memrd"), 16), int(after("--n"))
        assert start % 4 == size % 4 == 0 and (start in NETWORK) == (core == "network")
        memory = kit.read(start, size, limit)
        for at in range(0, size, 16):
            row = memory[at:at + 16]
            words = [row[i:i + 4][::-1].hex().upper() for i in range(0, len(row), 4)]
            text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
            print(f"0x{{start + at:08X}}: {{' '.join(words)}}   |{{text}}|")
    elif verb == "--rbp":
        assert after("--rbp") == "ALL"
        PROTECTED.touch()
    elif verb == "--run":
        assert "--pc" not in arguments
        kit.resume(core, limit)
    elif verb == "--qspieraseall":
        kit.erase_external(limit)
    elif verb in ("--reset", "--pinreset"):
        kit.reset({{"--reset": "system", "--pinreset": "pin"}}[verb], limit)
    elif verb == "--deviceversion":
        print("NRF5340_xxAA_REV1" if after("-f") == "NRF53" else "NRF52840_xxAA_REV2")
    elif verb != "--halt":
        sys.exit(15)
except KitRefusedError as error:
    print(f"ERROR: {{error}}"); print("ERROR: Write verify failed."); sys.exit(55)
"""
)

_NRFUTIL = (
    _COMMON
    + """
assert arguments[:2] == ["--json", "device"]
verb = arguments[2]

def say(kind, data):
    print(json.dumps({{"type": kind, "data": data}}), flush=True)

if verb == "--version":
    say("info", {{"name": "nrfutil-device", "version": "2.11.0"}}); sys.exit()
devices = [{{"serialNumber": {serial_number!r}.zfill(12), "traits": {{"jlink": True}}}}]
task = {{"id": "1", "name": verb, "description": verb, "data": {{}}}}
say("task_begin", {{"task": task}})
if verb == "list":
    say("task_end", {{"task": task, "result": "success", "data": {{"devices": devices}}}})
    sys.exit()
if after("--serial-number") != devices[0]["serialNumber"]:
    print("Error: No devices with requested serial number(s) or trait(s) found", file=sys.stderr)
    sys.exit(1)
core = after("--core").lower() if "--core" in arguments else "application"
if verb in without:
    print(f"error: unrecognized subcommand '{{verb}}'", file=sys.stderr); sys.exit(2)
data = None
do_what_comes_first()
if PROTECTED.exists() and verb not in ("recover", "protection-get"):
    # devzone 121798
    message = ("Failed to attach to target: The Application core access port is protected (All) "
               "(NotAvailableBecauseProtection)")
    say("task_end", {{"task": task, "result": "fail", "message": message,
                     "error": {{"code": 1, "description": message}}}})
    sys.exit(1)
try:
    if verb == "recover":
        kit.recover(core, limit)
        if core == "application":
            PROTECTED.unlink(missing_ok=True)
    elif verb == "program":
        options = dict(option.split("=") for option in after("--options").split(","))
        touched = "ERASE_RANGES_TOUCHED_BY_FIRMWARE"
        external = any(check_core(core, after("--firmware")))
        assert options.pop("ext_mem_erase_mode", None) == (touched if external else None)
        expected = {{"chip_erase_mode": touched, "verify": "VERIFY_READ", "reset": "RESET_NONE"}}
        assert options == expected, options
        kit.program(str(Path(after("--firmware")).resolve()), limit)
    elif verb == "read":
        start = int(after("--address"), 16)
        assert start % 4 == int(after("--bytes")) % 4 == 0
        assert (start in NETWORK) == (core == "network")
        memory = kit.read(start, int(after("--bytes")), limit)
        write_hex(Path(after("--to-file")), [Segment(start, memory)])
    elif verb == "go":
        kit.resume(core, limit)
    elif verb == "erase":
        assert "--all-external" in arguments and core == "application"
        kit.erase_external(limit)
    elif verb == "reset":
        kit.reset({{"RESET_PIN": "pin", "RESET_SYSTEM": "system"}}[after("--reset-kind")], limit)
    elif verb == "core-info":
        data = {{"coreInfo": {{"codePageSize": 2048 if core == "network" else 4096}}}}
    elif verb == "protection-get":
        data = {{"protectionStatus": "All" if PROTECTED.exists() else "None"}}
    elif verb == "protection-set":
        assert arguments[3] == "All"
        PROTECTED.touch()
    elif verb == "device-info":
        kit.state(limit)
        data = {{"deviceInfo": {{"jlink": {{"deviceVersion": "NRF5340_xxAA_REV1",
                                            "jlinkObFirmwareVersion": "J-Link OB"}}}}}}
    else:
        sys.exit(2)
except KitRefusedError as error:
    say("task_end", {{"task": task, "result": "fail", "message": str(error),
                     "error": {{"code": 25, "description": str(error)}}}})
    sys.exit(1)
say("task_end", {{"task": task, "result": "success", "data": data}})
"""
)
_TOOLS = {"nrfjprog": _NRFJPROG, "nrfutil": _NRFUTIL}

_HIGH_LEVEL = """
import enum, json, os, sys
from pathlib import Path
from types import SimpleNamespace
from pynrfjprog.APIError import APIError
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.sim.client import KitControl, KitRefusedError

class EraseAction(enum.IntEnum):
    ERASE_NONE = 0
    ERASE_ALL = 1
    ERASE_SECTOR = 2
class ResetAction(enum.IntEnum):
    RESET_NONE = 0
    RESET_SYSTEM = 1
    RESET_PIN = 4
class VerifyAction(enum.IntEnum):
    VERIFY_READ = 1
class CoProcessor(enum.IntEnum):
    CP_APPLICATION = 0
    CP_NETWORK = 2
def ProgramOptions(**options): return options

CORES = {{CoProcessor.CP_APPLICATION: "application", CoProcessor.CP_NETWORK: "network",
         None: "application"}}

def kit():
    with open({calls!r}, "a") as calls:
        calls.write(sys.argv[-1] + "\\n")
    return KitControl({control!r} or os.environ[{variable!r}])

class API:
    def __init__(self, log): assert log is False
    def open(self): pass
    def close(self): pass
    def get_connected_probes(self): return [int({serial_number!r})]
    def dll_version(self): return (10, 24, 2)

class DebugProbe:
    def __init__(self, api, snr, coprocessor, log):
        assert snr == int({serial_number!r})
        self._kit, self._core, self._has_qspi = kit(), CORES[coprocessor], False
        self._limit = Deadline.after(60)
    def close(self): self._kit.close()
    def get_device_info(self):
        self._kit.state(self._limit)
        return SimpleNamespace(device_type=SimpleNamespace(name="NRF5340_xxAA_REV1"))
    def recover(self): self._kit.recover(self._core, self._limit)
    def setup_qspi_with_ini(self): self._has_qspi = True
    def program(self, hex_path, options):
        assert options["verify"] is VerifyAction.VERIFY_READ
        try:
            self._kit.program(hex_path, self._limit)
        except KitRefusedError as error:
            raise APIError(-160, "VERIFY_ERROR")
    def erase(self, action, start_address):
        assert self._has_qspi and action is EraseAction.ERASE_ALL
        self._kit.erase_external(self._limit)
    def read(self, address, data_len):
        assert address % 4 == data_len % 4 == 0
        memory = self._kit.read(address, data_len, self._limit)
        return int.from_bytes(memory, "little") if data_len == 4 else bytearray(memory)
    def reset(self, action):
        name = {{ResetAction.RESET_SYSTEM: "system", ResetAction.RESET_PIN: "pin"}}[action]
        self._kit.reset(name, self._limit)
"""
_LOW_LEVEL = """
from pynrfjprog.HighLevel import CORES, CoProcessor, kit
from pytest_nrf_fota.deadline import Deadline

class API:
    def open(self): self._core = "application"
    def close(self): self._kit.close()
    def connect_to_emu_with_snr(self, serial_number):
        assert serial_number == int({serial_number!r})
        self._kit = kit()
    def select_coprocessor(self, coprocessor): self._core = CORES[coprocessor]
    def go(self): self._kit.resume(self._core, Deadline.after(60))
"""
_API_ERROR = """
import enum
class APIError(Exception):
    def __init__(self, code, name):
        super().__init__(f"An error was reported by NRFJPROG DLL: {{code}} {{name}}.")
        self.err_code = code
        self.error_enum = enum.Enum("Names", {{name: code}})[name]
"""


def write_tool(
    folder: Path,
    name: str,
    control_address: str,
    serial_number: str,
    without: Sequence[str] = (),
) -> Path:
    """Write the executable `name` into `folder`, for the kit with this control socket.

    Returns the file in which it notes its calls, a line of JSON each. It does not know the commands
    in `without`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, calls = folder / name, folder / f"{name}.calls"
    path.write_text(_filled(_TOOLS[name], control_address, serial_number, calls, without))
    path.chmod(0o755)
    return calls


def write_package(folder: Path, control_address: str, serial_number: str) -> Path:
    """Write a package `pynrfjprog` into `folder`. Returns the file in which it notes its calls."""
    package, calls = folder / "pynrfjprog", folder / "pynrfjprog.calls"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    for name, text in (
        ("HighLevel", _HIGH_LEVEL),
        ("LowLevel", _LOW_LEVEL),
        ("APIError", _API_ERROR),
    ):
        filled = _filled(text, control_address, serial_number, calls, ())
        (package / f"{name}.py").write_text(filled)
    return calls


def calls_in(noted: Path) -> list[str]:
    """The operations that a tool was called for so far, by its own names."""
    if not noted.exists():
        return []
    operations: list[str] = []
    for line in noted.read_text().splitlines():
        call = json.loads(line)
        if isinstance(call, dict):
            operations.append(str(call["operation"]))
        else:
            operations.append(next(word for word in call if word not in ("--json", "device")))
    return operations


def environment_with(folder: Path, name: str) -> dict[str, str]:
    """Variables with which a process finds the tool, or the package, in this folder."""
    variable = "PYTHONPATH" if name == "pynrfjprog" else "PATH"
    before = os.environ.get(variable, "")
    return {variable: os.pathsep.join(filter(None, (str(folder), before)))}


def _filled(
    text: str, control_address: str, serial_number: str, calls: Path, without: Sequence[str]
) -> str:
    return text.format(
        python=sys.executable,
        control=control_address,
        variable=KIT_VARIABLE,
        serial_number=serial_number,
        calls=str(calls),
        without=tuple(without),
    )
