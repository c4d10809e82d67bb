"""One kit among sixteen that advertise one name: only an address says which is meant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from smp import header as smp_header
from smp.os_management import EchoWriteResponse, MCUMgrParametersReadResponse

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import NotSeenError, RigError
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.link import Air
from pytest_nrf_fota.sim.radio import Advertisement, Radio
from pytest_nrf_fota.smp.host_radio import BumbleRadio
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.peer_search import PeerSearch

pytestmark = pytest.mark.anyio

NAME = "Zephyr"
TIMEOUTS = SmpTimeouts(answer_s=10.0, first_upload_packet_s=10.0)
LONG_S = 30.0


def _address(number: int) -> str:
    return f"F2:7C:B6:5D:C3:{number:02X}"


class App:
    """Answers every echo with the number of its kit."""

    def __init__(self, radio: Radio, number: int) -> None:
        self._radio = radio
        self._number = number
        self._answers: set[asyncio.Task[None]] = set()

    def on_smp_fragment(self, data: bytes) -> None:
        header = smp_header.Header.loads(data[: smp_header.Header.SIZE])
        if header.command_id == smp_header.CommandId.OSManagement.ECHO:
            answer = EchoWriteResponse(sequence=header.sequence, r=f"kit {self._number}").BYTES
        else:
            answer = MCUMgrParametersReadResponse(
                sequence=header.sequence, buf_size=2475, buf_count=4
            ).BYTES
        task = asyncio.create_task(self._radio.notify(answer))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    def on_unsubscribed(self) -> None:
        """Nothing half sent is kept here."""

    def on_connected(self) -> None: ...

    def on_disconnected(self, reason: int) -> None: ...

    def on_passkey(self, peer: str, passkey: int) -> None: ...

    def on_paired(self) -> None: ...

    def on_pairing_failed(self, peer: str, reason: int, *, by_peer: bool) -> None: ...


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def _kits(names: list[str]) -> AsyncIterator[str]:
    """Kits of these names on one air; gives the HCI specification of a host there."""
    air = Air()
    radios = [Radio("tcp:127.0.0.1:0", air=air) for _ in names]
    try:
        for number, (radio, name) in enumerate(zip(radios, names, strict=True)):
            await radio.advertise(Advertisement(name, _address(number)), App(radio, number))
        await radios[0].start()
        yield radios[0].hci_client_spec
    finally:
        for radio in radios:
            await radio.stop()


def _who_answers(hci: str, peer: str, timeout_s: float = LONG_S) -> str:
    with Mcumgr(BumbleRadio(hci, 498), FlightRecorder(), TIMEOUTS) as mcumgr:
        mcumgr.connect(peer, timeout_s)
        return mcumgr.echo("who are you?")


@pytest.mark.parametrize("number", [0, 7, 15])
async def test_address_reaches_the_kit_that_is_meant(number: int) -> None:
    """As its own boot log shows it: `Identity: F2:7C:... (random)`."""
    async with _kits([NAME] * 16) as hci:
        answer = await asyncio.to_thread(_who_answers, hci, _address(number).lower())
    assert answer == f"kit {number}"


async def test_name_that_several_have_is_refused_with_their_addresses() -> None:
    async with _kits(["other", NAME, NAME]) as hci:
        with pytest.raises(RigError, match="boards or more advertise the name 'Zephyr'") as refusal:
            await asyncio.to_thread(_who_answers, hci, NAME)
    assert _address(1) in refusal.value.what
    assert _address(2) in refusal.value.what
    assert _address(0) not in refusal.value.what
    assert "Identity" in refusal.value.next_step


async def test_name_that_one_has_is_enough() -> None:
    async with _kits(["other", "mine", "another"]) as hci:
        assert await asyncio.to_thread(_who_answers, hci, "mine") == "kit 1"


async def test_absent_kit_is_not_replaced_by_its_namesake() -> None:
    async with _kits([NAME, NAME]) as hci:
        with pytest.raises(NotSeenError, match=_address(9)) as refusal:
            await asyncio.to_thread(_who_answers, hci, _address(9), 2.0)
    assert f"{_address(0)} {NAME}" in refusal.value.what


async def test_name_in_the_scan_response_only_is_heard() -> None:
    """Advertising data with a 128 bit UUID has no room for it."""
    search = PeerSearch("mine", "a test")
    search.hear(_address(1), None)
    search.hear(_address(1), "mine")
    search.hear(_address(1), None)
    assert await search.found(Deadline.after(0.1)) == _address(1)


async def test_address_that_macos_hides_is_no_name() -> None:
    hidden = "12345678-90AB-CDEF-1234-567890ABCDEF"
    search = PeerSearch(hidden.lower(), "a test")
    search.hear(hidden, "mine")
    assert await search.found(Deadline.after(LONG_S)) == hidden
