"""An SMP session with a virtual kit over a real bumble link, and what goes wrong with one."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from smp.error import MGMT_ERR
from smp.image_management import IMG_MGMT_ERR

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import BoardError, BoardFileError, NotSeenError, RadioLostError
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import BumbleRadio
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.messages import ServerParameters
from pytest_nrf_fota.smp.session_errors import erase_refused
from pytest_nrf_fota.wires.probe import ResetKind

NOBODY = "F2:7C:B6:00:00:00"
TIMEOUTS = SmpTimeouts(answer_s=2.0, first_upload_packet_s=5.0)


@dataclass(frozen=True)
class Rig:
    """A board, its firmware, and how to prepare it with another application."""

    dut: Dut
    board: BoardType
    folder: Path

    def start(self, app: AppDescription | None = None) -> DemoSource:
        """Flash and boot demonstration firmware."""
        firmware = DemoSource(self.board, self.folder / "firmware", app)
        self.dut.prepare(firmware.baseline)
        return firmware


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimUnit]:
    unit = SimUnit(load_board("nrf5340dk_sim"), "kit", tmp_path_factory.mktemp("unit"))
    yield unit
    unit.release()


@pytest.fixture
def rig(unit: SimUnit, tmp_path: Path) -> Iterator[Rig]:
    board = load_board("nrf5340dk_sim")
    board = board.model_copy(
        update={"timeouts": board.timeouts.model_copy(update={"connect_s": 3.0, "smp_s": 2.0})}
    )
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "mcumgr")
    dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
    yield Rig(dut, board, tmp_path)
    dut.close()
    recorder.close()


def test_reads_parameters_image_list_and_echo(rig: Rig) -> None:
    """What a client reads first."""
    rig.start()
    rig.dut.connect()
    assert rig.dut.mcumgr.get_parameters() == ServerParameters(2475, 4)
    (running,) = rig.dut.mcumgr.get_image_list()
    assert (running.image, running.slot, running.version) == (0, 0, "1.0.0")
    assert running.active and running.confirmed and not running.pending
    assert rig.dut.mcumgr.echo("hello") == "hello"


def test_found_by_name_as_well_as_by_address(rig: Rig) -> None:
    """A board whose log shows no address is found by what it advertises."""
    rig.start(AppDescription(advertised_name="kit on the desk"))
    rig.dut.mcumgr.connect("kit on the desk", 5)
    assert rig.dut.mcumgr.echo("found") == "found"


@pytest.mark.parametrize("peer", ["nobody", NOBODY])
def test_absent_peer_is_not_seen(rig: Rig, peer: str) -> None:
    """Neither a name nor an address that nobody has keeps the test waiting."""
    rig.start()
    with pytest.raises(NotSeenError, match=peer):
        rig.dut.mcumgr.connect(peer, 1)
    rig.dut.connect()
    assert rig.dut.mcumgr.echo("still works") == "still works"


def test_application_without_smp_service_says_what_to_build(rig: Rig) -> None:
    """The message names the build option."""
    rig.start(AppDescription(smp_service=False))
    with pytest.raises(BoardError, match="no SMP service") as caught:
        rig.dut.connect()
    assert "CONFIG_MCUMGR" in caught.value.next_step


def test_missing_radio_is_a_broken_rig(rig: Rig) -> None:
    """An HCI socket that nobody serves is not the board's fault."""
    radio = BumbleRadio(f"unix:{rig.folder}/nowhere", 247)
    with Mcumgr(radio, rig.dut.recorder, TIMEOUTS) as mcumgr, pytest.raises(RadioLostError):
        mcumgr.connect(NOBODY, 5)


def test_adapter_in_use_is_a_broken_rig(rig: Rig) -> None:
    """A second program on the same controller is refused, the first goes on."""
    rig.start()
    rig.dut.connect()
    radio = rig.dut.wires.radio
    with Mcumgr(radio, rig.dut.recorder, TIMEOUTS) as second, pytest.raises(RadioLostError):
        second.connect(NOBODY, 5)
    assert rig.dut.mcumgr.echo("not disturbed") == "not disturbed"


def test_refusals_carry_name_and_number(rig: Rig) -> None:
    """What the server said is in the message."""
    rig.start()
    rig.dut.connect()
    with pytest.raises(BoardError, match=r"rc 3 \(EINVAL\)"):
        rig.dut.mcumgr.image_test(bytes(32))
    with pytest.raises(BoardError, match=r"refused to upload 64 bytes.*rc 3"):
        rig.dut.mcumgr.image_upload(bytes(64), within_s=5)
    assert rig.dut.mcumgr.is_connected


def test_erase_is_accepted_and_refused_by_state(rig: Rig) -> None:
    """An idle slot is erased (`rc 0` counts as yes), a pending one is not."""
    firmware = rig.start()
    upgrade = rig.dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    assert len(rig.dut.mcumgr.get_image_list()) == 2
    rig.dut.mcumgr.image_erase(5)
    assert len(rig.dut.mcumgr.get_image_list()) == 1
    upgrade.upload()
    upgrade.set_pending()
    with pytest.raises(BoardError, match=r"rc 6 \(EBADSTATE\)"):
        rig.dut.mcumgr.image_erase(5)


def test_board_reset_during_upload_is_reported_and_the_upload_can_be_repeated(rig: Rig) -> None:
    """A link that drops in the middle ends the upload at once, with its reason."""
    firmware = rig.start()
    upgrade = rig.dut.start_upgrade(firmware.app_update)
    reached = threading.Event()

    def reset_in_the_middle() -> None:
        reached.wait(30)
        rig.dut.probe.reset(ResetKind.PIN, Deadline.after(10))

    resetter = threading.Thread(target=reset_in_the_middle)
    resetter.start()
    since = rig.dut.console.position()
    with pytest.raises(NotSeenError, match="connection broke while trying to upload"):
        # Every progress report gives the reset time to strike before the upload is over.
        rig.dut.mcumgr.image_upload(
            upgrade.file.data,
            within_s=30,
            on_progress=lambda offset: _pause_at_half(offset, upgrade.file.data, reached, resetter),
        )
    resetter.join(30)
    assert not rig.dut.mcumgr.is_connected
    rig.dut.wait_for_boot(since, 10)
    upgrade.upload()
    upgrade.set_pending()


def test_upload_that_gets_no_answer_tells_how_long_one_was_waited_for(
    rig: Rig, unit: SimUnit
) -> None:
    """The board stands still in the middle: its 2 s for an answer count, not the upload's 30 s."""
    firmware = rig.start()
    upgrade = rig.dut.start_upgrade(firmware.app_update)

    def stop_the_board(offset_bytes: int) -> None:
        os.kill(unit.pid, signal.SIGSTOP)

    try:
        with pytest.raises(NotSeenError, match=r"No answer within \d(\.\d+)? s while"):
            rig.dut.mcumgr.image_upload(upgrade.file.data, within_s=30, on_progress=stop_the_board)
    finally:
        os.kill(unit.pid, signal.SIGCONT)


def test_silence_is_told_without_the_bytes_of_the_image(
    rig: Rig, unit: SimUnit, caplog: pytest.LogCaptureFixture
) -> None:
    """A library's text about it had every byte of the piece that was not answered, in decimal."""
    firmware = rig.start()
    upgrade = rig.dut.start_upgrade(firmware.app_update)
    try:
        with pytest.raises(NotSeenError) as silence:
            rig.dut.mcumgr.image_upload(
                upgrade.file.data,
                within_s=30,
                on_progress=lambda _offset: os.kill(unit.pid, signal.SIGSTOP),
            )
    finally:
        os.kill(unit.pid, signal.SIGCONT)
    assert len(str(silence.value)) < 1000
    assert all(len(record.getMessage()) < 1000 for record in caplog.records)
    lines = (rig.folder / "recorder.jsonl").read_text().splitlines()
    # The board's settings and words are as long as they are.
    own = ('"kind":"unit"', '"kind":"uart_bytes"')
    assert max(len(line) for line in lines if not any(kind in line for kind in own)) < 1500


def test_request_that_the_server_has_no_room_for_is_not_sent(rig: Rig) -> None:
    """It would be dropped without a word; the limit is the server's own."""
    rig.start(AppDescription(smp_buffer_size_bytes=600))
    rig.dut.connect()
    with pytest.raises(BoardError, match=r"has \d+ bytes, and the server's buffers hold 600"):
        rig.dut.mcumgr.echo("x" * 600)
    assert rig.dut.mcumgr.echo("still connected") == "still connected"


def test_upload_to_a_server_without_reassembly_names_the_option(rig: Rig) -> None:
    firmware = rig.start(AppDescription(smp_reassembly=False))
    upgrade = rig.dut.start_upgrade(firmware.app_update)
    with pytest.raises(BoardError, match=r"rc 9 \(ECORRUPT\)") as refusal:
        upgrade.upload()
    assert "CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY=y" in refusal.value.next_step


@pytest.mark.parametrize("tells_buffers", [True, False])
def test_server_that_does_not_tell_its_buffers_is_slow_and_named(
    rig: Rig, tells_buffers: bool
) -> None:
    """Each piece fits in one write then, which needs no reassembly either."""
    app = AppDescription(smp_parameters=tells_buffers, smp_reassembly=tells_buffers)
    firmware = rig.start(app)
    upgrade = rig.dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    recorded = (rig.folder / "recorder.jsonl").read_text()
    assert ("CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS=y" in recorded) is not tells_buffers


@pytest.mark.parametrize("tells_buffers", [True, False])
def test_upload_that_takes_too_long_is_told_why(rig: Rig, tells_buffers: bool) -> None:
    firmware = rig.start(AppDescription(smp_parameters=tells_buffers))
    upgrade = rig.dut.start_upgrade(firmware.app_update)
    with pytest.raises(NotSeenError) as silence:
        rig.dut.mcumgr.image_upload(upgrade.file.data, within_s=0.001)
    named = "CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS=y" in silence.value.next_step
    assert named is not tells_buffers


@pytest.mark.parametrize(
    ("return_code", "may_be_empty"),
    [
        (MGMT_ERR.EUNKNOWN, True),
        (MGMT_ERR.EBADSTATE, False),
        (IMG_MGMT_ERR.UNKNOWN, True),
        (IMG_MGMT_ERR.NO_FREE_SLOT, False),
    ],
)
def test_refused_erase_may_mean_an_empty_slot(return_code: int, may_be_empty: bool) -> None:
    """As NCS 2.5 answers (zephyr pull request 64070)."""
    assert ("empty already" in erase_refused(return_code)) is may_be_empty


def test_verbs_without_connection_say_so(rig: Rig) -> None:
    """No hidden reconnects."""
    with pytest.raises(BoardError, match="no SMP connection"):
        rig.dut.mcumgr.get_image_list()


def _pause_at_half(
    offset_bytes: int, data: bytes, reached: threading.Event, resetter: threading.Thread
) -> None:
    if offset_bytes > len(data) // 2 and not reached.is_set():
        reached.set()
        resetter.join(30)


@pytest.mark.parametrize("name", ["Rudder", "Keel"])
def test_board_without_an_address_in_its_log_is_found_by_the_name_of_its_build(
    rig: Rig, name: str
) -> None:
    """The line `Identity: ...` is missing where CONFIG_BT_LOG_LEVEL is below INF."""
    app = AppDescription(logs_identity=False, advertised_name="Rudder")
    firmware = DemoSource(rig.board, rig.folder / "firmware", app)
    config = firmware.baseline.parent / ".config"
    config.write_text(f'CONFIG_BT_DEVICE_NAME="{name}"\nCONFIG_MCUMGR_SMP_BT=y\n')
    rig.dut.prepare(firmware.baseline)
    if name == "Rudder":
        rig.dut.connect()
        assert rig.dut.mcumgr.echo("found") == "found"
    else:
        with pytest.raises(NotSeenError, match="'Keel' was not seen"):
            rig.dut.connect()


def test_board_of_which_nothing_tells_the_name_is_not_guessed_at(rig: Rig) -> None:
    rig.start(AppDescription(logs_identity=False))
    with pytest.raises(BoardFileError, match="neither its board file nor the build"):
        rig.dut.connect()
