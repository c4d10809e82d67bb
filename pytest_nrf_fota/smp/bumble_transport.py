"""SMP over BLE through an HCI controller, with bumble as the host stack.

smpclient's own bumble transport does the SMP part on a connection that this module makes and
ends: left alone, its connect() and disconnect() can hang or leave the HCI socket open when the
link drops at the wrong moment (seen with smpclient 7.3.0 and bumble 0.0.228).
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from smpclient.transport import SMPTransport, SMPTransportDisconnected

if TYPE_CHECKING:
    from bumble.device import Connection, Device
    from bumble.transport.common import Transport
    from smpclient.transport.bumble import SMPBumbleTransport

HOST_ADDRESS = "F0:5C:81:00:00:01"
HOST_NAME = "pytest-nrf-fota"
_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 3.0


class BumbleTransport(SMPTransport):
    """One connection: made by `connect`, gone after `disconnect`; not to be used again.

    Args:
        hci: bumble's transport specification of the controller, such as `unix-client:...`,
            `tcp-client:127.0.0.1:6789` or `usb:0`.
        mtu: ATT MTU to ask for, in bytes.
    """

    def __init__(self, hci: str, mtu: int) -> None:
        self._hci = hci
        self._preferred_mtu = mtu
        self._controller: Transport | None = None
        self._device: Device | None = None
        self._connection: Connection | None = None
        self._smp: SMPBumbleTransport | None = None
        self._lost = asyncio.Event()

    async def connect(self, address: str, timeout_s: float) -> None:
        """Open the controller, find the peer by address or name, connect, find the SMP service.

        Raises what smpclient's transport raises, `asyncio.TimeoutError`, or
        `SMPTransportDisconnected` when the link drops meanwhile.
        """
        from bumble import core
        from bumble.device import Connection, Device
        from bumble.hci import Address
        from bumble.transport import open_transport
        from smpclient.transport.bumble import SMPBumbleTransport
        from smpclient.transport.bumble.keystore import InMemory

        self._controller = await asyncio.wait_for(open_transport(self._hci), _OPEN_TIMEOUT_S)
        self._device = Device.with_hci(
            HOST_NAME, Address(HOST_ADDRESS), self._controller.source, self._controller.sink
        )
        await asyncio.wait_for(self._device.power_on(), _OPEN_TIMEOUT_S)
        target = await self._find(self._device, address, timeout_s)
        try:
            self._connection = await self._device.connect(Address(target), timeout=timeout_s)
        except core.TimeoutError as error:
            raise asyncio.TimeoutError(f"{target} did not answer in {timeout_s:.1f} s") from error
        self._connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._smp = SMPBumbleTransport(keystore=InMemory(), preferred_mtu=self._preferred_mtu)
        await self._unless_lost(self._smp.use_connection(self._connection))

    async def disconnect(self) -> None:
        """End the connection and close the controller. A link that is gone is only forgotten."""
        connection, self._connection = self._connection, None
        if connection is not None and not self._lost.is_set():
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.disconnect(), _CLOSE_TIMEOUT_S)
        device, self._device = self._device, None
        if device is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(device.power_off(), _CLOSE_TIMEOUT_S)
        controller, self._controller = self._controller, None
        if controller is not None:
            await controller.close()

    async def send(self, data: bytes) -> None:
        """Send one SMP message."""
        await self._unless_lost(self._connected().send(data))

    async def receive(self) -> bytes:
        """Receive one SMP message."""
        return await self._connected().receive()

    async def send_and_receive(self, data: bytes) -> bytes:
        """Send a message, receive the answer."""
        await self.send(data)
        return await self.receive()

    @property
    def mtu(self) -> int:
        """Largest write in bytes."""
        return self._connected().mtu

    def _connected(self) -> "SMPBumbleTransport":
        if self._smp is None or self._lost.is_set():
            raise SMPTransportDisconnected("the BLE connection is gone")
        return self._smp

    async def _find(self, device: "Device", wanted: str, timeout_s: float) -> str:
        """Scan until the peer advertises, by address or name; returns its address.

        Raises `SMPBumbleTransportDeviceNotFound` with what was seen instead.
        """
        from bumble.device import Advertisement
        from smpclient.transport.bumble import SMPBumbleTransportDeviceNotFound

        seen: dict[str, str] = {}
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_advertisement(advertisement: Advertisement) -> None:
            address = str(advertisement.address).split("/")[0]
            name = advertisement.data.get(advertisement.data.COMPLETE_LOCAL_NAME)
            seen[address] = name if isinstance(name, str) else seen.get(address, "")
            is_wanted = wanted.upper() == address.upper() or wanted == seen[address]
            if is_wanted and not found.done():
                found.set_result(address)

        device.on("advertisement", on_advertisement)
        await device.start_scanning()
        try:
            return await asyncio.wait_for(found, timeout_s)
        except asyncio.TimeoutError:
            others = ", ".join(f"{address} {name}".strip() for address, name in seen.items())
            raise SMPBumbleTransportDeviceNotFound(
                f"{wanted!r} was not seen in {timeout_s:.1f} s; advertising: {others or 'nobody'}"
            ) from None
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(device.stop_scanning(), _CLOSE_TIMEOUT_S)

    async def _unless_lost(self, work: Coroutine[object, object, None]) -> None:
        """Wait for `work`, or raise `SMPTransportDisconnected` as soon as the link drops.

        bumble cancels a procedure whose link drops; as a task of its own that does not look like
        a cancellation of ours.
        """
        task = asyncio.ensure_future(work)
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if self._lost.is_set() or task.cancelled():
                raise SMPTransportDisconnected("the BLE connection dropped")
            await task
        finally:
            task.cancel()
            lost.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)

    def _on_disconnection(self, reason: int) -> None:
        del reason
        self._lost.set()
