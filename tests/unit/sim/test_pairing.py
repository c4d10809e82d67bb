"""Who may use the SMP characteristic: a kit whose application asks for pairing, and hosts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from bumble.att import ATT_Error
from bumble.att import ErrorCode as AttErrorCode
from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.hci import (
    Address,
    HCI_Error,
    HCI_ErrorCode,
    HCI_LE_Enable_Encryption_Command,
    OwnAddressType,
)
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingDelegate
from bumble.smp import ErrorCode as SmpErrorCode
from bumble.transport import open_transport
from smpclient.transport.bumble.pairing import (
    KeyboardOnly,
    NoInputNoOutput,
    PairingFailed,
    PairingResult,
    PairingSucceeded,
    pair,
)

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.sim.pairing import Permission, Security
from pytest_nrf_fota.sim.radio import (
    SMP_CHARACTERISTIC_UUID,
    SMP_SERVICE_UUID,
    Advertisement,
    Radio,
)

KIT = Advertisement(name="kit", address="F2:7C:B6:5D:C3:74")
HOST = "F0:00:00:00:00:07"
DEADLINE_S = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class App:
    """Keeps what an application hears from its radio."""

    def __init__(self) -> None:
        self.writes: asyncio.Queue[bytes] = asyncio.Queue()
        self.passkeys: asyncio.Queue[int] = asyncio.Queue()
        self.events: list[str] = []
        self.connected = asyncio.Event()
        self.disconnected = asyncio.Event()

    def on_connected(self) -> None:
        self.connected.set()
        self.disconnected.clear()

    def on_disconnected(self, reason: int) -> None:
        self.events.append(f"disconnected 0x{reason:02x}")
        self.connected.clear()
        self.disconnected.set()

    def on_smp_fragment(self, data: bytes) -> None:
        self.writes.put_nowait(data)

    def on_unsubscribed(self) -> None:
        """Nothing half sent is kept here."""

    def on_passkey(self, peer: str, passkey: int) -> None:
        self.events.append(f"passkey for {peer}")
        self.passkeys.put_nowait(passkey)

    def on_paired(self) -> None:
        self.events.append("paired")

    def on_pairing_failed(self, peer: str, reason: int, *, by_peer: bool) -> None:
        self.events.append(f"{'peer' if by_peer else 'kit'} failed 0x{reason:02x}")


@dataclass
class Air:
    """A kit's radio, its running application, and the bonds of one host."""

    radio: Radio
    app: App = field(default_factory=App)
    host_bonds: MemoryKeyStore = field(default_factory=MemoryKeyStore)

    async def boot(
        self,
        permission: Permission,
        *,
        fixed_passkey: int | None = None,
        keeps_bonds: bool = True,
        ncs: str = "2.6",
    ) -> None:
        tells_missing_key = RELEASES[ncs].att_error_tells_missing_key
        security = Security(
            permission,
            fixed_passkey,
            keeps_bonds,
            att_error_tells_missing_key=tells_missing_key,
        )
        await self.radio.advertise(KIT, self.app, security=security)

    @asynccontextmanager
    async def host(self) -> AsyncIterator["Host"]:
        with anyio.fail_after(DEADLINE_S):
            async with await open_transport(self.radio.hci_client_spec) as transport:
                device = Device.with_hci("host", Address(HOST), transport.source, transport.sink)
                device.keystore = self.host_bonds
                await device.power_on()
                host = Host(self, device)
                await host.connect()
                yield host
                if not host.is_lost:
                    await host.connection.disconnect()
            await self.app.disconnected.wait()


class Host:
    """A host with one connection to the kit."""

    def __init__(self, air: Air, device: Device) -> None:
        self.air = air
        self.device = device
        self.lost: asyncio.Queue[int] = asyncio.Queue()
        self.is_lost = False
        self.failures: list[SmpErrorCode] = []

    async def connect(self) -> None:
        self.connection = await self.device.connect(
            Address(KIT.address), own_address_type=OwnAddressType.RANDOM
        )
        self.is_lost = False
        self.connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self.connection.on(Connection.EVENT_PAIRING_FAILURE, self.failures.append)
        peer = Peer(self.connection)
        await peer.discover_all()  # type: ignore[no-untyped-call]
        (service,) = peer.get_services_by_uuid(UUID(SMP_SERVICE_UUID))
        (self.smp,) = service.get_characteristics_by_uuid(UUID(SMP_CHARACTERISTIC_UUID))

    def _on_disconnection(self, reason: int) -> None:
        self.is_lost = True
        self.lost.put_nowait(reason)

    async def pair(self, delegate: PairingDelegate | None = None) -> PairingResult:
        return await pair(
            self.connection,
            self.device,
            delegate or NoInputNoOutput(),
            pair_timeout_s=DEADLINE_S,
            settle_s=0.0,
            force=True,
        )

    async def pair_with_passkey(self, *, difference: int = 0) -> PairingResult:
        async def enter() -> int:
            return await self.air.app.passkeys.get() ^ difference

        return await self.pair(KeyboardOnly(enter))

    async def refusal(self) -> AttErrorCode | None:
        """With which error the kit refuses the subscription."""
        try:
            await self.smp.subscribe(lambda _: None)
        except ATT_Error as error:
            return AttErrorCode(error.error_code)
        return None

    async def write_arrives(self) -> bool:
        """Whether a write without response reaches the application.

        A request behind it is answered once the kit has dealt with it.
        """
        await self.smp.write_value(b"hello")
        await Peer(self.connection).discover_services()
        return not self.air.app.writes.empty() and self.air.app.writes.get_nowait() == b"hello"


@pytest.fixture
async def air() -> AsyncIterator[Air]:
    radio = Radio("tcp:127.0.0.1:0")
    await radio.start()
    yield Air(radio)
    await radio.stop()


@pytest.mark.anyio
async def test_without_permissions_nobody_needs_to_pair(air: Air) -> None:
    await air.boot("none")
    async with air.host() as host:
        assert await host.refusal() is None
        assert await host.write_arrives()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ncs", "permission", "error"),
    [
        ("2.3", "encrypted", AttErrorCode.INSUFFICIENT_ENCRYPTION),
        ("2.3", "authenticated", AttErrorCode.INSUFFICIENT_AUTHENTICATION),
        ("2.6", "encrypted", AttErrorCode.INSUFFICIENT_AUTHENTICATION),
        ("2.6", "authenticated", AttErrorCode.INSUFFICIENT_AUTHENTICATION),
        ("3.2", "encrypted", AttErrorCode.INSUFFICIENT_AUTHENTICATION),
    ],
)
async def test_unpaired_host_is_refused(
    air: Air, ncs: str, permission: Permission, error: AttErrorCode
) -> None:
    """The subscription with an error, a write without response in silence."""
    await air.boot(permission, ncs=ncs)
    async with air.host() as host:
        assert await host.refusal() is error
        assert not await host.write_arrives()
    assert air.app.events == ["disconnected 0x13"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ncs", "permission", "error"),
    [
        ("2.3", "encrypted", AttErrorCode.INSUFFICIENT_ENCRYPTION),
        ("2.3", "authenticated", AttErrorCode.INSUFFICIENT_AUTHENTICATION),
        ("2.6", "encrypted", AttErrorCode.INSUFFICIENT_ENCRYPTION),
        ("2.6", "authenticated", AttErrorCode.INSUFFICIENT_ENCRYPTION),
    ],
)
async def test_bonded_host_that_does_not_encrypt_is_refused(
    air: Air, ncs: str, permission: Permission, error: AttErrorCode
) -> None:
    """Since 2.6 the error tells that the board has a key of it."""
    await air.boot(permission, ncs=ncs)
    async with air.host() as host:
        await (host.pair() if permission == "encrypted" else host.pair_with_passkey())
    async with air.host() as host:
        assert await host.refusal() is error
        assert not await host.write_arrives()
        await host.connection.encrypt()
        assert await host.refusal() is None


@pytest.mark.anyio
async def test_just_works_is_enough_for_encrypted(air: Air) -> None:
    await air.boot("encrypted")
    async with air.host() as host:
        assert await host.pair() == PairingSucceeded(bonded=True)
        assert await host.refusal() is None
        assert await host.write_arrives()
    assert air.app.events == ["paired", "disconnected 0x13"]


@pytest.mark.anyio
@pytest.mark.parametrize("ncs", ["2.3", "2.6"])
async def test_just_works_is_not_enough_for_authenticated(air: Air, ncs: str) -> None:
    await air.boot("authenticated", ncs=ncs)
    async with air.host() as host:
        assert isinstance(await host.pair(), PairingSucceeded)
        assert await host.refusal() is AttErrorCode.INSUFFICIENT_AUTHENTICATION
        assert not await host.write_arrives()


@pytest.mark.anyio
async def test_passkey(air: Air) -> None:
    await air.boot("authenticated")
    async with air.host() as host:
        assert await host.pair_with_passkey() == PairingSucceeded(bonded=True)
        assert await host.refusal() is None
        assert await host.write_arrives()
    assert air.app.events == [f"passkey for {HOST} (random)", "paired", "disconnected 0x13"]


@pytest.mark.anyio
async def test_security_can_be_raised_on_the_same_connection(air: Air) -> None:
    await air.boot("authenticated")
    async with air.host() as host:
        assert isinstance(await host.pair(), PairingSucceeded)
        await host.connection.disconnect()
        await air.app.disconnected.wait()
        await host.connect()
        await host.connection.encrypt()
        assert await host.refusal() is AttErrorCode.INSUFFICIENT_AUTHENTICATION
        assert isinstance(await host.pair_with_passkey(), PairingSucceeded)
        assert await host.refusal() is None


@pytest.mark.anyio
@pytest.mark.parametrize("bit", [0, 7, 19])
async def test_wrong_passkey(air: Air, bit: int) -> None:
    """It fails in the round of the first wrong bit, and the application disconnects."""
    await air.boot("authenticated", fixed_passkey=123456)
    async with air.host() as host:
        assert isinstance(await host.pair_with_passkey(difference=1 << bit), PairingFailed)
        assert host.failures == [SmpErrorCode.CONFIRM_VALUE_FAILED]
        assert await host.lost.get() == HCI_ErrorCode.AUTHENTICATION_FAILURE_ERROR
    assert air.app.events[1:] == ["kit failed 0x04", "disconnected 0x16"]
    assert air.host_bonds.all_keys == {}


@pytest.mark.anyio
async def test_pairing_after_a_wrong_passkey(air: Air) -> None:
    await air.boot("authenticated")
    async with air.host() as host:
        assert isinstance(await host.pair_with_passkey(difference=1), PairingFailed)
    async with air.host() as host:
        assert isinstance(await host.pair_with_passkey(), PairingSucceeded)
        assert await host.refusal() is None


@pytest.mark.anyio
async def test_host_without_the_passkey_gives_up(air: Air) -> None:
    async def enter() -> None:
        await air.app.passkeys.get()

    await air.boot("authenticated")
    async with air.host() as host:
        result = await host.pair(KeyboardOnly(enter))
        assert isinstance(result, PairingFailed)
        assert await host.lost.get() == HCI_ErrorCode.AUTHENTICATION_FAILURE_ERROR
    assert air.app.events[1:] == ["peer failed 0x01", "disconnected 0x16"]


@pytest.mark.anyio
async def test_passkeys_are_random_unless_fixed(air: Air) -> None:
    shown = []
    for fixed in (None, None, 123456):
        await air.boot("authenticated", fixed_passkey=fixed)
        air.radio.forget_bonds()
        await air.boot("authenticated", fixed_passkey=fixed)

        async def enter() -> int:
            shown.append(await air.app.passkeys.get())
            return shown[-1]

        async with air.host() as host:
            assert isinstance(await host.pair(KeyboardOnly(enter)), PairingSucceeded)
    assert shown[0] != shown[1]
    assert shown[2] == 123456


@pytest.mark.anyio
async def test_application_without_security_does_not_pair(air: Air) -> None:
    await air.boot("none")
    async with air.host() as host:
        assert isinstance(await host.pair(), PairingFailed)
        assert host.failures == [SmpErrorCode.PAIRING_NOT_SUPPORTED]
        assert await host.refusal() is None


@pytest.mark.anyio
@pytest.mark.parametrize("permission", ["encrypted", "authenticated"])
async def test_bond_outlives_connection_and_reset(air: Air, permission: Permission) -> None:
    await air.boot(permission)
    async with air.host() as host:
        if permission == "encrypted":
            await host.pair()
        else:
            await host.pair_with_passkey()
    for _ in range(2):
        async with air.host() as host:
            assert await host.refusal() is not None, "not before the host uses its bond"
            await host.connection.encrypt()
            assert await host.refusal() is None
            assert await host.write_arrives()
        await air.boot(permission)


@pytest.mark.anyio
@pytest.mark.parametrize("lost_by", ["recover", "reset without settings"])
async def test_kit_which_lost_its_bond_refuses_to_encrypt(air: Air, lost_by: str) -> None:
    await air.boot("encrypted")
    async with air.host() as host:
        await host.pair()
    if lost_by == "recover":
        air.radio.forget_bonds()
        await air.boot("encrypted")
    else:
        await air.boot("encrypted", keeps_bonds=False)
    async with air.host() as host:
        with pytest.raises(HCI_Error) as refusal:
            await host.connection.encrypt()
        assert refusal.value.error_code == HCI_ErrorCode.PIN_OR_KEY_MISSING_ERROR
        assert await host.refusal() is AttErrorCode.INSUFFICIENT_AUTHENTICATION
        assert isinstance(await host.pair(), PairingSucceeded)
        assert await host.refusal() is None


@pytest.mark.anyio
async def test_wrong_key_ends_the_connection(air: Air) -> None:
    await air.boot("encrypted")
    async with air.host() as host:
        await host.pair()
    async with air.host() as host:
        await host.device.host.send_async_command(
            HCI_LE_Enable_Encryption_Command(
                connection_handle=host.connection.handle,
                random_number=bytes(8),
                encrypted_diversifier=0,
                long_term_key=bytes(16),
            )
        )
        reason = await host.lost.get()
        assert reason == HCI_ErrorCode.CONNECTION_TERMINATED_DUE_TO_MIC_FAILURE_ERROR


@pytest.mark.anyio
async def test_just_works_does_not_replace_a_bond(air: Air) -> None:
    """As a phone that has forgotten the board: Zephyr refuses until its half is gone, too."""
    await air.boot("encrypted")
    async with air.host() as host:
        await host.pair()
    air.host_bonds.all_keys.clear()
    async with air.host() as host:
        for _ in range(2):
            assert isinstance(await host.pair(), PairingFailed)
        assert host.failures == [SmpErrorCode.AUTHENTICATION_REQUIREMENTS] * 2
    air.radio.forget_bonds()
    await air.boot("encrypted")
    async with air.host() as host:
        assert isinstance(await host.pair(), PairingSucceeded)


@pytest.mark.anyio
async def test_passkey_replaces_a_bond(air: Air) -> None:
    await air.boot("authenticated")
    for _ in range(2):
        air.host_bonds.all_keys.clear()
        async with air.host() as host:
            assert isinstance(await host.pair_with_passkey(), PairingSucceeded)
            assert await host.refusal() is None


@pytest.mark.anyio
async def test_host_with_a_public_address_finds_its_bond(air: Air) -> None:
    """bumble hands its public address out as identity, though it connects with the other one."""
    await air.boot("encrypted")
    async with air.host() as host:
        assert str(host.device.public_address) != HOST
        await host.pair()
    async with air.host() as host:
        await host.connection.encrypt()
        assert await host.refusal() is None


@pytest.mark.anyio
@pytest.mark.parametrize("who", ["kit resets", "link is lost", "host disconnects"])
async def test_pairing_is_cut_off(air: Air, who: str) -> None:
    await air.boot("authenticated")
    async with air.host() as host:

        async def never_enter() -> None:
            await asyncio.Event().wait()

        pairing = asyncio.create_task(host.pair(KeyboardOnly(never_enter)))
        await air.app.passkeys.get()
        match who:
            case "kit resets":
                await air.boot("authenticated")
            case "link is lost":
                air.radio.lose_connection()
            case _:
                await host.connection.disconnect()
        await asyncio.wait([pairing])
        assert pairing.cancelled() or isinstance(pairing.result(), PairingFailed)
        if who == "kit resets":
            air.app.disconnected.set()
    async with air.host() as host:
        assert isinstance(await host.pair_with_passkey(), PairingSucceeded)
        assert await host.refusal() is None


@pytest.mark.anyio
async def test_pairing_again_and_again(air: Air) -> None:
    """Nothing of it depends on which packet comes first."""
    for _ in range(15):
        air.radio.forget_bonds()
        air.host_bonds.all_keys.clear()
        await air.boot("authenticated")
        async with air.host() as host:
            assert isinstance(await host.pair_with_passkey(), PairingSucceeded)
            assert await host.refusal() is None


class Hesitant(NoInputNoOutput):
    """A user who says no at first."""

    async def confirm(self, auto: bool = False) -> bool:
        del auto
        return False


@pytest.mark.anyio
async def test_second_try_on_the_same_connection(air: Air) -> None:
    """An application without passkeys does not disconnect a host which failed."""
    await air.boot("encrypted")
    async with air.host() as host:
        assert isinstance(await host.pair(Hesitant()), PairingFailed)
        assert await host.refusal() is AttErrorCode.INSUFFICIENT_AUTHENTICATION
        assert await host.pair() == PairingSucceeded(bonded=True)
        assert await host.refusal() is None
    assert air.app.events == ["peer failed 0x04", "paired", "disconnected 0x13"]
    async with air.host() as host:
        await host.connection.encrypt()
        assert await host.refusal() is None
