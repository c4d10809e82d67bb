"""BlueZ pairs with applications that ask for it; each kit of these tests has its own address."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import BoardError, NotSeenError
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.pairing import Permission
from pytest_nrf_fota.smp.host_radio import HostBluetooth
from pytest_nrf_fota.smp.pairing import PairingMethod
from pytest_nrf_fota.verdict.evidence import assert_upgraded
from tests.bluez.guest import Guest
from tests.bluez.plugin import on_the_air

PASSKEY_LINE = r"Passkey for .*: (?P<passkey>\d{6})\b"
# BlueZ remembers bonds by address.
_ADDRESSES = (f"F2:7C:B6:5D:C3:{number:02X}" for number in count(1))


@pytest.fixture(scope="module", autouse=True)
def kit_on_the_air() -> None:
    """Not the session's kit: each test has its own."""


class Rig:
    """A virtual kit that runs one application, and the harness around it."""

    def __init__(
        self, folder: Path, app: AppDescription, pairing: PairingMethod, passkey: str
    ) -> None:
        board = load_board("nrf5340dk_sim")
        assert board.sim is not None
        radio = board.radio.model_copy(update={"pairing": pairing, "passkey": passkey})
        sim = board.sim.model_copy(update={"identity_address": next(_ADDRESSES)})
        board = board.model_copy(update={"radio": radio, "sim": sim})
        recorder = FlightRecorder()
        self.unit = SimUnit(board, "kit", folder / "unit", HostBluetooth())
        (folder / "firmware").mkdir()
        self.firmware = DemoSource(board, folder / "firmware", app)
        self.dut = Dut(board, "kit", self.unit.open_wires(recorder), recorder)
        self.dut.prepare(self.firmware.baseline)

    def uart(self) -> str:
        """Everything that the application core has printed."""
        return self.dut.console.text_since(self.dut.opened_at)


@pytest.fixture
def start(guest: Guest, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    with ExitStack() as stack:

        def start(app: AppDescription, pairing: PairingMethod, passkey: str = PASSKEY_LINE) -> Rig:
            rig = Rig(tmp_path, app, pairing, passkey)
            stack.callback(rig.unit.release)
            stack.enter_context(on_the_air(guest, rig.unit))
            stack.callback(rig.dut.close)
            return rig

        yield start


@pytest.mark.parametrize(
    ("permission", "pairing", "passkeys_shown"),
    [
        ("none", "none", 0),
        ("encrypted", "just_works", 0),
        ("encrypted", "passkey", 0),
        ("authenticated", "passkey", 1),
    ],
)
def test_upgrade_pairs_once(
    start: Callable[..., Rig], permission: Permission, pairing: PairingMethod, passkeys_shown: int
) -> None:
    """One pairing is enough for all connections, over all resets.

    Evidence: the upgrade on all three wires, and how often the board showed a passkey.
    """
    rig = start(AppDescription(smp_permission=permission), pairing)
    assert_upgraded(rig.dut.upgrade(rig.firmware.app_update))
    assert len(re.findall(PASSKEY_LINE, rig.uart())) == passkeys_shown


@pytest.mark.parametrize("permission", ["encrypted", "authenticated"])
def test_host_without_pairing_is_told_what_to_do(
    start: Callable[..., Rig], permission: Permission
) -> None:
    """BlueZ never answers, or the board hangs up; the harness does not wait for ever."""
    rig = start(AppDescription(smp_permission=permission), "none")
    with pytest.raises((BoardError, NotSeenError)) as refusal:
        rig.dut.connect()
    assert "radio.pairing" in str(refusal.value)


def test_just_works_is_not_enough(start: Callable[..., Rig]) -> None:
    rig = start(AppDescription(smp_permission="authenticated"), "just_works")
    with pytest.raises(NotSeenError, match="pairing fails"):
        rig.dut.connect()
    rig.dut.reset()
    assert "Pairing Failed" in rig.uart()


def test_wrong_passkey(start: Callable[..., Rig]) -> None:
    """The last digit is left out."""
    app = AppDescription(smp_permission="authenticated", fixed_passkey=123456)
    rig = start(app, "passkey", r"Passkey for .*: (?P<passkey>\d{5})")
    with pytest.raises(BoardError, match="Pairing failed"):
        rig.dut.connect()
    rig.dut.reset()
    assert "Pairing Failed (1). Disconnecting.\n" in rig.uart()
