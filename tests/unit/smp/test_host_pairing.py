"""The harness meets applications that ask for pairing, and a board whose address changes."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.passkey import passkey_on_console
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import BoardError, BoardFileError, NotSeenError
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.pairing import Permission
from pytest_nrf_fota.smp.host_radio import BumbleRadio
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.pairing import HostPairing, PairingMethod
from pytest_nrf_fota.verdict.evidence import assert_upgraded

PASSKEY_LINE = r"Passkey for .*: (?P<passkey>\d{6})\b"


class Rig:
    """A virtual kit that runs one application, and the harness around it."""

    def __init__(
        self, folder: Path, app: AppDescription, pairing: PairingMethod, passkey: str, ncs: str
    ) -> None:
        board = load_board("nrf5340dk_sim")
        radio = board.radio.model_copy(update={"pairing": pairing, "passkey": passkey})
        boot = board.boot.model_copy(update={"ncs": ncs})
        self.board: BoardType = board.model_copy(update={"radio": radio, "boot": boot})
        self.unit = SimUnit(self.board, "kit", folder / "unit")
        self._recorder = FlightRecorder()
        (folder / "firmware").mkdir()
        self.firmware = DemoSource(self.board, folder / "firmware", app)
        self.kit_log = folder / "unit" / "kit.log"
        self.dut = self.open_dut()
        self.dut.prepare(self.firmware.baseline)

    def open_dut(self) -> Dut:
        """The next test of a session opens the wires anew."""
        return Dut(self.board, "kit", self.unit.open_wires(self._recorder), self._recorder)

    def close(self) -> None:
        """End everything."""
        self.dut.close()
        self.unit.release()

    def uart(self) -> str:
        """Everything that the application core has printed."""
        return self.dut.console.text_since(self.dut.opened_at)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def start(
        app: AppDescription,
        pairing: PairingMethod = "none",
        passkey: str = PASSKEY_LINE,
        ncs: str = "2.3",
    ) -> Rig:
        rigs.append(Rig(tmp_path, app, pairing, passkey, ncs))
        return rigs[-1]

    yield start
    for rig in rigs:
        rig.close()
        assert rig.kit_log.read_text() == ""


@pytest.mark.parametrize(
    ("ncs", "permission", "code"),
    [
        ("2.3", "encrypted", "0x0f"),
        pytest.param("2.3", "authenticated", "0x05", marks=pytest.mark.long_proof),
        pytest.param("2.6", "encrypted", "0x05", marks=pytest.mark.long_proof),
        ("2.6", "authenticated", "0x05"),
    ],
)
def test_host_without_pairing_is_told_what_to_do(
    start: Callable[..., Rig], ncs: str, permission: Permission, code: str
) -> None:
    """The board's answer does not tell whether a passkey is needed, so both settings are named."""
    rig = start(AppDescription(smp_permission=permission), ncs=ncs)
    with pytest.raises(BoardError, match="asks for pairing") as refusal:
        rig.dut.connect()
    assert code in refusal.value.what
    assert str(rig.dut.last_boot().identity_address) in refusal.value.where
    for setting in ("just_works", "passkey"):
        assert f'radio.pairing = "{setting}"' in refusal.value.next_step
    assert "CONFIG_MCUMGR_SMP_BT_AUTHEN=n" in refusal.value.next_step


@pytest.mark.parametrize(
    ("ncs", "permission", "pairing"),
    [
        ("2.3", "encrypted", "just_works"),
        pytest.param("2.3", "encrypted", "passkey", marks=pytest.mark.long_proof),
        pytest.param("2.3", "authenticated", "passkey", marks=pytest.mark.long_proof),
        pytest.param("2.6", "encrypted", "just_works", marks=pytest.mark.long_proof),
        ("2.6", "authenticated", "passkey"),
    ],
)
def test_upgrade_of_a_board_that_asks_for_pairing(
    start: Callable[..., Rig], ncs: str, permission: Permission, pairing: PairingMethod
) -> None:
    """One pairing is enough for all connections, over all resets."""
    rig = start(AppDescription(smp_permission=permission), pairing, ncs=ncs)
    assert_upgraded(rig.dut.upgrade(rig.firmware.app_update))
    shown = 1 if permission == "authenticated" else 0
    assert len(re.findall(PASSKEY_LINE, rig.uart())) == shown
    assert rig.uart().count("Pairing Complete") == shown


def test_passkey_of_the_build(start: Callable[..., Rig]) -> None:
    app = AppDescription(smp_permission="authenticated", fixed_passkey=4711)
    rig = start(app, "passkey")
    rig.dut.connect()
    assert "Passkey for F0:5C:81:00:00:01 (random): 004711\n" in rig.uart()


def test_host_that_may_pair_does_not_where_nobody_asks(start: Callable[..., Rig]) -> None:
    rig = start(AppDescription(), "passkey")
    rig.dut.connect()
    assert rig.dut.mcumgr.echo("hello") == "hello"


@pytest.mark.parametrize("ncs", [pytest.param("2.3", marks=pytest.mark.long_proof), "2.6"])
def test_just_works_is_not_enough(start: Callable[..., Rig], ncs: str) -> None:
    """On an encrypted connection the answer does tell that a passkey is needed."""
    rig = start(AppDescription(smp_permission="authenticated"), "just_works", ncs=ncs)
    with pytest.raises(BoardError, match="without a passkey is not enough") as refusal:
        rig.dut.connect()
    assert "0x05" in refusal.value.what
    assert 'radio.pairing = "passkey"' in refusal.value.next_step
    assert "just_works" not in refusal.value.next_step


def test_wrong_passkey(start: Callable[..., Rig]) -> None:
    """The last digit is left out."""
    app = AppDescription(smp_permission="authenticated", fixed_passkey=123456)
    rig = start(app, "passkey", r"Passkey for .*: (?P<passkey>\d{5})")
    with pytest.raises(BoardError, match="the passkey is wrong") as refusal:
        rig.dut.connect()
    assert "radio.passkey" in refusal.value.next_step
    rig.dut.reset()
    assert "Pairing Failed (1). Disconnecting.\n" in rig.uart()
    assert "Disconnected (reason 0x16)\n" in rig.uart()


def test_passkey_that_is_never_shown(start: Callable[..., Rig]) -> None:
    app = AppDescription(smp_permission="authenticated")
    rig = start(app, "passkey", r"Enter (?P<passkey>\d{6})")
    with pytest.raises(NotSeenError, match="the passkey for pairing was not seen"):
        rig.dut.connect()
    rig.dut.reset()
    assert "pairing failed (peer reason 0x1)\n" in rig.uart()
    assert "Pairing cancelled: F0:5C:81:00:00:01 (random)\n" in rig.uart()


@pytest.mark.parametrize("what", ["recovered", "reset without settings"])
def test_board_that_forgot_the_bond_is_paired_again(start: Callable[..., Rig], what: str) -> None:
    settings = what == "recovered"
    app = AppDescription(smp_permission="authenticated", bt_settings=settings)
    rig = start(app, "passkey")
    rig.dut.connect()
    if what == "recovered":
        rig.dut.flash(rig.firmware.baseline)
    rig.dut.reset()
    rig.dut.connect()
    assert rig.dut.mcumgr.echo("hello") == "hello"
    # The radio may be faster than the UART; the next boot stands behind all that was said.
    rig.dut.reset()
    assert rig.uart().count("Pairing Complete") == 2


def test_bond_outlives_the_wires(start: Callable[..., Rig]) -> None:
    """A session opens them for every test."""
    rig = start(AppDescription(smp_permission="encrypted"), "just_works")
    rig.dut.connect()
    rig.dut.close()
    rig.dut = rig.open_dut()
    rig.dut.reset()
    rig.dut.connect()
    assert rig.dut.mcumgr.echo("hello") == "hello"


def test_host_that_forgot_the_bond_is_refused(start: Callable[..., Rig]) -> None:
    rig = start(AppDescription(smp_permission="encrypted"), "just_works")
    rig.dut.connect()
    rig.dut.mcumgr.disconnect()
    address = rig.dut.last_boot().identity_address
    hci = rig.dut.wires.radio.description.removeprefix("BLE through HCI ")
    forgetful = BumbleRadio(hci, 498, HostPairing("just_works"))
    with (
        closing(Mcumgr(forgetful, FlightRecorder(), SmpTimeouts(2.0, 2.0))) as mcumgr,
        pytest.raises(BoardError, match="lost its own half") as refusal,
    ):
        assert address is not None
        mcumgr.connect(address, 10.0)
    assert "Recover the board" in refusal.value.next_step
    rig.dut.connect()
    assert rig.dut.mcumgr.echo("hello") == "hello"


def test_board_that_paired_anew_with_a_host_of_the_same_address(
    start: Callable[..., Rig],
) -> None:
    rig = start(AppDescription(smp_permission="authenticated"), "passkey")
    rig.dut.connect()
    rig.dut.mcumgr.disconnect()
    address = rig.dut.last_boot().identity_address
    assert address is not None
    hci = rig.dut.wires.radio.description.removeprefix("BLE through HCI ")
    passkey_source = passkey_on_console(rig.dut.console, PASSKEY_LINE)
    other = BumbleRadio(hci, 498, HostPairing("passkey", passkey_source))
    with closing(Mcumgr(other, FlightRecorder(), SmpTimeouts(2.0, 2.0))) as mcumgr:
        mcumgr.connect(address, 10.0)
    with pytest.raises(BoardError, match="another key"):
        rig.dut.connect()
    rig.dut.connect()
    assert rig.dut.mcumgr.echo("hello") == "hello"


@pytest.mark.parametrize(
    "permission", ["none", pytest.param("encrypted", marks=pytest.mark.long_proof)]
)
def test_upgrade_of_a_board_with_another_address_at_each_boot(
    start: Callable[..., Rig], permission: Permission
) -> None:
    """The board is found by the address that its last boot printed."""
    app = AppDescription(address="new_at_each_boot", smp_permission=permission)
    rig = start(app, "just_works")
    upgrade = rig.dut.start_upgrade(rig.firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    after = upgrade.reset()
    assert after.identity_address != upgrade.boot_before.identity_address
    verdict = upgrade.verdict()
    assert_upgraded(verdict)
    upgrade.confirm_if_proven(verdict)
    addresses = {boot.identity_address for boot in rig.dut.boots_since(rig.dut.opened_at)}
    assert len(addresses) == len(rig.dut.boots_since(rig.dut.opened_at))


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ('pairing = "pin"', "radio.pairing"),
        (r"passkey = '\d{6}'", r"\(\?P<passkey>"),
        ("passkey = '(?P<passkey>'", "not a regular expression"),
    ],
)
def test_mistakes_in_the_board_file(tmp_path: Path, setting: str, complaint: str) -> None:
    text = f'name = "mine"\ntitle = "Mine"\nbase = "nrf5340dk_sim"\n[radio]\n{setting}\n'
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(BoardFileError, match=complaint):
        load_board("mine", [tmp_path])


def test_pairing_in_the_board_file(tmp_path: Path) -> None:
    text = 'name = "mine"\ntitle = "Mine"\nbase = "nrf5340dk_sim"\n[radio]\npairing = "passkey"\n'
    (tmp_path / "mine.toml").write_text(text)
    radio = load_board("mine", [tmp_path]).radio
    assert (radio.kind, radio.pairing, radio.passkey) == ("ble", "passkey", PASSKEY_LINE)
