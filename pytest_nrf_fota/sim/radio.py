"""The radio of the virtual kit: a Bluetooth LE peripheral with the SMP service.

The kit's peripheral and the host's controller share one simulated air inside the kit's process.
The host reaches its controller over an HCI socket, as it would reach a Bluetooth dongle.

Where the kit's clock has a speed, data take the air event by event (`connection_events.py`), by
real time alone: what the kit's CPU or flash is busy with delays its answers, not the air. Without
one they flow as fast as the event loop, and move the kit's clock (`link_timing.py`). Who may use
the SMP characteristic is decided in `pairing.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bumble.att import ATT_Error, Attribute, AttributeValueV2, Bearer
from bumble.att import ErrorCode as AttErrorCode
from bumble.controller import Connection as ControllerConnection
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import (
    GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
    Characteristic,
    CharacteristicValue,
    Descriptor,
    Service,
)
from bumble.hci import Address, HCI_Error, HCI_ErrorCode, HCI_StatusError
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from typing_extensions import assert_never

from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.hci_socket import HciSocket
from pytest_nrf_fota.sim.link import Air, AirController
from pytest_nrf_fota.sim.link_timing import AirTime, LinkTiming
from pytest_nrf_fota.sim.pairing import (
    PairingEvents,
    Security,
    SecurityLevel,
    has_key_of,
    level_of,
    refusal,
    set_up_pairing,
)

logger = logging.getLogger(__name__)

SMP_SERVICE_UUID = "8D53DC1D-1DB7-4CD3-868B-8A527460AA84"
"""SMP's GATT service (Zephyr mcumgr/transport)."""

SMP_CHARACTERISTIC_UUID = "DA2E7828-FBCE-4E01-AE9E-261174997C48"
"""SMP's characteristic: write without response, notify (Zephyr mcumgr/transport)."""

OTHER_CHARACTERISTIC_UUID = "6E5F0002-7E57-4B1D-9C0A-5D1E5F0A7A11"
"""Of this project's own making: a host has no business with it."""

MAX_MTU_BYTES = 498
"""Largest ATT MTU that the kit agrees to; longer values are dropped."""

ATT_HEADER_BYTES = 3
"""Opcode and handle in front of a notified value (Bluetooth Core, Vol 3 Part F, 3.4.7.1)."""

ADVERTISING_INTERVAL_MS = 30.0
"""Zephyr's fast advertising interval (BT_GAP_ADV_FAST_INT_MIN_1 in bluetooth/gap.h)."""

ADVERTISING_FLAGS = 0x06
"""General discoverable, no BR/EDR, as Zephyr's smp_svr sample advertises."""

MAX_NAME_BYTES = 29
"""Room for a name in a scan response: 31 bytes less length and type."""

KIT_PUBLIC_ADDRESS = "00:00:00:00:00:00"
"""The nRF5340 has no public address: it uses a static random one."""


@dataclass(frozen=True)
class Advertisement:
    """How the app presents itself.

    Args:
        name: the device name, sent in the scan response.
        address: the static random address, for example "F2:7C:B6:5D:C3:74".
        is_private: whether a resolvable private address stands for it on the air.
        other_characteristic: where in SMP's service another one lies.
        has_database_hash: whether the service is there by which hosts see that others changed
            (Generic Attribute: Database Hash, Service Changed).
    """

    name: str
    address: str
    is_private: bool = False
    other_characteristic: Literal["none", "in front", "behind"] = "none"
    has_database_hash: bool = True


class PeripheralEvents(PairingEvents, Protocol):
    """What the app on the kit hears from its radio; nothing any more once it was silenced."""

    def on_connected(self) -> None:
        """A central connected."""

    def on_disconnected(self, reason: int) -> None:
        """The central is gone, for this HCI reason; advertising goes on by itself."""

    def on_smp_fragment(self, data: bytes) -> None:
        """One write to the SMP characteristic: a frame, or a part of one."""

    def on_unsubscribed(self) -> None:
        """The central wants no notifications any more."""


class KitRadio(Protocol):
    """What a kit needs of its radio; see `Radio`, which has a Bluetooth stack."""

    @property
    def hci_client_spec(self) -> str:
        """Where a host's Bluetooth stack connects; empty where none can."""

    async def start(self) -> None:
        """Open what hosts connect to."""

    async def stop(self) -> None:
        """Silence the app and cut off the host. Safe to call twice."""

    async def advertise(
        self,
        advertisement: Advertisement,
        peripheral: PeripheralEvents,
        *,
        smp_service: bool = True,
        security: Security | None = None,
    ) -> None:
        """The app booted, and can be connected to."""

    async def silence(self) -> None:
        """The app is gone: the link drops, advertising ends."""

    def forget_bonds(self) -> None:
        """The flash that held the bonds was erased."""

    def lose_connection(self) -> None:
        """Let the link drop; the app goes on."""

    def halt(self) -> None:
        """The CPU is halted: the link drops."""

    def resume(self) -> None:
        """The CPU goes on."""

    async def notify(self, frame: bytes) -> None:
        """Send one SMP response."""


class Radio:
    """The kit's radio; alive as long as the kit's process, through all resets of the app.

    Args:
        hci_address: where hosts connect: `unix:PATH`, `unix:@NAME` or `tcp:HOST:PORT`
            (see `HciSocket`).
        clock: the kit's time, which holds responses back. Where it has a speed, data take as long
            as on the air; else they move it forward.
        timing: of every connection.
        air: what other kits are on, too; by default this kit is alone with its host.
    """

    def __init__(
        self,
        hci_address: str,
        clock: VirtualClock | None = None,
        timing: LinkTiming | None = None,
        air: Air | None = None,
    ) -> None:
        self._clock = clock or VirtualClock()
        self._timing = timing or LinkTiming()
        self._air = air or Air(self._timing, self._clock.speed)
        self._hci_socket = HciSocket(hci_address, self._air)
        self._app: _App | None = None
        # Like the settings partition: it outlives resets, not a recover.
        self._bonds = MemoryKeyStore()

    @property
    def air(self) -> Air:
        """Where further controllers may be put, next to the kit's and the host's."""
        return self._air

    @property
    def hci_client_spec(self) -> str:
        """What a host passes to bumble's `open_transport()`; empty before `start`."""
        return self._hci_socket.client_spec

    async def start(self) -> None:
        """Open the HCI socket.

        Raises:
            InputError: the address has an unknown form.
            RadioLostError: the address cannot be listened on.
        """
        await self._hci_socket.start()

    async def stop(self) -> None:
        """Silence the app, cut off the host, close the HCI socket. Safe to call twice."""
        await self.silence()
        await self._hci_socket.stop()

    async def advertise(
        self,
        advertisement: Advertisement,
        peripheral: PeripheralEvents,
        *,
        smp_service: bool = True,
        security: Security | None = None,
    ) -> None:
        """The app booted: its Bluetooth stack comes up, connectable.

        An app that still runs is silenced first. If `silence` is called meanwhile, the new app
        stays silent.

        Args:
            advertisement: name and address of this boot's app.
            peripheral: who hears connections and SMP data.
            smp_service: False for an app that was built without SMP over Bluetooth.
            security: who may use the SMP characteristic; by default anybody.
        """
        await self.silence()
        security = security or Security()
        if not security.keeps_bonds:
            self.forget_bonds()
        app = _App(
            self._air,
            advertisement,
            peripheral,
            self._pass_air_time(AirTime(self._timing)),
            security,
            self._bonds,
            smp_service=smp_service,
        )
        self._app = app
        await app.boot()

    async def silence(self) -> None:
        """The app is gone (reset, crash, power): the link drops, advertising ends, at once.

        The host sees a disconnection for connection timeout (0x08). Nothing happens when no app
        is up.
        """
        app, self._app = self._app, None
        if app is not None:
            app.die()

    def forget_bonds(self) -> None:
        """The flash that held the bonds was erased."""
        self._bonds = MemoryKeyStore()

    def _pass_air_time(self, air_time: AirTime) -> "PassAirTime":
        def pass_air_time(sender: Literal["central", "kit"], size_bytes: int) -> None:
            if self._clock.speed is None:
                self._clock.advance(air_time.transfer_s(sender, size_bytes))

        return pass_air_time

    def lose_connection(self) -> None:
        """Let the link drop, as where kit and host lose each other; the app goes on."""
        if self._app is not None:
            self._app.lose_connection()

    def halt(self) -> None:
        """The CPU is halted: nothing is sent any more, and the link drops by its time-out."""
        if self._app is not None:
            self._app.halt()

    def resume(self) -> None:
        """The CPU goes on: its host learns that the link is gone, and advertises."""
        if self._app is not None:
            self._app.resume()

    async def notify(self, frame: bytes) -> None:
        """Send one SMP response as notifications of at most MTU - 3 bytes.

        Dropped, as on the real kit, when no central is connected or has subscribed.
        """
        await self._clock.catch_up()
        if self._app is None:
            logger.debug("no app is up: %d bytes of SMP response dropped", len(frame))
        else:
            await self._app.notify(frame)


class _App:
    """One boot's Bluetooth stack: a peripheral with a controller of its own."""

    def __init__(
        self,
        air: Air,
        advertisement: Advertisement,
        peripheral: PeripheralEvents,
        pass_air_time: "PassAirTime",
        security: Security,
        bonds: MemoryKeyStore,
        *,
        smp_service: bool,
    ) -> None:
        self._pass_air_time = pass_air_time
        self._air = air
        self._advertisement = advertisement
        self._peripheral = peripheral
        self._smp_service = smp_service
        self._security = security
        self._bonds = bonds
        self._level = SecurityLevel.NO_SECURITY
        self._connection: Connection | None = None
        self._advertising: asyncio.Task[None] | None = None
        self._farewell: asyncio.Task[None] | None = None
        self._dead = False
        self._links_when_halted: tuple[ControllerConnection, ...] = ()
        self._controller = AirController("kit", air, public_address=KIT_PUBLIC_ADDRESS)
        host = Host()
        host.controller = self._controller
        self._controller.host = host
        self._device = Device(
            name=advertisement.name,
            address=Address(advertisement.address, Address.RANDOM_DEVICE_ADDRESS),
            config=DeviceConfiguration(gatt_service_enabled=advertisement.has_database_hash),
            host=host,
        )
        self._device.gatt_server.max_mtu = MAX_MTU_BYTES
        if advertisement.is_private:
            self._device.le_privacy_enabled = True
            self._device.le_rpa_timeout = 0
            # Stored on a kit, so that bonded centrals know it again after a reset.
            self._device.irk = (bytes(Address(advertisement.address)) * 3)[:16]
        set_up_pairing(self._device, security, bonds, self)
        self._smp: Characteristic[bytes] = Characteristic(
            UUID(SMP_CHARACTERISTIC_UUID),
            Characteristic.Properties.WRITE_WITHOUT_RESPONSE | Characteristic.Properties.NOTIFY,
            Characteristic.WRITEABLE,
            CharacteristicValue(write=self._on_write),
            [
                Descriptor(
                    GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
                    Attribute.READABLE | Attribute.WRITEABLE,
                    AttributeValueV2(self._on_ccc_read, self._on_ccc_write),
                )
            ],
        )
        if smp_service:
            self._device.add_service(
                Service(UUID(SMP_SERVICE_UUID), self._characteristics(advertisement))
            )
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)

    def _characteristics(self, advertisement: Advertisement) -> list[Characteristic[bytes]]:
        """Those of SMP's service, in the order of their handles."""
        other = Characteristic[bytes](
            UUID(OTHER_CHARACTERISTIC_UUID),
            Characteristic.Properties.READ,
            Characteristic.READABLE,
            b"",
        )
        match advertisement.other_characteristic:
            case "none":
                return [self._smp]
            case "in front":
                return [other, self._smp]
            case "behind":
                return [self._smp, other]
            case _:
                assert_never(advertisement.other_characteristic)

    async def boot(self) -> None:
        """Power the stack on, then advertise."""
        await self._device.power_on()
        await self._start_advertising()

    def lose_connection(self) -> None:
        """End the link without leaving the air."""
        self._air.break_links(self._controller)

    def halt(self) -> None:
        """Leave the air, without a word to the own host."""
        self._links_when_halted = tuple(self._controller.le_connections.values())
        self._air.remove_controller(self._controller)

    def resume(self) -> None:
        """Be on the air again; links did not outlive it, however short it was."""
        links, self._links_when_halted = self._links_when_halted, ()
        self._air.add_controller(self._controller)
        for link in links:
            self._controller.end_lost_link(link)

    def die(self) -> None:
        """Leave the air permanently; the peripheral hears nothing more."""
        self._dead = True
        self._connection = None
        self._controller.leave()

    async def notify(self, frame: bytes) -> None:
        """Send `frame` to the central, if it is there and has subscribed."""
        connection = self._connection
        if connection is None:
            logger.debug("no central: %d bytes of SMP response dropped", len(frame))
            return
        fragment_bytes = connection.att_mtu - ATT_HEADER_BYTES
        for offset in range(0, len(frame), fragment_bytes):
            fragment = frame[offset : offset + fragment_bytes]
            self._pass_air_time("kit", len(fragment))
            await self._device.notify_subscriber(connection, self._smp, fragment)
        # The server's thread goes on when the central has it (Zephyr's smp_bt.c).
        await self._air.all_acknowledged(self._controller)

    async def _start_advertising(self) -> None:
        advertising_data, scan_response = _advertising_data(
            self._advertisement.name, smp_service=self._smp_service
        )
        await self._device.start_advertising(
            advertising_data=advertising_data,
            scan_response_data=scan_response,
            advertising_interval_min=ADVERTISING_INTERVAL_MS,
            advertising_interval_max=ADVERTISING_INTERVAL_MS,
        )
        if self._dead:
            # It died while the commands went through: they switched a dead radio on.
            self._controller.leave()

    def on_passkey(self, peer: str, passkey: int) -> None:
        """A pairing needs a passkey on the display."""
        if not self._dead:
            self._peripheral.on_passkey(peer, passkey)

    def on_paired(self) -> None:
        """A pairing succeeded."""
        if not self._dead:
            self._peripheral.on_paired()

    def on_pairing_failed(self, peer: str, reason: int, *, by_peer: bool) -> None:
        """A pairing failed; an application that asks for it then disconnects."""
        if self._dead:
            return
        self._peripheral.on_pairing_failed(peer, reason, by_peer=by_peer)
        if self._security.permission == "authenticated" and self._connection is not None:
            self._farewell = asyncio.create_task(self._disconnect_unauthenticated(self._connection))

    async def _disconnect_unauthenticated(self, connection: Connection) -> None:
        # The peer, or the kit's own reset, may have ended the connection before its host knows.
        if self._controller.find_le_connection_by_handle(connection.handle) is not None:
            with contextlib.suppress(HCI_Error, HCI_StatusError):
                await connection.disconnect(HCI_ErrorCode.AUTHENTICATION_FAILURE_ERROR)

    def _on_connection(self, connection: Connection) -> None:
        if self._dead:
            return
        self._connection = connection
        self._level = SecurityLevel.NO_SECURITY
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, self._on_encryption_change)
        connection.on(Connection.EVENT_PAIRING, lambda _keys: self.on_paired())
        self._peripheral.on_connected()

    def _on_disconnection(self, reason: int) -> None:
        if self._dead:
            return
        self._connection = None
        self._peripheral.on_disconnected(reason)
        # Not bumble's auto restart, which would go on after the app's death.
        self._advertising = asyncio.create_task(self._start_advertising())

    def _on_encryption_change(self) -> None:
        if self._connection is not None:
            self._level = level_of(self._device, self._bonds, self._connection)

    def _on_write(self, _connection: Connection, data: bytes) -> None:
        # A write without response has no answer: what is not permitted is dropped in silence.
        if not self._dead and self._refusal() is None:
            self._pass_air_time("central", len(data))
            self._peripheral.on_smp_fragment(data)

    def _on_ccc_read(self, bearer: Bearer) -> bytes:
        self._refuse_if_not_permitted()
        return self._device.gatt_server.read_cccd(bearer, self._smp)

    def _on_ccc_write(self, bearer: Bearer, value: bytes) -> None:
        self._refuse_if_not_permitted()
        self._device.gatt_server.write_cccd(bearer, self._smp, value)
        if not any(value) and not self._dead:
            self._peripheral.on_unsubscribed()

    def _refuse_if_not_permitted(self) -> None:
        error = self._refusal()
        if error is not None:
            raise ATT_Error(error)

    def _refusal(self) -> AttErrorCode | None:
        connection = self._connection
        has_key = connection is not None and has_key_of(self._bonds, connection)
        return refusal(self._security, self._level, has_key=has_key)


PassAirTime: TypeAlias = Callable[[Literal["central", "kit"], int], None]
"""Lets the time pass that a value of so many bytes from that side takes."""


def _advertising_data(name: str, *, smp_service: bool) -> tuple[bytes, bytes]:
    """Advertising data and scan response, laid out as by Zephyr's smp_svr sample.

    The 128 bit UUID leaves no room for a name in the advertising data.
    """
    structures = [(AdvertisingData.FLAGS, bytes([ADVERTISING_FLAGS]))]
    if smp_service:
        structures.append(
            (
                AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
                UUID(SMP_SERVICE_UUID).to_bytes(),
            )
        )
    encoded_name = name.encode()
    name_type = (
        AdvertisingData.COMPLETE_LOCAL_NAME
        if len(encoded_name) <= MAX_NAME_BYTES
        else AdvertisingData.SHORTENED_LOCAL_NAME
    )
    scan_response = [(name_type, encoded_name[:MAX_NAME_BYTES])]
    return bytes(AdvertisingData(structures)), bytes(AdvertisingData(scan_response))
