"""A farm of two hosts on loopback, where labgrid is installed; else these tests are skipped."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess, Listeners
from pytest_nrf_fota.farm.labgrid.farm_python import farm_python
from tests.farm.meeting import MEET, Meeting
from tests.farm_labgrid.farm import Farm, Kit, is_running, wait_for

KITS = (Kit("1050000001", "lab1"), Kit("1050000002", "lab1"), Kit("1050000003", "lab2"))

StartFarm = Callable[..., Farm]
StartBroker = Callable[..., BrokerProcess]


@pytest.fixture(scope="session")
def labgrid_python() -> Path:
    """A Python that has labgrid."""
    if os.name != "posix":
        pytest.skip("labgrid is POSIX only")
    try:
        return farm_python(None)
    except InputError as error:
        pytest.skip(f"{error.what} {error.next_step}")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, labgrid_python: Path) -> Iterator[Farm]:
    """Two kits on lab1 and one on lab2, for tests that leave it as it was."""
    started = Farm(tmp_path_factory.mktemp("farm") / "farm", labgrid_python, KITS)
    try:
        require_complete(started, labgrid_python)
        yield started
    finally:
        started.end()


@pytest.fixture
def start_farm(tmp_path: Path, labgrid_python: Path) -> Iterator[StartFarm]:
    """Starts a farm that ends with the test."""
    started: list[Farm] = []

    def start(*kits: Kit, gone: tuple[str, ...] = ()) -> Farm:
        farm = Farm(tmp_path / f"farm{len(started)}", labgrid_python, kits, gone)
        started.append(farm)
        require_complete(farm, labgrid_python, gone)
        return farm

    yield start
    for farm in started:
        farm.end()


@pytest.fixture
def start_broker(tmp_path: Path, labgrid_python: Path) -> Iterator[StartBroker]:
    """Starts a session's broker; it ends with the test."""
    started: list[BrokerProcess] = []

    def start(
        farm: Farm, listeners: Listeners | None = None, renew_s: float = 0.5
    ) -> BrokerProcess:
        log = tmp_path / "broker.log"
        broker = BrokerProcess(farm.address, labgrid_python, log, listeners, renew_s)
        started.append(broker)
        return broker

    yield start
    for broker in started:
        broker.close()
    # Whatever became of coordinator and exporters: none is left behind, and none leases again.
    wait_for(
        lambda: [broker.pid for broker in started if is_running(broker.pid)],
        lambda left: not left,
        within_s=120,
    )


def require_complete(farm: Farm, python: Path, gone: tuple[str, ...] = ()) -> None:
    """Wait until the coordinator knows all that the exporters offer."""
    hosts = {kit.place: kit.host for kit in farm.kits}
    with BrokerProcess(farm.address, python) as broker:
        wait_for(
            broker.look,
            lambda places: all(p.resources or hosts[p.name] in gone for p in places),
        )


class User:
    """Somebody at a host, who runs pytest on the farm's kits.

    Args:
        folder: a new folder, where his tests are.
        python: with labgrid.
        meeting: where his tests wait.
    """

    def __init__(self, folder: Path, python: Path, meeting: Meeting) -> None:
        folder.mkdir()
        self.folder = folder
        self._python = python
        self._meeting = meeting
        self._started: list[subprocess.Popen[str]] = []
        (folder / "meeting.py").write_text(MEET)
        (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")

    def pytest(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start pytest for an nRF5340 DK, in a process group of its own."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if "PYTEST" not in name or name == "PYTEST_ADDOPTS"
        }
        process = subprocess.Popen(
            (
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--board=nrf5340dk"),
                *(f"--farm-python={self._python}", *arguments),
            ),
            cwd=self.folder,
            env=kept | {"MEETING": str(self._meeting.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        self._meeting.expected.append(process)
        return process

    def finish(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        """Wait for it: exit code, and what it printed."""
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            pytest.fail(f"it did not end:\n{output}")
        return process.returncode, output

    def end(self) -> None:
        """What was started and still runs is killed."""
        for process in self._started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[Meeting]:
    """Where the test meets those whom it started."""
    with Meeting(tmp_path / "meeting") as place:
        yield place


@pytest.fixture
def user(tmp_path: Path, labgrid_python: Path, meeting: Meeting) -> Iterator[User]:
    """A user."""
    somebody = User(tmp_path / "user", labgrid_python, meeting)
    yield somebody
    somebody.end()


def program(name: str) -> str:
    """Where a program of the system is; the test is skipped where it is not installed."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def ssh_config(tmp_path: Path) -> Iterator[Path]:
    """Configuration for ssh, in which lab1 and lab2 are this host, with a server of our own."""
    sshd = program("sshd")
    keygen = program("ssh-keygen")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host_key", "user_key"):
        subprocess.run(
            (keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)), check=True
        )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/user_key.pub\nStrictModes no\nUsePAM no\n"
        f"PidFile {folder}/pid\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    config = folder / "config"
    config.write_text(
        f"Host lab1 lab2\n  HostName 127.0.0.1\n  Port {port}\n"
        f"  IdentityFile {folder}/user_key\n  IdentitiesOnly yes\n  BatchMode yes\n"
        f"  StrictHostKeyChecking no\n  UserKnownHostsFile {folder}/known_hosts\n"
        "  LogLevel ERROR\n"
    )
    with (folder / "sshd.log").open("w") as log:
        server = subprocess.Popen(
            (sshd, "-D", "-e", "-f", str(folder / "sshd_config")),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(
            lambda: server.poll() is not None or "listening" in (folder / "sshd.log").read_text(),
            lambda is_over: is_over,
        )
        if server.poll() is not None:
            pytest.skip(f"sshd does not start: {(folder / 'sshd.log').read_text().strip()}")
        yield config
    finally:
        server.terminate()
        server.wait()
