"""The SWD wire: what the harness asks of a debug probe."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from pytest_nrf_fota.deadline import Deadline


class Core(Enum):
    """The two cores of an nRF5340. Boards with one core know only APPLICATION."""

    APPLICATION = "application"
    NETWORK = "network"


class ResetKind(Enum):
    """How the board is reset: through the debug port, or by its reset pin."""

    SYSTEM = "system"
    PIN = "pin"


@dataclass(frozen=True)
class ProbeInfo:
    """Who is at the other end of the SWD wire."""

    runner: str
    serial_number: str
    target: str
    version: str


class Probe(Protocol):
    """A debug probe attached to one board.

    Every method raises `ProbeError` when the probe refuses, fails, or the deadline expires.
    """

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify probe and target."""

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase one core completely (flash and UICR) and unlock its debug access.

        External flash keeps its content (Zephyr runners/nrfjprog.py).
        """

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Erase the pages that an Intel hex file touches, write it and verify it."""

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the whole external flash through the probe."""

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read `size_bytes` of memory at `address`.

        Many tools halt the core for it and leave it so: see `resume`.
        """

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on that a read has halted; one that runs is left alone."""

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the board; its firmware starts from the reset vector."""

    def close(self) -> None:
        """Let go of the probe. Never raises."""
