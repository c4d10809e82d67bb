"""Executables with the command lines of `nrfjprog` and `nrfutil`, which drive a virtual kit.

They take the commands as the tools' manuals document them and refuse everything else, so a backend
is tried in whole sequences, on flash that keeps the chip's rules.

A file named `protected` beside the tool closes the kit's access port: the tool then refuses all but
a recovery, in the words that users saw, and the application core's recovery opens it. What a file
named `next_call`, or `next_recover`, holds is Python that the next call for the kit, or the next
recovery, runs first, once.
"""

import sys
from pathlib import Path

_COMMON = """#!{python}
import json, sys
from pathlib import Path
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.sim.client import KitControl, KitRefusedError
kit = KitControl({control!r})
limit = Deadline.after(60)
arguments = sys.argv[1:]
HERE = Path(__file__).parent
PROTECTED = HERE / "protected"
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
assert after("-f") == "NRF53"
coprocessor = after("--coprocessor") if "--coprocessor" in arguments else "CP_APPLICATION"
core = {{"CP_APPLICATION": "application", "CP_NETWORK": "network"}}[coprocessor]
verb = arguments[0]
do_what_comes_first()
if PROTECTED.exists() and verb != "--recover":
    # devzone 98292
    print("[error] [ nRF53] - Access protection is enabled, can't read device version.")
    print("ERROR: The operation attempted is unavailable due to readback protection in")
    print("ERROR: your device. Please use --recover to unlock the device."); sys.exit(16)
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
    elif verb == "--qspieraseall":
        kit.erase_external(limit)
    elif verb in ("--reset", "--pinreset"):
        kit.reset({{"--reset": "system", "--pinreset": "pin"}}[verb], limit)
    elif verb == "--deviceversion":
        print("NRF5340_xxAA_REV1")
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
data = None
do_what_comes_first()
if PROTECTED.exists() and verb != "recover":
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
        assert (start in NETWORK) == (core == "network")
        memory = kit.read(start, int(after("--bytes")), limit)
        write_hex(Path(after("--to-file")), [Segment(start, memory)])
    elif verb == "erase":
        assert "--all-external" in arguments and core == "application"
        kit.erase_external(limit)
    elif verb == "reset":
        kit.reset({{"RESET_PIN": "pin", "RESET_SYSTEM": "system"}}[after("--reset-kind")], limit)
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


def write_tool(folder: Path, name: str, control_address: str, serial_number: str) -> None:
    """Write the executable `name` into `folder`, for the kit with this control socket."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _TOOLS[name].format(
        python=sys.executable, control=control_address, serial_number=serial_number
    )
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
