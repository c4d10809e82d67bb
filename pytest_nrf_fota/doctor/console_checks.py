"""A console that was named: an adapter's port, or one on another machine."""

import re
import socket

from pytest_nrf_fota.console.port_holder import other_holders
from pytest_nrf_fota.console.serial_port import OPEN_ERRORS, is_url
from pytest_nrf_fota.doctor.check import Check, Look, Outcome, not_looked, ok
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.doctor.kit_checks import PREVENTS_CONSOLE, held_by, no_permission

_CONNECT_S = 3.0
_SERVER = re.compile(r"(?:socket|rfc2217)://(?P<host>\[[^\]]+\]|[^/?#:]+):(?P<port>\d+)")
_SEARCHED = "hwgrep://"
_NAMES_THAT_STAY = "/dev/serial/by-id has names that stay"


def console_port(port: str) -> Check:
    """The check for a console's port, as given with `--console-port` or `console.port`."""

    def look(host: Host) -> Look:
        if (server := _SERVER.match(port)) is not None:
            return _look_at_server(port, server["host"].strip("[]"), int(server["port"]))
        if port.startswith(_SEARCHED):
            return _look_for(host, port)
        if is_url(port) or host.system == "win32":
            return not_looked(f"{port} shows only when it is opened")
        return _look_at_device(host, port, port)

    return Check(
        name=f"console {port}",
        looks_at="the port that was named with --console-port or in the board file; a server is "
        "connected to, and left at once",
        prevents=PREVENTS_CONSOLE,
        look=look,
    )


def _look_at_device(host: Host, device: str, found: str) -> Look:
    path = host.path(device) if device.startswith("/") else host.run_folder / device
    if not path.exists():
        return Look(
            Outcome.MISSING,
            f"the console's port {device} is not there",
            remedy=f"Plug the adapter in, or correct --console-port; {_NAMES_THAT_STAY}. In a "
            "container the port must be passed in.",
            command="python -m serial.tools.list_ports -v",
        )
    if not host.may_open(path):
        return no_permission(host, [device])
    holders = other_holders(str(path))
    return held_by({device: holders}) if holders else ok(found)


def _look_for(host: Host, url: str) -> Look:
    from serial.urlhandler.protocol_hwgrep import Serial

    try:
        device = str(Serial().from_url(url))
    except OPEN_ERRORS as error:
        return Look(
            Outcome.MISSING,
            f"no serial port for {url}: {error}",
            remedy="Plug the adapter in, or correct --console-port; the command shows what the "
            "regular expression is compared with.",
            command="python -m serial.tools.list_ports -v",
        )
    if host.system == "win32":
        return ok(f"{url} is {device}")
    return _look_at_device(host, device, f"{url} is {device}")


def _look_at_server(url: str, name: str, port: int) -> Look:
    try:
        with socket.create_connection((name, port), _CONNECT_S):
            return ok(f"{url} takes connections")
    # A port above 65535 is an OverflowError.
    except (OSError, OverflowError) as error:
        return Look(
            Outcome.MISSING,
            f"nobody takes connections at {name}:{port}: {error}",
            remedy="Start the server that gives the serial port away (ser2net, socat, pyserial's "
            "rfc2217_server), or correct --console-port.",
            command=f"nc -vz {name} {port}",
        )
