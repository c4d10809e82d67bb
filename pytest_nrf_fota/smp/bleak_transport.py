"""SMP over the operating system's Bluetooth, with bleak.

smpclient's own bleak transport does the SMP part. This module finds the board first, says who
advertised instead, has a pairing agent where BlueZ needs one, and tells a board that dropped the
connection from an adapter that does not work.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from smpclient.transport import SMPTransport, SMPTransportDisconnected

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardError, RadioLostError
from pytest_nrf_fota.smp.bleak_adapter_link import AdapterLink, scanner_arguments
from pytest_nrf_fota.smp.pairing import HostPairing, pairing_demanded
from pytest_nrf_fota.smp.peer_search import (
    LONGEST_ADVERTISING_INTERVAL_S,
    SMP_SERVICE_UUID,
    PeerSearch,
)
from pytest_nrf_fota.smp.upload.link import UploadLink

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.exc import BleakError

    from pytest_nrf_fota.smp.bluez_agent import PairingAgent
    from pytest_nrf_fota.smp.queueing_ble import QueueingBleTransport

    _Smp: TypeAlias = QueueingBleTransport | AdapterLink

_WHERE = "BLE through this host's Bluetooth (bleak)"
# Any device of the neighbourhood advertises at least so often, and where a kit is on the desk it
# does so every 30 to 150 ms.
_NOBODY_HEARD_S = LONGEST_ADVERTISING_INTERVAL_S
# Connection, services and subscription take 0.5 s without pairing.
_HANGS_AFTER_S = 12.0
_SWITCHING_TIMEOUT_S = 3.0
_SWITCHING_POLL_S = 0.1
_CLOSE_TIMEOUT_S = 4.0
"""BlueZ takes 2 to 3 s to disconnect."""
_NO_SUCH_ADAPTER = re.compile(r"adapter '.*' not found")
_ADAPTER_ERRORS = (
    "org.bluez.Error.NotReady",
    "org.bluez.Error.InProgress",
    "org.bluez.Error.NotAuthorized",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.AccessDenied",
)


class BleakTransport(SMPTransport):
    """One connection: made by `connect`, gone after `disconnect`; not to be used again.

    Args:
        pairing: what to do where the board asks for an encrypted connection. Only BlueZ takes the
            passkey from here; macOS and Windows ask the user.
        suspects_adapter: whether an adapter that hears nobody at all is reported as deaf. After it
            was reset, the silence is the board's.
        adapter: BlueZ's name of the adapter; None takes the first that is on.
        search: whom to look for; None takes the address or name that `connect` is given.
        on_services_forgotten: where given, BlueZ is made to forget the board's GATT services before
            the connection, and this is called when it has.
    """

    def __init__(
        self,
        pairing: HostPairing | None = None,
        *,
        suspects_adapter: bool = False,
        adapter: str | None = None,
        search: PeerSearch | None = None,
        on_services_forgotten: Callable[[], None] | None = None,
    ) -> None:
        self._pairing = pairing or HostPairing()
        self._suspects_adapter = suspects_adapter
        self._adapter = adapter
        self._search = search
        self._on_services_forgotten = on_services_forgotten
        self._smp: _Smp | None = None

    async def connect(self, address: str, timeout_s: float) -> None:
        """Find the peer by address or name, connect, find the SMP service, subscribe.

        Raises what smpclient's transport raises, `asyncio.TimeoutError`,
        `SMPTransportDisconnected` where the link drops meanwhile, `BoardError` where the board
        refuses for want of pairing or pairing fails, `NotSeenError` where it shows no passkey, and
        `RadioLostError` where the host's Bluetooth does not work.
        """
        from bleak.exc import BleakError

        deadline = Deadline.after(timeout_s)
        try:
            found = await self._find(address, deadline)
            await self._forget_services(found)
            await self._connect(found, deadline)
        except BleakError as error:
            raise _explained(error) from error

    async def disconnect(self) -> None:
        """End the connection. One that is gone, or was never there, is only forgotten."""
        smp, self._smp = self._smp, None
        if smp is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(smp.disconnect(), _CLOSE_TIMEOUT_S)

    async def send(self, data: bytes) -> None:
        """Send one SMP message."""
        from bleak.exc import BleakError

        try:
            await self._connected().send(data)
        except BleakError as error:
            # Said of a link that is gone: "Service Discovery has not been performed yet".
            raise SMPTransportDisconnected(f"the BLE connection is gone: {error}") from error

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
        from bleak.exc import BleakError

        try:
            await self._connected().resubscribe()
        except BleakError as error:
            raise SMPTransportDisconnected(f"the BLE connection is gone: {error}") from error

    def upload_link(self) -> UploadLink:
        """The connection; its interval no operating system tells."""
        return UploadLink(part_bytes=self.mtu)

    @property
    def mtu(self) -> int:
        """Largest write in bytes."""
        return self._connected().mtu

    def _connected(self) -> "_Smp":
        if self._smp is None:
            raise SMPTransportDisconnected("the BLE connection is gone")
        return self._smp

    async def _find(self, address: str, deadline: Deadline) -> str:
        from bleak.exc import BleakBluetoothNotAvailableError

        # bleak hears on a bus connection of its own that a reset adapter is on again.
        search = self._search or PeerSearch(address, _WHERE)
        switching = Deadline.after(0.0 if self._suspects_adapter else _SWITCHING_TIMEOUT_S)
        while True:
            try:
                return await self._heard(search, deadline)
            except BleakBluetoothNotAvailableError:
                if switching.expired:
                    raise
                await asyncio.sleep(_SWITCHING_POLL_S)

    async def _heard(self, search: PeerSearch, deadline: Deadline) -> str:
        """Scan until the peer advertises; returns its address.

        Raises what `PeerSearch` raises, and `RadioLostError` where nobody at all was heard and the
        adapter is suspected.
        """
        from bleak import BleakScanner
        from bleak.backends.device import BLEDevice
        from bleak.backends.scanner import AdvertisementData

        def on_advertisement(device: BLEDevice, advertisement: AdvertisementData) -> None:
            search.hear(
                device.address,
                advertisement.local_name,
                has_smp=SMP_SERVICE_UUID in (uuid.lower() for uuid in advertisement.service_uuids),
                is_public=_is_public(device),
            )

        async with BleakScanner(on_advertisement, bluez=scanner_arguments(self._adapter)):
            patience_s = deadline.within(_NOBODY_HEARD_S).remaining_s
            await search.wait_for_anybody(patience_s)
            if self._suspects_adapter and not search.heard_anybody:
                raise RadioLostError(
                    f"The Bluetooth adapter heard nobody at all in {patience_s:.1f} s.",
                    where=_WHERE,
                    next_step="Is the board's application running and advertising? If so, is the "
                    "adapter blocked (`rfkill list`) or hung?",
                )
            return await search.found(deadline)

    async def _forget_services(self, address: str) -> None:
        if self._on_services_forgotten is None or sys.platform != "linux":
            return
        from pytest_nrf_fota.smp.bluez_adapter import forget_services

        # Whoever may not talk to BlueZ hears of it from bleak, right afterwards.
        with contextlib.suppress(RadioLostError):
            if await forget_services(address, self._adapter):
                self._on_services_forgotten()

    async def _connect(self, address: str, deadline: Deadline) -> None:
        from bleak.exc import BleakError

        from pytest_nrf_fota.smp.queueing_ble import QueueingBleTransport

        async with _agent(self._pairing, address) as agent:
            smp: _Smp = QueueingBleTransport()
            if self._adapter is not None:
                smp = AdapterLink(self._adapter)
            try:
                await self._open(smp, address, deadline)
            except (BleakError, SMPTransportDisconnected, asyncio.TimeoutError) as error:
                if agent is not None and agent.error is not None:
                    raise agent.error from error
                if agent is not None and await _forget_bond(address, self._adapter):
                    raise SMPTransportDisconnected(
                        f"the host had a bond that did not hold, and has forgotten it: {error}"
                    ) from error
                refusal = _pairing_refusal(error, self._pairing, address, agent)
                if refusal is not None:
                    raise refusal from error
                if _is_lost_link(error) and _was_subscribing(smp):
                    # BlueZ does not tell why; on bad reception links drop at other moments, too.
                    raise SMPTransportDisconnected(
                        f"{error}; it ended at the subscription, as it does where pairing fails "
                        f'(radio.pairing is "{self._pairing.method}")'
                    ) from error
                raise
            self._smp = smp

    async def _open(self, smp: "_Smp", address: str, deadline: Deadline) -> None:
        connecting = asyncio.ensure_future(smp.connect(address, deadline.remaining_s))
        try:
            if self._pairing.method == "none":
                await asyncio.wait({connecting}, timeout=_HANGS_AFTER_S)
                if not connecting.done() and _is_linked(smp):
                    raise _subscription_hangs(address)
            await connecting
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)


@asynccontextmanager
async def _agent(pairing: HostPairing, address: str) -> "AsyncIterator[PairingAgent | None]":
    """An agent where one is needed: elsewhere the operating system asks its user."""
    if pairing.method == "none" or sys.platform != "linux":
        yield None
        return
    from pytest_nrf_fota.smp.bluez_agent import pairing_agent

    async with pairing_agent(pairing, address) as agent:
        yield agent


async def _forget_bond(address: str, adapter: str | None) -> bool:
    """A board that was recovered has lost its half of the bond, and BlueZ does not pair anew."""
    from pytest_nrf_fota.smp.bluez_adapter import forget_bond

    with contextlib.suppress(RadioLostError):
        return await forget_bond(address, adapter)
    return False


def _is_public(device: "BLEDevice") -> bool:
    """Whether the address is a public one; only BlueZ tells (org.bluez.Device1, AddressType)."""
    details: object = device.details
    properties: object = details.get("props") if isinstance(details, dict) else None
    return isinstance(properties, dict) and properties.get("AddressType") == "public"


def _is_linked(smp: "_Smp") -> bool:
    # smpclient does not tell; without this the message is only less exact.
    client = getattr(smp, "_client", None)
    return client is not None and client.is_connected


def _is_lost_link(error: Exception) -> bool:
    from bleak.exc import BleakGATTProtocolError, BleakGATTProtocolErrorCode

    if isinstance(error, BleakGATTProtocolError):
        # BlueZ's answer to requests that were open when the link went (bluez/bluez issue 1911).
        return error.code is BleakGATTProtocolErrorCode.UNLIKELY_ERROR
    return isinstance(error, SMPTransportDisconnected)


def _was_subscribing(smp: "_Smp") -> bool:
    # smpclient sets it right before it subscribes.
    return hasattr(smp, "_smp_characteristic")


def _subscription_hangs(address: str) -> BoardError:
    error = pairing_demanded(None, "none", f"{_WHERE}, peer {address}")
    return BoardError(
        f"The board took the connection and does not answer to the subscription. {error.what}",
        where=error.where,
        next_step=error.next_step,
    )


def _pairing_refusal(
    error: Exception, pairing: HostPairing, address: str, agent: "PairingAgent | None"
) -> BoardError | None:
    """What the board refused for want of pairing; None where pairing was not the problem."""
    from bleak.exc import BleakGATTProtocolError, BleakGATTProtocolErrorCode

    where = f"{_WHERE}, peer {address}"
    if isinstance(error, BleakGATTProtocolError) and error.code in (
        BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION,
        BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION,
    ):
        return pairing_demanded(int(error.code), pairing.method, where)
    if agent is not None and agent.demanded:
        return BoardError(
            f"Pairing failed: {error}.",
            where=where,
            next_step="Look at the UART log around the pairing. Does the host still have a bond "
            f"that the board has forgotten? Remove it: `bluetoothctl remove {address}`.",
        )
    return None


def _explained(error: "BleakError") -> Exception:
    """What a failure of bleak means: the host's radio, or a connection that did not come about."""
    from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError

    if isinstance(error, BleakBluetoothNotAvailableError):
        return RadioLostError(
            f"This host's Bluetooth cannot be used: {error.args[0]}",
            where=_WHERE,
            next_step="Is an adapter plugged in (`bluetoothctl list`) and on (`bluetoothctl power "
            "on`, `rfkill list`), and does bluetoothd run?",
        )
    if _NO_SUCH_ADAPTER.fullmatch(str(error)):
        return RadioLostError(
            f"This host has no such Bluetooth adapter: {error}",
            where=_WHERE,
            next_step="`bluetoothctl list` shows those that there are; --radio bleak:hci0 names "
            "one, and bleak alone takes the first that is on.",
        )
    if isinstance(error, BleakDBusError) and error.dbus_error in _ADAPTER_ERRORS:
        return RadioLostError(
            f"BlueZ cannot use the adapter now: {error}",
            where=_WHERE,
            next_step="Does another program use it? Else: `bluetoothctl power off`, then on.",
        )
    return SMPTransportDisconnected(f"{type(error).__name__}: {error}")
