"""What `nrf-fota upgrade` is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pytest_nrf_fota.field_upgrade.modes import Mode, SSlot
from pytest_nrf_fota.smp.host_radio import HostRadio


@dataclass(frozen=True)
class OverBle:
    """A board that advertises this name, or has this address; None is the host's Bluetooth."""

    peer: str
    radio: HostRadio | None = None


@dataclass(frozen=True)
class OverPort:
    """A board that serves SMP on a serial port: one for SMP alone, or its console."""

    port: str


@dataclass(frozen=True)
class OverUdp:
    """A board that serves SMP over UDP."""

    host: str


Way: TypeAlias = OverBle | OverPort | OverUdp
"""How a board is reached."""


@dataclass(frozen=True)
class UpgradeOptions:
    """How to upgrade.

    Args:
        way: how the board is reached.
        mode: what becomes of an application after its first boot.
        console_port: the board's log; None where it is not to be seen.
        running_slot: which S0/S1 slot runs, where the user knows.
        is_dry_run: only look, and say what would be done.
        folder: gets the flight recorder and the UART's log.
    """

    way: Way
    mode: Mode
    console_port: str | None
    running_slot: SSlot | None
    is_dry_run: bool
    folder: Path
