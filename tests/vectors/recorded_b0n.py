"""Recorded runs of b0n (nsib/FORMAT.md), and the same runs on the virtual kit."""

import gzip
from collections.abc import Iterator
from typing import Literal

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.sim.boot.b0n import B0nEnd, NetworkCore, NetworkMap, run_b0n
from pytest_nrf_fota.sim.boot.pcd import PcdCommand, PcdMagic
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashError, MemoryLayout
from tests.vectors.recorded_nsib import FOLDER, Packed, Recorded

_RAM_ADDRESS, _RAM_BYTES = 0x20010000, 0x40000
_MAP = NetworkMap(app_address=0x01008800, provisioning_address=0x01008580)
_FLASH = MemoryLayout("network flash", 0x01000000, 0x40000, 0x800, 4, 0.0, 0.0)
_RAM = MemoryLayout("RAM flash", _RAM_ADDRESS, _RAM_BYTES, 0x1000, 4, 0.0, 0.0)


class B0nCommand(Recorded):
    """What the application core asks for."""

    kind: Literal["copy", "read version", "boot"]
    source: int
    size: int
    offset: int


class B0nRun(Recorded):
    """How it ended, and what was printed."""

    decision: str
    lines: tuple[str, ...]


class B0nState(Recorded):
    """One state of the memories, a command, and what became of it."""

    id: str
    release: str
    kind: str
    about: str = ""
    memory: tuple[tuple[int, Packed], ...]
    command: B0nCommand
    boots: tuple[B0nRun]


def recorded_runs(name: str) -> Iterator[B0nState]:
    """All states of one file."""
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield B0nState.model_validate_json(line)


def run_on_kit(state: B0nState, profile: Release) -> B0nRun:
    """The same run on the virtual kit, in the same form."""
    flash, ram = Flash((_FLASH,), VirtualClock()), Flash((_RAM,), VirtualClock())
    for address, data in state.memory:
        (ram if address >= _RAM_ADDRESS else flash).load(address, data)
    asked = state.command
    magic = {"copy": PcdMagic.COPY, "read version": PcdMagic.READ_VERSION, "boot": 0}[asked.kind]
    command = PcdCommand(magic, asked.source, asked.size, asked.offset)
    lines: list[str] = []
    core = NetworkCore(flash, ram, command, lines.append, VirtualClock(), _MAP)
    try:
        end = run_b0n(core, profile)
    except FlashError:
        return B0nRun(decision="fault", lines=tuple(lines))
    decision = {
        B0nEnd.STARTED_FIRMWARE: "starts",
        B0nEnd.WAITS: "done",
        B0nEnd.GAVE_UP: "refused",
        B0nEnd.NEVER_RAN: "never ran",
    }[end]
    return B0nRun(decision=decision, lines=tuple(lines))
