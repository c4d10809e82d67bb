"""The whole report: what starts, what keeps a board from it, and how it reads."""

import sys

import pytest

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import board_names, load_board, packaged_boards
from pytest_nrf_fota.commands.printer import print_through_rich
from pytest_nrf_fota.doctor.host import BluezState
from pytest_nrf_fota.doctor.report import DoctorReport, examine
from pytest_nrf_fota.doctor.requirements import Options
from pytest_nrf_fota.doctor.text import print_report
from pytest_nrf_fota.smp.host_radio import HciController, HostBluetooth

from .machine import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds a Linux tree")


def all_boards() -> list[BoardType]:
    return [load_board(name) for name in board_names([packaged_boards()])]


def report_of(machine: Machine, *names: str, options: Options | None = None) -> DoctorReport:
    boards = [load_board(name) for name in names] or all_boards()
    return examine(boards, options or Options(), machine.host(), all_must_start=bool(names))


def text_of(report: DoctorReport, capsys: pytest.CaptureFixture[str]) -> str:
    print_through_rich(lambda console: print_report(report, console))
    return capsys.readouterr().out


def missing(report: DoctorReport) -> list[str]:
    return [check.name for check in report.checks if check.outcome == "missing"]


def test_bare_machine(machine: Machine) -> None:
    """The virtual kit needs nothing; each other board is missed by what it needs."""
    report = report_of(machine)
    starts = {board.name: board.would_start for board in report.boards}
    assert starts["nrf5340dk_sim"]
    assert not any(starts[name] for name in ("nrf5340dk", "qemu_cortex_m0", "native_sim"))
    assert report.would_start
    because = {board.name: board.because for board in report.boards}
    assert because["qemu_cortex_m0"] == ("no qemu-system-arm on the PATH",)
    assert because["native_sim"] == ("no C library for 32-bit programs",)
    assert "no kit on USB" in because["nrf5340dk"]


def test_equipped_machine_with_a_kit(machine: Machine) -> None:
    """Everything is there; the firmware is the user's matter."""
    machine.equip_for_kits()
    machine.add_kit()
    report = report_of(machine, "nrf5340dk")
    assert report.would_start, missing(report)
    assert report.boards[0].needs_files


@pytest.mark.parametrize(
    ("taken_away", "what"),
    [
        ("bin/nrfutil", "probe tool"),
        ("root/opt/SEGGER/JLink_V794e/libjlinkarm.so.7", "J-Link library"),
        ("root/dev/ttyACM1", "serial ports"),
        ("root/dev/bus/usb/001/005", "probe access"),
        ("root/sys/class/bluetooth/hci0", "Bluetooth adapter"),
    ],
)
def test_each_thing_that_a_kit_needs(machine: Machine, taken_away: str, what: str) -> None:
    """Any one of them keeps it from starting, and is the only one named."""
    machine.equip_for_kits()
    machine.add_kit()
    # The environment of these tests may have pynrfjprog, the third of the tools.
    options = Options(runner="nrfutil")
    assert report_of(machine, "nrf5340dk", options=options).would_start
    path = machine.folder / taken_away
    path.rmdir() if path.is_dir() else path.unlink()
    report = report_of(machine, "nrf5340dk", options=options)
    assert not report.would_start
    assert [name.removesuffix(" nrfutil") for name in missing(report)] == [what]


def test_hci_controller_instead_of_bluez(machine: Machine) -> None:
    """With a controller of its own a kit needs neither adapter nor BlueZ."""
    machine.equip_for_kits()
    machine.add_kit()
    machine.path("/sys/class/bluetooth/hci0").rmdir()
    options = Options(radio=HciController("usb:0"))
    assert report_of(machine, "nrf5340dk", options=options).would_start


def test_chosen_adapter(machine: Machine) -> None:
    """By option, or in the board file; it is the only one that counts."""
    machine.equip_for_kits()
    machine.add_kit()
    machine.path("/sys/class/bluetooth/hci1").mkdir()
    options = Options(radio=HostBluetooth("hci1"))
    assert missing(report_of(machine, "nrf5340dk", options=options)) == ["BlueZ hci1"]
    machine.bluez = BluezState({"hci0": False, "hci1": True})
    assert report_of(machine, "nrf5340dk", options=options).would_start
    kit = load_board("nrf5340dk")
    board = kit.model_copy(update={"radio": kit.radio.model_copy(update={"host": "bleak:hci2"})})
    report = examine([board], Options(), machine.host(), all_must_start=True)
    assert missing(report) == ["Bluetooth adapter hci2", "BlueZ hci2"]


def test_console_elsewhere(machine: Machine) -> None:
    """A probe without serial ports will do then, and the named port must be there."""
    machine.equip_for_kits()
    machine.add_kit(ports=())
    assert missing(report_of(machine, "nrf5340dk")) == ["serial ports"]
    options = Options(console_port="/dev/ttyUSB0")
    assert missing(report_of(machine, "nrf5340dk", options=options)) == ["console /dev/ttyUSB0"]
    machine.write("/dev/ttyUSB0", "", mode=0o666)
    assert report_of(machine, "nrf5340dk", options=options).would_start
    board = load_board("nrf5340dk").with_console(port="/dev/ttyUSB1", baudrate=None)
    report = examine([board], Options(), machine.host(), all_must_start=True)
    assert missing(report) == ["console /dev/ttyUSB1"]
    assert report_of(machine, "nrf5340dk_sim", options=options).would_start


def test_warnings_keep_nobody_from_starting(machine: Machine) -> None:
    """ModemManager and a nearly full disk."""
    machine.equip_for_kits()
    machine.add_kit()
    machine.write("/proc/77/comm", "ModemManager\n")
    machine.free_bytes = 1_000_000
    report = report_of(machine, "nrf5340dk")
    warned = [check.name for check in report.checks if check.outcome == "warning"]
    assert warned == ["run folder", "ModemManager"]
    assert report.would_start


def test_several_named_boards_must_all_start(machine: Machine) -> None:
    """One that would is not enough then."""
    assert report_of(machine, "nrf5340dk_sim").would_start
    assert not report_of(machine, "nrf5340dk_sim", "qemu_cortex_m0").would_start


def test_other_systems(machine: Machine) -> None:
    """Linux's own matters are not asked for elsewhere."""
    machine.system = "darwin"
    machine.add_program("qemu-system-arm", "#!/bin/sh\necho 'QEMU emulator version 8.2.0'\n")
    boards = [load_board(name) for name in ("qemu_cortex_m0", "nrf5340dk_sim")]
    report = examine(boards, Options(), machine.host(), all_must_start=True)
    assert report.would_start, missing(report)
    machine.equip_for_kits()
    linux_only = {"BlueZ", "udev rules", "ModemManager", "rfkill", "port group"}
    on_linux = {check.name for check in examine_kit(machine, "linux").checks}
    on_a_mac = {check.name for check in examine_kit(machine, "darwin").checks}
    assert linux_only <= on_linux
    assert linux_only.isdisjoint(on_a_mac)
    assert "kit" in on_a_mac


def examine_kit(machine: Machine, system: str) -> DoctorReport:
    machine.system = system
    return report_of(machine, "nrf5340dk")


def test_every_missing_thing_has_what_it_prevents_and_a_remedy(machine: Machine) -> None:
    """Whatever is wrong, the reader learns what to do."""
    machine.write("/proc/77/comm", "ModemManager\n")
    machine.user_id = 1000
    report = report_of(machine)
    wrong = [check for check in report.checks if check.outcome in ("missing", "warning")]
    assert len(wrong) > 6
    assert all(check.prevents and check.remedy and check.boards for check in wrong)


def test_text_of_a_bare_machine(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer first; 80 columns but for commands, which stay in one line."""
    lines = text_of(report_of(machine), capsys).splitlines()
    assert lines[0] == "7 of 15 boards are ready on this machine."
    assert all(len(line) <= 80 for line in lines if not line.startswith("    $ "))
    assert all(line == line.rstrip() and line.isprintable() for line in lines)
    assert "    $ sudo apt install qemu-system-arm" in lines
    assert any(line.split()[:2] == ["qemu_cortex_m0", "no"] for line in lines)


def test_text_of_one_board(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """YES or NO, and which of the checks."""
    text = text_of(report_of(machine, "qemu_cortex_m0"), capsys)
    assert text.startswith("NO: not ready for pytest --board qemu_cortex_m0: QEMU.\n")
    text = text_of(report_of(machine, "nrf5340dk_sim"), capsys)
    assert text.startswith("YES: ready for pytest --board nrf5340dk_sim.\n")


def test_a_command_is_printed_once(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """One udev rule cures a closed probe and ModemManager."""
    machine.equip_for_kits()
    machine.path("/etc/udev/rules.d/99-jlink.rules").unlink()
    machine.add_kit(probe_mode=0o600)
    machine.write("/proc/77/comm", "ModemManager\n")
    text = text_of(report_of(machine, "nrf5340dk"), capsys)
    assert text.count("udevadm trigger") == 1
    assert "$ (as for probe access)" in text


def test_what_a_device_says_is_harmless(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """A product name with an escape sequence does not reach the terminal."""
    machine.equip_for_kits()
    machine.add_kit(product="J-Link \x1b[2J")
    text = text_of(report_of(machine, "nrf5340dk"), capsys)
    assert "\x1b" not in text
    assert "J-Link \\x1b[2J" in text
    machine.add_kit("99\x1b[2J", usb_path="1-9", device_number=9)
    text = text_of(report_of(machine, "nrf5340dk"), capsys)
    assert "\x1b" not in text
    assert "99\\x1b[2J" in text


def test_json_is_complete(machine: Machine) -> None:
    """Programs get the same, and read it back."""
    report = report_of(machine)
    assert DoctorReport.model_validate_json(report.model_dump_json()) == report
    assert report.format_version == 1
