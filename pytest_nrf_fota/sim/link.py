"""The air between the kit and its host: bumble's local link and controller, corrected.

Written against bumble 0.0.228. Every override here repairs one behaviour of bumble's software
controller that a host can see; the list is what BlueZ 5.66 sends.
"""

import asyncio
import itertools
from dataclasses import dataclass
from functools import partial

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

from pytest_nrf_fota.sim.connection_events import ConnectionEvents, Side
from pytest_nrf_fota.sim.event_air import EventAir
from pytest_nrf_fota.sim.link_timing import LinkTiming

LINK_LAYER_OCTETS = 251
"""Longest link layer payload with data length extension (Bluetooth Core, Vol 6 Part B, 2.4)."""

LINK_LAYER_TIME_US = 2120
"""Air time of such a payload at 1 Mbit/s (Bluetooth Core, Vol 6 Part B, 4.5.10)."""

_INTERVAL_UNIT_US = 1250
"""Connection intervals count in these (Bluetooth Core, Vol 4 Part E, 7.8.12)."""

CHANNEL_RSSI_DBM = (-50, -42, -58)
"""Signal strength in advertising reports, by advertising channel: kit and host lie on one desk.

Reflections make the channels differ, and a scanner hears one after the other. BlueZ tells its
programs of a device again when this has changed by 8 dB (src/device.c, RSSI_THRESHOLD), so at a
constant strength a program that misses the first time never hears of the kit.
"""


@dataclass
class EncryptionAnswer(ll.ControlPdu):
    """The peripheral's answer to an encryption request: LL_START_ENC_RSP or LL_REJECT_IND.

    bumble has neither: it takes every request for granted, whatever the key.
    """

    opcode = ll.ControlPdu.Opcode.LL_REJECT_IND

    error_code: int


class Air(LocalLink):
    """The medium which carries packets between controllers.

    A controller may vanish from it at any moment; its peers then lose the link at once.

    Args:
        timing: of every connection.
        speed: seconds of the connections' time per real second, where data take as long as on the
            air, event by event; None hands them over at once.
    """

    def __init__(self, timing: LinkTiming | None = None, speed: float | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # bumble leaves it unannotated
        self.timing = timing or LinkTiming()
        self._speed = speed
        # Of both ends of each connection, by controller and handle.
        self._events: dict[tuple[Controller, int], EventAir] = {}
        self._last_sent: dict[Controller, asyncio.Event] = {}

    def remove_controller(self, controller: Controller) -> None:
        """Take a controller off the air: every link with it ends with a connection timeout."""
        self.controllers.discard(controller)
        self.drop_links(controller)

    def drop_links(self, controller: Controller) -> None:
        """End all links of `controller`, which hears nothing; its peers see a time-out (0x08)."""
        own_addresses = (controller.random_address, controller.public_address)
        for connection in controller.le_connections.values():
            self.end_events(controller, connection)
        controller.le_connections.clear()
        for peer in self.controllers - {controller}:
            for connection in peer.le_connections.values():
                # The peer's own table counts: it may believe in a link that the other side,
                # gone in the middle of the connection set-up, never heard of.
                if connection.peer_address in own_addresses:
                    asyncio.get_running_loop().call_soon(
                        peer.on_ll_control_pdu,
                        connection.peer_address,
                        ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR),
                    )

    def break_links(self, controller: Controller) -> None:
        """End all links of `controller` as bad reception does: both sides see a time-out (0x08)."""
        timeout = ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
        own_links = list(controller.le_connections.values())
        loop = asyncio.get_running_loop()
        for connection in own_links:
            loop.call_soon(controller.on_ll_control_pdu, connection.peer_address, timeout)
            for peer in self.controllers - {controller}:
                for other_end in list(peer.le_connections.values()):
                    if other_end.peer_address == connection.self_address:
                        loop.call_soon(peer.on_ll_control_pdu, connection.self_address, timeout)

    def scan_response(self, address: hci.Address) -> bytes:
        """What the advertiser at `address` answers to a scan request; empty if nobody does."""
        for controller in self.controllers:
            advertiser = controller.le_legacy_advertiser
            if advertiser.enabled and advertiser.address == address:
                return advertiser.scan_response_data
        return b""

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        # bumble names the sender's random address as the source, but a host may have connected
        # with its public one (Linux does), and the peer knows the link by that address only.
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is None or receiver is None:
            return
        deliver = partial(self._deliver_acl_data, receiver, connection.self_address, data)
        events = self._events_of(sender_controller, connection, receiver)
        if events is None:
            asyncio.get_running_loop().call_soon(deliver)
            return
        side = Side.CENTRAL if connection.role == hci.Role.CENTRAL else Side.PERIPHERAL
        self._last_sent[sender_controller] = events.send(side, len(data), deliver)

    async def all_acknowledged(self, controller: Controller) -> None:
        """Wait until the other side has what this controller sent last, or the link is gone."""
        sent = self._last_sent.get(controller)
        if sent is not None:
            await sent.wait()

    def end_events(self, controller: Controller, connection: Connection) -> None:
        """The connection is gone, and with it what is on its way."""
        events = self._events.pop((controller, connection.handle), None)
        if events is not None:
            events.close()
            self._events = {end: one for end, one in self._events.items() if one is not events}

    def _events_of(
        self, controller: Controller, connection: Connection, receiver: Controller
    ) -> EventAir | None:
        if self._speed is None:
            return None
        events = self._events.get((controller, connection.handle))
        if events is None:
            events = EventAir(ConnectionEvents(self.timing), self._speed)
            self._events[controller, connection.handle] = events
            other_end = receiver.le_connections.get(connection.self_address)
            if other_end is not None:
                self._events[receiver, other_end.handle] = events
        return events

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        for receiver in self.controllers - {sender_controller}:
            asyncio.get_running_loop().call_soon(
                self._deliver_advertising_pdu, sender_controller, receiver, packet
            )

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        # bumble raises when the peer is gone; on the air nobody would tell the sender.
        if self.find_le_controller(receiver_address) is not None:
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def _deliver_acl_data(self, receiver: Controller, source: hci.Address, data: bytes) -> None:
        if source in receiver.le_connections:
            receiver.on_link_acl_data(source, PhysicalTransport.LE, data)

    def _deliver_advertising_pdu(
        self, sender: Controller, receiver: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        # Either end may have left since the packet was queued, or have dropped the link that a
        # connection request announces: delivering it would leave a link with one end.
        if sender not in self.controllers or receiver not in self.controllers:
            return
        if isinstance(packet, ll.ConnectInd) and (
            packet.advertiser_address not in sender.le_connections
        ):
            return
        receiver.on_ll_advertising_pdu(packet)


class AirController(Controller):
    """One end of the air: bumble's controller with the corrections that hosts need."""

    # Without data length extension every ATT packet is cut into 27 byte pieces.
    le_acl_data_packet_length = LINK_LAYER_OCTETS
    acl_data_packet_length = LINK_LAYER_OCTETS
    supported_max_tx_octets = LINK_LAYER_OCTETS
    supported_max_tx_time = LINK_LAYER_TIME_US
    supported_max_rx_octets = LINK_LAYER_OCTETS
    supported_max_rx_time = LINK_LAYER_TIME_US
    suggested_max_tx_octets = LINK_LAYER_OCTETS
    suggested_max_tx_time = LINK_LAYER_TIME_US

    # A host which sees LL privacy waits for the Enhanced Connection Complete event, and bumble
    # sends the plain one.
    le_features = Controller.le_features & ~hci.LeFeatureMask.LL_PRIVACY

    def __init__(self, name: str, air: Air, *, public_address: str) -> None:
        super().__init__(
            name,
            link=air,
            public_address=hci.Address(public_address, hci.Address.PUBLIC_DEVICE_ADDRESS),
        )
        self.air = air
        self._encryption_requests: dict[int, ll.EncReq] = {}
        self._channel_rssi_dbm = itertools.cycle(CHANNEL_RSSI_DBM)

    def leave(self) -> None:
        """Vanish: stop advertising, scanning, connecting; peers lose their links at once."""
        self._stop_activities()
        self.air.remove_controller(self)

    def create_le_connection(self, peer_address: hci.Address) -> None:
        # bumble takes the interval that its host asked for; this air has one.
        pending = self.pending_le_connection
        units = self._interval_units
        if isinstance(pending, hci.HCI_LE_Extended_Create_Connection_Command):
            pending.connection_interval_mins = [units] * len(pending.connection_interval_mins)
        elif pending is not None:
            pending.connection_interval_min = units
        super().create_le_connection(peer_address)

    @property
    def _interval_units(self) -> int:
        return round(self.air.timing.interval_s * 1e6 / _INTERVAL_UNIT_US)

    def on_le_disconnected(self, connection: Connection, reason: int) -> None:
        self.air.end_events(self, connection)
        super().on_le_disconnected(connection, reason)

    def on_hci_le_set_phy_command(self, command: hci.HCI_LE_Set_PHY_Command) -> None:
        # bumble names this and the next two as supported, and knows none of them.
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        phy = hci.Phy.LE_2M if self.air.timing.phy_mbit_s == 2 else hci.Phy.LE_1M
        self.send_hci_packet(
            hci.HCI_LE_PHY_Update_Complete_Event(
                status=hci.HCI_ErrorCode.SUCCESS,
                connection_handle=command.connection_handle,
                tx_phy=phy,
                rx_phy=phy,
            )
        )

    def on_hci_le_set_data_length_command(
        self, command: hci.HCI_LE_Set_Data_Length_Command
    ) -> hci.HCI_StatusAndConnectionHandleReturnParameters:
        return hci.HCI_StatusAndConnectionHandleReturnParameters(
            hci.HCI_ErrorCode.SUCCESS, command.connection_handle
        )

    def on_hci_le_connection_update_command(
        self, command: hci.HCI_LE_Connection_Update_Command
    ) -> None:
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        self.send_hci_packet(
            hci.HCI_LE_Connection_Update_Complete_Event(
                status=hci.HCI_ErrorCode.SUCCESS,
                connection_handle=command.connection_handle,
                connection_interval=self._interval_units,
                peripheral_latency=command.max_latency,
                supervision_timeout=command.supervision_timeout,
            )
        )

    def end_lost_link(self, connection: Connection) -> None:
        """Tell the own host that a link is gone which `Air.remove_controller` has cut."""
        self.le_connections[connection.peer_address] = connection
        self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def on_hci_command_packet(self, command: hci.HCI_Command) -> None:
        # bumble leaves an asynchronous command that it does not know without any answer, and
        # the host waits for ever.
        handler = f"on_{command.name.lower()}"
        if isinstance(command, hci.HCI_SyncCommand) or hasattr(self, handler):
            super().on_hci_command_packet(command)
        else:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.UNKNOWN_HCI_COMMAND_ERROR, command.op_code
            )

    def on_hci_reset_command(
        self, _command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        # bumble resets nothing: a scan or a pending connection of an earlier host would live on.
        self._stop_activities()
        self.air.drop_links(self)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        # bumble neither forgets the request nor sends the event that ends it, so the host's
        # connect time-out never ends, and the next connect is refused.
        pending = self.pending_le_connection
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        # The Command Complete has to reach the host first.
        asyncio.get_running_loop().call_soon(
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        # bumble reports the reason that the peer was given to the own host as well; and where the
        # link is gone already, it promises an event that never comes.
        connection = self.find_le_connection_by_handle(command.connection_handle)
        if connection is None:
            unknown = hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
            self._send_hci_command_status(unknown, command.op_code)
            return
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        connection.send_ll_control_pdu(ll.TerminateInd(command.reason))
        own_doing = hci.HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR
        self.on_le_disconnected(connection, own_doing)

    def on_hci_le_enable_encryption_command(
        self, command: hci.HCI_LE_Enable_Encryption_Command
    ) -> None:
        # bumble reports success at once, without asking the peripheral for its key.
        connection = self.find_le_connection_by_handle(command.connection_handle)
        if connection is None:
            super().on_hci_le_enable_encryption_command(command)
            return
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        connection.send_ll_control_pdu(
            ll.EncReq(command.random_number, command.encrypted_diversifier, command.long_term_key)
        )

    def on_hci_le_long_term_key_request_reply_command(
        self, command: hci.HCI_LE_Long_Term_Key_Request_Reply_Command
    ) -> hci.HCI_StatusAndConnectionHandleReturnParameters:
        return self._answer_encryption_request(command.connection_handle, command.long_term_key)

    def on_hci_le_long_term_key_request_negative_reply_command(
        self, command: hci.HCI_LE_Long_Term_Key_Request_Negative_Reply_Command
    ) -> hci.HCI_StatusAndConnectionHandleReturnParameters:
        return self._answer_encryption_request(command.connection_handle, None)

    def on_ll_control_pdu(self, sender_address: hci.Address, packet: ll.ControlPdu) -> None:
        connection = self.le_connections.get(sender_address)
        if connection is None:
            return  # the link ended while the packet was on its way
        match packet:
            case ll.EncReq():
                self._encryption_requests[connection.handle] = packet
                self.send_hci_packet(
                    hci.HCI_LE_Long_Term_Key_Request_Event(
                        connection_handle=connection.handle,
                        random_number=packet.rand,
                        encryption_diversifier=packet.ediv,
                    )
                )
            case EncryptionAnswer(error_code=hci.HCI_ErrorCode.SUCCESS):
                self.on_le_encrypted(connection)
            case EncryptionAnswer(error_code=error_code):
                self.send_hci_packet(
                    hci.HCI_Encryption_Change_Event(
                        status=error_code,
                        connection_handle=connection.handle,
                        encryption_enabled=hci.HCI_Encryption_Change_Event.Enabled.OFF,
                    )
                )
            case _:
                super().on_ll_control_pdu(sender_address, packet)

    def _answer_encryption_request(
        self, handle: int, key: bytes | None
    ) -> hci.HCI_StatusAndConnectionHandleReturnParameters:
        request = self._encryption_requests.pop(handle, None)
        connection = self.find_le_connection_by_handle(handle)
        if request is None or connection is None:
            status = hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
            return hci.HCI_StatusAndConnectionHandleReturnParameters(status, handle)
        if key is None:
            missing = hci.HCI_ErrorCode.PIN_OR_KEY_MISSING_ERROR
            connection.send_ll_control_pdu(EncryptionAnswer(missing))
        elif key == request.ltk:
            connection.send_ll_control_pdu(EncryptionAnswer(hci.HCI_ErrorCode.SUCCESS))
            self.on_le_encrypted(connection)
        else:
            # Each end decrypts the other's first packet to nonsense.
            failure = hci.HCI_ErrorCode.CONNECTION_TERMINATED_DUE_TO_MIC_FAILURE_ERROR
            connection.send_ll_control_pdu(ll.TerminateInd(failure))
            self.on_le_disconnected(connection, failure)
        return hci.HCI_StatusAndConnectionHandleReturnParameters(hci.HCI_ErrorCode.SUCCESS, handle)

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        # bumble repeats the advertising data as the scan response, which loses the name.
        event_type = hci.HCI_LE_Advertising_Report_Event.EventType
        if self.le_scan_enable:
            address, rssi_dbm = pdu.advertiser_address, next(self._channel_rssi_dbm)
            self._report(address, event_type.ADV_IND, pdu.data, rssi_dbm)
            if self.le_scan_type == hci.HCI_LE_Set_Scan_Parameters_Command.ACTIVE_SCANNING:
                scan_response = self.air.scan_response(address)
                self._report(address, event_type.SCAN_RSP, scan_response, rssi_dbm)
        pending = self.pending_le_connection
        if pending is not None and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def _report(self, address: hci.Address, event_type: int, data: bytes, rssi_dbm: int) -> None:
        report = hci.HCI_LE_Advertising_Report_Event.Report(
            event_type=event_type,
            address_type=address.address_type,
            address=address,
            data=data,
            rssi=rssi_dbm,
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))

    def _stop_activities(self) -> None:
        self.le_legacy_advertiser.stop()
        self.le_scan_enable = False
        self.pending_le_connection = None
