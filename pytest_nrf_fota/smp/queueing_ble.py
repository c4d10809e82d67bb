"""smpclient's bleak transport for uploads that send several requests at once."""

from typing import TYPE_CHECKING

from smp.header import Header
from smpclient.transport import SMP_CHARACTERISTIC_UUID
from smpclient.transport.ble import SMPBLETransport

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic


class QueueingBleTransport(SMPBLETransport):
    """Takes one answer after the other.

    smpclient's own `receive` raises where two answers have arrived (seen with smpclient 7.3.0).
    """

    async def receive(self) -> bytes:
        """The next message."""
        async with self._notify_condition:
            while len(self._buffer) < (size_bytes := self._message_size_bytes()):
                await self._notify_or_disconnect()
            message = bytes(self._buffer[:size_bytes])
            del self._buffer[:size_bytes]
        return message

    async def resubscribe(self) -> None:
        """Unsubscribe and subscribe again."""
        await self._client.stop_notify(SMP_CHARACTERISTIC_UUID)
        await self._client.start_notify(SMP_CHARACTERISTIC_UUID, self._take)

    async def _take(self, sender: "BleakGATTCharacteristic", data: bytearray) -> None:
        await self._notify_callback(sender, bytes(data))

    def _message_size_bytes(self) -> int:
        if len(self._buffer) < Header.SIZE:
            return Header.SIZE
        return Header.SIZE + Header.loads(bytes(self._buffer[: Header.SIZE])).length
