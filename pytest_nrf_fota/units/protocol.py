"""What a provider gives: a unit, and the three wires to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.faults import Faults
from pytest_nrf_fota.probe.protocol import Probe
from pytest_nrf_fota.report.recorder import FlightRecorder

if TYPE_CHECKING:
    from smpclient.transport import SMPTransport


class Radio(Protocol):
    """The SMP wire of one unit."""

    @property
    def description(self) -> str:
        """What carries SMP to this unit, for messages: `BLE through HCI socket ...`."""

    def transport(self) -> "SMPTransport":
        """A fresh, unconnected transport.

        Made anew for every connection: a transport of smpclient whose request timed out is out
        of step for good (facts/bluez.md, Behaviour to expect).
        """


@runtime_checkable
class ResettableRadio(Protocol):
    """A radio whose adapter can be reset, where connections keep failing on this side."""

    async def reset_adapter(self) -> str:
        """Reset the adapter and return its name. Raises `RadioLostError` where it cannot be."""


@runtime_checkable
class MuteRadio(Protocol):
    """A radio on which connecting proves nothing: whether SMP is there, only an answer tells."""

    @property
    def silence_hint(self) -> str:
        """What to look at where no answer has come at all."""


@dataclass(frozen=True)
class Wires:
    """The three wires to one unit, open and ready.

    `smp_port` is the port that the radio speaks through where SMP has a UART of its own.
    `smp_address` tells where SMP is reached on boards that need not be searched for; it is asked
    at every connect, because a port's name may change with a reset. `network_console` is the
    network core's UART, on boards where it has one; `faults` is there where faults can be injected.
    """

    probe: Probe
    console: Console
    radio: Radio
    smp_port: Console | None = None
    smp_address: Callable[[], str] | None = None
    network_console: Console | None = None
    faults: Faults | None = None

    def close(self) -> None:
        """Close all of them. Never raises."""
        self.console.close()
        if self.network_console is not None:
            self.network_console.close()
        if self.smp_port is not None:
            self.smp_port.close()
        self.probe.close()


class Unit(Protocol):
    """One individual board, leased to this test session."""

    @property
    def name(self) -> str:
        """What people call it: a J-Link serial number, `nrf5340dk_sim-0`, ..."""

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Open the three wires. Raises `RigError` if one of them cannot be opened."""

    def release(self) -> None:
        """Give the unit back; what the provider started is gone afterwards. Never raises."""
