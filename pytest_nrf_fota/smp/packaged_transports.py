"""The transports of this package: `radio.kind` of its boards."""

from typing import TYPE_CHECKING

from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.smp.host_radio import HostBluetooth, open_radio
from pytest_nrf_fota.smp.transport import (
    DEFAULT_LINE_BUFFERS,
    DEFAULT_LINE_LENGTH_BYTES,
    OpenTransport,
    Reach,
    Transport,
)

if TYPE_CHECKING:
    from smpclient.transport import SMPTransport

UDP_HOST = "127.0.0.1"
UDP_PORT = 1337
"""Fixed in native_sim's program: `udp_port` in manifest.json of smpclient's source distribution."""


class PtyRadio:
    """The `Radio` of a program whose SMP is on its own pty: smpclient's serial transport."""

    @property
    def description(self) -> str:
        """What carries SMP to this unit."""
        return "serial SMP on the program's pty"

    def transport(self) -> "SMPTransport":
        """A fresh, unconnected transport."""
        from smpclient.transport.serial import BufferParams, SMPSerialTransport

        from pytest_nrf_fota.smp.whole_requests import WholeRequests

        lines = BufferParams(DEFAULT_LINE_LENGTH_BYTES, DEFAULT_LINE_BUFFERS)
        return WholeRequests(SMPSerialTransport(lines), most_requests=1)


class UdpRadio:
    """The `Radio` of a program that serves SMP over UDP."""

    @property
    def description(self) -> str:
        """What carries SMP to this unit."""
        return f"SMP over UDP, port {UDP_PORT}"

    @property
    def silence_hint(self) -> str:
        """Where to look when no answer came at all: UDP has no connection that could fail."""
        return (
            f"Nobody answered on UDP port {UDP_PORT}: was the board started (dut.reset()), and is "
            "its address right?"
        )

    def transport(self) -> "SMPTransport":
        """A fresh, unconnected transport."""
        from smpclient.transport.udp import SMPUDPTransport

        from pytest_nrf_fota.smp.whole_requests import WholeRequests

        return WholeRequests(SMPUDPTransport())


def _ble(reach: Reach) -> OpenTransport:
    host = reach.host_radio or HostBluetooth()
    mtu = reach.board.radio.mtu
    return OpenTransport(open_radio(host, mtu=mtu, pairing=reach.pairing()))


def _on_uart(reach: Reach) -> OpenTransport:
    if reach.smp_port_name is not None:
        return OpenTransport(PtyRadio(), reach.smp_port_name)
    from pytest_nrf_fota.smp.serial_over_console import ConsoleSmpRadio

    uart = reach.smp_port or reach.console
    radio = ConsoleSmpRadio(
        uart,
        reach.frames,
        line_length_bytes=reach.line_length_bytes,
        line_buffers=reach.line_buffers,
        recorder=reach.recorder,
        has_own_port=reach.smp_port is not None,
    )
    return OpenTransport(radio, lambda: uart.port)


def _udp(reach: Reach) -> OpenTransport:
    del reach
    return OpenTransport(UdpRadio(), lambda: UDP_HOST)


TRANSPORTS = (
    Transport("ble", Interface.BLUETOOTH, _ble),
    Transport("serial_over_console", Interface.CONSOLE, _on_uart),
    Transport("serial", Interface.SMP_PORT, _on_uart),
    Transport("udp", Interface.NETWORK, _udp),
)
