"""Who is named in a run: serial numbers, Bluetooth addresses, people, machines, folders."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath

from pytest_nrf_fota.record.events import Event, RunStarted, ToolCalled, UnitTaken

_ADDRESS = re.compile(r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])")
_SERIAL = re.compile(
    r"""(?:"?serialNumber"?\s*[:=]\s*"?|serial_number\\?"?\s*[:=]\s*"?|--snr\s+|--serial-number\s+
    |--device-id[\s=]+|SEGGER_J-Link_|usbmodem|S/N:?\s*)0*(?P<number>[1-9]\d{5,11})""",
    re.VERBOSE,
)
_SERIAL_LIST = re.compile(r'serial_numbers\\?"?\s*[:=]\s*\[(?P<numbers>[\d,\s]+)\]')
_ONLY_DIGITS = re.compile(r"^\s*0*([1-9]\d{5,11})\s*$", re.MULTILINE)
_HOME = re.compile(r"(?:/home/|/Users/|[A-Z]:\\{1,2}Users\\{1,2})(?P<user>[\w.-]+)")
_HOST_OF_PORT = re.compile(r"\b(?:socket|rfc2217|telnet|tcp-client):(?://)?(?P<host>[\w.-]+):\d")
# They tell nothing about anybody, and stand in what tools and boards print.
_EVERYBODY = frozenset(
    (
        *("root", "user", "test", "build", "boot", "image", "runner", "admin", "pi", "nordic"),
        *("zephyr", "ubuntu", "debian", "docker", "vscode", "jenkins", "gitlab-runner", "public"),
        *("localhost", "host", "uart", "shell", "reset", "kernel", "flash", "device", "default"),
    )
)
_LEAST_NAME_CHARS = 3
# Where programs and devices are; of these the place is worth knowing.
_OF_THE_SYSTEM = (
    *("/bin", "/dev", "/etc", "/lib", "/opt", "/proc", "/sbin", "/snap", "/sys", "/usr", "/var"),
    *("/Applications", "/Library", "/System", "C:\\Program Files", "C:\\Windows"),
)
_FILES = (".hex", ".bin", ".zip")


@dataclass
class Identities:
    """All that is to be replaced, each in the order in which it was met, as keys of a dict."""

    serial_numbers: dict[str, None] = field(default_factory=dict)
    addresses: dict[str, None] = field(default_factory=dict)
    users: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    homes: dict[str, None] = field(default_factory=dict)
    paths: dict[str, None] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=dict)

    def look_at(self, event: Event) -> None:
        """Note what the fields of an event name by themselves."""
        match event:
            case RunStarted(whose=whose):
                self.note_machine(whose)
            case UnitTaken(unit=unit):
                self.look_at_text(unit, only_digits=True)
            case ToolCalled(command=command, files=files):
                self.look_at_text(" ".join(command))
                for path in (*command[1:], *(file.path for file in files)):
                    if _is_absolute(path) or _is_relative_file(path):
                        self.paths[path] = None
                        self._note_folder(_parent(path))
            case _:
                pass

    def look_at_text(self, text: str, *, only_digits: bool = False) -> None:
        """Note what a text names. `only_digits`: a number alone on a line is a serial number."""
        for found in _ADDRESS.finditer(text):
            self.addresses[found[0].upper()] = None
        self._note_serials(found["number"] for found in _SERIAL.finditer(text))
        for found in _SERIAL_LIST.finditer(text):
            numbers = (number.strip() for number in found["numbers"].split(","))
            self._note_serials(number for number in numbers if len(number) > 5)
        if only_digits:
            self._note_serials(found[1] for found in _ONLY_DIGITS.finditer(text))
        for found in _HOME.finditer(text):
            _note_name(self.users, found["user"])
        for found in _HOST_OF_PORT.finditer(text):
            if not found["host"].replace(".", "").isdigit():
                _note_name(self.hosts, found["host"])

    def note_machine(self, whose: dict[str, str]) -> None:
        """Note the user, host and home that a run folder tells."""
        _note_name(self.users, whose.get("user", ""))
        host = whose.get("host", "")
        for name in (host, host.partition(".")[0]):
            _note_name(self.hosts, name)
        home = whose.get("home", "")
        if len(PurePosixPath(home).parts) > 2 or len(PureWindowsPath(home).parts) > 2:
            self.homes[home] = None
        self._note_folder(whose.get("folder", ""))

    def _note_folder(self, folder: str) -> None:
        parts = (PureWindowsPath if "\\" in folder else PurePosixPath)(folder).parts
        # One word may stand anywhere.
        if len(parts) > (2 if _is_absolute(folder) else 1) and not folder.startswith(
            _OF_THE_SYSTEM
        ):
            self.folders[folder] = None

    def _note_serials(self, numbers: Iterable[str]) -> None:
        for number in numbers:
            self.serial_numbers[number.lstrip("0")] = None


def _note_name(names: dict[str, None], name: str) -> None:
    if len(name) >= _LEAST_NAME_CHARS and name.lower() not in _EVERYBODY:
        names[name] = None


def _parent(path: str) -> str:
    return str((PureWindowsPath if "\\" in path else PurePosixPath)(path).parent)


def _is_relative_file(path: str) -> bool:
    # As the tools are given firmware and memory below the folder that a command was started in.
    return ("/" in path or "\\" in path) and path.endswith(_FILES) and path[0] not in "{-"


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
