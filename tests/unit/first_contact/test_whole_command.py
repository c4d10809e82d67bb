"""`nrf-fota first-contact` as a person starts it, on a kit that USB shows: nothing is skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.record.events import ContactMade
from pytest_nrf_fota.recordings.read import Recording, read_packed
from tests.recordings.fake_kit import SERIAL_NUMBER, FakeKit
from tests.recordings.replay import replay
from tests.unit.console.serial_servers import Rfc2217Server

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only"),
]

# What pyserial lists, the only thing on this machine that is played: Linux's way to name a J-Link.
_COMMAND = """
import json, sys
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

def comports(include_links=False):
    for number, device in enumerate(json.loads({ports!r})):
        port = ListPortInfo(device)
        port.vid, port.serial_number = 0x1366, "00{serial_number}"
        port.location = f"1-2:1.{{2 * number}}"
        yield port

list_ports.comports = comports
from pytest_nrf_fota.cli import app
app()
"""


def _first_contact(folder: Path, kit: FakeKit, ports: list[str], *options: str) -> Recording:
    names = "[" + ", ".join(f'"{port}"' for port in ports) + "]"
    command = _COMMAND.format(ports=names, serial_number=SERIAL_NUMBER)
    done = subprocess.run(
        [
            *(sys.executable, "-c", command, "first-contact"),
            *(f"--baseline={kit.firmware.baseline}", f"--radio=bumble:{kit.hci}"),
            *("--runner=nrfutil", "--output=out.zip", "--yes", *options),
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    recording = read_packed(folder / "out.zip")
    (part,) = recording.parts
    made = {e.step: e for one in part.events if isinstance(e := one.event, ContactMade)}
    assert {name for name, e in made.items() if e.result != "held"} == set(), done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert "26 held" in done.stdout
    return recording


def _found(recording: Recording, step: str) -> str:
    events = [one.event for part in recording.parts for one in part.events]
    return next(e.found for e in events if isinstance(e, ContactMade) and e.step == step)


def test_kit_with_two_ports(tmp_path: Path) -> None:
    """Found on USB and by its tool; each step holds, and the recording replays."""
    with FakeKit(tmp_path / "kit", "nrfutil") as kit:
        ports = [vcom.device for vcom in kit.attached().vcoms]
        recording = _first_contact(tmp_path, kit, ports)
    (part,) = recording.parts
    assert "(interface 0), " in _found(recording, "ports")
    assert replay(recording, part, tmp_path / "replay") == part.expected
    assert SERIAL_NUMBER not in "".join(one.model_dump_json() for one in part.events)


def test_console_on_another_machine(tmp_path: Path) -> None:
    """The probe has no serial port at all."""
    with FakeKit(tmp_path / "kit", "nrfutil") as kit:
        server = Rfc2217Server(uart=kit.attached().vcoms[1].device)
        recording = _first_contact(tmp_path, kit, [], f"--console-port={server.url}")
        server.stop()
    assert _found(recording, "ports") == server.url
