"""The kit's radio, met by real hosts: smpclient and bumble over real HCI sockets."""

import asyncio
import contextlib
import gc
import itertools
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from bumble.controller import Controller
from bumble.core import UUID
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import (
    Address,
    HCI_Disconnection_Complete_Event,
    HCI_Error,
    HCI_ErrorCode,
    HCI_LE_Connection_Complete_Event,
    HCI_LE_Create_Connection_Command,
    HCI_Packet,
    HCI_Read_BD_ADDR_Command,
    HCI_Read_Clock_Offset_Command,
    HCI_Reset_Command,
    HCI_StatusError,
    OwnAddressType,
    Phy,
)
from bumble.host import Host
from bumble.transport import open_transport
from smp import header as smp_header
from smp.os_management import (
    EchoWriteRequest,
    EchoWriteResponse,
    MCUMgrParametersReadRequest,
    MCUMgrParametersReadResponse,
)
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.requests.os_management import EchoWrite
from smpclient.transport import SMPTransportDisconnected
from smpclient.transport.bumble import (
    SMPBumbleTransport,
    SMPBumbleTransportNotSMPServer,
)
from smpclient.transport.bumble.keystore import InMemory
from smpclient.transport.bumble.scan import ScanAll, ScanForName

from pytest_nrf_fota.errors import InputError, RadioLostError
from pytest_nrf_fota.sim.link import Air, AirController
from pytest_nrf_fota.sim.radio import (
    SMP_CHARACTERISTIC_UUID,
    SMP_SERVICE_UUID,
    Advertisement,
    Radio,
)

pytestmark = pytest.mark.anyio

KIT = Advertisement(name="nRF5340 DK of the tests", address="F2:7C:B6:5D:C3:74")
DEADLINE_S = 20.0
# BlueZ 5.66, src/device.c: RSSI_THRESHOLD. A lesser change is told to no program.
BLUEZ_THRESHOLD_DB = 8


class EchoApp:
    """A tiny SMP server: echo and parameters, reassembling frames from writes."""

    def __init__(self, radio: Radio) -> None:
        self.radio = radio
        self.answers = True
        self.asked = asyncio.Event()
        self.connected = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.fragment_sizes: list[int] = []
        self.reasons: list[int] = []
        self._frame = b""
        self._replies: set[asyncio.Task[None]] = set()

    def on_connected(self) -> None:
        self.connected.set()
        self.disconnected.clear()
        self._frame = b""

    def on_disconnected(self, reason: int) -> None:
        self.reasons.append(reason)
        self.disconnected.set()
        self.connected.clear()

    def on_passkey(self, peer: str, passkey: int) -> None:
        raise AssertionError("nobody pairs here")

    def on_paired(self) -> None:
        raise AssertionError("nobody pairs here")

    def on_pairing_failed(self, peer: str, reason: int, *, by_peer: bool) -> None:
        raise AssertionError("nobody pairs here")

    def on_smp_fragment(self, data: bytes) -> None:
        self.fragment_sizes.append(len(data))
        self._frame += data
        if len(self._frame) < smp_header.Header.SIZE:
            return
        header = smp_header.Header.loads(self._frame[: smp_header.Header.SIZE])
        if len(self._frame) < smp_header.Header.SIZE + header.length:
            return
        frame, self._frame = self._frame, b""
        self.asked.set()
        if self.answers:
            reply = asyncio.create_task(self.radio.notify(self._answer(header, frame)))
            self._replies.add(reply)
            reply.add_done_callback(self._replies.discard)

    def on_unsubscribed(self) -> None:
        """Nothing half sent is kept here."""

    def _answer(self, header: smp_header.Header, frame: bytes) -> bytes:
        if header.command_id == smp_header.CommandId.OSManagement.ECHO:
            request = EchoWriteRequest.loads(frame)
            return EchoWriteResponse(sequence=header.sequence, r=request.d).BYTES
        MCUMgrParametersReadRequest.loads(frame)
        return MCUMgrParametersReadResponse(
            sequence=header.sequence, buf_size=2475, buf_count=4
        ).BYTES


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def radio() -> AsyncIterator[Radio]:
    radio = Radio("tcp:127.0.0.1:0")
    await radio.start()
    yield radio
    await radio.stop()


@pytest.fixture
async def app(radio: Radio) -> EchoApp:
    app = EchoApp(radio)
    await radio.advertise(KIT, app)
    return app


@asynccontextmanager
async def smp_client(radio: Radio, target: str = KIT.name) -> AsyncIterator[SMPClient]:
    transport = SMPBumbleTransport(
        hci=radio.hci_client_spec, keystore=InMemory(), preferred_mtu=498
    )
    client = SMPClient(transport, target)
    with anyio.fail_after(DEADLINE_S):
        try:
            await client.connect()
            yield client
        finally:
            await transport.disconnect()


@asynccontextmanager
async def bumble_host(radio: Radio) -> AsyncIterator[Device]:
    with anyio.fail_after(DEADLINE_S):
        async with await open_transport(radio.hci_client_spec) as transport:
            device = Device.with_hci(
                "host", Address("F0:00:00:00:00:07"), transport.source, transport.sink
            )
            await device.power_on()
            yield device


async def smp_over(host: Device) -> SMPClient:
    """A client on a link that the test owns.

    smpclient's own `disconnect()` needs 30 s once the link is lost: it writes to the CCC
    descriptor and waits for bumble's GATT time-out. A borrowed link is simply dropped.
    """
    transport = SMPBumbleTransport(keystore=InMemory(), preferred_mtu=498)
    await transport.use_connection(await host.connect(Address(KIT.address)))
    return SMPClient(transport, KIT.address)


async def names_on_air(radio: Radio, timeout_s: float = 0.5) -> list[str | None]:
    results = await SMPBumbleTransport.scan(
        hci=radio.hci_client_spec, mode=ScanAll(), timeout_s=timeout_s
    )
    return [result.name for result in results]


async def echo(client: SMPClient, text: str = "hello") -> str:
    response = await client.request(EchoWrite(d=text))
    assert success(response)
    return response.r


async def test_scan_finds_the_kit_by_name_with_its_smp_service(radio: Radio, app: EchoApp) -> None:
    results = await SMPBumbleTransport.scan(
        hci=radio.hci_client_spec, mode=ScanForName(KIT.name), timeout_s=DEADLINE_S
    )
    assert [(r.name, r.address, r.has_smp_service) for r in results] == [
        (KIT.name, KIT.address, True)
    ]


async def test_bluez_tells_of_the_kit_again_and_again(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        strengths_dbm: asyncio.Queue[int] = asyncio.Queue()
        host.on(Device.EVENT_ADVERTISEMENT, lambda found: strengths_dbm.put_nowait(found.rssi))
        await host.start_scanning(filter_duplicates=False)
        told_dbm = await strengths_dbm.get()
        for _ in range(5):
            while abs(told_dbm - (heard_dbm := await strengths_dbm.get())) < BLUEZ_THRESHOLD_DB:
                continue
            told_dbm = heard_dbm


async def test_passive_scan_sees_no_name(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        seen: asyncio.Queue[bytes] = asyncio.Queue()
        host.on(Device.EVENT_ADVERTISEMENT, lambda found: seen.put_nowait(found.data_bytes))
        await host.start_scanning(active=False)
        data = await seen.get()
        assert KIT.name.encode() not in data
        assert bytes.fromhex(SMP_SERVICE_UUID.replace("-", ""))[::-1] in data


@pytest.mark.parametrize("target", [KIT.name, KIT.address])
async def test_connect_and_echo(radio: Radio, app: EchoApp, target: str) -> None:
    async with smp_client(radio, target) as client:
        assert app.connected.is_set()
        assert await echo(client) == "hello"


async def test_request_and_answer_of_many_fragments(radio: Radio, app: EchoApp) -> None:
    text = "".join(chr(ord("a") + index % 26) for index in range(2000))
    async with smp_client(radio) as client:
        app.fragment_sizes.clear()
        assert await echo(client, text) == text
        assert len(app.fragment_sizes) == 5
        assert max(app.fragment_sizes) == 495


async def test_kit_agrees_to_no_more_than_its_mtu(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        transport = SMPBumbleTransport(keystore=InMemory(), preferred_mtu=517)
        await transport.use_connection(await host.connect(Address(KIT.address)))
        assert transport.mtu == 495
        await transport.disconnect()


@pytest.mark.parametrize("mtu", [23, 24, 65, 247, 497, 498])
async def test_fragments_fill_every_mtu(radio: Radio, app: EchoApp, mtu: int) -> None:
    async with bumble_host(radio) as host:
        transport = SMPBumbleTransport(keystore=InMemory(), preferred_mtu=mtu)
        connection = await host.connect(Address(KIT.address))
        await transport.use_connection(connection)
        notified: list[int] = []
        assert connection.gatt_client is not None
        smp = await _smp_characteristic(connection)
        await smp.subscribe(lambda value: notified.append(len(value)))
        app.fragment_sizes.clear()
        text = "x" * 1000
        assert await echo(SMPClient(transport, KIT.address), text) == text
        for sizes in (app.fragment_sizes, notified):
            *full, last = sizes
            assert set(full) == {mtu - 3}
            assert 0 < last <= mtu - 3
        await transport.disconnect()


async def _smp_characteristic(connection: Connection) -> CharacteristicProxy[bytes]:
    peer = Peer(connection)
    await peer.discover_all()  # type: ignore[no-untyped-call]
    (service,) = peer.get_services_by_uuid(UUID(SMP_SERVICE_UUID))
    (smp,) = service.get_characteristics_by_uuid(UUID(SMP_CHARACTERISTIC_UUID))
    return smp


@asynccontextmanager
async def second_central(radio: Radio) -> AsyncIterator[Device]:
    """A central with a controller of its own, as a phone next to the kit."""
    controller = AirController("phone", radio.air, public_address="02:00:00:00:00:02")
    host = Host()
    host.controller = controller
    controller.host = host
    device = Device("phone", Address("F0:00:00:00:00:08"), host=host)
    await device.power_on()
    yield device
    controller.leave()


async def test_connected_kit_is_neither_seen_nor_reached_by_another_central(
    radio: Radio, app: EchoApp
) -> None:
    async with bumble_host(radio) as first, second_central(radio) as second:
        seen: asyncio.Queue[str] = asyncio.Queue()
        second.on(Device.EVENT_ADVERTISEMENT, lambda found: seen.put_nowait(str(found.address)))
        await second.start_scanning()
        assert await seen.get() == KIT.address
        client = await smp_over(first)
        while not seen.empty():
            seen.get_nowait()
        with pytest.raises(BumbleTimeoutError):
            await second.connect(Address(KIT.address), timeout=0.2)
        assert seen.empty()
        assert await echo(client) == "hello"
        radio.lose_connection()
        assert await seen.get() == KIT.address
        await second.stop_scanning()
        client = await smp_over(second)
        assert await echo(client) == "hello"


@pytest.mark.parametrize("who", ["link is lost", "kit resets", "host disconnects"])
@pytest.mark.parametrize(
    "step", ["connect", "discover", "subscribe", "MTU", "half a frame", "request"]
)
async def test_connection_ends_after_any_step(
    radio: Radio, app: EchoApp, step: str, who: str
) -> None:
    async with bumble_host(radio) as host:
        connection = await host.connect(Address(KIT.address))
        reasons: asyncio.Queue[int] = asyncio.Queue()
        connection.on(Connection.EVENT_DISCONNECTION, reasons.put_nowait)
        await app.connected.wait()
        await _go_up_to(step, connection, app)
        match who:
            case "link is lost":
                radio.lose_connection()
                expected, heard = HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR, [0x08]
            case "kit resets":
                await radio.advertise(KIT, app)
                expected, heard = HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR, []
            case _:
                await connection.disconnect()
                expected = HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR
                heard = [0x13]
        assert await reasons.get() == expected
        if heard:
            await app.disconnected.wait()
        assert app.reasons == heard
        app.answers = True
        assert await echo(await smp_over(host)) == "hello"


async def _go_up_to(step: str, connection: Connection, app: EchoApp) -> None:
    if step == "connect":
        return
    smp = await _smp_characteristic(connection)
    if step == "discover":
        return
    await smp.subscribe(lambda _: None)
    if step == "subscribe":
        return
    await Peer(connection).request_mtu(498)
    if step == "MTU":
        return
    frame = EchoWriteRequest(sequence=0, d="hello").BYTES
    if step == "half a frame":
        await smp.write_value(frame[:10])
        while not app.fragment_sizes:
            await asyncio.sleep(0)
        return
    app.answers = False
    await smp.write_value(frame)
    await app.asked.wait()


async def test_host_may_connect_with_its_public_address(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        connection = await host.connect(
            Address(KIT.address), own_address_type=OwnAddressType.PUBLIC
        )
        assert await Peer(connection).discover_services()


class HciEvents:
    """The host side of a bare controller: keeps the events, sends none."""

    def __init__(self, controller: AirController) -> None:
        self.packets: list[HCI_Packet] = []
        controller.host = self

    def on_packet(self, packet: bytes) -> None:
        self.packets.append(HCI_Packet.from_bytes(packet))

    def count(self, kind: type[HCI_Packet]) -> int:
        return sum(isinstance(packet, kind) for packet in self.packets)


@pytest.mark.parametrize("who", ["kit leaves", "host leaves", "host resets"])
@pytest.mark.parametrize("steps", range(8))
async def test_no_link_with_one_end_is_left(who: str, steps: int) -> None:
    air = Air()
    kit = AirController("kit", air, public_address="00:00:00:00:00:00")
    host = AirController("host", air, public_address="02:00:00:00:00:01")
    kit_events, host_events = HciEvents(kit), HciEvents(host)
    kit.random_address = Address(KIT.address)
    kit.le_legacy_advertiser.own_address_type = Address.RANDOM_DEVICE_ADDRESS
    kit.le_legacy_advertiser.advertising_interval_min = 1000
    host.on_hci_packet(
        HCI_LE_Create_Connection_Command(
            le_scan_interval=16,
            le_scan_window=16,
            initiator_filter_policy=0,
            peer_address_type=Address.RANDOM_DEVICE_ADDRESS,
            peer_address=Address(KIT.address),
            own_address_type=OwnAddressType.PUBLIC,
            connection_interval_min=6,
            connection_interval_max=6,
            max_latency=0,
            supervision_timeout=42,
            min_ce_length=0,
            max_ce_length=0,
        )
    )
    kit.le_legacy_advertiser.start()
    for _ in range(steps):
        await asyncio.sleep(0)
    match who:
        case "kit leaves":
            kit.leave()
        case "host leaves":
            host.leave()
        case _:
            host.on_hci_packet(HCI_Reset_Command())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not kit.le_connections
    assert not host.le_connections
    survivor = host_events if who == "kit leaves" else kit_events
    assert survivor.count(HCI_LE_Connection_Complete_Event) == survivor.count(
        HCI_Disconnection_Complete_Event
    )
    kit.leave()


async def test_host_which_disconnects_can_come_back(radio: Radio, app: EchoApp) -> None:
    for _ in range(3):
        async with smp_client(radio) as client:
            assert await echo(client) == "hello"
        with anyio.fail_after(DEADLINE_S):
            await app.disconnected.wait()


async def test_one_host_can_connect_again_without_reset(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        for _ in range(3):
            connection = await host.connect(Address(KIT.address))
            await Peer(connection).discover_services()
            await connection.disconnect()
            await app.disconnected.wait()


async def test_silence_ends_a_pending_request(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        client = await smp_over(host)
        app.answers = False
        request = asyncio.create_task(echo(client))
        await app.asked.wait()
        await radio.silence()
        with pytest.raises(SMPTransportDisconnected):
            await request
        assert not app.disconnected.is_set(), "an app that was reset hears nothing"


async def test_silence_looks_like_a_connection_timeout(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        connection = await host.connect(Address(KIT.address))
        reasons: asyncio.Queue[int] = asyncio.Queue()
        connection.on(Connection.EVENT_DISCONNECTION, reasons.put_nowait)
        await radio.silence()
        assert await reasons.get() == HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR


async def test_silent_kit_is_not_found(radio: Radio, app: EchoApp) -> None:
    await radio.silence()
    assert await names_on_air(radio) == []


async def test_silence_at_any_moment_of_a_boot(radio: Radio) -> None:
    booted_before_silence = False
    for steps_into_boot in itertools.count():
        if booted_before_silence:
            break
        boot = asyncio.create_task(radio.advertise(KIT, EchoApp(radio)))
        for _ in range(steps_into_boot):
            await asyncio.sleep(0)
        booted_before_silence = boot.done()
        await radio.silence()
        await boot
    gc.collect()
    assert not any(isinstance(thing, Controller) for thing in gc.get_objects())
    assert await names_on_air(radio) == []


async def test_same_host_talks_to_the_next_boot(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        for _ in range(3):
            client = await smp_over(host)
            assert await echo(client) == "hello"
            await radio.silence()
            await radio.advertise(KIT, app)


async def test_next_boot_has_another_name_and_address(radio: Radio, app: EchoApp) -> None:
    async with smp_client(radio) as client:
        assert await echo(client) == "hello"
    after_update = Advertisement(name="updated", address="C0:00:00:00:00:42")
    await radio.advertise(after_update, EchoApp(radio))
    async with smp_client(radio, "updated") as client:
        assert await echo(client) == "hello"
    results = await SMPBumbleTransport.scan(
        hci=radio.hci_client_spec, mode=ScanForName("updated"), timeout_s=DEADLINE_S
    )
    assert [result.address for result in results] == ["C0:00:00:00:00:42"]


async def test_waiting_connection_is_served_by_the_next_boot(radio: Radio, app: EchoApp) -> None:
    await radio.silence()
    async with bumble_host(radio) as host:
        connecting = asyncio.create_task(host.connect(Address(KIT.address)))
        while not host.is_le_connecting:
            await asyncio.sleep(0)
        await radio.advertise(KIT, app)
        await connecting
        await app.connected.wait()


async def test_connect_which_timed_out_can_be_repeated(radio: Radio, app: EchoApp) -> None:
    await radio.silence()
    async with bumble_host(radio) as host:
        for _ in range(2):
            with pytest.raises(BumbleTimeoutError):
                await host.connect(Address(KIT.address), timeout=0.1)
        await radio.advertise(KIT, app)
        await host.connect(Address(KIT.address))


async def test_hci_reset_drops_the_link_and_the_scan(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        await host.connect(Address(KIT.address))
        await app.connected.wait()
        await host.start_scanning()
        await host.send_sync_command(HCI_Reset_Command())
        await app.disconnected.wait()
        reports: list[object] = []
        host.on(Device.EVENT_ADVERTISEMENT, reports.append)
        again = await host.connect(Address(KIT.address))
        await Peer(again).discover_services()
        assert reports == []


async def test_disconnecting_what_is_gone_is_refused_at_once(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        connection = await host.connect(Address(KIT.address))
        await radio.silence()
        with pytest.raises((HCI_Error, HCI_StatusError)):
            await connection.disconnect()


async def test_unknown_asynchronous_command_is_answered(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        connection = await host.connect(Address(KIT.address))
        with pytest.raises((HCI_Error, HCI_StatusError)):
            await host.send_async_command(
                HCI_Read_Clock_Offset_Command(connection_handle=connection.handle)
            )


async def test_a_host_is_told_the_air_s_own_interval_and_phy(radio: Radio, app: EchoApp) -> None:
    """Whatever it asks for: the air has one timing for all connections."""
    async with bumble_host(radio) as host:
        connection = await host.connect(Address(KIT.address))
        assert connection.parameters.connection_interval == 7.5
        await connection.update_parameters(30, 30, 0, 4000)
        assert connection.parameters.connection_interval == 7.5
        await connection.set_phy(tx_phys=[Phy.LE_2M], rx_phys=[Phy.LE_2M])
        await connection.set_data_length(251, 2120)


async def test_killed_host_makes_room_for_the_next(radio: Radio, app: EchoApp) -> None:
    script = (
        "import asyncio, sys\n"
        "from smpclient.transport.bumble import SMPBumbleTransport\n"
        "from smpclient.transport.bumble.keystore import InMemory\n"
        "async def main():\n"
        "    transport = SMPBumbleTransport(hci=sys.argv[1], keystore=InMemory())\n"
        "    await transport.connect(sys.argv[2], 10.0)\n"
        "    print('connected', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    host = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, radio.hci_client_spec, KIT.name,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert host.stdout is not None
        with anyio.fail_after(DEADLINE_S):
            assert await host.stdout.readline() == b"connected\n"
            assert app.connected.is_set()
            host.send_signal(signal.SIGKILL)
            async with smp_client(radio) as client:
                assert await echo(client) == "hello"
    finally:
        if host.returncode is None:
            host.kill()
        await host.wait()


async def test_vanished_host_stops_scanning_and_loses_its_link(radio: Radio, app: EchoApp) -> None:
    async with bumble_host(radio) as host:
        await host.connect(Address(KIT.address))
        await host.start_scanning()
    with anyio.fail_after(DEADLINE_S):
        await app.disconnected.wait()
    async with bumble_host(radio) as successor:
        reports: list[object] = []
        successor.on(Device.EVENT_ADVERTISEMENT, reports.append)
        connection = await successor.connect(Address(KIT.address))
        await Peer(connection).discover_services()
        assert reports == []


async def test_second_host_is_refused_and_the_first_goes_on(radio: Radio, app: EchoApp) -> None:
    async with smp_client(radio) as first:
        with pytest.raises(HCI_Error) as refusal:
            async with smp_client(radio):
                pass
        assert refusal.value.error_code == HCI_ErrorCode.CONTROLLER_BUSY_ERROR
        assert await echo(first) == "hello"
    async with smp_client(radio) as third:
        assert await echo(third) == "hello"


async def test_host_which_waits_gets_the_seat_of_one_which_leaves(
    radio: Radio, app: EchoApp
) -> None:
    with anyio.fail_after(DEADLINE_S):
        first = await open_transport(radio.hci_client_spec)
        leaving = Device.with_hci("leaving", Address("F0:00:00:00:00:07"), first.source, first.sink)
        await leaving.power_on()
        async with await open_transport(radio.hci_client_spec) as second:
            coming = Device.with_hci(
                "coming", Address("F0:00:00:00:00:08"), second.source, second.sink
            )
            power_on = asyncio.create_task(coming.power_on())
            # One echo of the first host later, the kit has read what the second sent.
            await asyncio.sleep(0)
            await leaving.send_sync_command(HCI_Read_BD_ADDR_Command())
            await first.close()
            await power_on
            await coming.connect(Address(KIT.address))


async def test_host_which_talks_nonsense_is_cut_off(radio: Radio, app: EchoApp) -> None:
    host, port = radio.hci_client_spec.removeprefix("tcp-client:").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    with anyio.fail_after(DEADLINE_S):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
    async with smp_client(radio) as client:
        assert await echo(client) == "hello"


async def test_app_without_smp_service(radio: Radio) -> None:
    await radio.advertise(KIT, EchoApp(radio), smp_service=False)
    with pytest.raises(SMPBumbleTransportNotSMPServer):
        async with smp_client(radio):
            pass


async def test_thirty_resets_leave_nothing_behind(radio: Radio, app: EchoApp) -> None:
    def living_controllers() -> int:
        gc.collect()
        return sum(isinstance(thing, Controller) for thing in gc.get_objects())

    async with bumble_host(radio) as host:
        tasks, controllers = len(asyncio.all_tasks()), living_controllers()
        for _ in range(30):
            connection = await host.connect(Address(KIT.address))
            reasons: asyncio.Queue[int] = asyncio.Queue()
            connection.on(Connection.EVENT_DISCONNECTION, reasons.put_nowait)
            await radio.silence()
            await reasons.get()
            await radio.advertise(KIT, app)
        assert len(asyncio.all_tasks()) == tasks
        assert living_controllers() == controllers


@pytest.mark.parametrize("form", ["path", "abstract", "tcp"])
async def test_every_form_of_address(form: str, tmp_path: Path) -> None:
    path = tmp_path / "hci"
    address = {
        "path": f"unix:{path}",
        "abstract": f"unix:@{tmp_path}",
        "tcp": "tcp:127.0.0.1:0",
    }[form]
    radio = Radio(address)
    assert radio.hci_client_spec == ""
    await radio.start()
    try:
        await radio.advertise(KIT, EchoApp(radio))
        async with smp_client(radio) as client:
            assert await echo(client) == "hello"
    finally:
        await radio.stop()
    await radio.stop()
    assert not path.exists()


async def test_stop_cuts_the_host_off(radio: Radio, app: EchoApp) -> None:
    with anyio.fail_after(DEADLINE_S):
        async with await open_transport(radio.hci_client_spec) as transport:
            host = Device.with_hci(
                "host", Address("F0:00:00:00:00:07"), transport.source, transport.sink
            )
            await host.power_on()
            await radio.stop()
            await transport.source.terminated


async def test_address_of_unknown_form() -> None:
    with pytest.raises(InputError, match="unknown form"):
        await Radio("usb:0").start()


async def test_address_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(RadioLostError, match="cannot be opened"):
        await Radio(f"unix:{tmp_path}/no/such/folder").start()
