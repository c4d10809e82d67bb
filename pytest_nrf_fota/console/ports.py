"""Serial ports of attached kits: which there are, and what they are called.

A kit's J-Link offers one USB serial port (VCOM) for each UART that it carries
(Zephyr runners/nrfjprog.py).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

SEGGER_VENDOR_ID = 0x1366
"""SEGGER's USB vendor id: the debug probe on every Nordic kit (Zephyr runners/nrfjprog.py)."""

_BY_ID = Path("/dev/serial/by-id")
_INTERFACE = re.compile(r":\w+\.(\d+)$")


@dataclass(frozen=True)
class Vcom:
    """One serial port of a kit.

    `name` is what to open: a name that stays when the port vanishes and returns under another
    number, where the system has such names. `device` is the system's own name at the moment.
    `interface` is the USB interface, which tells a kit's ports apart; -1 where it is unknown.
    """

    name: str
    device: str
    interface: int


@dataclass(frozen=True)
class AttachedKit:
    """A kit on USB: its J-Link serial number without leading zeros, and its ports in USB's order.

    No ports: the J-Link has its VCOMs switched off, or the system gives no access to them.
    """

    serial_number: str
    vcoms: tuple[Vcom, ...]


def plain_serial_number(text: str) -> str:
    """A J-Link serial number as people read it off the label: without leading zeros."""
    return text.strip().lstrip("0")


def attached_kits(
    ports: Callable[[], Iterable[ListPortInfo]] = list_ports.comports, by_id: Path = _BY_ID
) -> tuple[AttachedKit, ...]:
    """All kits that have serial ports, by serial number.

    Args:
        ports: lists the machine's serial ports.
        by_id: folder with a lasting link to each port (udev's).
    """
    links = _links(by_id)
    vcoms: dict[str, list[Vcom]] = {}
    for port in ports():
        if port.vid != SEGGER_VENDOR_ID or not port.serial_number:
            continue
        vcom = Vcom(links.get(port.device, port.device), port.device, _interface(port))
        vcoms.setdefault(plain_serial_number(port.serial_number), []).append(vcom)
    return tuple(
        AttachedKit(number, tuple(sorted(vcoms[number], key=_usb_order)))
        for number in sorted(vcoms)
    )


def _links(by_id: Path) -> dict[str, str]:
    """The link to each device."""
    try:
        links = sorted(by_id.iterdir())
    except OSError:
        return {}
    return {str(link.resolve()): str(link) for link in links}


def _interface(port: ListPortInfo) -> int:
    # Linux: "1-2.3:1.2", Windows: "1-2.3:x.2"; macOS has none.
    found = _INTERFACE.search(port.location or "")
    return int(found[1]) if found else -1


def _usb_order(vcom: Vcom) -> tuple[int, int, str]:
    number = re.search(r"(\d+)$", vcom.device)
    return vcom.interface, int(number[1]) if number else 0, vcom.device
