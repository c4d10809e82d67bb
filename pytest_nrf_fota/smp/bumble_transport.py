"""SMP over BLE through an HCI controller, with bumble as the host stack.

smpclient's own bumble transport does the SMP part on a connection that this module makes and
ends: left alone, its connect() and disconnect() can hang or leave the HCI socket open when the
link drops at the wrong moment (seen with smpclient 7.3.0 and bumble 0.0.228).
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from smpclient.transport import (
    SMP_CHARACTERISTIC_UUID,
    SMPTransport,
    SMPTransportDisconnected,
)

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardError, FotaError, NotSeenError, RadioLostError
from pytest_nrf_fota.smp.pairing import (
    INSUFFICIENT_AUTHENTICATION,
    INSUFFICIENT_ENCRYPTION,
    HostPairing,
    pairing_demanded,
    pairing_failed,
)
from pytest_nrf_fota.smp.peer_search import SMP_SERVICE_UUID, PeerSearch
from pytest_nrf_fota.smp.upload.link import UploadLink

if TYPE_CHECKING:
    from bumble.device import (
        Advertisement,
        Connection,
        ConnectionParametersPreferences,
        Device,
        Peer,
    )
    from bumble.gatt_client import CharacteristicProxy
    from bumble.hci import Phy
    from bumble.pairing import PairingDelegate
    from bumble.transport.common import Transport
    from smpclient.transport.bumble import SMPBumbleTransport

HOST_ADDRESS = "F0:5C:81:00:00:01"
HOST_NAME = "pytest-nrf-fota"
_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 3.0
# The Security Manager's own time-out is 30 s (Bluetooth Core, Vol 3 Part H, 3.4).
_PAIRING_TIMEOUT_S = 30.0
# The board shows its passkey within a few connection intervals. A thread waits for it.
_PASSKEY_TIMEOUT_S = 5.0
SHORTEST_INTERVAL_MS = 7.5
"""Connection interval to ask for: each answer of a board costs about one (Vol 6 Part B, 4.5.1)."""
_SPEED_UP_TIMEOUT_S = 2.0
_LONGEST_PACKET_BYTES, _LONGEST_PACKET_US = 251, 2120
# Values of the Client Characteristic Configuration (Vol 3 Part G, 3.3.3.3).
_NOTHING, _NOTIFICATIONS = bytes(2), bytes((1, 0))


# At DEBUG bumble logs every HCI packet, and so a bond's long-term key. Whoever wants that sets the
# level of this logger.
_BUMBLE_LOG = logging.getLogger("bumble")
if _BUMBLE_LOG.level == logging.NOTSET:
    _BUMBLE_LOG.setLevel(logging.INFO)


class BumbleTransport(SMPTransport):
    """One connection: made by `connect`, gone after `disconnect`; not to be used again.

    Args:
        hci: bumble's transport specification of the controller, such as `unix-client:...`,
            `tcp-client:127.0.0.1:6789` or `usb:0`.
        mtu: ATT MTU to ask for, in bytes.
        pairing: what to do where the board asks for an encrypted connection.
        search: whom to look for; None takes the address or name that `connect` is given.
    """

    def __init__(
        self,
        hci: str,
        mtu: int,
        pairing: HostPairing | None = None,
        search: PeerSearch | None = None,
    ) -> None:
        self._hci = hci
        self._search = search
        self._preferred_mtu = mtu
        self._pairing = pairing or HostPairing()
        self._passkey_error: FotaError | None = None
        self._controller: Transport | None = None
        self._device: Device | None = None
        self._connection: Connection | None = None
        self._smp: SMPBumbleTransport | None = None
        self._characteristics: tuple[CharacteristicProxy[bytes], ...] = ()
        self._lost = asyncio.Event()
        self._lost_reason: int | None = None

    async def connect(self, address: str, timeout_s: float) -> None:
        """Open the controller, find the peer by address or name, connect, find the SMP service.

        Pairs where the board asks for it and the settings allow it; a bond is used at once.

        Raises `RadioLostError` where the controller does not answer, `NotSeenError` and `RigError`
        where the peer is not found, what smpclient's transport raises, `asyncio.TimeoutError`,
        `SMPTransportDisconnected` when the link drops meanwhile, `BoardError` where the board
        refuses for want of pairing or pairing fails, `NotSeenError` where it shows no passkey.
        """
        from bumble import core
        from bumble.device import Connection, Device
        from bumble.hci import Address
        from bumble.keys import MemoryKeyStore
        from bumble.transport import open_transport

        deadline = Deadline.after(timeout_s)
        open_s = deadline.within(_OPEN_TIMEOUT_S).remaining_s
        self._controller = await asyncio.wait_for(open_transport(self._hci), open_s)
        self._device = Device.with_hci(
            HOST_NAME, Address(HOST_ADDRESS), self._controller.source, self._controller.sink
        )
        self._device.keystore = self._pairing.bonds or MemoryKeyStore()
        await power_on(self._device, deadline, f"BLE through HCI {self._hci}")
        target = await self._find(self._device, address, deadline)
        try:
            self._connection = await self._device.connect(
                Address(target),
                connection_parameters_preferences=_preferences(),
                timeout=deadline.remaining_s,
            )
        except core.TimeoutError as error:
            raise asyncio.TimeoutError(f"{target} did not answer in {timeout_s:.1f} s") from error
        except core.ConnectionError as error:
            # Usual on a busy air: 0x3E, the connection failed to be established.
            raise SMPTransportDisconnected(
                f"{target} did not take the connection: {error}"
            ) from error
        self._connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        await self._open_smp(self._device, self._connection)
        await self._unless_lost(_speed_up(self._connection))

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

    async def send_part(self, part: bytes) -> None:
        """Send one write."""
        await self.send(part)

    async def restart_reassembly(self) -> None:
        """Unsubscribe and subscribe again."""
        from bumble.gatt import GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR

        self._connected()
        for characteristic in self._characteristics:
            descriptor = characteristic.get_descriptor(
                GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR
            )
            if descriptor is not None:
                for value in (_NOTHING, _NOTIFICATIONS):
                    await self._unless_lost(descriptor.write_value(value, with_response=True))

    def upload_link(self) -> UploadLink:
        """The connection, with the interval that the controller told."""
        interval_s = None
        if self._connection is not None:
            interval_s = self._connection.parameters.connection_interval / 1000
        return UploadLink(part_bytes=self.mtu, interval_s=interval_s or None)

    @property
    def mtu(self) -> int:
        """Largest write in bytes."""
        return self._connected().mtu

    def _connected(self) -> "SMPBumbleTransport":
        if self._smp is None or self._lost.is_set():
            raise SMPTransportDisconnected("the BLE connection is gone")
        return self._smp

    async def _find(self, device: "Device", wanted: str, deadline: Deadline) -> str:
        """Scan until the peer advertises, by address or name; returns its address.

        Raises what `PeerSearch` raises.
        """
        from bumble.device import Advertisement

        search = self._search or PeerSearch(wanted, f"BLE through HCI {self._hci}")

        def on_advertisement(advertisement: Advertisement) -> None:
            name = advertisement.data.get(advertisement.data.COMPLETE_LOCAL_NAME)
            search.hear(
                advertisement.address.to_string(with_type_qualifier=False),
                name if isinstance(name, str) else None,
                has_smp=advertises_smp(advertisement),
                is_public=advertisement.address.is_public,
            )

        device.on("advertisement", on_advertisement)
        await device.start_scanning()
        try:
            return await search.found(deadline)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(device.stop_scanning(), _CLOSE_TIMEOUT_S)

    async def _open_smp(self, device: "Device", connection: "Connection") -> None:
        """Find the SMP service and subscribe; pair first where the board asks for it."""
        from bumble.att import ATT_Error
        from bumble.device import Peer

        where = f"BLE through HCI {self._hci}, peer {connection.peer_address}"
        await self._encrypt(device, connection, where)
        peer = Peer(connection)
        await self._unless_lost(peer.discover_all())  # type: ignore[no-untyped-call]
        try:
            await self._subscribe(connection, peer)
        except ATT_Error as error:
            if error.error_code not in (INSUFFICIENT_AUTHENTICATION, INSUFFICIENT_ENCRYPTION):
                raise
            if self._pairing.method == "none":
                raise pairing_demanded(error.error_code, "none", where) from error
            await self._pair(device, connection, where)
            try:
                await self._subscribe(connection, peer)
            except ATT_Error as again:
                raise pairing_demanded(again.error_code, self._pairing.method, where) from again

    async def _encrypt(self, device: "Device", connection: "Connection", where: str) -> None:
        from bumble.hci import HCI_ErrorCode

        try:
            await self._unless_lost(_encrypt_with_bond(device, connection))
        except SMPTransportDisconnected as error:
            wrong_key = HCI_ErrorCode.CONNECTION_TERMINATED_DUE_TO_MIC_FAILURE_ERROR
            if self._lost_reason != wrong_key or device.keystore is None:
                raise
            await device.keystore.delete(str(connection.peer_address))
            raise BoardError(
                "The board has another key than this host: it has paired anew with a host of the "
                "same address.",
                where=where,
                next_step="Connect again: this host has forgotten its key now and will pair anew.",
            ) from error

    async def _subscribe(self, connection: "Connection", peer: "Peer") -> None:
        from bumble.core import UUID
        from smpclient.transport.bumble import SMPBumbleTransport
        from smpclient.transport.bumble.keystore import InMemory

        smp = SMPBumbleTransport(keystore=InMemory(), preferred_mtu=self._preferred_mtu)
        await self._unless_lost(smp.use_connection(connection, peer=peer))
        self._characteristics = tuple(
            characteristic
            for service in peer.get_services_by_uuid(UUID(SMP_SERVICE_UUID))
            for characteristic in service.get_characteristics_by_uuid(
                UUID(str(SMP_CHARACTERISTIC_UUID))
            )
        )
        self._smp = smp

    async def _pair(self, device: "Device", connection: "Connection", where: str) -> None:
        from bumble.device import Connection

        reasons: list[int] = []
        connection.on(Connection.EVENT_PAIRING_FAILURE, reasons.append)
        try:
            await self._unless_lost(_pair(device, connection, self._delegate(), where))
        except SMPTransportDisconnected:
            # An application may disconnect a peer that failed to pair: the failure came first.
            if not reasons:
                raise
        if self._passkey_error is not None:
            raise self._passkey_error
        if reasons:
            raise pairing_failed(reasons[0], where)

    def _delegate(self) -> "PairingDelegate":
        from smpclient.transport.bumble.pairing import KeyboardOnly, NoInputNoOutput

        source = self._pairing.passkey_source
        if self._pairing.method != "passkey" or source is None:
            return NoInputNoOutput()
        wait_for_passkey = source()

        async def read_passkey() -> int | None:
            try:
                return await asyncio.to_thread(wait_for_passkey, Deadline.after(_PASSKEY_TIMEOUT_S))
            except FotaError as error:
                self._passkey_error = error
                return None

        return KeyboardOnly(read_passkey)

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
        self._lost_reason = reason
        self._lost.set()


def advertises_smp(advertisement: "Advertisement") -> bool:
    """Whether SMP's service is among those of an advertisement."""
    data = advertisement.data
    for kind in (
        data.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        data.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    ):
        uuids = data.get(kind)
        if isinstance(uuids, list) and any(SMP_SERVICE_UUID in str(uuid).lower() for uuid in uuids):
            return True
    return False


async def power_on(device: "Device", deadline: Deadline, where: str) -> None:
    """Reset the controller and set it up. Raises `RadioLostError` where it does not answer."""
    try:
        await asyncio.wait_for(device.power_on(), deadline.within(_OPEN_TIMEOUT_S).remaining_s)
    except asyncio.TimeoutError as error:
        raise RadioLostError(
            "The HCI controller does not answer to a reset.",
            where=where,
            next_step="Is it the right port, with the right baud rate and flow control? Does it "
            "hold HCI firmware (`nrf-fota hci-dongle`)? Else plug it in anew.",
        ) from error


def _preferences() -> "dict[Phy, ConnectionParametersPreferences]":
    """What the connection begins with."""
    from bumble.device import ConnectionParametersPreferences
    from bumble.hci import HCI_LE_1M_PHY

    wanted = ConnectionParametersPreferences(
        connection_interval_min=SHORTEST_INTERVAL_MS,
        connection_interval_max=SHORTEST_INTERVAL_MS,
    )
    return {HCI_LE_1M_PHY: wanted}


async def _speed_up(connection: "Connection") -> None:
    """Ask for 2 Mbit/s and long packets; a controller or a board that has neither goes on."""
    from bumble.hci import HCI_LE_SET_DATA_LENGTH_COMMAND, HCI_LE_SET_PHY_COMMAND, Phy

    async def ask() -> None:
        host = connection.device.host
        if host.supports_command(HCI_LE_SET_PHY_COMMAND):
            await connection.set_phy(tx_phys=[Phy.LE_2M], rx_phys=[Phy.LE_2M])
        if host.supports_command(HCI_LE_SET_DATA_LENGTH_COMMAND):
            await connection.set_data_length(_LONGEST_PACKET_BYTES, _LONGEST_PACKET_US)

    # Whatever refuses or ignores it: the connection is as good as before.
    with contextlib.suppress(Exception):
        await asyncio.wait_for(ask(), _SPEED_UP_TIMEOUT_S)


async def _encrypt_with_bond(device: "Device", connection: "Connection") -> None:
    """Encrypt the connection where a bond is available and the board has its half of it.

    It has not after a recover; the host then pairs anew if the board asks for it.
    """
    from bumble.hci import HCI_Error, HCI_ErrorCode

    peer = str(connection.peer_address)
    assert device.keystore is not None
    if await device.keystore.get(peer) is None:
        return
    try:
        await connection.encrypt()
    except HCI_Error as error:
        if error.error_code != HCI_ErrorCode.PIN_OR_KEY_MISSING_ERROR:
            raise


async def _pair(
    device: "Device", connection: "Connection", delegate: "PairingDelegate", where: str
) -> None:
    """Pair anew, also where there is a bond: it was not good enough.

    Raises `NotSeenError` where the board does not end the pairing. That it failed is heard from
    the connection's event.
    """
    from smpclient.transport.bumble.pairing import PairingTimedOut, pair

    result = await pair(
        connection,
        device,
        delegate,
        pair_timeout_s=_PAIRING_TIMEOUT_S,
        settle_s=0.0,
        force=True,
    )
    if isinstance(result, PairingTimedOut):
        raise NotSeenError(
            f"Pairing did not end within {_PAIRING_TIMEOUT_S:g} s.",
            where=where,
            next_step="Look at the UART log: did the application show a passkey or hang?",
        )
