"""Virtual kits that appear as kits on this host: a vendor tool that knows them all, and USB.

pytest and `nrf-fota` run as processes of their own and find nothing that was replaced but the list
of serial ports and the tool on the PATH.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.console.vcom_choice import VcomMemory
from pytest_nrf_fota.providers.sim import SimUnit
from tests.farm.meeting import Meeting
from tests.unit.probe.kit_behind_tool import write_tool

# Python reads it when it starts: in pytest, in its workers, in the commands.
_SITE = """
import json, os
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

def comports(include_links=False):
    with open(os.environ["FAKE_DESK_USB"]) as file:
        for serial_number, devices in json.load(file).items():
            for place, device in enumerate(devices):
                port = ListPortInfo(device)
                port.vid, port.serial_number = 0x1366, serial_number.zfill(12)
                port.location = f"1-2:1.{2 * place}"
                yield port

list_ports.comports = comports
"""
# The tool's calls come from processes of their own; so they name the one that wanted them.
_CONFTEST = """
import os
os.environ["FAKE_DESK_CALLER"] = str(os.getpid())
"""
# Notes who calls it for which kit, then lets that kit's own tool answer.
_NRFUTIL = """#!{python} -IS
import json, os, sys
here, arguments = os.path.dirname(os.path.abspath(__file__)), sys.argv[1:]
numbers = json.load(open(os.environ["FAKE_DESK_USB"]))
if "--serial-number" not in arguments:
    if arguments[2] == "--version":
        version = {{"name": "nrfutil-device", "version": "2.11.0"}}
        print(json.dumps({{"type": "info", "data": version}}))
        sys.exit()
    devices = [{{"serialNumber": n.zfill(12), "traits": {{"jlink": True}}}} for n in numbers]
    task = {{"id": "1", "name": "list", "description": "list", "data": {{}}}}
    data = {{"task": task, "result": "success", "data": {{"devices": devices}}}}
    print(json.dumps({{"type": "task_end", "data": data}}))
    sys.exit()
number = arguments[arguments.index("--serial-number") + 1].lstrip("0")
with open(here + "/callers", "a") as file:
    file.write(f"{{number}} {{os.environ.get('FAKE_DESK_CALLER')}}\\n")
sick = here + "/" + number + "/sick"
if number not in numbers or os.path.exists(sick):
    gone = "Error: No devices with requested serial number(s) or trait(s) found"
    sys.exit(open(sick).read() if os.path.exists(sick) else gone)
tool = here + "/" + number + "/nrfutil"
os.execv({python!r}, [{python!r}, tool, *arguments])
"""
# What a user's test can do to a kit: end its process, or pull its USB cable.
HANDS = """
import json, os, signal

def kill(number):
    unplug(number)
    with open(os.environ["FAKE_DESK_PIDS"]) as file:
        os.kill(json.load(file)[number], signal.SIGKILL)

def unplug(number):
    usb = os.environ["FAKE_DESK_USB"]
    with open(usb) as file:
        left = {n: ports for n, ports in json.load(file).items() if n != number}
    with open(usb + ".new", "w") as file:
        json.dump(left, file)
    os.replace(usb + ".new", usb)
"""
# Switches ports of the fake USB: the test says which kit is at which port.
_HUB = """#!{python} -IS
import json, os, sys
here, name, arguments = os.path.dirname(os.path.abspath(__file__)), {name!r}, sys.argv[1:]
with open(here + "/" + name + ".calls", "a") as file:
    file.write(" ".join(arguments) + "\\n")
kits = json.load(open(here + "/hub.json"))
number = kits.get(" ".join(arguments).split(" -a ")[0].replace("-d ", "-u "))
if number is None:
    sys.exit("No compatible devices detected!")
usb = json.load(open(os.environ["FAKE_DESK_USB"]))
usb.pop(number, None)
if "-d" not in arguments or name == "uhubctl":
    usb[number] = json.load(open(here + "/ports.json"))[number]
with open(os.environ["FAKE_DESK_USB"] + ".new", "w") as file:
    json.dump(usb, file)
os.replace(file.name, os.environ["FAKE_DESK_USB"])
"""


class VirtualKits:
    """Some virtual kits, running until `end`, by serial numbers.

    Args:
        folder: a new folder.
        serial_numbers: without leading zeros.
    """

    def __init__(self, folder: Path, serial_numbers: Sequence[str]) -> None:
        board = load_board("nrf5340dk_sim")
        self.units = {number: SimUnit(board, number, folder / number) for number in serial_numbers}

    def end(self) -> None:
        """End them all."""
        for unit in self.units.values():
            unit.release()


class Desk:
    """What a user of this host has before him.

    Args:
        folder: a new folder; tests of the user lie in its `work`.
        kits: those on the desk.
        meeting: where those who were started may come.
    """

    def __init__(self, folder: Path, kits: VirtualKits, meeting: Meeting) -> None:
        self.work = folder / "work"
        self.locks = folder / "locks"
        self.map_file = folder / "map.yaml"
        self._usb = folder / "usb.json"
        self._bin = folder / "bin"
        self._site = folder / "site"
        self._cache = folder / "cache"
        self.units = kits.units
        self._started = meeting.expected
        for needed in (self.work, self._bin, self._site):
            needed.mkdir()
        (self._site / "sitecustomize.py").write_text(_SITE)
        (self.work / "conftest.py").write_text(_CONFTEST)
        tool = self._bin / "nrfutil"
        tool.write_text(_NRFUTIL.format(python=sys.executable))
        tool.chmod(0o755)
        memory = VcomMemory(self._cache / "pytest-nrf-fota" / "vcom")
        for number, unit in self.units.items():
            write_tool(self._bin / number, "nrfutil", unit.control_address, number)
            vcoms = tuple(Vcom(port, port, 2 * place) for place, port in enumerate(unit.vcoms))
            # A blank kit prints nothing that tells its ports apart.
            memory.remember(AttachedKit(number, vcoms), vcoms[-1])
        self.attach(*self.units)
        pids = {number: unit.pid for number, unit in self.units.items()}
        (folder / "pids.json").write_text(json.dumps(pids))
        self._pids = folder / "pids.json"

    def make_sick(self, number: str, words: str) -> None:
        """The tool has nothing but these words for this kit."""
        (self._bin / number / "sick").write_text(words)

    def connect_to_hub(self, program: str, place: str, number: str) -> None:
        """`program` switches the kit's USB port, which is at `place` on its command line."""
        tool = self._bin / program
        tool.write_text(_HUB.format(python=sys.executable, name=program))
        tool.chmod(0o755)
        (self._bin / "hub.json").write_text(json.dumps({place: number}))
        ports = {number: unit.vcoms for number, unit in self.units.items()}
        (self._bin / "ports.json").write_text(json.dumps(ports))

    def hub_calls(self, program: str) -> list[str]:
        """What the program was called with."""
        path = self._bin / f"{program}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def nrf_fota(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the command line."""
        return self.start("-c", "from pytest_nrf_fota.cli import app; app()", *arguments)

    def attach(self, *serial_numbers: str) -> None:
        """These are plugged in, and no others."""
        usb = {number: self.units[number].vcoms for number in serial_numbers}
        self._usb.write_text(json.dumps(usb))

    def write_map(self, entries: Mapping[str, Mapping[str, object]] | None = None) -> str:
        """A hardware map of all kits with their radios; returns the option that names it.

        `entries` has further keys by serial number; fixtures are added to the radio.
        """
        listed = []
        for number, unit in self.units.items():
            more = dict((entries or {}).get(number, {}))
            fixtures = [f"radio:bumble:{unit.hci}", *_texts(more.pop("fixtures", ()))]
            entry = {
                "connected": True,
                "id": number.zfill(12),
                "platform": "unknown",
                "product": "J-Link",
                "runner": "jlink",
                "serial": unit.vcoms[0],
                "fixtures": fixtures,
            }
            listed.append(entry | more)
        # JSON is YAML, too.
        self.map_file.write_text(json.dumps(listed, indent=1))
        return f"--hardware-map={self.map_file}"

    @property
    def environment(self) -> dict[str, str]:
        """Of every process of this user."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if "PYTEST" not in name or name == "PYTEST_ADDOPTS"
        }
        return kept | {
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self._site),
            "XDG_CACHE_HOME": str(self._cache),
            "NRF_FOTA_LOCK_DIR": str(self.locks),
            "FAKE_DESK_USB": str(self._usb),
            "FAKE_DESK_PIDS": str(self._pids),
        }

    def pytest(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start pytest on the user's tests for an nRF5340 DK."""
        command = ("-m", "pytest", "-p", "no:cacheprovider", "--board=nrf5340dk")
        return self.start(*command, "--runner=nrfutil", *arguments)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Python with these arguments."""
        process = subprocess.Popen(
            (sys.executable, *arguments),
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """What was started and still runs is killed."""
        for process in self._started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def callers(self) -> dict[str, list[str]]:
        """Which processes had the tool called for each kit, in order, each series once."""
        noted: dict[str, list[str]] = {}
        path = self._bin / "callers"
        for line in path.read_text().splitlines() if path.exists() else ():
            number, process = line.split()
            if noted.setdefault(number, [])[-1:] != [process]:
                noted[number].append(process)
        return noted


def _texts(value: object) -> list[str]:
    assert isinstance(value, list | tuple)
    return [str(one) for one in value]
