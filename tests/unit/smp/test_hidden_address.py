"""A host that shows no addresses, as macOS: the boot log's address is heard from nobody."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import NotSeenError, RigError
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import BleakRadio
from pytest_nrf_fota.smp.peer_search import Peer, PeerSearch
from pytest_nrf_fota.verdict.evidence import assert_upgraded

from .core_bluetooth import be_macos, hidden

OWN = "F2:7C:B6:5D:C3:74"
PRIVATE, ANOTHER_PRIVATE = "5A:00:00:00:00:01", "6B:00:00:00:00:02"
UUID, ANOTHER_UUID = hidden("1"), hidden("2")
NAME = "mine"


@pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only")
@pytest.mark.parametrize(
    ("name", "reads_halt"),
    [("nRF5340 FOTA", False), pytest.param(None, True, marks=pytest.mark.long_proof)],
)
def test_upgrade_through_a_host_that_hides_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, reads_halt: bool
) -> None:
    """A board that has no private address: the build's word does not help on such a host.

    What its memory holds is read before the connection, which a read may end.
    """
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    board = load_board("nrf5340dk_sim")
    radio = board.radio.model_copy(update={"name": name, "private_address": False})
    assert board.sim is not None
    sim = board.sim.model_copy(update={"reads_halt": reads_halt})
    board = board.model_copy(update={"radio": radio, "sim": sim})
    unit = SimUnit(board, "kit", tmp_path / "kit")
    be_macos(monkeypatch, unit.hci)
    recorder = FlightRecorder()
    firmware = DemoSource(board, tmp_path / "firmware")
    dut = Dut(board, "kit", replace(unit.open_wires(recorder), radio=BleakRadio()), recorder)
    try:
        dut.prepare(firmware.baseline)
        assert_upgraded(dut.upgrade(firmware.app_update))
        assert dut.mcumgr.found is not None
        assert dut.mcumgr.found.address == hidden(OWN)
    finally:
        dut.close()
        unit.release()


async def _found(peer: Peer, *heard: tuple[str, str | None, bool], within_s: float = 0.2) -> str:
    search = PeerSearch(peer, "a test")
    for address, name, has_smp in heard:
        search.hear(address, name, has_smp=has_smp)
    return await search.found(Deadline.after(within_s))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_own_address_wins_over_everything() -> None:
    peer = Peer(OWN, NAME, private_address=True)
    assert await _found(peer, (PRIVATE, NAME, True), (OWN, None, False)) == OWN


@pytest.mark.anyio
@pytest.mark.parametrize("address", [PRIVATE, UUID])
async def test_hidden_board_is_found_by_its_name(address: str) -> None:
    search = PeerSearch(Peer(OWN, NAME), "a test")
    search.hear(address, None, has_smp=True)
    search.hear(address, NAME)
    assert await search.found(Deadline.after(0.2)) == address
    assert search.result is not None and not search.result.by_address


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (Peer(OWN, NAME), "F3:00:00:00:00:01"),
        (Peer(OWN, NAME, private_address=True), "C0:00:00:00:00:01"),
        (Peer(OWN, NAME, private_address=False), PRIVATE),
        (Peer(UUID, NAME), ANOTHER_UUID),
    ],
)
async def test_address_that_cannot_be_its_is_another_board(peer: Peer, address: str) -> None:
    """A static address is a board's own; a build without privacy hides nothing."""
    with pytest.raises(NotSeenError, match=NAME):
        await _found(peer, (address, NAME, True))


@pytest.mark.anyio
async def test_public_address_is_never_private() -> None:
    search = PeerSearch(Peer(OWN, NAME, private_address=True), "a test")
    search.hear(PRIVATE, NAME, has_smp=True, is_public=True)
    with pytest.raises(NotSeenError):
        await search.found(Deadline.after(0.1))


@pytest.mark.anyio
async def test_several_that_hide_are_refused_with_what_is_seen_of_them() -> None:
    peer = Peer(OWN, NAME)
    with pytest.raises(RigError, match="hide their addresses") as refusal:
        await _found(peer, (UUID, NAME, True), (ANOTHER_UUID, NAME, True))
    assert UUID in refusal.value.what and ANOTHER_UUID in refusal.value.what
    assert OWN in refusal.value.what


@pytest.mark.anyio
async def test_namesake_without_smp_is_passed_over() -> None:
    peer = Peer(OWN, NAME, private_address=True)
    heard = ((PRIVATE, NAME, False), (ANOTHER_PRIVATE, NAME, True))
    assert await _found(peer, *heard) == ANOTHER_PRIVATE


@pytest.mark.anyio
async def test_without_a_name_only_smp_counts() -> None:
    peer = Peer(OWN, None, private_address=True)
    assert await _found(peer, (PRIVATE, "any", False), (ANOTHER_PRIVATE, "", True)) == (
        ANOTHER_PRIVATE
    )
    with pytest.raises(NotSeenError, match=r"radio\.name"):
        await _found(Peer(OWN), (PRIVATE, "any", False))
