"""The SMP wire: what the harness asks of a radio."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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
        of step permanently.
        """


@runtime_checkable
class ResettableRadio(Protocol):
    """A radio whose adapter can be reset, where connections keep failing on this side."""

    async def reset_adapter(self) -> str:
        """Reset the adapter and return its name. Raises `RadioLostError` where it cannot be."""


@dataclass(frozen=True)
class Advertised:
    """One device that advertises, as this host shows it: macOS shows another address.

    `has_smp` is whether it advertises SMP's service.
    """

    address: str
    address_type: str
    name: str
    rssi_dbm: int | None
    has_smp: bool = False


@runtime_checkable
class ScanningRadio(Protocol):
    """A radio that hears who advertises."""

    async def scan(self, within_s: float) -> tuple[Advertised, ...]:
        """Listen for so long. Raises `RadioLostError` where the adapter does not work."""


@runtime_checkable
class MuteRadio(Protocol):
    """A radio on which connecting proves nothing: whether SMP is there, only an answer tells."""

    @property
    def silence_hint(self) -> str:
        """What to look at where no answer has come at all."""


@runtime_checkable
class RememberingRadio(Protocol):
    """A radio whose host remembers the services of a board, beyond one connection."""

    def forget_services(self) -> None:
        """The board may run another firmware: find its services anew at the next connection."""
