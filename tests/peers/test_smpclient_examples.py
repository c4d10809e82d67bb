"""smpclient's own example programs and its command line against the virtual kit.

The examples come from its source distribution on PyPI and run as they are. Those for BLE know
smpclient's bleak transport only, which needs BlueZ and a Bluetooth adapter; here their import of it
is answered with smpclient's bumble transport on the kit's HCI socket, and so is `ble/upgrade.py`'s
search for a name; tests/bluez runs that one with bleak itself. Not run: `usb/upgrade.py` (looks for
USB product ids, which no pty has) and `ble/upload.py` (uploads to image 2, which a one-image build
does not have).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.pairing import Permission
from pytest_nrf_fota.wires.probe import ResetKind

from .smpclient_programs import (
    BOARD_ARGUMENT,
    UPGRADE,
    extract_examples,
    write_what_upgrade_needs,
)

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="the virtual kit is POSIX only"),
]

TIME_LIMIT_S = 60.0
BOARD = load_board("nrf5340dk_sim")
NAME = AppDescription().advertised_name
EXAMPLES = ("usb/helloworld", "usb/upload_file", "usb/download_file")
BLE_EXAMPLES = ("ble/helloworld", "ble/imagestate", "ble/mcumgrparameters", UPGRADE)

BUMBLE = ("-m", "smpclient.transport.bumble")

ON_BUMBLE = """
import bleak, functools, runpy, sys, types
from smpclient.transport.bumble import SMPBumbleTransport
from smpclient.transport.bumble.keystore import InMemory

hci, example, *arguments = sys.argv[1:]


class Transport(SMPBumbleTransport):
    def __init__(self):
        super().__init__(hci=hci, keystore=InMemory())

    scan = staticmethod(functools.partial(SMPBumbleTransport.scan, hci=hci, timeout_s=1.0))


async def find_device_by_name(name, timeout=10.0):
    for found in await SMPBumbleTransport.scan(hci=hci, timeout_s=1.0):
        if found.name == name:
            return found


bleak.BleakScanner.find_device_by_name = find_device_by_name
sys.modules["smpclient.transport.ble"] = types.SimpleNamespace(SMPBLETransport=Transport)
sys.argv[:] = [example, *arguments]
runpy.run_path(example, run_name="__main__")
"""


@dataclass
class Kit:
    """A virtual kit on which an application runs."""

    unit: SimUnit
    console: Console
    hci: str
    uart: str
    address: str


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example programs."""
    folder = tmp_path_factory.mktemp("examples")
    extract_examples((*EXAMPLES, *BLE_EXAMPLES), folder)
    return folder


@pytest.fixture
def permission(request: pytest.FixtureRequest) -> Permission:
    """Of the SMP characteristic; tests choose another one by parametrizing it."""
    chosen: Permission = getattr(request, "param", "none")
    return chosen


@pytest.fixture
def kit(tmp_path: Path, permission: Permission) -> Iterator[Kit]:
    unit = SimUnit(BOARD, "kit", tmp_path / "unit")
    try:
        wires = unit.open_wires(FlightRecorder())
        try:
            app = AppDescription(smp_permission=permission)
            (tmp_path / "firmware").mkdir()
            baseline = DemoSource(BOARD, tmp_path / "firmware", app).baseline
            deadline = Deadline.after(TIME_LIMIT_S)
            since = wires.console.position()
            wires.probe.program(baseline, deadline)
            wires.probe.reset(ResetKind.PIN, deadline)
            identity = expect(
                wires.console, r"Identity: (\S+) \(random\)", since=since, deadline=deadline
            )
            expect(
                wires.console,
                r"uart:~\$ ",
                since=identity.end,
                deadline=deadline,
                partial_lines=True,
            )
            hci = wires.radio.description.removeprefix("BLE through HCI ")
            yield Kit(unit, wires.console, hci, wires.console.port, identity[1])
        finally:
            wires.close()
    finally:
        unit.release()
    assert (tmp_path / "unit" / "kit.log").read_text() == ""


def run(
    *arguments: str | Path, folder: Path, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[str]:
    """Run Python; whatever it puts into the temporary folder lands in `folder`."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "TMPDIR": str(folder), "PATH": path},
        cwd=folder,
    )


def test_hello_world_over_the_uart(kit: Kit, examples: Path, tmp_path: Path) -> None:
    kit.console.close()
    done = run(examples / "usb/helloworld.py", kit.uart, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "r='Hello, World!'" in done.stdout


@pytest.mark.parametrize("example", ["usb/upload_file", "usb/download_file"])
def test_file_examples_are_told_that_there_is_no_file_group(
    kit: Kit, examples: Path, tmp_path: Path, example: str
) -> None:
    """They end with the server's refusal, not with a time-out."""
    kit.console.close()
    done = run(examples / f"{example}.py", kit.uart, "/lfs/test", folder=tmp_path)
    assert done.returncode != 0
    assert "TimeoutError" not in done.stderr
    assert re.search(r"ENOTSUP|rc[=:] ?8|MGMT_ERR", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        ("ble/helloworld", "r='Hello, World!'"),
        ("ble/imagestate", "version='1.0.0'"),
        ("ble/mcumgrparameters", "buf_size=2475"),
    ],
)
def test_ble_examples_over_the_hci_socket(
    kit: Kit, examples: Path, tmp_path: Path, example: str, answer: str
) -> None:
    done = run("-c", ON_BUMBLE, kit.hci, examples / f"{example}.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Found 1 SMP servers" in done.stdout
    assert answer in done.stdout


def test_upgrade_over_the_hci_socket(kit: Kit, examples: Path, tmp_path: Path) -> None:
    """It flashes, uploads, marks, resets, and finds the other firmware under its other name."""
    tools = tmp_path / "tools"
    write_what_upgrade_needs(examples, BOARD, kit.unit.control_address, tools)
    done = run(
        *("-c", ON_BUMBLE, kit.hci, examples / f"{UPGRADE}.py", BOARD_ARGUMENT),
        folder=tmp_path,
        path=f"{tools}{os.pathsep}{os.environ['PATH']}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\nConfirmed the swap\n")


def test_command_line_finds_the_kit(kit: Kit, tmp_path: Path) -> None:
    done = run(*BUMBLE, "scan", "--hci", kit.hci, "--timeout", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    line = re.escape(f"  {kit.address}  {NAME} rssi=") + r"-\d+" + re.escape(" [SMP]\n")
    assert re.fullmatch(line, done.stdout)


def test_command_line_echo(kit: Kit, tmp_path: Path) -> None:
    done = run(*BUMBLE, "echo", kit.address, "hello", "--hci", kit.hci, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


@pytest.mark.parametrize("permission", ["authenticated"], indirect=True)
@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
def test_command_line_pairs_with_the_passkey_on_the_uart(
    kit: Kit, tmp_path: Path, is_right: bool
) -> None:
    """Its bond, kept in a file, then carries the next program."""
    echo = [*BUMBLE, "echo", kit.address, "hello", "--hci", kit.hci]
    refused = run(*echo, folder=tmp_path)
    assert refused.returncode != 0
    assert "INSUFFICIENT_AUTHENTICATION" in refused.stderr

    since = kit.console.position()
    with subprocess.Popen(
        [sys.executable, *BUMBLE, "pair", kit.address, "--hci", kit.hci],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as pair:
        try:
            deadline = Deadline.after(TIME_LIMIT_S)
            shown = expect(kit.console, r"Passkey for .*: (\d{6})$", since=since, deadline=deadline)
            passkey = int(shown[1]) if is_right else int(shown[1]) ^ 1
            output, _ = pair.communicate(f"{passkey:06}\n", timeout=TIME_LIMIT_S)
        finally:
            pair.kill()
    assert ("Pairing succeeded (bonded=True)" in output) is is_right, output

    done = run(*echo, folder=tmp_path)
    assert (done.returncode == 0 and done.stdout == "hello\n") is is_right, done.stderr
