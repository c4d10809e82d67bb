"""Boards whose address on the air is not the one in their boot log."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.dut.same_board import OtherBoardError
from pytest_nrf_fota.errors import NotSeenError, RigError
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.events import Moment, RadioState, SmpMessage
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.smp.host_radio import BumbleRadio, HciController
from pytest_nrf_fota.smp.pairing import PairingMethod
from pytest_nrf_fota.verdict.evidence import assert_upgraded

pytestmark = pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only")

IDENTITY = "F2:7C:B6:5D:C3:74"
NAME = "nRF5340 FOTA"


class Rig:
    """A virtual kit; its radio may be another kit's, as where a neighbour answers."""

    def __init__(
        self,
        folder: Path,
        app: AppDescription,
        *,
        private_address: bool | None,
        name: str | None = NAME,
        pairing: PairingMethod = "none",
        passkey: str | None = None,
        neighbour: "Rig | None" = None,
        reads_halt: bool = False,
    ) -> None:
        board = load_board("nrf5340dk_sim")
        assert board.sim is not None
        sim = board.sim.model_copy(update={"reads_halt": reads_halt})
        radio = board.radio.model_copy(
            update={
                "private_address": private_address,
                "name": name,
                "pairing": pairing,
                **({"passkey": passkey} if passkey else {}),
            }
        )
        timeouts = board.timeouts.model_copy(update={"connect_s": 12.0})
        self.board = board.model_copy(update={"radio": radio, "timeouts": timeouts, "sim": sim})
        hci = HciController(neighbour.unit.hci) if neighbour else None
        self.unit: SimUnit = SimUnit(self.board, "kit", folder / "kit", hci)
        (folder / "firmware").mkdir(parents=True)
        self.firmware = DemoSource(self.board, folder / "firmware", app)
        self.recorder = FlightRecorder()
        self.recorder.open(folder / "recorder.jsonl", "test")
        self.dut = Dut(self.board, "kit", self.unit.open_wires(self.recorder), self.recorder)
        self.dut.prepare(self.firmware.baseline)

    def moments(self) -> list[str]:
        return [one.name for one in self._events() if isinstance(one, Moment)]

    def requests(self) -> list[str]:
        events = [one for one in self._events() if isinstance(one, SmpMessage)]
        return [one.name for one in events if one.direction == "request"]

    def connections(self) -> list[str]:
        events = [one for one in self._events() if isinstance(one, RadioState)]
        return [one.detail for one in events if one.state == "connected"]

    def _events(self) -> list[object]:
        assert self.recorder.path is not None
        return [line.event for line in read_recording(self.recorder.path)]

    def close(self) -> None:
        self.dut.close()
        self.unit.release()
        self.recorder.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    with ExitStack() as stack:
        count = 0

        def start(app: AppDescription, **settings: object) -> Rig:
            nonlocal count
            count += 1
            rig = Rig(tmp_path / str(count), app, **settings)  # type: ignore[arg-type]
            stack.callback(rig.close)
            return rig

        yield start


def _private(**settings: object) -> AppDescription:
    return AppDescription.model_validate({"private_address": True, **settings})


@pytest.mark.parametrize("name", [NAME, pytest.param(None, marks=pytest.mark.long_proof)])
def test_upgrade_of_a_board_with_a_private_address(
    start: Callable[..., Rig], name: str | None
) -> None:
    """It has another address after each boot; without a name, its SMP service is enough."""
    rig = start(_private(), private_address=True, name=name)
    assert rig.dut.last_boot().identity_address == IDENTITY
    assert_upgraded(rig.dut.upgrade(rig.firmware.app_update))
    assert len(set(rig.connections())) >= 2
    assert all("found at" in detail for detail in rig.connections())
    assert any("console shows the connection" in moment for moment in rig.moments())


@pytest.mark.long_proof
@pytest.mark.parametrize("reads_halt", [False, True])
def test_privacy_that_nobody_has_told_of(start: Callable[..., Rig], reads_halt: bool) -> None:
    """Where the board's own address is not heard in time, a private one may be its.

    A probe whose reads halt the CPU ends the connection; it is made anew.
    """
    rig = start(_private(), private_address=None, reads_halt=reads_halt)
    rig.dut.connect()
    assert rig.dut.mcumgr.echo("hello") == "hello"


@pytest.mark.long_proof
def test_build_without_privacy_is_not_looked_for_by_its_name(start: Callable[..., Rig]) -> None:
    rig = start(_private(), private_address=False)
    with pytest.raises(NotSeenError, match=IDENTITY) as refusal:
        rig.dut.connect()
    assert NAME in refusal.value.what


def test_board_that_is_seen_needs_no_proof(start: Callable[..., Rig]) -> None:
    """Its own address ends the search at once."""
    rig = start(AppDescription(), private_address=None)
    rig.dut.connect()
    assert rig.dut.mcumgr.found is not None and rig.dut.mcumgr.found.by_address
    assert "image read" not in " ".join(rig.requests())


@pytest.mark.long_proof
def test_neighbour_with_another_firmware_is_refused(start: Callable[..., Rig]) -> None:
    """By its image list; nothing that changes it was sent."""
    neighbour = start(_private(smp_buffer_count=5), private_address=True)
    rig = start(_private(), private_address=True, neighbour=neighbour)
    with pytest.raises(OtherBoardError, match="this board's memory holds") as refusal:
        rig.dut.connect()
    assert isinstance(refusal.value, RigError)
    assert IDENTITY in refusal.value.where
    assert NAME in refusal.value.where
    assert not rig.dut.mcumgr.is_connected
    assert not [name for name in rig.requests() if "state" not in name and "param" not in name]


@pytest.mark.long_proof
def test_neighbour_with_the_same_firmware_is_refused(start: Callable[..., Rig]) -> None:
    """By this board's console, which has shown connections before and shows none now."""
    neighbour = start(_private(), private_address=True)
    rig = start(_private(), private_address=True)
    rig.dut.connect()
    rig.dut.close()
    recorder = FlightRecorder()
    radio = BumbleRadio(neighbour.unit.hci, rig.board.radio.mtu)
    wires = replace(rig.unit.open_wires(recorder), radio=radio)
    dut = Dut(rig.board, "kit", wires, recorder)
    try:
        dut.reset()
        with pytest.raises(OtherBoardError) as refusal:
            dut.connect()
        assert "console shows no connection" in refusal.value.what
    finally:
        dut.close()


@pytest.mark.parametrize("passkey", [None, "123456"])
@pytest.mark.long_proof
def test_board_with_a_private_address_pairs_once(
    start: Callable[..., Rig], passkey: str | None
) -> None:
    """The bond is known again after a reset: the board gives its identity away when it pairs."""
    app = _private(smp_permission="authenticated", fixed_passkey=123456)
    rig = start(app, private_address=True, pairing="passkey", passkey=passkey)
    assert_upgraded(rig.dut.upgrade(rig.firmware.app_update))
    assert rig.dut.console.text_since(rig.dut.opened_at).count("Passkey for") == 1
