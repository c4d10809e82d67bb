"""A farm on loopback: labgrid's own coordinator and exporters, of the Python that has labgrid."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.messages import FarmPlace

WITHIN_S = 20.0
Found = TypeVar("Found")


@dataclass(frozen=True)
class Kit:
    """A kit of the farm: its host's name, and the place's tags besides board and host.

    `power` is the URL of labgrid's "simplerest" power switch.
    """

    serial_number: str
    host: str
    tags: tuple[tuple[str, str], ...] = ()
    serial_port: Path | None = None
    power: str = ""

    @property
    def place(self) -> str:
        """The place that has it."""
        return f"kit-{self.serial_number}"


class Farm:
    """A coordinator, and an exporter for each host.

    Args:
        folder: a new folder.
        python: with labgrid.
        kits: all kits of the farm.
        gone: hosts whose exporter does not run.
    """

    def __init__(
        self, folder: Path, python: Path, kits: tuple[Kit, ...], gone: tuple[str, ...] = ()
    ) -> None:
        self._folder = folder
        self._python = python
        self._exporters: dict[str, subprocess.Popen[str]] = {}
        self.kits = kits
        folder.mkdir()
        (folder / "places.yaml").write_text(yaml.dump({kit.place: _place(kit) for kit in kits}))
        self._coordinator, self.address = self._start_coordinator(0)
        for host in sorted({kit.host for kit in kits} - set(gone)):
            self.start_exporter(host)

    @property
    def url(self) -> str:
        """For `--farm`."""
        return str(self.address)

    def start_exporter(self, host: str) -> None:
        """Start it; its resources come a moment later."""
        groups: dict[str, dict[str, object]] = {}
        for kit in self.kits:
            if kit.host != host:
                continue
            group = groups[kit.place] = {"NrfDevKit": {"serial_number": kit.serial_number}}
            if kit.power:
                group["NetworkPowerPort"] = {"model": "simplerest", "host": kit.power, "index": 1}
            if kit.serial_port is not None:
                port = {"cls": "RawSerialPort", "port": str(kit.serial_port)}
                group["console"] = port
        path = self._folder / f"{host}.yaml"
        path.write_text("## A comment as labgrid's Jinja has it.\n" + yaml.dump(groups))
        self._exporters[host] = self._start(
            "exporter",
            *("-c", self.address.target, "-n", host, "--hostname", "127.0.0.1", str(path)),
            name=host,
        )

    def signal_exporter(self, host: str, number: signal.Signals) -> None:
        """Send it a signal; after SIGKILL it is gone."""
        process = self._exporters[host]
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()

    def take_away(self, place: str) -> None:
        """End a lease as a person does, by force."""
        client = (str(self._python), "-m", "labgrid.remote.client", "-x", self.address.target)
        taken = ("-p", place, "release", "--kick")
        subprocess.run((*client, *taken), check=True, stdout=subprocess.DEVNULL)

    def signal_coordinator(self, number: signal.Signals) -> None:
        """Send it a signal: stopped, it is like one behind a broken network."""
        self._coordinator.send_signal(number)

    def kill_coordinator(self) -> None:
        """Its exporters end by that."""
        self._coordinator.kill()
        self._coordinator.wait()

    def restart_coordinator(self) -> None:
        """Kill it, and start one at its port, as systemd would; exporters end and come back."""
        self.kill_coordinator()
        self._coordinator, _ = self._start_coordinator(self.address.port)
        for host, exporter in self._exporters.items():
            exporter.wait(WITHIN_S)
            self.start_exporter(host)

    def end(self) -> None:
        """End all of it."""
        for process in self._exporters.values():
            process.kill()
            process.wait()
        _end(self._coordinator)

    def _start_coordinator(self, port: int) -> "tuple[subprocess.Popen[str], FarmAddress]":
        process = self._start("coordinator", "-l", f"127.0.0.1:{port}", name="coordinator")
        log = self._folder / "coordinator.log"

        def bound() -> int:
            lines = log.read_text().splitlines()
            told = [line for line in lines if line.startswith("listening on ")]
            return int(told[-1].rpartition(":")[2]) if told else 0

        return process, FarmAddress("127.0.0.1", wait_for(bound, lambda found: found != 0))

    def _start(self, program: str, *arguments: str, name: str) -> "subprocess.Popen[str]":
        with (self._folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                (str(self._python), "-u", "-m", f"labgrid.remote.{program}", *arguments),
                cwd=self._folder,
                env={n: v for n, v in os.environ.items() if n != "PYTHONPATH"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )


def wait_for(
    ask: Callable[[], Found], is_right: Callable[[Found], bool], within_s: float = WITHIN_S
) -> Found:
    """What was asked for, once it is right."""
    ends = time.monotonic() + within_s
    while True:
        found = ask()
        if is_right(found):
            return found
        assert time.monotonic() < ends, f"still {found!r}"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether there is such a process, which is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def owners(places: tuple[FarmPlace, ...]) -> Mapping[str, str]:
    """Who has which place."""
    return {place.name: place.owner for place in places if place.owner}


def _place(kit: Kit) -> dict[str, object]:
    match = {"exporter": kit.host, "group": kit.place, "cls": "*", "name": None, "rename": None}
    return {
        "tags": {"board": "nrf5340dk", "host": kit.host, **dict(kit.tags)},
        "matches": [match],
    }


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
