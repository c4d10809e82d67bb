"""Kits on USB: sysfs and /dev as Linux lays them out, and processes that hold ports."""

import sys
from collections.abc import Callable

import pytest

from pytest_nrf_fota.doctor.check import Look, Outcome
from pytest_nrf_fota.doctor.kit_checks import kit_checks
from pytest_nrf_fota.doctor.usb import attached_jlinks

from .machine import Machine, Port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds a Linux tree")


def look(machine: Machine, name: str, device_id: str | None = None) -> Look:
    full_name = name if device_id is None else f"{name} {device_id}"
    checks = kit_checks(device_id, "mykit_sim")
    return next(one for one in checks if one.name == full_name).look(machine.host())


def three_kits(machine: Machine) -> None:
    machine.add_kit("001050012345")
    machine.add_kit(
        "000960111111",
        ports=("ttyACM2", "ttyACM3", "ttyACM4"),
        usb_path="1-3",
        device_number=6,
    )
    machine.add_kit("001050099999", ports=(), usb_path="1-4.1", device_number=7)


def test_nothing_attached(machine: Machine) -> None:
    """Only the kit itself is missing; what depends on one is not looked at."""
    kit = look(machine, "kit")
    assert (kit.outcome, kit.found) == (Outcome.MISSING, "no kit on USB")
    assert "Without hardware: the board mykit_sim." in kit.remedy
    for name in ("probe access", "serial ports", "ports in use"):
        assert look(machine, name).outcome is Outcome.NOT_LOOKED


def test_one_kit(machine: Machine) -> None:
    """Serial number as on the sticker, ports in USB's order under names that stay."""
    machine.add_kit()
    (jlink,) = attached_jlinks(machine.host())
    assert jlink.kit.serial_number == "1050012345"
    assert (jlink.usb_path, jlink.usb_release) == ("1-2", "0100")
    assert jlink.usb_node == "/dev/bus/usb/001/005"
    assert [(vcom.device, vcom.interface) for vcom in jlink.kit.vcoms] == [
        ("/dev/ttyACM0", 0),
        ("/dev/ttyACM1", 2),
    ]
    by_id = "/dev/serial/by-id/usb-SEGGER_J-Link_001050012345"
    assert [vcom.name for vcom in jlink.kit.vcoms] == [f"{by_id}-if00", f"{by_id}-if02"]
    for name in ("kit", "probe access", "serial ports", "ports in use"):
        assert look(machine, name).outcome is Outcome.OK, name


def test_other_usb_devices_are_no_kits(machine: Machine) -> None:
    """Only SEGGER's vendor id counts."""
    machine.write("/sys/bus/usb/devices/1-1/idVendor", "1d6b\n")
    assert attached_jlinks(machine.host()) == ()


def test_several_kits_and_none_named(machine: Machine) -> None:
    """A run takes a free one; a fault of one of them is worth knowing and no obstacle."""
    three_kits(machine)
    kit = look(machine, "kit")
    assert kit.outcome is Outcome.OK
    assert kit.found.startswith("3 kits on USB")
    assert "1050012345, 1050099999, 960111111" in kit.found
    assert look(machine, "serial ports").outcome is Outcome.WARNING


@pytest.mark.parametrize("device_id", ["960111111", "000960111111"])
def test_named_kit(machine: Machine, device_id: str) -> None:
    """Leading zeros do not count, and the other kits' faults do not matter."""
    three_kits(machine)
    assert look(machine, "kit", device_id).outcome is Outcome.OK
    ports = look(machine, "serial ports", device_id)
    assert ports.outcome is Outcome.OK
    assert "/dev/ttyACM4 (interface 4)" in ports.found


def test_named_kit_is_not_there(machine: Machine) -> None:
    """What is attached instead."""
    machine.add_kit()
    kit = look(machine, "kit", "42")
    assert (kit.outcome, kit.found) == (
        Outcome.MISSING,
        "no kit 42 on USB; attached: 1050012345",
    )


def test_kit_without_ports(machine: Machine) -> None:
    """The VCOMs are switched off in the J-Link."""
    three_kits(machine)
    ports = look(machine, "serial ports", "1050099999")
    assert ports.outcome is Outcome.MISSING
    assert "VCOM enable" in ports.command and "1050099999" in ports.command


def test_no_permission_for_ports(machine: Machine) -> None:
    """Not in the group, then in it since a later moment than this session."""
    machine.add_kit(port_mode=0o660)
    machine.write("/etc/group", "dialout:x:20:\n")
    ports = look(machine, "serial ports")
    assert ports.outcome is Outcome.MISSING
    assert ports.found == "no permission for /dev/ttyACM0, /dev/ttyACM1"
    assert ports.command == "sudo usermod -aG dialout sam"
    machine.write("/etc/group", "dialout:x:20:alex,sam\n")
    assert look(machine, "serial ports").command == "newgrp dialout"


def test_no_permission_for_the_probe(machine: Machine) -> None:
    """The kit's USB node is closed: a udev rule for this vendor, and not for its disk."""
    machine.add_kit(probe_mode=0o664)
    access = look(machine, "probe access")
    assert access.outcome is Outcome.MISSING
    assert 'SUBSYSTEM=="usb|tty", ATTRS{idVendor}=="1366"' in access.command


def test_container_without_devices(machine: Machine) -> None:
    """USB shows the kit, /dev does not have it."""
    machine.add_kit()
    machine.path("/dev/ttyACM1").unlink()
    machine.path("/dev/bus/usb/001/005").unlink()
    assert look(machine, "serial ports").command == "docker run --device /dev/ttyACM1 ..."
    assert "is not there" in look(machine, "probe access").found


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_port_held_by_minicom(machine: Machine, port: Port, hold: Callable[[str], int]) -> None:
    """A port of the kit is open in another process: which, and how to end it."""
    machine.add_kit(ports=(port.name, "ttyACM1"))
    assert look(machine, "ports in use").outcome is Outcome.OK
    pid = hold(port.name)
    held = look(machine, "ports in use")
    assert held.outcome is Outcome.MISSING
    assert held.found.startswith("/dev/ttyACM0 is held by minicom ")
    assert held.found.endswith(f"(pid {pid})")
    assert held.command == f"kill {pid}"


def test_udev_rules(machine: Machine) -> None:
    """Without a kit a missing rule is worth knowing; a file that names the vendor is one."""
    machine.write("/usr/lib/udev/rules.d/60-other.rules", 'ATTRS{idVendor}=="0483"\n')
    assert look(machine, "udev rules").outcome is Outcome.WARNING
    machine.write("/usr/lib/udev/rules.d/71-nrf.rules", 'ATTRS{idVendor}=="1366", MODE="0666"\n')
    rules = look(machine, "udev rules")
    assert (rules.outcome, rules.found) == (Outcome.OK, "71-nrf.rules")


def test_root_needs_neither_rules_nor_groups(machine: Machine) -> None:
    """Nothing to advise."""
    machine.user_id = 0
    assert look(machine, "udev rules").outcome is Outcome.NOT_LOOKED
    assert look(machine, "port group").outcome is Outcome.NOT_LOOKED


def test_port_group(machine: Machine) -> None:
    """Member, member since later, no member, and the other distributions' name."""
    machine.group_ids = frozenset({1000, 20})
    assert look(machine, "port group").outcome is Outcome.OK
    machine.group_ids = frozenset({1000})
    assert look(machine, "port group").command == "newgrp dialout"
    machine.write("/etc/group", "uucp:x:986:\n")
    group = look(machine, "port group")
    assert (group.outcome, group.command) == (Outcome.WARNING, "sudo usermod -aG uucp sam")


def test_modem_manager(machine: Machine) -> None:
    """It is a nuisance only where no udev rule keeps it off."""
    machine.write("/proc/12/comm", "bash\n")
    assert look(machine, "ModemManager").outcome is Outcome.OK
    machine.write("/proc/77/comm", "ModemManager\n")
    found = look(machine, "ModemManager")
    assert found.outcome is Outcome.WARNING
    assert "ID_MM_DEVICE_IGNORE" in found.command
    rule = found.command.partition("'")[2].partition("'")[0]
    machine.write("/etc/udev/rules.d/99-nrf-fota.rules", f"{rule}\n")
    assert look(machine, "ModemManager").outcome is Outcome.OK
    assert look(machine, "udev rules").found == "99-nrf-fota.rules"
