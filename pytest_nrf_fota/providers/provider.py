"""A provider, and what it gives: a board, and UART, SMP and SWD of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.traits import ProviderTraits
from pytest_nrf_fota.providers.connection_memory import ConnectionMemory

if TYPE_CHECKING:
    # Board files are checked against providers; a command that reads one opens no console.
    from pytest_nrf_fota.console.console import Console
    from pytest_nrf_fota.console.ports import AttachedKit
    from pytest_nrf_fota.probe.read_effect import ProbeReads
    from pytest_nrf_fota.record.recorder import FlightRecorder
    from pytest_nrf_fota.smp.host_radio import HostRadio
    from pytest_nrf_fota.wires.faults import Faults
    from pytest_nrf_fota.wires.probe import Probe
    from pytest_nrf_fota.wires.radio import Radio


@dataclass(frozen=True)
class Wires:
    """UART, SMP and SWD of one board, open and ready.

    `smp_port` is the port that the radio speaks through where SMP has a UART of its own.
    `smp_address` tells where SMP is reached on boards that need not be searched for; it is asked
    at every connect, because a port's name may change with a reset. `network_console` is the
    network core's UART, on boards where it has one; `faults` is there where faults can be injected.
    `console_doubt` is why the console may be the wrong port, for the message about a silent one;
    empty where it cannot be. `connection_memory` is the unit's, over all tests.
    `reads` is what the session knows of the probe's reads; without it that is tried for each `Dut`.
    """

    probe: "Probe"
    console: "Console"
    radio: "Radio"
    smp_port: "Console | None" = None
    smp_address: Callable[[], str] | None = None
    network_console: "Console | None" = None
    faults: "Faults | None" = None
    console_doubt: str = ""
    connection_memory: ConnectionMemory = field(default_factory=ConnectionMemory)
    reads: "ProbeReads | None" = None

    def close(self) -> None:
        """Close all of them. Never raises."""
        self.console.close()
        if self.network_console is not None:
            self.network_console.close()
        if self.smp_port is not None:
            self.smp_port.close()
        self.probe.close()


class Unit(Protocol):
    """One board (a kit or what stands for one), leased to this test session."""

    @property
    def name(self) -> str:
        """What people call it: a J-Link serial number, `nrf5340dk_sim-0`, ..."""

    def open_wires(self, recorder: "FlightRecorder") -> Wires:
        """Open UART, SMP and SWD. Raises `RigError` if one of them cannot be opened."""

    def release(self) -> None:
        """Give the board back; what the provider started is gone afterwards. Never raises."""


@runtime_checkable
class CheckedUnit(Protocol):
    """A unit whose wires may fail before any firmware does: it is tried before a test trusts it."""

    def check(self, recorder: "FlightRecorder", *, with_radio: bool) -> None:
        """Reset it, open and close its ports; with its radio's adapter, where that is its own.

        Raises `RigError` for what of it cannot be used.
        """


@dataclass(frozen=True)
class Wanted:
    """Which board is wanted.

    Args:
        board: the board type; `board.extension` has what a provider of another package reads.
        unit_name: a name that no other xdist worker uses.
        log_folder: gets its logs.
        device_id: what was given as `--device-id`.
        radio: what was given as `--radio`, or in the board file.
        recorder: the session's flight recorder, for what happens before a test begins.
    """

    board: BoardType
    unit_name: str
    log_folder: Path
    device_id: str | None
    radio: "HostRadio | None"
    recorder: "FlightRecorder | None" = None


@dataclass(frozen=True)
class Provider(ProviderTraits):
    """Who gives boards.

    Args:
        take: takes one for this session. Raises `RigError` where there is none.
        attached: lists the kits that are there, where a session has to claim one of them before it
            takes it: then `Wanted.device_id` is always the claimed one. None where each `take`
            makes a board of its own, or has its own way to keep others off. Raises `RigError`.
    """

    take: Callable[[Wanted], Unit] = field(kw_only=True)
    attached: "Callable[[BoardType], Sequence[AttachedKit]] | None" = None
