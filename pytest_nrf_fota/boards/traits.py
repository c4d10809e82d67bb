"""What board files are checked against: of each provider and transport, what it can do.

They are registered from above (`hookspecs.py`), with the functions that open something.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.boards.capabilities import Capability
from pytest_nrf_fota.extensions import registered, registered_one

PROVIDERS_HOOK = "pytest_nrf_fota_providers"
PROBE_TOOLS_HOOK = "pytest_nrf_fota_probe_tools"
TRANSPORTS_HOOK = "pytest_nrf_fota_transports"
ANY_TOOL = "auto"
"""As `probe.runner` and `--runner`: the first probe tool that works."""


class Interface(Enum):
    """What a board has that can carry SMP."""

    BLUETOOTH = "Bluetooth LE"
    CONSOLE = "the console's UART"
    SMP_PORT = "a UART for SMP alone"
    NETWORK = "UDP"


@dataclass(frozen=True)
class ProbeToolTraits:
    """One tool that drives a kit's probe.

    Args:
        name: what `--runner` and a board file call it: `probe.runner = "nrfutil"`.
    """

    name: str


@dataclass(frozen=True)
class ProviderTraits:
    """What boards of one provider are.

    Args:
        name: what a board file calls it: `provider = "usb"`.
        interfaces: what its boards have that can carry SMP.
        capabilities: of those that depend on who gives the board: probe_erase, fault_injection,
            power, swap_reset.
        is_kit: whether it is an nRF kit, real or virtual: serial ports in the order of its USB
            interfaces, and memory that can be read while the firmware runs.
        has_probe_tool: whether one of the registered probe tools drives its probe, so that
            `--runner` and `--device-id` have a meaning, and `--radio` a default.
        needs_section: section of the board file that it cannot do without.
    """

    name: str
    interfaces: frozenset[Interface]
    capabilities: frozenset[Capability] = frozenset()
    is_kit: bool = False
    has_probe_tool: bool = False
    needs_section: str | None = None


@dataclass(frozen=True)
class TransportTraits:
    """What one kind of SMP transport needs of a board.

    Args:
        name: what a board file calls it: `radio.kind = "ble"`.
        needs: None where it reaches boards that have none of the interfaces.
    """

    name: str
    needs: Interface | None


def provider_traits(name: str) -> ProviderTraits:
    """Of the provider of this name. Raises `InputError` where there is none."""
    return registered_one(PROVIDERS_HOOK, ProviderTraits, name)


def transports() -> dict[str, TransportTraits]:
    """All transports by name. Raises `ExtensionError`."""
    return registered(TRANSPORTS_HOOK, TransportTraits)


def known_provider(name: str) -> str:
    """The name, where a provider has it. Raises `ValueError`, `ExtensionError`."""
    return _one_of(registered(PROVIDERS_HOOK, ProviderTraits), name)


def known_probe_tool(name: str) -> str:
    """The name, where a probe tool has it, or `auto`. Raises `ValueError`, `ExtensionError`."""
    return _one_of((ANY_TOOL, *registered(PROBE_TOOLS_HOOK, ProbeToolTraits)), name)


def known_transport(name: str) -> str:
    """The name, where a transport has it. Raises `ValueError`, `ExtensionError`."""
    return _one_of(transports(), name)


def _one_of(known: Collection[str], name: str) -> str:
    if name not in known:
        raise ValueError(
            f"nothing is registered by this name; known: {', '.join(map(repr, known))}"
        )
    return name
