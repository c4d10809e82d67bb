"""SMP through one chosen adapter of BlueZ.

smpclient's own bleak transport has no word for the adapter: it scans on the first that is on.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, TypeVar

from smp.header import Header
from smpclient.transport import (
    SMP_CHARACTERISTIC_UUID,
    SMP_SERVICE_UUID,
    SMPTransport,
    SMPTransportDisconnected,
)

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.args.bluez import BlueZScannerArgs
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice

_Result = TypeVar("_Result")


def scanner_arguments(adapter: str | None) -> "BlueZScannerArgs":
    """What makes bleak's scanner use this adapter; other systems' scanners do not look at it."""
    return {} if adapter is None else {"adapter": adapter}


class AdapterLink(SMPTransport):
    """One connection: made by `connect`, gone after `disconnect`.

    Args:
        adapter: BlueZ's name of it, such as `hci1`.
    """

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter
        self._client: BleakClient | None = None
        self._smp_characteristic: BleakGATTCharacteristic
        self._lost = asyncio.Event()
        self._arrived = asyncio.Event()
        self._received = bytearray()

    async def connect(self, address: str, timeout_s: float) -> None:
        """Find the board, connect, subscribe. Raises what smpclient's own transport raises."""
        try:
            await asyncio.wait_for(self._connect(address, timeout_s), timeout_s)
        except BaseException:
            await self._leave()
            raise

    async def disconnect(self) -> None:
        """End the connection."""
        if self._client is not None:
            await self._client.disconnect()

    async def send(self, data: bytes) -> None:
        """Send one SMP message, in as many writes as it takes."""
        client = self._connected()
        for offset in range(0, len(data), self.mtu):
            await client.write_gatt_char(
                self._smp_characteristic, data[offset : offset + self.mtu], response=False
            )

    async def receive(self) -> bytes:
        """Receive one SMP message."""
        while len(self._received) < (size_bytes := self._message_size_bytes()):
            self._arrived.clear()
            await self._unless_lost(self._arrived.wait())
        message = bytes(self._received[:size_bytes])
        del self._received[:size_bytes]
        return message

    async def resubscribe(self) -> None:
        """Unsubscribe and subscribe again."""
        client = self._connected()
        await self._unless_lost(client.stop_notify(self._smp_characteristic))
        await self._unless_lost(client.start_notify(self._smp_characteristic, self._take))

    async def send_and_receive(self, data: bytes) -> bytes:
        """Send a message, receive the answer."""
        await self.send(data)
        return await self.receive()

    @property
    def mtu(self) -> int:
        """Largest write in bytes; BlueZ tells it since 5.62."""
        return self._smp_characteristic.max_write_without_response_size

    async def _connect(self, address: str, timeout_s: float) -> None:
        from bleak import BleakClient
        from smpclient.transport.ble import (
            SMPBLETransportDeviceNotFound,
            SMPBLETransportNotSMPServer,
        )

        device = await _heard(address, self._adapter, timeout_s)
        if device is None:
            raise SMPBLETransportDeviceNotFound(f"{address} not found through {self._adapter}")
        self._client = BleakClient(
            device,
            services=(str(SMP_SERVICE_UUID),),
            timeout=timeout_s,
            disconnected_callback=lambda _client: self._lost.set(),
            bluez={"adapter": self._adapter},
        )
        await self._client.connect()
        found = self._client.services.get_characteristic(SMP_CHARACTERISTIC_UUID)
        if found is None:
            raise SMPBLETransportNotSMPServer("Missing the SMP characteristic UUID.")
        self._smp_characteristic = found
        await self._unless_lost(self._client.start_notify(found, self._take))

    def _take(self, _sender: "BleakGATTCharacteristic", data: bytearray) -> None:
        self._received += data
        self._arrived.set()

    def _message_size_bytes(self) -> int:
        if len(self._received) < Header.SIZE:
            return Header.SIZE
        header = Header.loads(bytes(self._received[: Header.SIZE]))
        return Header.SIZE + header.length

    def _connected(self) -> "BleakClient":
        if self._client is None or self._lost.is_set():
            raise SMPTransportDisconnected("the BLE connection is gone")
        return self._client

    async def _leave(self) -> None:
        if self._client is not None:
            try:
                await self._client.disconnect()
            except Exception:
                # What went wrong before is what the caller hears of.
                return

    async def _unless_lost(self, work: Coroutine[object, object, _Result]) -> _Result:
        """Wait for `work`; BlueZ never answers some requests of a link that has dropped.

        Raises `SMPTransportDisconnected` where it drops first.
        """
        task = asyncio.ensure_future(work)
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise SMPTransportDisconnected("the BLE connection dropped")
            return await task
        finally:
            task.cancel()
            lost.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)


async def _heard(address: str, adapter: str, timeout_s: float) -> "BLEDevice | None":
    """The advertiser at `address`; None where it is not heard.

    bleak's own search begins to listen when the scan is running, and BlueZ may have told by then
    what it will not repeat before the signal strength changes.
    """
    from bleak import BleakScanner
    from bleak.backends.scanner import AdvertisementData

    heard: asyncio.Future[BLEDevice] = asyncio.get_running_loop().create_future()

    def on_advertisement(device: "BLEDevice", _advertisement: AdvertisementData) -> None:
        if device.address.upper() == address.upper() and not heard.done():
            heard.set_result(device)

    async with BleakScanner(on_advertisement, bluez=scanner_arguments(adapter)):
        try:
            return await asyncio.wait_for(heard, timeout_s)
        except asyncio.TimeoutError:
            return None
