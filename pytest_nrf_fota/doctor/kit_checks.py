"""Kits on USB, their serial ports, and whether this user may use them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pytest_nrf_fota.console.port_holder import PortHolder, other_holders
from pytest_nrf_fota.console.ports import Vcom
from pytest_nrf_fota.doctor.check import Check, Look, Outcome, not_looked, ok
from pytest_nrf_fota.doctor.host import Host, read_text
from pytest_nrf_fota.doctor.usb import JLink, attached_jlinks, chosen_jlinks

_RULE_FOLDERS = (
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
)
_VENDOR = "1366"
_IGNORED_BY_MODEM_MANAGER = "ID_MM_DEVICE_IGNORE"
# Debian and Ubuntu; Arch and openSUSE.
_PORT_GROUPS = ("dialout", "uucp")
_NO_KIT = "no kit is attached"
_COMMAND_CHARS = 50
PREVENTS_CONSOLE = "reading the UART, so no proof of what boots"


def kit_checks(
    device_id: str | None, virtual_board: str | None = None, *, has_console: bool = True
) -> tuple[Check, ...]:
    """All checks of a kit on USB: of the one with this serial number, or of all.

    Args:
        device_id: the serial number.
        virtual_board: the board that does without it.
        has_console: whether its console is one of its own serial ports; else it needs none.
    """
    name = "" if device_id is None else f" {device_id}"
    checks = (
        Check(
            name=f"kit{name}",
            looks_at="USB devices of SEGGER's vendor id 1366",
            prevents="every test on a real kit",
            look=lambda host: _look_at_kits(host, device_id, virtual_board),
        ),
        Check(
            name=f"probe access{name}",
            looks_at="the probe's node in /dev/bus/usb",
            prevents="flashing, resetting and reading a real kit",
            look=lambda host: _of_chosen(_look_at_probe_access, host, device_id),
            systems=("linux",),
        ),
        Check(
            name=f"serial ports{name}",
            looks_at="the kit's virtual COM ports, and whether this user may open them",
            prevents=PREVENTS_CONSOLE,
            look=lambda host: _of_chosen(_look_at_ports, host, device_id),
        ),
        Check(
            name=f"ports in use{name}",
            looks_at="which processes have the kit's ports open",
            prevents=PREVENTS_CONSOLE,
            look=lambda host: _of_chosen(_look_at_holders, host, device_id),
            systems=("linux",),
        ),
        UDEV_RULES,
        PORT_GROUP,
        MODEM_MANAGER,
    )
    own_ports = (f"serial ports{name}", f"ports in use{name}")
    return tuple(check for check in checks if has_console or check.name not in own_ports)


def holder_words(holder: PortHolder) -> str:
    """Who holds a port, in one line."""
    command = holder.command
    short = f"{command[:_COMMAND_CHARS]}..." if len(command) > _COMMAND_CHARS else command
    return f"{short} (pid {holder.pid})"


def _of_chosen(look: Callable[[Host, str | None], Look], host: Host, device_id: str | None) -> Look:
    """What is wrong with one of several kits keeps nobody from taking another."""
    seen = look(host, device_id)
    is_choice = len(chosen_jlinks(host, device_id)) > 1
    return replace(seen, outcome=Outcome.WARNING) if is_choice and _is_missing(seen) else seen


def _is_missing(look: Look) -> bool:
    return look.outcome is Outcome.MISSING


def listed(jlinks: Iterable[JLink]) -> str:
    """Serial numbers, for messages."""
    return ", ".join(jlink.kit.serial_number or "(no serial number)" for jlink in jlinks)


def _look_at_kits(host: Host, device_id: str | None, virtual_board: str | None) -> Look:
    attached = attached_jlinks(host)
    chosen = chosen_jlinks(host, device_id)
    if not attached:
        return Look(
            Outcome.MISSING,
            "no kit on USB",
            remedy="Plug one in at its debugger's USB connector, with a cable that carries data, "
            "and switch it on."
            + (f" Without hardware: the board {virtual_board}." if virtual_board else ""),
        )
    if not chosen:
        return Look(
            Outcome.MISSING,
            f"no kit {device_id} on USB; attached: {listed(attached)}",
            remedy="Correct --device-id.",
            command="nrf-fota boards",
        )
    if len(chosen) > 1:
        return ok(
            f"{len(chosen)} kits on USB, of which a run takes one that is free: {listed(chosen)}"
        )
    return ok("; ".join(_words(jlink) for jlink in chosen))


def _words(jlink: JLink) -> str:
    release = f", USB release {jlink.usb_release}" if jlink.usb_release else ""
    return f"{listed([jlink])}, {jlink.product}{release}, {len(jlink.kit.vcoms)} serial ports"


def _look_at_probe_access(host: Host, device_id: str | None) -> Look:
    jlinks = [jlink for jlink in chosen_jlinks(host, device_id) if jlink.usb_node]
    if not jlinks:
        return not_looked(_NO_KIT)
    gone = [jlink for jlink in jlinks if not host.path(jlink.usb_node).exists()]
    if gone:
        return Look(
            Outcome.MISSING,
            f"{gone[0].usb_node} of kit {listed(gone[:1])} is not there",
            remedy="In a container the USB devices must be passed in.",
            command="docker run --privileged -v /dev/bus/usb:/dev/bus/usb ...",
        )
    closed = [jlink for jlink in jlinks if not host.may_open(host.path(jlink.usb_node))]
    if closed:
        return Look(
            Outcome.MISSING,
            f"no permission for the probe of kit {listed(closed)}",
            remedy="Let your user open J-Links, then plug the kit in again. SEGGER's package has "
            "such a rule, too.",
            command=_rule_command('MODE="0666", ENV{ID_MM_DEVICE_IGNORE}="1"'),
        )
    return ok(", ".join(jlink.usb_node for jlink in jlinks))


def _look_at_ports(host: Host, device_id: str | None) -> Look:
    jlinks = chosen_jlinks(host, device_id)
    if not jlinks:
        return not_looked(_NO_KIT)
    for jlink in jlinks:
        if not jlink.kit.vcoms:
            return Look(
                Outcome.MISSING,
                f"kit {listed([jlink])} has no serial port",
                remedy="Switch its virtual COM ports on, then switch the kit off and on. A console "
                "elsewhere: --console-port.",
                command=f"(echo VCOM enable; echo exit) | JLinkExe -USB {listed([jlink])}",
            )
    vcoms = [vcom for jlink in jlinks for vcom in jlink.kit.vcoms]
    if host.system == "win32":
        return ok(", ".join(vcom.device for vcom in vcoms))
    gone = [vcom.device for vcom in vcoms if not host.path(vcom.device).exists()]
    if gone:
        return Look(
            Outcome.MISSING,
            f"{', '.join(gone)} is not there, though USB shows it",
            remedy="In a container the ports must be passed in.",
            command="docker run " + " ".join(f"--device {device}" for device in gone) + " ...",
        )
    closed = [vcom for vcom in vcoms if not host.may_open(host.path(vcom.device))]
    if closed:
        return no_permission(host, [vcom.device for vcom in closed])
    return ok(", ".join(_port_words(vcom) for vcom in vcoms))


def _port_words(vcom: Vcom) -> str:
    return vcom.device if vcom.interface < 0 else f"{vcom.device} (interface {vcom.interface})"


def no_permission(host: Host, devices: Sequence[str]) -> Look:
    """This user may not open these serial ports."""
    group_id = host.path(devices[0]).stat().st_gid
    group = host.group_name(group_id)
    group = group if group in _PORT_GROUPS else _PORT_GROUPS[0]
    found = f"no permission for {', '.join(devices)}"
    if _joined_later(host, group):
        return Look(
            Outcome.MISSING,
            found,
            remedy=f"Your account is in the group {group}, but this session is older: log out and "
            "in again.",
            command=f"newgrp {group}",
        )
    return Look(
        Outcome.MISSING,
        found,
        remedy=f"Join the group {group}, then log out and in again.",
        command=f"sudo usermod -aG {group} {host.user or '$USER'}",
    )


def _joined_later(host: Host, group: str) -> bool:
    known = host.group(group)
    return known is not None and host.user in known[1] and known[0] not in host.group_ids


def _look_at_holders(host: Host, device_id: str | None) -> Look:
    jlinks = chosen_jlinks(host, device_id)
    if not jlinks:
        return not_looked(_NO_KIT)
    held = {
        vcom.device: holders
        for jlink in jlinks
        for vcom in jlink.kit.vcoms
        if (holders := other_holders(str(host.path(vcom.device))))
    }
    return held_by(held) if held else ok("nobody else holds them")


def held_by(held: Mapping[str, Sequence[PortHolder]]) -> Look:
    """Other processes have these serial ports open."""
    pids = sorted({holder.pid for holders in held.values() for holder in holders})
    return Look(
        Outcome.MISSING,
        "; ".join(
            f"{port} is held by {', '.join(map(holder_words, who))}" for port, who in held.items()
        ),
        remedy="Let that program close the port, or end it.",
        command=f"kill {' '.join(map(str, pids))}",
    )


def _rules(host: Host) -> dict[str, str]:
    """Files with udev rules for J-Links, and their text."""
    found: dict[str, str] = {}
    for folder in _RULE_FOLDERS:
        for path in sorted(host.path(folder).glob("*.rules")):
            text = read_text(path)
            if _VENDOR in text:
                found.setdefault(path.name, text)
    return found


def _rule_command(action: str) -> str:
    # Not the kit's disk: a J-Link may offer one, and its mode is the system's business.
    rule = f'SUBSYSTEM=="usb|tty", ATTRS{{idVendor}}=="{_VENDOR}", {action}'
    return (
        f"echo '{rule}' | sudo tee /etc/udev/rules.d/99-nrf-fota.rules && "
        "sudo udevadm control --reload && sudo udevadm trigger"
    )


def _look_at_rules(host: Host) -> Look:
    rules = _rules(host)
    if rules:
        return ok(", ".join(rules))
    if host.user_id == 0:
        return not_looked("root needs none")
    if attached_jlinks(host):
        return not_looked("none for J-Links; what counts is the access to the probe")
    return Look(
        Outcome.WARNING,
        "no udev rule for J-Links",
        remedy="Add one, then plug the kit in again. SEGGER's package has one, too.",
        command=_rule_command('MODE="0666", ENV{ID_MM_DEVICE_IGNORE}="1"'),
    )


def _look_at_group(host: Host) -> Look:
    group = next((name for name in _PORT_GROUPS if host.group(name) is not None), None)
    known = host.group(group) if group else None
    if host.user_id == 0:
        return not_looked("root needs none")
    if group is None or known is None:
        return not_looked(f"this system has none of the groups {', '.join(_PORT_GROUPS)}")
    if known[0] in host.group_ids:
        return ok(group)
    if any(jlink.kit.vcoms for jlink in attached_jlinks(host)):
        return not_looked(f"not {group}; what counts is the access to the ports")
    if _joined_later(host, group):
        return Look(
            Outcome.WARNING,
            f"this session is older than your place in the group {group}",
            remedy="Log out and in again.",
            command=f"newgrp {group}",
        )
    return Look(
        Outcome.WARNING,
        f"you are not in the group {group}",
        remedy="Join it, then log out and in again.",
        command=f"sudo usermod -aG {group} {host.user or '$USER'}",
    )


def _look_at_modem_manager(host: Host) -> Look:
    runs = any(read_text(comm) == "ModemManager" for comm in host.path("/proc").glob("[0-9]*/comm"))
    if not runs:
        return ok("does not run")
    if any(_IGNORED_BY_MODEM_MANAGER in text for text in _rules(host).values()):
        return ok("runs, and a udev rule keeps it off J-Links")
    return Look(
        Outcome.WARNING,
        "ModemManager runs and probes each new serial port",
        remedy="Keep it off J-Links, then plug the kit in again.",
        command=_rule_command('MODE="0666", ENV{ID_MM_DEVICE_IGNORE}="1"'),
    )


UDEV_RULES = Check(
    name="udev rules",
    looks_at="rules for vendor 1366, such as 99-jlink.rules and 71-nrf.rules",
    prevents="using a probe without being root",
    look=_look_at_rules,
    systems=("linux",),
)
PORT_GROUP = Check(
    name="port group",
    looks_at="your groups in this session: dialout, or uucp",
    prevents="opening serial ports without being root",
    look=_look_at_group,
    systems=("linux",),
)
MODEM_MANAGER = Check(
    name="ModemManager",
    looks_at="running processes, and udev rules that keep it off",
    prevents="opening a kit's ports soon after it was plugged in",
    look=_look_at_modem_manager,
    systems=("linux",),
)
