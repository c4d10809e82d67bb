"""Which of BlueZ's adapters is used, what BlueZ remembers of a board, and private addresses."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import NotSeenError, RadioLostError
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import BleakRadio, HostBluetooth
from pytest_nrf_fota.smp.pairing import HostPairing
from pytest_nrf_fota.verdict.evidence import assert_upgraded
from tests.bluez.guest import Guest
from tests.bluez.plugin import on_the_air

_ADDRESSES = (f"F2:7C:B6:5D:C4:{number:02X}" for number in count(1))


@pytest.fixture(scope="module", autouse=True)
def kit_on_the_air() -> None:
    """Not the session's kit: each test has its own."""


class Rig:
    """A virtual kit; `open` makes a board under test of it once it is on the air."""

    def __init__(self, folder: Path, app: AppDescription) -> None:
        board = load_board("nrf5340dk_sim")
        assert board.sim is not None
        sim = board.sim.model_copy(update={"identity_address": next(_ADDRESSES)})
        timeouts = board.timeouts.model_copy(update={"connect_s": 15.0})
        radio = board.radio.model_copy(update={"private_address": app.private_address})
        self.board = board.model_copy(update={"sim": sim, "timeouts": timeouts, "radio": radio})
        self.folder = folder
        self.unit = SimUnit(self.board, "kit", folder / "unit", HostBluetooth())
        self.firmware = self.firmware_with(app, "firmware")

    def firmware_with(self, app: AppDescription, name: str) -> DemoSource:
        (self.folder / name).mkdir()
        return DemoSource(self.board, self.folder / name, app)

    def open(self, adapter: str | None = None) -> Dut:
        recorder = FlightRecorder()
        radio = BleakRadio(HostPairing(), adapter)
        wires = replace(self.unit.open_wires(recorder), radio=radio)
        return Dut(self.board, "kit", wires, recorder)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    with ExitStack() as stack:

        def kit(name: str = "kit", app: AppDescription | None = None) -> Rig:
            (tmp_path / name).mkdir()
            rig = Rig(tmp_path / name, app or AppDescription())
            stack.callback(rig.unit.release)
            return rig

        yield kit


def test_chosen_adapter_alone_reaches_its_kit(guest: Guest, kit: Callable[..., Rig]) -> None:
    """Two adapters, each with a kit of its own in reach. The whole upgrade goes through one."""
    first, second = kit("first"), kit("second")
    with on_the_air(guest, first.unit, second.unit) as (first_adapter, second_adapter):
        dut = second.open(second_adapter)
        dut.prepare(second.firmware.baseline)
        assert_upgraded(dut.upgrade(second.firmware.app_update))
        dut.close()
        # bleak's own choice would be right for one of the two.
        dut = first.open(first_adapter)
        dut.prepare(first.firmware.baseline)
        dut.connect()
        dut.close()
        dut = second.open(first_adapter)
        dut.reset()
        with pytest.raises(NotSeenError, match="not advertising"):
            dut.connect()
        dut.close()
        dut = second.open("hci77")
        dut.reset()
        with pytest.raises(RadioLostError, match="no such Bluetooth adapter"):
            dut.connect()
        dut.close()


def test_services_that_changed_are_found_anew(guest: Guest, kit: Callable[..., Rig]) -> None:
    """Without a database hash BlueZ looks at the services' ranges alone, which stay here."""
    before = AppDescription(gatt_caching=False, other_characteristic="behind")
    after = AppDescription(gatt_caching=False, other_characteristic="in front")
    rig = kit(app=before)
    shifted = rig.firmware_with(after, "shifted")
    with on_the_air(guest, rig.unit):
        dut = rig.open()
        dut.prepare(rig.firmware.baseline)
        dut.connect()
        assert dut.mcumgr.echo("before") == "before"
        dut.prepare(shifted.baseline)
        dut.connect()
        assert dut.mcumgr.echo("after") == "after"
        dut.close()


def test_private_address(guest: Guest, kit: Callable[..., Rig]) -> None:
    """BlueZ sees a new device after each boot."""
    rig = kit(app=AppDescription(private_address=True))
    with on_the_air(guest, rig.unit):
        dut = rig.open()
        dut.prepare(rig.firmware.baseline)
        assert_upgraded(dut.upgrade(rig.firmware.app_update))
        assert dut.mcumgr.found is not None and not dut.mcumgr.found.by_address
        dut.close()
