"""J-Links on USB, as Linux's sysfs shows them; elsewhere by their serial ports.

Attributes: Linux, Documentation/ABI/testing/sysfs-bus-usb and sysfs-bus-usb's `bInterfaceNumber`.
"""

from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.console.ports import (
    SEGGER_VENDOR_ID,
    AttachedKit,
    Vcom,
    attached_kits,
    plain_serial_number,
)
from pytest_nrf_fota.doctor.host import Host, read_text

_DEVICES = "/sys/bus/usb/devices"
_BY_ID = "/dev/serial/by-id"


@dataclass(frozen=True)
class JLink:
    """A debug probe on USB.

    `usb_release` is the device's release number as USB tells it (bcdDevice), `usb_path` its place
    such as `1-2.3`, `usb_node` what the probe's tool must open; each empty where unknown.
    """

    kit: AttachedKit
    product: str
    usb_release: str
    usb_path: str
    usb_node: str


def attached_jlinks(host: Host) -> tuple[JLink, ...]:
    """All debug probes of SEGGER's vendor id, by serial number; nothing is opened."""
    if host.system != "linux":
        return tuple(JLink(kit, "J-Link", "", "", "") for kit in attached_kits())
    names = _lasting_names(host)
    found = [
        _jlink(folder, names)
        for folder in _entries(host.path(_DEVICES))
        if read_text(folder / "idVendor") == f"{SEGGER_VENDOR_ID:04x}"
    ]
    return tuple(sorted(found, key=lambda jlink: (jlink.kit.serial_number, jlink.usb_path)))


def is_attached(host: Host, serial_number: str) -> bool:
    """Whether a kit is there, by its probe, which may have no ports, or by its ports."""
    kits = (*(jlink.kit for jlink in attached_jlinks(host)), *attached_kits())
    return any(kit.serial_number == serial_number for kit in kits)


def chosen_jlinks(host: Host, device_id: str | None) -> tuple[JLink, ...]:
    """The one with this serial number; without a number all of them."""
    attached = attached_jlinks(host)
    if device_id is None:
        return attached
    wanted = plain_serial_number(device_id)
    return tuple(jlink for jlink in attached if jlink.kit.serial_number == wanted)


def _jlink(folder: Path, names: dict[str, str]) -> JLink:
    bus, device = read_text(folder / "busnum"), read_text(folder / "devnum")
    numbered = bus.isdigit() and device.isdigit()
    vcoms = [
        _vcom(port.name, interface, names)
        for interface in _entries(folder)
        if interface.name.startswith(f"{folder.name}:")
        for port in _entries(interface / "tty")
    ]
    return JLink(
        kit=AttachedKit(
            plain_serial_number(read_text(folder / "serial")),
            tuple(sorted(vcoms, key=lambda vcom: vcom.interface)),
        ),
        product=read_text(folder / "product") or "J-Link",
        usb_release=read_text(folder / "bcdDevice"),
        usb_path=folder.name,
        usb_node=f"/dev/bus/usb/{int(bus):03d}/{int(device):03d}" if numbered else "",
    )


def _vcom(port: str, interface: Path, names: dict[str, str]) -> Vcom:
    number = read_text(interface / "bInterfaceNumber")
    try:
        position = int(number, 16)
    except ValueError:
        position = -1
    return Vcom(names.get(port, f"/dev/{port}"), f"/dev/{port}", position)


def _lasting_names(host: Host) -> dict[str, str]:
    """udev's lasting name of each port, by what its link points to: `../../ttyACM0`."""
    names: dict[str, str] = {}
    for link in _entries(host.path(_BY_ID)):
        if link.is_symlink():
            names[link.readlink().name] = f"{_BY_ID}/{link.name}"
    return names


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
