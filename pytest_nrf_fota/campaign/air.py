"""A radio without Bluetooth: SMP frames go from smpclient to the kit's application in one process.

Everything above is as it is over the air: an application that does not advertise cannot be
connected to, a reset or a lost link ends the connection, frames are put together by the server.
"""

import asyncio
from collections.abc import Callable

from smpclient.transport import SMPTransport, SMPTransportDisconnected

from pytest_nrf_fota.sim.pairing import Security
from pytest_nrf_fota.sim.radio import Advertisement, PeripheralEvents

_MTU_BYTES = 498
_LOST_REASON = 0x08
_LEFT_REASON = 0x13


class DirectRadio:
    """Both ends of the link; see `sim.radio.KitRadio`. Used on the kit's event loop alone."""

    def __init__(self) -> None:
        self._advertisement: Advertisement | None = None
        self._peripheral: PeripheralEvents | None = None
        self._central: Callable[[bytes | None], None] | None = None
        self._changed = asyncio.Event()

    @property
    def hci_client_spec(self) -> str:
        """There is no HCI socket."""
        return ""

    async def start(self) -> None:
        """Nothing has to be opened."""

    async def stop(self) -> None:
        """The kit ends."""
        await self.silence()

    async def advertise(
        self,
        advertisement: Advertisement,
        peripheral: PeripheralEvents,
        *,
        smp_service: bool = True,
        security: Security | None = None,
    ) -> None:
        """The application can be connected to."""
        del smp_service, security
        await self.silence()
        self._advertisement, self._peripheral = advertisement, peripheral
        self._changed.set()

    async def silence(self) -> None:
        """The application is gone, and its link with it."""
        self._advertisement, self._peripheral = None, None
        self._end_link()

    def forget_bonds(self) -> None:
        """There are none."""

    def lose_connection(self) -> None:
        """The link drops; the application goes on."""
        had_central, peripheral = self._central is not None, self._peripheral
        self._end_link()
        if had_central and peripheral is not None:
            peripheral.on_disconnected(_LOST_REASON)

    def halt(self) -> None:
        """The CPU is halted: the link drops."""
        self.lose_connection()

    def resume(self) -> None:
        """The CPU goes on."""

    async def notify(self, frame: bytes) -> None:
        """An answer for the central, if there is one."""
        if self._central is not None:
            self._central(frame)

    async def accept(self, address: str, central: Callable[[bytes | None], None]) -> None:
        """Connect a central as soon as an application of this address or name advertises.

        `central` is called with each frame, and with None when the link is gone.
        """
        while not self._is_there(address):
            self._changed.clear()
            await self._changed.wait()
        self._end_link()
        self._central = central
        if self._peripheral is not None:
            self._peripheral.on_connected()

    async def take(self, frame: bytes) -> None:
        """A frame from the central."""
        if self._peripheral is not None:
            self._peripheral.on_smp_fragment(frame)

    async def leave(self, central: Callable[[bytes | None], None]) -> None:
        """The central ends its link."""
        if self._central != central:
            return
        self._central = None
        if self._peripheral is not None:
            self._peripheral.on_disconnected(_LEFT_REASON)

    def _is_there(self, address: str) -> bool:
        here = self._advertisement
        return here is not None and address in (here.address, here.name)

    def _end_link(self) -> None:
        central, self._central = self._central, None
        if central is not None:
            central(None)


class DirectTransport(SMPTransport):
    """smpclient's end of one connection over a `DirectRadio`."""

    def __init__(self, radio: DirectRadio, kit_loop: asyncio.AbstractEventLoop) -> None:
        self._radio = radio
        self._kit_loop = kit_loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_connected = False

    async def connect(self, address: str, timeout_s: float) -> None:
        """Connect. Raises `TimeoutError` where nobody advertises that address in time."""
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Queue()
        accepted = asyncio.run_coroutine_threadsafe(
            self._radio.accept(address, self._take), self._kit_loop
        )
        await asyncio.wait_for(asyncio.wrap_future(accepted), timeout_s)
        self._is_connected = True

    async def disconnect(self) -> None:
        """End the link."""
        if self._is_connected:
            self._is_connected = False
            left = asyncio.run_coroutine_threadsafe(self._radio.leave(self._take), self._kit_loop)
            await asyncio.wrap_future(left)

    async def send(self, data: bytes) -> None:
        """Send one frame. Raises `SMPTransportDisconnected` where the link is gone."""
        self._raise_if_gone()
        sent = asyncio.run_coroutine_threadsafe(self._radio.take(data), self._kit_loop)
        await asyncio.wrap_future(sent)

    async def receive(self) -> bytes:
        """Wait for one frame. Raises `SMPTransportDisconnected` where the link goes meanwhile."""
        self._raise_if_gone()
        frame = await self._arrived.get()
        if frame is None:
            self._is_connected = False
            raise SMPTransportDisconnected("The link is gone.")
        return frame

    async def send_and_receive(self, data: bytes) -> bytes:
        """Send one request, receive its answer."""
        await self.send(data)
        return await self.receive()

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """Take the server's buffer size."""
        self._smp_server_transport_buffer_size = smp_server_transport_buffer_size

    @property
    def mtu(self) -> int:
        """As over the air."""
        return _MTU_BYTES

    @property
    def max_unencoded_size(self) -> int:
        """As large as the server's buffer, once that is known."""
        return self._smp_server_transport_buffer_size or _MTU_BYTES

    def _take(self, frame: bytes | None) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, frame)

    def _raise_if_gone(self) -> None:
        if not self._is_connected:
            raise SMPTransportDisconnected("The link is gone.")


class DirectSmp:
    """The radio wire of a kit in this process; see `wires.radio.Radio`."""

    def __init__(self, radio: DirectRadio, kit_loop: asyncio.AbstractEventLoop) -> None:
        self._radio = radio
        self._kit_loop = kit_loop

    @property
    def description(self) -> str:
        """For messages."""
        return "SMP to a kit in this process"

    def transport(self) -> SMPTransport:
        """A fresh, unconnected transport."""
        return DirectTransport(self._radio, self._kit_loop)
