"""The preflight that runs by itself before an upload: what it leaves behind, and when it is wrong.

Always the same kit, of NCS 2.3; where a preflight is to be wrong, the board file says otherwise.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.dut.upgrade import NO_COPY
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.variant import Variant
from pytest_nrf_fota.preflight.board_state import has_preflight, read_board_state
from pytest_nrf_fota.preflight.prediction import overlay, predict, read_update
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.events import PreflightDone, VerdictReached
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.record.run import RunFolder
from pytest_nrf_fota.report.summary import TestVerdicts, summary_lines
from pytest_nrf_fota.sim.memories import memories_of_board
from pytest_nrf_fota.verdict.evidence import Outcome, UpgradeNotProvenError, assert_upgraded

from .workshop import McubootBuild, Workshop, board_of

BOARD = board_of("2.3")


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimUnit]:
    taken = SimUnit(BOARD, "kit", tmp_path_factory.mktemp("kit"))
    yield taken
    taken.release()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "recorder.jsonl"


OpenDut = Callable[..., Dut]


@pytest.fixture
def open_dut(unit: SimUnit, recording: Path) -> Iterator[OpenDut]:
    """Opens the kit, as a board of any file."""
    recorder = FlightRecorder()
    recorder.open(recording, "test")
    with ExitStack() as stack:
        stack.callback(recorder.close)

        def open_as(board: BoardType = BOARD, *, runs_preflight: bool = True) -> Dut:
            wires = unit.open_wires(recorder)
            dut = Dut(board, unit.name, wires, recorder, runs_preflight=runs_preflight)
            stack.callback(dut.close)
            return dut

        yield open_as


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(BOARD, tmp_path)


def preflight_in(recording: Path) -> PreflightDone:
    (found,) = [
        line.event for line in read_recording(recording) if isinstance(line.event, PreflightDone)
    ]
    return found


def test_no_is_recorded_and_sent_nevertheless(
    open_dut: OpenDut, workshop: Workshop, recording: Path
) -> None:
    dut = open_dut()
    dut.prepare(workshop.installed_hex())
    verdict = dut.upgrade(workshop.mcuboot_package(McubootBuild(1, 14)))
    expected = "NO - NSIB keeps S0: FW_INFO version 14 is not higher than 14; uploaded anyway"
    assert verdict.preflight == expected
    with pytest.raises(UpgradeNotProvenError, match="preflight: NO - NSIB keeps S0"):
        assert_upgraded(verdict)
    event = preflight_in(recording)
    assert event.answer == "no"
    assert event.reason == "NSIB keeps S0: FW_INFO version 14 is not higher than 14"
    assert "CONFIG_FW_INFO_FIRMWARE_VERSION" in event.remedy
    assert ("FW_INFO version", "NO") in [(check.name, check.result.value) for check in event.checks]
    assert len(event.boots) == 3
    assert 0 < event.duration_s < 60
    reached = [e.event for e in read_recording(recording) if isinstance(e.event, VerdictReached)]
    lines = summary_lines([TestVerdicts("test", "passed", tuple(reached))])
    assert f"      preflight: {expected}" in lines


def test_yes_is_recorded_and_needs_no_word(
    open_dut: OpenDut, workshop: Workshop, recording: Path
) -> None:
    dut = open_dut()
    dut.prepare(workshop.installed_hex())
    verdict = dut.upgrade(workshop.mcuboot_package())
    assert (verdict.outcome, verdict.preflight) == (Outcome.UPGRADED, "")
    event = preflight_in(recording)
    assert (event.answer, event.reason) == ("yes", "")


def test_only_the_first_upload_is_looked_at(
    open_dut: OpenDut, workshop: Workshop, recording: Path
) -> None:
    dut = open_dut()
    dut.prepare(workshop.installed_hex())
    upgrade = dut.start_upgrade(workshop.mcuboot_package())
    assert upgrade.prediction is None
    upgrade.upload(upgrade.other_files[0])
    first = upgrade.prediction
    upgrade.upload()
    assert upgrade.prediction is first
    preflight_in(recording)
    dut.reset()
    verdict = upgrade.verdict()
    # Never set pending: that it did not upgrade says nothing against the preflight.
    assert (verdict.outcome, verdict.preflight) == (Outcome.NOT_UPGRADED, "")


def test_switched_off(open_dut: OpenDut, workshop: Workshop, recording: Path) -> None:
    dut = open_dut(runs_preflight=False)
    dut.prepare(workshop.installed_hex())
    upgrade = dut.start_upgrade(workshop.app_package(workshop.app()))
    upgrade.upload()
    assert upgrade.prediction is None
    event = preflight_in(recording)
    assert (event.answer, event.reason) == ("none", "switched off")


def test_board_of_which_there_is_no_copy(
    open_dut: OpenDut, workshop: Workshop, recording: Path
) -> None:
    elsewhere = Slot(address=0x30000000, size=0x40000)
    slots = BOARD.slots.model_copy(update={"secondary_network": elsewhere})
    dut = open_dut(BOARD.model_copy(update={"slots": slots}))
    dut.prepare(workshop.installed_hex())
    upgrade = dut.start_upgrade(workshop.app_package(workshop.app()))
    upgrade.upload()
    event = preflight_in(recording)
    assert (event.answer, event.reason) == ("none", NO_COPY)
    upgrade.set_pending()
    upgrade.reset()
    verdict = upgrade.verdict()
    assert (verdict.outcome, verdict.preflight) == (Outcome.UPGRADED, "")


@pytest.mark.parametrize(
    ("name", "has"), [("nrf5340dk", True), ("nrf5340dk_sim", True), ("qemu_cortex_m0", False)]
)
def test_which_boards_have_one(name: str, has: bool) -> None:
    assert has_preflight(load_board(name)) is has


def test_broken_one_ends_no_test(open_dut: OpenDut, workshop: Workshop, recording: Path) -> None:
    """The board file names memory that the kit has not, so it cannot be read."""
    slots = BOARD.slots.model_copy(update={"provisioning_address": 0x50000000})
    dut = open_dut(BOARD.model_copy(update={"slots": slots}))
    dut.prepare(workshop.installed_hex())
    verdict = dut.upgrade(workshop.app_package(workshop.app()))
    assert verdict.outcome is Outcome.UPGRADED
    assert verdict.preflight.startswith("none, because it failed: ProbeError: ")
    event = preflight_in(recording)
    assert event.answer == "failed"
    assert "0x50000000" in event.reason


def test_wrong_yes_is_said(open_dut: OpenDut, workshop: Workshop, tmp_path: Path) -> None:
    """The board file says 2.9, where one reset is enough; so does the provisioning data."""
    workshop.install(Workshop(board_of("2.9"), tmp_path / "later").provisioning())
    dut = open_dut(board_of("2.9"))
    dut.prepare(workshop.installed_hex())
    verdict = dut.upgrade(workshop.mcuboot_package())
    assert verdict.outcome is Outcome.NOT_UPGRADED
    assert verdict.preflight == "YES, yet the board was not upgraded: the preflight was wrong"
    dut.reset()


def test_a_crash_of_the_new_application_is_not_the_preflights_fault(
    open_dut: OpenDut, workshop: Workshop
) -> None:
    """MCUboot did as predicted; the reset after the crash, which reverts, was nobody's."""
    dut = open_dut()
    dut.prepare(workshop.installed_hex())
    verdict = dut.upgrade(workshop.demo.variant(Variant.APP_FAULTS_IN_BOOT))
    assert verdict.outcome is Outcome.NOT_UPGRADED
    assert (verdict.preflight, "crashed" in verdict.reason) == ("", True)


def test_wrong_no_is_said(open_dut: OpenDut, tmp_path: Path) -> None:
    """The board file says 2.6, whose downgrade prevention looks at bootloaders as well."""
    workshop = Workshop(BOARD, tmp_path, downgrade_prevention=True)
    dut = open_dut(board_of("2.6"))
    dut.prepare(workshop.installed_hex())
    verdict = dut.upgrade(workshop.mcuboot_package())
    assert verdict.outcome is Outcome.UPGRADED
    assert verdict.preflight.startswith("NO - MCUboot prevents the downgrade")
    assert verdict.preflight.endswith("yet the board was upgraded: the preflight was wrong")


def test_preflights_are_attached(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.start_test("test_x")
    event = PreflightDone(answer="no", package="p.zip", reason="because")
    run.recorder.record(event)
    files = run.finish_test()
    assert files is not None
    assert files.preflights == (event,)


@pytest.mark.parametrize("ncs", ["2.3", "3.0"])
def test_what_is_read_is_enough(ncs: str, tmp_path: Path) -> None:
    """Of a megabyte of internal and eight of external flash a small part."""
    workshop = Workshop(board_of(ncs), tmp_path)
    whole = [Segment(m.start, b"\xff" * m.size_bytes) for m in memories_of_board(workshop.board)]
    memories = overlay(whole, workshop.installed)
    read_bytes = 0

    def read(address: int, size_bytes: int) -> bytes:
        nonlocal read_bytes
        read_bytes += size_bytes
        image = bytearray(b"\xff" * size_bytes)
        for segment in memories:
            start, end = max(address, segment.address), min(address + size_bytes, segment.end)
            if start < end:
                image[start - address : end - address] = segment.data[
                    start - segment.address : end - segment.address
                ]
        return bytes(image)

    # A board that is reached over Bluetooth has firmware on its network core; it is not read.
    network = [s for s in workshop.installed if workshop.board.soc.is_network_flash(s.address)]
    segments = (*read_board_state(read, workshop.board, read), *network)
    assert read_bytes < 0x48000
    for package in (workshop.mcuboot_package(), workshop.app_package(workshop.app())):
        update = read_update(package, workshop.board)
        from_board = predict(workshop.board, segments, update)
        assert from_board.will_upgrade
        assert from_board == workshop.predict(package)
