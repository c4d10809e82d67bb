"""bleak as on macOS: its scanner and client with UUIDs for addresses, over a virtual kit's HCI.

CoreBluetooth shows no address of a board, but a UUID of its own making
(developer.apple.com, CBPeer.identifier).
"""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address
from bumble.keys import MemoryKeyStore
from bumble.transport import open_transport
from bumble.transport.common import Transport

_OWN_ADDRESS = "F0:5C:81:00:00:02"
_SERVICES = (
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)


def hidden(address: str) -> str:
    """What macOS shows for an address."""
    return str(uuid5(NAMESPACE_OID, address)).upper()


def be_macos(monkeypatch: pytest.MonkeyPatch, hci: str) -> None:
    """Give bleak the backends of a Mac whose Bluetooth is this HCI controller."""

    class Scanner(_Scanner):
        HCI = hci

    class Client(_Client):
        HCI = hci

    for name, backend in (("scanner", Scanner), ("client", Client)):
        monkeypatch.setattr(
            f"bleak.get_platform_{name}_backend_type", lambda backend=backend: (backend, "a Mac")
        )


class _Controller:
    """A Bluetooth controller that is on while somebody uses it."""

    def __init__(self, hci: str) -> None:
        self._hci = hci
        self._transport: Transport | None = None
        self.device: Device

    async def switch_on(self) -> Device:
        self._transport = await open_transport(self._hci)
        self.device = Device.with_hci(
            "Mac", Address(_OWN_ADDRESS), self._transport.source, self._transport.sink
        )
        self.device.keystore = MemoryKeyStore()
        await self.device.power_on()
        return self.device

    async def switch_off(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await self.device.power_off()
            await transport.close()


class _Scanner(BaseBleakScanner):
    HCI = ""

    def __init__(
        self, detection_callback: Any, service_uuids: Any, scanning_mode: Any, **kwargs: Any
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._controller = _Controller(self.HCI)

    async def start(self) -> None:
        self.seen_devices = {}
        device = await self._controller.switch_on()
        device.on("advertisement", self._on_advertisement)
        await device.start_scanning()

    async def stop(self) -> None:
        await self._controller.switch_off()

    def _on_advertisement(self, heard: Advertisement) -> None:
        address = heard.address.to_string(with_type_qualifier=False)
        name = heard.data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        lists = [heard.data.get(kind) for kind in _SERVICES]
        uuids = [uuid for one in lists if isinstance(one, list) for uuid in one]
        data = AdvertisementData(
            local_name=str(name) if name else None,
            manufacturer_data={},
            service_data={},
            service_uuids=[uuid.to_hex_str("-").lower() for uuid in uuids],
            tx_power=None,
            rssi=heard.rssi,
            platform_data=(),
        )
        device = self.create_or_update_device(
            address, hidden(address), data.local_name, address, data
        )
        self.call_detection_callbacks(device, data)


class _Client(BaseBleakClient):
    HCI = ""

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        assert isinstance(address_or_ble_device, BLEDevice)
        self._address = str(address_or_ble_device.details)
        self._controller = _Controller(self.HCI)
        self._peer: Peer | None = None

    @property
    def name(self) -> str:
        return "a Mac"

    @property
    def mtu_size(self) -> int:
        assert self._peer is not None
        return self._peer.connection.att_mtu

    @property
    def is_connected(self) -> bool:
        return self._peer is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        device = await self._controller.switch_on()
        connection = await device.connect(Address(self._address))
        connection.on("disconnection", self._on_disconnection)
        self._peer = Peer(connection)
        await self._peer.request_mtu(247)
        await self._peer.discover_all()  # type: ignore[no-untyped-call]
        self.services = BleakGATTServiceCollection()
        for service in self._peer.services:
            its = BleakGATTService(service, service.handle, service.uuid.to_hex_str("-").lower())
            self.services.add_service(its)
            for one in service.characteristics:
                self.services.add_characteristic(
                    BleakGATTCharacteristic(
                        one,
                        one.handle,
                        one.uuid.to_hex_str("-").lower(),
                        [],
                        lambda: self.mtu_size - 3,
                        its,
                    )
                )

    async def disconnect(self) -> None:
        self._peer = None
        await self._controller.switch_off()

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        await _proxy(characteristic).write_value(bytes(data), with_response=response)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Any, **kwargs: Any
    ) -> None:
        await _proxy(characteristic).subscribe(lambda value: callback(bytearray(value)))

    def _on_disconnection(self, _reason: int) -> None:
        self._peer = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        await _proxy(characteristic).unsubscribe()

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, **kwargs: Any
    ) -> bytearray:
        raise NotImplementedError

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, **kwargs: Any
    ) -> bytearray:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        raise NotImplementedError


def _proxy(characteristic: BleakGATTCharacteristic) -> CharacteristicProxy[bytes]:
    proxy: CharacteristicProxy[bytes] = characteristic.obj
    return proxy
