"""A machine made of files: sysfs, /dev, /proc, programs and packages below one folder."""

import os
import sys
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pytest_nrf_fota.doctor.host import BluezState, Host

GROUPS = "root:x:0:\ndialout:x:20:sam\nplugdev:x:46:\n"
NRFUTIL = """#!/bin/sh
echo '{"type":"info","data":{"version":"2.7.16"}}'
"""


def others_may_open(path: Path) -> bool:
    """Whether a user who neither owns the file nor is in its group may read and write it."""
    return path.stat().st_mode & 0o006 == 0o006


@dataclass
class Machine:
    """Builds the tree; `host()` is what the checks get.

    Nothing is attached at first, and nothing is installed but a Python in which pytest starts.
    """

    folder: Path
    user_id: int = 1000
    group_ids: frozenset[int] = frozenset({1000})
    bluez: BluezState = field(default_factory=lambda: BluezState({"hci0": True}))
    system: str = "linux"
    machine: str = "x86_64"
    python_version: tuple[int, int, int] = (3, 12, 1)
    site_folders: tuple[str, ...] = tuple(sys.path)
    free_bytes: int = 10_000_000_000

    def __post_init__(self) -> None:
        self.root = self.folder / "root"
        self.write("/etc/group", GROUPS)
        self.add_program("python", "#!/bin/sh\necho '@pytest.mark.needs(capability, ...)'\n")
        (self.folder / "work").mkdir()

    def host(self) -> Host:
        """The machine as the checks see it."""
        return Host(
            root=self.root,
            environment={"PATH": str(self.folder / "bin")},
            system=self.system,
            machine=self.machine,
            kernel="Linux 6.1.0",
            python=self.folder / "bin" / "python",
            python_version=self.python_version,
            site_folders=self.site_folders,
            user="sam",
            user_id=self.user_id,
            group_ids=self.group_ids,
            run_folder=self.folder / "work",
            cache_folder=self.folder / "cache",
            may_open=others_may_open,
            free_bytes=lambda _: self.free_bytes,
            bluez=lambda: self.bluez,
        )

    def path(self, absolute: str) -> Path:
        """Where a file of the machine is."""
        return self.root / absolute.lstrip("/")

    def write(self, absolute: str, text: str, mode: int = 0o644) -> Path:
        """Make a file."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def add_program(self, name: str, script: str) -> Path:
        """Put a shell script on the PATH."""
        path = self.folder / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return path

    def add_package(self, name: str, version: str, *lines: str) -> None:
        """Install a package that is nothing but its metadata; only such ones count then."""
        site = self.folder / "site"
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        head = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}")
        (folder / "METADATA").write_text("\n".join((*head, *lines)) + "\n")
        self.site_folders = (str(site),)

    def add_kit(
        self,
        serial_number: str = "001050012345",
        *,
        ports: Sequence[str] = ("ttyACM0", "ttyACM1"),
        usb_path: str = "1-2",
        device_number: int = 5,
        product: str = "J-Link",
        port_mode: int = 0o666,
        probe_mode: int = 0o666,
    ) -> None:
        """Attach a kit, laid out as Linux 6.1 lays out a J-Link OB: a port at each other interface.

        A name in `ports` that is a path becomes a link to that file.
        """
        device = f"/sys/devices/pci0000:00/usb1/{usb_path}"
        attributes = {
            "idVendor": "1366",
            "idProduct": "1061",
            "serial": serial_number,
            "product": product,
            "bcdDevice": "0100",
            "busnum": "1",
            "devnum": str(device_number),
        }
        for name, value in attributes.items():
            self.write(f"{device}/{name}", f"{value}\n")
        listed = self.path("/sys/bus/usb/devices")
        listed.mkdir(parents=True, exist_ok=True)
        (listed / usb_path).symlink_to(self.path(device))
        self.write(f"/dev/bus/usb/001/{device_number:03d}", "", probe_mode)
        by_id = self.path("/dev/serial/by-id")
        by_id.mkdir(parents=True, exist_ok=True)
        for position, port in enumerate(ports):
            interface = 2 * position
            folder = f"{device}/{usb_path}:1.{interface}"
            name = f"ttyACM{position}" if "/" in port else port
            self.write(f"{folder}/bInterfaceNumber", f"{interface:02x}\n")
            self.path(f"{folder}/tty/{name}").mkdir(parents=True)
            if "/" in port:
                self.path(f"/dev/{name}").symlink_to(port)
            else:
                self.write(f"/dev/{name}", "", port_mode)
            link = by_id / f"usb-SEGGER_J-Link_{serial_number}-if{interface:02x}"
            link.symlink_to(f"../../{name}")

    def equip_for_kits(self) -> None:
        """Install what a kit needs beside itself."""
        self.add_program("nrfutil", NRFUTIL)
        self.write("/opt/SEGGER/JLink_V794e/libjlinkarm.so.7", "")
        self.path("/sys/class/bluetooth/hci0").mkdir(parents=True)
        self.write("/etc/udev/rules.d/99-jlink.rules", 'ATTRS{idVendor}=="1366", MODE="666"\n')


@dataclass(frozen=True)
class Port:
    """A pty that everybody may open: its name, and the descriptor of its far end."""

    name: str
    far_end: int


@contextmanager
def open_port() -> Iterator[Port]:
    """Make a port that nobody holds."""
    far_end, near_end = os.openpty()
    tty.setraw(near_end)
    name = os.ttyname(near_end)
    Path(name).chmod(0o666)
    os.close(near_end)
    try:
        yield Port(name, far_end)
    finally:
        os.close(far_end)
