"""A kind of SMP transport: what it is given, and what it opens. See docs/extending.md."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.traits import TRANSPORTS_HOOK, TransportTraits
from pytest_nrf_fota.extensions import registered_one
from pytest_nrf_fota.smp.host_radio import HostRadio
from pytest_nrf_fota.smp.pairing import HostPairing
from pytest_nrf_fota.wires.radio import Radio

if TYPE_CHECKING:
    # Board files are checked against transports; a command that reads one opens no console.
    from pytest_nrf_fota.console.console import Console
    from pytest_nrf_fota.record.recorder import FlightRecorder
    from pytest_nrf_fota.smp.serial_over_console import SmpFrameRouter

DEFAULT_LINE_LENGTH_BYTES = 128
"""Longest line, delimiters and line feed included (Zephyr documentation, SMP over console)."""

DEFAULT_LINE_BUFFERS = 2
"""Lines that a board can hold while its SMP server is busy.

Zephyr's default (CONFIG_UART_MCUMGR_RX_BUF_COUNT). A pty has no baud rate, so nothing slows the
host down, and a line that finds no buffer is dropped without a word. Measured with
`qemu_cortex_m0` and uploads of 49,692 bytes: with requests of up to 2 lines 125 of 125 uploads went
well, with 3 lines 32 of 40, with 5 lines (the whole SMP buffer) 52 of 70.
"""


@dataclass(frozen=True)
class Reach:
    """How a board can be reached, its console open.

    Args:
        board: the board type; `board.extension` has what a transport of another package reads.
        console: the console.
        recorder: the flight recorder.
        frames: the SMP frames of the UART that carries them: `smp_port` where there is one, else
            the console.
        smp_port: the UART for SMP alone, where the provider has opened it.
        smp_port_name: the name of the port for SMP alone, where the provider has not.
        host_radio: which radio of this host; None is its Bluetooth.
        pairing: makes what answers a board that asks for an encrypted connection.
        line_length_bytes: longest line of SMP over a UART.
        line_buffers: how many of them the board's server can hold.
    """

    board: BoardType
    console: "Console"
    recorder: "FlightRecorder"
    frames: "SmpFrameRouter"
    smp_port: "Console | None" = None
    smp_port_name: Callable[[], str] | None = None
    host_radio: HostRadio | None = None
    pairing: Callable[[], HostPairing] = HostPairing
    line_length_bytes: int = DEFAULT_LINE_LENGTH_BYTES
    line_buffers: int = DEFAULT_LINE_BUFFERS


@dataclass(frozen=True)
class OpenTransport:
    """A radio, and where its board is.

    `address` is asked at every connect; None where the board is searched for by its Bluetooth
    address, which its log tells.
    """

    radio: Radio
    address: Callable[[], str] | None = None


@dataclass(frozen=True)
class Transport(TransportTraits):
    """One `radio.kind`.

    Args:
        open: opens it. Raises `RigError`.
    """

    open: Callable[[Reach], OpenTransport]


def open_transport(reach: Reach) -> OpenTransport:
    """The transport that the board file names. Raises `RigError`."""
    return registered_one(TRANSPORTS_HOOK, Transport, reach.board.radio.kind).open(reach)
