"""The HCI socket of the virtual kit: where a host program plugs in its Bluetooth stack."""

import asyncio
import contextlib
import logging
from pathlib import Path

from bumble import hci
from bumble.core import InvalidPacketError
from bumble.transport.common import PacketParser

from pytest_nrf_fota.errors import InputError, RadioLostError
from pytest_nrf_fota.sim.link import Air, AirController

logger = logging.getLogger(__name__)

HOST_PUBLIC_ADDRESS = "02:00:00:00:00:01"
"""Public address of the host's controller; bit 1 of the first octet: locally administered."""

SEAT_PATIENCE_S = 0.5
"""How long a second host waits for the first to leave before it is refused, in seconds.

A host that was killed and its successor can show up in either order.
"""

CLOSE_TIMEOUT_S = 5.0
"""Upper bound for closing the listening socket, in seconds."""


class HciSocket:
    """Listens for hosts; the first one to speak gets a fresh controller on the air.

    One host at a time. Another one is answered Controller Busy (0x3A) and closed. When a host's
    socket closes, its controller leaves the air, so its links end.

    Args:
        address: `unix:PATH`, `unix:@NAME` (abstract: leaves no file behind, even after SIGKILL)
            or `tcp:HOST:PORT` (port 0: any free one).
        air: where the hosts' controllers live.
    """

    def __init__(self, address: str, air: Air) -> None:
        self._address = address
        self._air = air
        self._client_spec = ""
        self._server: asyncio.Server | None = None
        self._hosts: set[_Host] = set()
        self._seated: _Host | None = None

    @property
    def client_spec(self) -> str:
        """What a host passes to bumble's `open_transport()`; empty while not listening."""
        return self._client_spec

    async def start(self) -> None:
        """Listen.

        Raises:
            InputError: the address is not one of the three forms.
            RadioLostError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        scheme, _, rest = self._address.partition(":")
        try:
            match scheme, rest:
                case "unix", str() if rest:
                    path = "\0" + rest[1:] if rest.startswith("@") else rest
                    self._server = await loop.create_unix_server(self._accept, path)
                    self._client_spec = f"unix-client:{rest}"
                case "tcp", str() if ":" in rest:
                    host, _, port = rest.rpartition(":")
                    self._server = await loop.create_server(self._accept, host, int(port))
                    bound_port = self._server.sockets[0].getsockname()[1]
                    self._client_spec = f"tcp-client:{host}:{bound_port}"
                case _:
                    raise InputError(
                        "The HCI address has an unknown form.",
                        where=self._address,
                        next_step="Use unix:PATH, unix:@NAME or tcp:HOST:PORT.",
                    )
        except (OSError, OverflowError, ValueError) as error:
            raise RadioLostError(
                f"The HCI socket cannot be opened: {error}.",
                where=self._address,
                next_step="Use a free port, or a path of less than 108 bytes in a folder "
                "that exists.",
            ) from error

    async def stop(self) -> None:
        """Stop listening; hosts are cut off. Safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for host in tuple(self._hosts):
            host.cut_off()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(server.wait_closed(), CLOSE_TIMEOUT_S)
        if self._client_spec.startswith("unix-client:") and "@" not in self._client_spec:
            Path(self._client_spec.removeprefix("unix-client:")).unlink(missing_ok=True)
        self._client_spec = ""

    def _accept(self) -> "_Host":
        return _Host(self)

    def arrived(self, host: "_Host") -> None:
        """A host opened its socket."""
        self._hosts.add(host)

    def spoke(self, host: "_Host") -> None:
        """A host without a controller sent its first bytes."""
        if self._seated is None:
            self._seat(host)
        else:
            host.wait_for_seat(SEAT_PATIENCE_S)

    def left(self, host: "_Host") -> None:
        """A host's socket closed."""
        self._hosts.discard(host)
        if self._seated is not host:
            return
        self._seated = None
        successor = next((other for other in self._hosts if other.waiting), None)
        if successor is not None:
            self._seat(successor)

    def _seat(self, host: "_Host") -> None:
        self._seated = host
        host.take_seat(AirController("host", self._air, public_address=HOST_PUBLIC_ADDRESS))


class _Host(asyncio.Protocol):
    """One host's connection; also the sink into which its controller puts HCI packets."""

    def __init__(self, socket: HciSocket) -> None:
        self._socket = socket
        self._transport: asyncio.Transport | None = None
        self._controller: AirController | None = None
        self._parser: PacketParser | None = None
        self._unread = b""
        self._patience: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether it has spoken while another host had the controller."""
        return self._patience is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket.arrived(self)

    def data_received(self, data: bytes) -> None:
        if self._parser is not None:
            self._feed(self._parser, data)
            return
        speaks_first = not self._unread
        self._unread += data
        if speaks_first:
            self._socket.spoke(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._controller is not None:
            self._controller.host = None
            self._controller.leave()
            self._controller = None
        self._parser = None
        self._socket.left(self)

    def on_packet(self, packet: bytes) -> None:
        """An HCI packet from the controller."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(packet)

    def take_seat(self, controller: AirController) -> None:
        """Use `controller` from now on, beginning with what was sent so far."""
        self._stop_waiting()
        self._controller = controller
        controller.host = self
        self._parser = PacketParser(controller)
        self._feed(self._parser, self._unread)

    def wait_for_seat(self, patience_s: float) -> None:
        """Keep what was sent; refuse the host after `patience_s` seconds."""
        self._patience = asyncio.get_running_loop().call_later(patience_s, self._refuse)

    def cut_off(self) -> None:
        """Close the socket now, dropping what is not yet written."""
        if self._transport is not None:
            self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _feed(self, parser: PacketParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except InvalidPacketError as error:
            # The packet boundaries are lost for good, as on a UART out of step.
            logger.warning("HCI host sent no HCI packet (%s); its socket is closed", error)
            self.cut_off()

    def _refuse(self) -> None:
        """Answer the first command, so that the host fails at once instead of waiting."""
        self._patience = None
        if self._transport is None:
            return
        if len(self._unread) >= 3 and self._unread[0] == hci.HCI_COMMAND_PACKET:
            busy = hci.HCI_Command_Complete_Event(
                num_hci_command_packets=1,
                command_opcode=int.from_bytes(self._unread[1:3], "little"),
                return_parameters=hci.HCI_StatusReturnParameters(
                    hci.HCI_ErrorCode.CONTROLLER_BUSY_ERROR
                ),
            )
            self._transport.write(bytes(busy))
        logger.warning("A second HCI host was refused: another one is attached")
        self._transport.close()
