"""`nrf-fota boards`: kits with their ports, who uses them, and what they print."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.commands.printer import print_through_rich
from pytest_nrf_fota.console.listening import listen
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.console.vcom_choice import VcomMemory
from pytest_nrf_fota.doctor.attached import BoardsReport, look_at_boards, telling_lines
from pytest_nrf_fota.doctor.attached_text import print_boards
from pytest_nrf_fota.farm.hardware_map import MapEntry, MappedKit
from pytest_nrf_fota.farm.kit_results import KitRun, add_run
from pytest_nrf_fota.farm.one_kit import kit_alone
from pytest_nrf_fota.farm.quarantine import add_quarantine

from .machine import Machine, Port, open_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds a Linux tree")

_BOOT = b"\x1b[0m*** Booting Zephyr OS build v3.2.99-ncs2 ***\r\nStarting bootloader\r\n"


_NRFUTIL = """#!/bin/sh
cat <<END
{"type":"task_end","data":{"result":"success","data":{"devices":\
[{"serialNumber":"001050012345","devkit":{"boardVersion":"PCA10095"}},{"id":2}]}}}
END
"""


def look(machine: Machine, listen_s: float | None = None, asks: bool = False) -> BoardsReport:
    boards = [load_board(name) for name in ("nrf5340dk", "nrf5340dk_sim", "qemu_cortex_m0")]
    return look_at_boards(
        boards, machine.host(), baudrate=115200, listen_s=listen_s, asks_probe=asks
    )


def text_of(report: BoardsReport, capsys: pytest.CaptureFixture[str]) -> str:
    print_through_rich(lambda console: print_boards(report, console))
    return capsys.readouterr().out


@contextmanager
def booting(port: Port) -> Iterator[None]:
    """A board that boots again and again."""
    stop = threading.Event()

    def boot() -> None:
        while not stop.wait(0.02):
            os.write(port.far_end, _BOOT)

    thread = threading.Thread(target=boot)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_nothing_attached(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The boards without hardware remain, with what they would miss."""
    report = look(machine)
    assert report.kits == ()
    assert [board.name for board in report.without_hardware] == ["nrf5340dk_sim", "qemu_cortex_m0"]
    text = text_of(report, capsys)
    assert text.startswith("No kit is attached.\n")
    assert "would not start: no qemu-system-arm on the PATH" in text


def test_kits_and_ports(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The network core's port is the first, the application core's the last."""
    machine.add_kit()
    machine.add_kit(
        "000960111111", ports=("ttyACM2", "ttyACM3", "ttyACM4"), usb_path="1-3", device_number=6
    )
    report = look(machine)
    assert [kit.serial_number for kit in report.kits] == ["1050012345", "960111111"]
    cores = [[port.core for port in kit.ports] for kit in report.kits]
    assert cores == [["network", "application"], ["network", "unknown", "application"]]
    assert all(port.heard is None for kit in report.kits for port in kit.ports)
    text = text_of(report, capsys)
    assert text.startswith("2 kits are attached.\n")
    assert "2 serial ports, like an nRF5340 DK v2.0.0" in text
    assert "    /dev/serial/by-id/usb-SEGGER_J-Link_000960111111-if04\n" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert BoardsReport.model_validate_json(report.model_dump_json()) == report


def test_board_versions(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """From nrfutil, only where it is asked for; one that fails or knows nothing is no obstacle."""
    machine.add_kit()
    assert look(machine, asks=True).kits[0].board_version == ""
    machine.add_program("nrfutil", _NRFUTIL)
    assert look(machine).kits[0].board_version == ""
    report = look(machine, asks=True)
    assert report.kits[0].board_version == "PCA10095"
    assert "1050012345  J-Link on USB 1-2, PCA10095; 2 serial ports" in text_of(report, capsys)
    machine.add_program("nrfutil", "#!/bin/sh\nexit 1\n")
    assert look(machine, asks=True).kits[0].board_version == ""


def test_remembered_port(machine: Machine) -> None:
    """What an earlier session saw counts more than the position."""
    machine.add_kit(ports=("ttyACM0", "ttyACM1"))
    first, second = (Vcom(f"/dev/ttyACM{n}", f"/dev/ttyACM{n}", 2 * n) for n in (0, 1))
    kit = AttachedKit("1050012345", (first, second))
    VcomMemory(machine.host().cache_folder / "vcom").remember(kit, first)
    (found,) = look(machine).kits
    assert [(port.core, port.how) for port in found.ports] == [
        ("application", "remembered"),
        ("unknown", "position"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_port_in_use_and_port_without_permission(
    machine: Machine,
    port: Port,
    hold: Callable[[str], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both are said at the port; listening leaves them alone."""
    machine.add_kit(ports=(port.name, "ttyACM1"), port_mode=0o660)
    pid = hold(port.name)
    (kit,) = look(machine, listen_s=0.1).kits
    assert "minicom" in kit.ports[0].problem and f"pid {pid}" in kit.ports[0].problem
    assert kit.ports[1].problem.startswith("no permission")
    assert [one.heard for one in kit.ports] == [(), ()]
    text = text_of(look(machine), capsys)
    assert "held by minicom" in " ".join(text.split())


def test_listening(machine: Machine, port: Port, capsys: pytest.CaptureFixture[str]) -> None:
    """What boots shows on one port; the other is silent, and is not written to."""
    with open_port() as silent, booting(port):
        machine.add_kit(ports=(silent.name, port.name))
        report = look(machine, listen_s=2.0)
        os.set_blocking(silent.far_end, False)
        with pytest.raises(OSError):
            os.read(silent.far_end, 1)
    quiet, loud = report.kits[0].ports
    assert quiet.heard == ()
    assert loud.heard is not None
    assert "*** Booting Zephyr OS build v3.2.99-ncs2 ***" in loud.heard
    assert "Starting bootloader" in loud.heard
    text = text_of(report, capsys)
    assert "    | *** Booting Zephyr OS build v3.2.99-ncs2 ***\n" in text
    assert "(printed nothing" in text


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_listening_to_a_port_that_somebody_took(port: Port, hold: Callable[[str], int]) -> None:
    """The reason is told for each; so it is for a port that is gone."""
    hold(port.name)
    heard = listen((port.name, "/dev/nothing"), 115200, 30.0)
    taken, gone = heard[port.name].lost, heard["/dev/nothing"].lost
    assert taken is not None
    assert "in use by minicom" in taken.what
    assert gone is not None
    assert "cannot be opened" in gone.what


def test_telling_lines() -> None:
    """Lines of a boot before others, the last ones where there are none."""
    text = "one\n*** Booting Zephyr ***\ntwo\n\nthree\n"
    assert telling_lines(text) == ("*** Booting Zephyr ***",)
    assert telling_lines("1\n2\n\n3\n4\n5\n") == ("2", "3", "4", "5")


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "locks"
    monkeypatch.setenv("NRF_FOTA_LOCK_DIR", str(folder))
    return folder


def test_who_holds_a_kit(machine: Machine, locks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is left alone meanwhile: no tool is asked, and nothing is read from its ports."""
    machine.add_program("nrfutil", _NRFUTIL)
    with open_port() as port, booting(port):
        machine.add_kit(ports=(port.name,))
        with kit_alone("1050012345"):
            report = look(machine, listen_s=0.2, asks=True)
            text = text_of(report, capsys)
        (kit,) = report.kits
        assert kit.desk.state == "held" and kit.desk.holder is not None
        assert kit.desk.holder.pid == os.getpid()
        assert f"(pid {os.getpid()}) since " in text
        assert (kit.board_version, kit.ports[0].heard) == ("", None)
        (kit,) = look(machine, listen_s=0.5, asks=True).kits
    assert (kit.desk.state, kit.desk.holder, kit.board_version) == ("free", None, "PCA10095")
    assert kit.ports[0].heard


def test_what_the_map_says(
    machine: Machine, locks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tags and platforms, what it leaves out, and what it names and is not there."""
    machine.add_kit()
    machine.add_kit("000960111111", ports=(), usb_path="1-3", device_number=6)
    mapped = (
        MappedKit(
            "1050012345",
            (MapEntry(platform="nrf5340dk", product="J-Link", fixtures=["ppk2", "rack:3"]),),
        ),
        MappedKit("77", (MapEntry(platform="nrf52840dk", connected=True),)),
    )
    report = look_at_boards((), machine.host(), baudrate=115200, listen_s=None, mapped=mapped)
    assert [kit.desk.in_map for kit in report.kits] == [True, False]
    assert report.kits[0].desk.tags["rack"] == ("3",)
    text = text_of(report, capsys)
    assert "free; nrf5340dk; ppk2, rack=3" in text
    assert "free; not in the hardware map" in text
    assert "77  nrf52840dk; not attached" in text


def test_what_runs_have_left_of_a_kit(
    machine: Machine, locks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Set aside or not, suspect or not, its last result and firmware; also of kits elsewhere."""
    machine.add_kit()
    now = datetime.now(timezone.utc)
    for number in range(3):
        run = KitRun(
            run=f"/runs/{number}",
            when=now,
            board="nrf5340dk",
            failed=("test_a",),
            firmware_id="1",
        )
        add_run("1050012345", run.model_copy(update={"firmware": "image 0: 1.2.3 (confirmed)"}))
    add_run(
        "88",
        KitRun(run="/runs/0", when=now, board="nrf5340dk", passed=("test_a",), firmware_id="1"),
    )
    add_quarantine("88", "its port is broken")
    report = look(machine)
    (kit,) = report.kits
    assert kit.desk.state == "free" and kit.desk.condition.quarantine is None
    text = text_of(report, capsys)
    assert "suspect: its last 3 runs failed where others passed: test_a, on 88" in text
    assert "last run: failed at " in text and "/runs/2" in text
    assert "ran: image 0: 1.2.3 (confirmed)" in text
    assert "88  not attached here" in text and "its port is broken" in text
    mapped = (MappedKit("88", (MapEntry(platform="nrf5340dk", connected=True),)),)
    report = look_at_boards((), machine.host(), baudrate=115200, listen_s=None, mapped=mapped)
    text = text_of(report, capsys)
    assert "88  nrf5340dk; not attached\n  quarantined since " in text
    assert "not attached here" not in text and text.count("its port is broken") == 1
    add_quarantine("1050012345", "no USB", run="/runs/2")
    report = look(machine)
    assert report.kits[0].desk.state == "quarantined"
    assert "quarantined since " in text_of(report, capsys)
    again = BoardsReport.model_validate_json(report.model_dump_json())
    assert again.kits[0].desk.condition.quarantine is not None
    assert [note.kit for note in again.quarantined_elsewhere] == ["88"]
