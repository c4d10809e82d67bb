"""This host's radio: Linux's Bluetooth up to bluetoothd, or an HCI controller of our own."""

import re
from pathlib import Path

from pytest_nrf_fota.doctor.check import Check, Look, Outcome, not_looked, ok
from pytest_nrf_fota.doctor.host import BluezState, Host, read_text

_ADAPTER = re.compile(r"hci\d+")
_INSTEAD = (
    "or use an HCI controller (--radio bumble:usb:0, bumble:serial:PORT); `nrf-fota hci-dongle` "
    "makes one of a second kit"
)
# Debian 12, Fedora; Debian 11, Arch.
_BLUETOOTHD = ("/usr/libexec/bluetooth/bluetoothd", "/usr/lib/bluetooth/bluetoothd")
_SYSTEM_BUS = "/run/dbus/system_bus_socket"
_PREVENTS = "reaching a kit over BLE"


def _adapters(host: Host) -> tuple[str, ...]:
    folder = host.path("/sys/class/bluetooth")
    # hci0:64 is a connection.
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return tuple(sorted(name for name in names if _ADAPTER.fullmatch(name)))


def _look_at_adapters(host: Host, chosen: str | None) -> Look:
    adapters = _adapters(host)
    if chosen is not None and adapters and chosen not in adapters:
        return Look(
            Outcome.MISSING,
            f"no Bluetooth adapter {chosen}; there are: {', '.join(adapters)}",
            remedy="Plug it in, or name another one: --radio, or radio.host in the board file. "
            "Numbers change where adapters are plugged in anew.",
            command="bluetoothctl list",
        )
    if adapters:
        return ok(chosen or ", ".join(adapters))
    return Look(
        Outcome.MISSING,
        "no Bluetooth adapter",
        remedy=f"Plug one in (4.0 or newer), {_INSTEAD}. A container sees the host's adapter only "
        "with --net=host.",
        command="sudo modprobe btusb",
    )


def _look_at_rfkill(host: Host, chosen: str | None) -> Look:
    folder = host.path("/sys/class/rfkill")
    switches = sorted(folder.iterdir()) if folder.is_dir() else []
    bluetooth = [
        one
        for one in switches
        if read_text(one / "type") == "bluetooth" and not _is_of_another(one, chosen)
    ]
    if any(read_text(one / "hard") == "1" for one in bluetooth):
        return Look(
            Outcome.MISSING,
            "Bluetooth is off by a switch of the machine",
            remedy="Use the switch or key, or the firmware's settings; `rfkill list` names it.",
        )
    if any(read_text(one / "soft") == "1" for one in bluetooth):
        return Look(
            Outcome.MISSING,
            "Bluetooth is blocked by rfkill",
            remedy="Unblock it.",
            command="sudo rfkill unblock bluetooth",
        )
    return ok("not blocked") if bluetooth else not_looked("no switch for Bluetooth")


def _is_of_another(switch: Path, chosen: str | None) -> bool:
    # An adapter's switch has its name, a machine's own one has none of an adapter.
    name = read_text(switch / "name")
    return chosen is not None and _ADAPTER.fullmatch(name) is not None and name != chosen


def _look_at_bluez(host: Host, chosen: str | None) -> Look:
    state = host.bluez()
    if state.error:
        return _why_bluez_is_silent(host, state.error.rstrip("."))
    if not state.adapters:
        return Look(
            Outcome.MISSING,
            "bluetoothd has no adapter",
            remedy=f"It may have started before the adapter was there; {_INSTEAD}.",
            command="sudo systemctl restart bluetooth",
        )
    if chosen is not None:
        return _look_at_chosen(state, chosen)
    if not any(state.adapters.values()):
        return Look(
            Outcome.MISSING,
            f"{', '.join(state.adapters)} is switched off",
            remedy="Switch it on.",
            command="bluetoothctl power on",
        )
    return ok("answers, " + ", ".join(name for name, on in state.adapters.items() if on) + " is on")


def _look_at_chosen(state: BluezState, chosen: str) -> Look:
    if chosen not in state.adapters:
        return Look(
            Outcome.MISSING,
            f"bluetoothd has no adapter {chosen}, but {', '.join(state.adapters)}",
            remedy="Name one that it has: --radio, or radio.host in the board file. It may have "
            "started before the adapter was there.",
            command="sudo systemctl restart bluetooth",
        )
    if not state.adapters[chosen]:
        return Look(
            Outcome.MISSING,
            f"{chosen} is switched off",
            remedy="Switch it on.",
            command=f"sudo btmgmt --index {chosen.removeprefix('hci')} power on",
        )
    return ok(f"answers, {chosen} is on")


def _why_bluez_is_silent(host: Host, error: str) -> Look:
    installed = next((path for path in _BLUETOOTHD if host.path(path).exists()), None)
    if installed is None:
        return Look(
            Outcome.MISSING,
            f"bluetoothd does not answer, and is not installed in the usual places: {error}",
            remedy="Install and start BlueZ. A container needs /run/dbus of the host; a user who "
            "is refused the group `bluetooth`.",
            command="sudo apt install bluez && sudo systemctl enable --now bluetooth",
        )
    if not host.path(_SYSTEM_BUS).exists():
        return Look(
            Outcome.MISSING,
            f"{installed} is installed, but the system's D-Bus does not run: {error}",
            remedy="Start D-Bus, then bluetoothd. A container needs /run/dbus of the host instead.",
            command="sudo systemctl start dbus && sudo systemctl enable --now bluetooth",
        )
    return Look(
        Outcome.MISSING,
        f"{installed} is installed, but does not answer on D-Bus: {error}",
        remedy="Start it. Where it runs (`systemctl status bluetooth`), D-Bus refuses this user: "
        "join the group `bluetooth`.",
        command="sudo systemctl enable --now bluetooth",
    )


def hci_controller(hci: str) -> Check:
    """The check for an HCI controller that bumble drives, by bumble's name of it."""

    def look(host: Host) -> Look:
        kind, _, place = hci.partition(":")
        port = place.partition(",")[0]
        if kind != "serial" or not port.startswith("/"):
            return not_looked(f"{hci} shows only when it is opened")
        if not host.path(port).exists():
            return Look(
                Outcome.MISSING,
                f"the HCI controller's port {port} is not there",
                remedy="Plug the controller in, or correct --radio; /dev/serial/by-id has names "
                "that stay.",
            )
        if not host.may_open(host.path(port)):
            return Look(
                Outcome.MISSING,
                f"no permission for the HCI controller's port {port}",
                remedy="Join the group of serial ports, then log in again.",
                command=f"sudo usermod -aG dialout {host.user or '$USER'}",
            )
        return ok(port)

    return Check(
        name=f"HCI controller {hci}",
        looks_at="the port that was named with --radio or in the board file",
        prevents=_PREVENTS,
        look=look,
    )


def bluetooth_checks(adapter: str | None = None) -> tuple[Check, ...]:
    """The checks for the operating system's Bluetooth; `adapter` is BlueZ's name of the one meant.

    Without a name any adapter that is on will do.
    """
    name = "" if adapter is None else f" {adapter}"
    return (
        Check(
            name=f"Bluetooth adapter{name}",
            looks_at="/sys/class/bluetooth",
            prevents=_PREVENTS,
            look=lambda host: _look_at_adapters(host, adapter),
            systems=("linux",),
        ),
        Check(
            name=f"rfkill{name}",
            looks_at="/sys/class/rfkill",
            prevents=_PREVENTS,
            look=lambda host: _look_at_rfkill(host, adapter),
            systems=("linux",),
        ),
        Check(
            name=f"BlueZ{name}",
            looks_at="bluetoothd on the system's D-Bus",
            prevents=_PREVENTS,
            look=lambda host: _look_at_bluez(host, adapter),
            systems=("linux",),
        ),
    )
