"""A kit's serial port from another host, and the commands that look at a farm from anywhere."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.farm.labgrid.leases import WorkersOfHost, open_farm
from tests.farm_labgrid.conftest import StartBroker, StartFarm, program
from tests.farm_labgrid.farm import Farm, Kit, owners

pytestmark = pytest.mark.long_proof


def test_a_serial_port_over_the_network(start_farm: StartFarm, labgrid_python: Path) -> None:
    """labgrid's exporter starts ser2net; pyserial opens what it says, in both directions."""
    program("ser2net")
    kit_end, port = os.openpty()
    farm = start_farm(Kit("1050000001", "lab1", serial_port=Path(os.ttyname(port))))
    leases = open_farm(farm.address, labgrid_python)
    try:
        board = load_board("nrf5340dk")
        (kit,) = leases.lease(board, farm.address, WorkersOfHost("lab1"), wait_s=0)
        assert kit.serial_number == "1050000001" and kit.host == "lab1"
        assert board.with_console(port=kit.console, baudrate=None).console.port == kit.console
        with serial.serial_for_url(kit.console, timeout=10) as console:
            os.write(kit_end, b"*** Booting ***\r\n")
            assert console.read(17) == b"*** Booting ***\r\n"
            console.write(b"version\n")
            assert os.read(kit_end, 8) == b"version\n"
    finally:
        leases.release_all()
        os.close(kit_end)
        os.close(port)


def test_the_farm_as_a_list(farm: Farm, start_broker: StartBroker, labgrid_python: Path) -> None:
    """Whoever has a kit is named."""
    session = start_broker(farm)
    (place,) = session.lease(({"name": "kit-1050000002"},), at_least=1, at_most=1, wait_s=0).places
    assert place.name == "kit-1050000002"
    printed = _command("list", farm, labgrid_python)
    lines = {line.split()[0]: line for line in printed.splitlines()}
    assert lines["kit-1050000002"].split()[1:4] == ["1050000002", "lab1", "held"]
    assert session.owner in lines["kit-1050000002"]
    assert lines["kit-1050000003"].split()[1:4] == ["1050000003", "lab2", "free"]
    entries = json.loads(_command("list", farm, labgrid_python, "--json"))
    assert [entry["state"] for entry in entries] == ["free", "held", "free"]


def test_what_the_farm_does_not_know_is_not_asked_for() -> None:
    """A map of this host's kits says nothing of a farm's."""
    refused = subprocess.run(
        (
            *(sys.executable, "-c", "from pytest_nrf_fota.cli import app; app()"),
            *("boards", "--listen"),
            *("--farm", "labgrid://farm", "--hardware-map", "map.yaml"),
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "--listen, --hardware-map: for kits on this host" in refused.stderr


def test_the_reaper_s_command(farm: Farm, start_broker: StartBroker, labgrid_python: Path) -> None:
    session, other = start_broker(farm), start_broker(farm)
    session.lease(({"board": "nrf5340dk"},), at_least=1, at_most=1, wait_s=0)
    os.kill(session.pid, signal.SIGSTOP)
    # As long as the living take to renew theirs, a shorter time is refused.
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _command("reap", farm, labgrid_python, "--watch=15")
    assert "30.0" in refused.value.stderr
    printed = _command("reap", farm, labgrid_python, "--watch=30")
    assert f"{session.owner} is dead" in printed
    assert owners(other.look()) == {}
    os.kill(session.pid, signal.SIGCONT)


def _command(name: str, farm: Farm, python: Path, *arguments: str) -> str:
    program = "from pytest_nrf_fota.cli import app; app()"
    return subprocess.run(
        (
            *(sys.executable, "-c", program, "farm", name, "--farm", farm.url),
            *("--farm-python", str(python), *arguments),
        ),
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        timeout=60,
    ).stdout
