"""Uploads to a virtual kit over a real bumble link: broken, ended early, watched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.dut.upgrade import Upgrade
from pytest_nrf_fota.errors import ConnectionBrokeError
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.events import Measurement, RadioState, SmpMessage
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording


class Rig:
    """A board, and what its flight recorder has."""

    def __init__(self, unit: SimUnit, folder: Path) -> None:
        self._folder = folder
        self._board = load_board("nrf5340dk_sim")
        self._recorder = FlightRecorder()
        self._recorder.open(folder / "recorder.jsonl", "uploads")
        self.dut = Dut(self._board, unit.name, unit.open_wires(self._recorder), self._recorder)

    def start(self, app: AppDescription | None = None) -> Upgrade:
        """Flash and boot demonstration firmware, and connect for an update of it."""
        firmware = DemoSource(self._board, self._folder / "firmware", app)
        self.dut.prepare(firmware.baseline)
        return self.dut.start_upgrade(firmware.app_update)

    def close(self) -> None:
        """Close the wires."""
        self.dut.close()
        self._recorder.close()

    @property
    def requests(self) -> list[SmpMessage]:
        """Of uploads, in the order in which they were sent."""
        return [message for message in self._messages if message.direction == "request"]

    @property
    def most_at_once(self) -> int:
        """How many requests were on their way at the same time."""
        at_once = most = 0
        for message in self._messages:
            at_once += 1 if message.direction == "request" else -1
            most = max(most, at_once)
        return most

    def measured(self, name: str) -> list[float]:
        """The values of one measurement."""
        events = [line.event for line in read_recording(self._folder / "recorder.jsonl")]
        return [one.value for one in events if isinstance(one, Measurement) and one.name == name]

    @property
    def connection_details(self) -> list[str]:
        """What was said of each connection."""
        events = [line.event for line in read_recording(self._folder / "recorder.jsonl")]
        states = [event for event in events if isinstance(event, RadioState)]
        return [state.detail for state in states if state.state == "connected"]

    @property
    def _messages(self) -> list[SmpMessage]:
        events = [line.event for line in read_recording(self._folder / "recorder.jsonl")]
        messages = [event for event in events if isinstance(event, SmpMessage)]
        return [message for message in messages if message.name == "image upload"]


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimUnit]:
    unit = SimUnit(load_board("nrf5340dk_sim"), "kit", tmp_path_factory.mktemp("unit"))
    yield unit
    unit.release()


@pytest.fixture
def rig(unit: SimUnit, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(unit, tmp_path)
    yield rig
    rig.close()


def test_requests_overlap_and_are_measured(rig: Rig) -> None:
    upgrade = rig.start()
    rig.dut.mcumgr.image_upload(upgrade.file.data, within_s=30)
    assert rig.most_at_once >= 2
    assert rig.measured("upload window") == [3.0]
    assert rig.measured("connection interval") == [7.5]
    (retries,) = rig.measured("upload retries")
    # What was sent again, as on a busy host, counts as on its way beside the first.
    assert rig.most_at_once <= 3 + retries
    assert len(rig.measured("upload throughput")) == 1
    # The recorder has each request, and none of the image's bytes.
    assert max(len(message.model_dump_json()) for message in rig.requests) < 400
    _expect_stored(rig, upgrade)


def test_server_with_two_buffers_gets_one_request_at_a_time_and_is_named_once(rig: Rig) -> None:
    upgrade = rig.start(AppDescription(smp_buffer_count=2))
    rig.dut.mcumgr.image_upload(upgrade.file.data, within_s=30)
    assert rig.most_at_once == 1
    assert sum("has 2 buffers" in detail for detail in rig.connection_details) == 1


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9])
def test_a_broken_connection_is_made_anew_and_the_upload_goes_on(rig: Rig, part: float) -> None:
    upgrade = rig.start()
    data = upgrade.file.data
    faults = rig.dut.wires.faults
    assert faults is not None
    faults.lose_connection_at_upload_byte(int(part * len(data)))
    rig.dut.mcumgr.image_upload(data, within_s=60, reconnects=1)
    firsts = [message for message in rig.requests if message.payload["off"] == 0]
    assert len(firsts) == 2
    sent_bytes = sum(message.size_bytes for message in rig.requests)
    # Once, and what was on its way: not twice.
    assert sent_bytes < len(data) + 5 * 2475
    _expect_stored(rig, upgrade)


def test_a_connection_that_broke_behind_the_last_byte_begins_nothing_anew(rig: Rig) -> None:
    """The server has forgotten an upload that is complete; its image list shows it."""
    upgrade = rig.start()
    data = upgrade.file.data
    faults = rig.dut.wires.faults
    assert faults is not None
    faults.lose_connection_at_upload_byte(len(data) - 1)
    rig.dut.mcumgr.image_upload(data, within_s=60, reconnects=1)
    assert [message.payload["off"] for message in rig.requests].count(0) == 1
    _expect_stored(rig, upgrade)


def test_without_reconnects_a_broken_connection_is_an_error(rig: Rig) -> None:
    upgrade = rig.start()
    faults = rig.dut.wires.faults
    assert faults is not None
    faults.lose_connection_at_upload_byte(5_000)
    with pytest.raises(ConnectionBrokeError):
        rig.dut.mcumgr.image_upload(upgrade.file.data, within_s=30)


def test_progress_is_an_iterator_that_may_be_left(rig: Rig) -> None:
    """The server is usable afterwards, and a second one goes on."""
    upgrade = rig.start()
    data = upgrade.file.data
    for progress in rig.dut.mcumgr.image_upload_steps(data, within_s=30):
        assert progress.total_bytes == len(data)
        if progress.done_bytes > len(data) // 2:
            break
    assert not rig.dut.mcumgr.is_uploading
    assert rig.dut.mcumgr.echo("usable") == "usable"
    done = [step.done_bytes for step in rig.dut.mcumgr.image_upload_steps(data, within_s=30)]
    assert done[0] > len(data) // 2
    assert done == sorted(done) and done[-1] == len(data)
    _expect_stored(rig, upgrade)


def test_an_error_of_the_caller_leaves_the_server_usable(rig: Rig) -> None:
    upgrade = rig.start()

    def stop(done_bytes: int) -> None:
        if done_bytes > 20_000:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        rig.dut.mcumgr.image_upload(upgrade.file.data, within_s=30, on_progress=stop)
    assert rig.dut.mcumgr.echo("usable") == "usable"


def _expect_stored(rig: Rig, upgrade: Upgrade) -> None:
    image_hash = upgrade.file.image.hash
    assert any(state.hash == image_hash for state in rig.dut.mcumgr.get_image_list())
    slot = rig.dut.board.slots.secondary
    assert slot is not None
    assert rig.dut.read_memory(slot.address, len(upgrade.file.data)) == upgrade.file.data
