"""The kit's serial ports: which there are, and whether they stay while the probe is used."""

import os
import time

from pytest_nrf_fota.first_contact.bench import Bench
from pytest_nrf_fota.first_contact.step import Found, Step, held

_TIMES = 3


def _ports(bench: Bench) -> Found:
    interfaces = {vcom.device: vcom.interface for vcom in bench.vcoms()}
    ports = bench.ports()
    lines = (f"{port}{_interface(interfaces.get(port))}" for port in ports)
    return held(bool(ports), ", ".join(lines) or "none")


def _interface(number: int | None) -> str:
    """The USB interface, by which a kit's ports are told apart; macOS does not show it."""
    if number is None:
        return ""
    return f" (interface {number})" if number >= 0 else " (interface unknown)"


def _wires(bench: Bench) -> Found:
    consoles = (f"{core} {console.port}" for core, console in bench.consoles.items())
    return held(True, "; ".join((*consoles, bench.dut.wires.radio.description)))


def _ports_stay(bench: Bench) -> Found:
    before = _identities(bench)
    lines: list[str] = []
    for name, probe in bench.probes.items():
        durations: list[str] = []
        for _ in range(_TIMES):
            started_at_s = time.monotonic()
            probe.info(bench.deadline())
            durations.append(f"{time.monotonic() - started_at_s:.1f}")
        lines.append(f"{name}: {', '.join(durations)} s")
    after = _identities(bench)
    changed = "the ports are the same" if before == after else f"ports before {before}, now {after}"
    return held(before == after, f"{'; '.join(lines)}; {changed}")


def _identities(bench: Bench) -> dict[str, int]:
    """Each port's inode, which is another one where it has come back."""
    found: dict[str, int] = {}
    for port in bench.ports():
        try:
            found[port] = os.stat(port).st_ino  # noqa: PTH116 - COM7 is no path
        except OSError:
            # Windows: a port has no file.
            found[port] = 0
    return found


STEPS = (
    Step("ports", "Looks which serial ports the kit has.", _ports),
    Step("wires", "Opens UARTs and radio; may reset the kit to find its console.", _wires),
    Step("ports stay", "Asks the chip three times, and looks whether ports go away.", _ports_stay),
)
