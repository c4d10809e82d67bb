"""What every probe must do, on any board: `pytest tests/contract --board NAME`.

Run on the virtual kit and QEMU today; with a kit plugged in, `--board nrf5340dk`. It recovers the
board and leaves the baseline on it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.source import FirmwareSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import PackageError, ProbeError
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader, read_hex, write_hex
from pytest_nrf_fota.probe.same_firmware import difference_from_flashing
from pytest_nrf_fota.record.events import Moment, ProbeOperation
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.wires.probe import Core, ResetKind

_SAMPLE_BYTES = 64
_ERASED = b"\xff"


@pytest.fixture(autouse=True)
def programmable(board: BoardType) -> None:
    if board.provider == "native_sim":
        pytest.skip("a native_sim program is its firmware; nothing can be programmed")


def _deadline(board: BoardType) -> Deadline:
    return Deadline.after(board.timeouts.probe_s)


@pytest.fixture
def segments(firmware: FirmwareSource) -> tuple[Segment, ...]:
    return read_hex(firmware.baseline)


@pytest.fixture
def flashed(dut: Dut, firmware: FirmwareSource) -> Iterator[Dut]:
    """The board with the baseline, running."""
    dut.prepare(firmware.baseline)
    yield dut


def _recover(dut: Dut) -> None:
    for core in dut.board.probe.recover:
        dut.probe.recover(core, _deadline(dut.board))


def _operations_since(recorder: FlightRecorder, first: int) -> list[str]:
    assert recorder.path is not None
    events = [line.event for line in read_recording(recorder.path)][first:]
    return [event.operation for event in events if isinstance(event, ProbeOperation)]


def _event_count(recorder: FlightRecorder) -> int:
    assert recorder.path is not None
    return len(list(read_recording(recorder.path)))


def test_info_names_who_is_there(dut: Dut) -> None:
    """Runner, serial number and chip."""
    info = dut.probe.info(_deadline(dut.board))
    assert info.runner and info.serial_number and info.target and info.version


def test_recover_erases(flashed: Dut, segments: tuple[Segment, ...]) -> None:
    """Every place that held the firmware, of all cores; and a second one does no harm."""
    for _ in range(2):
        _recover(flashed)
        for segment in segments:
            if flashed.board.external_flash is None or segment.address < 0x1000_0000:
                size_bytes = min(_SAMPLE_BYTES, len(segment.data))
                memory = flashed.read_memory(segment.address, size_bytes)
                assert memory == _ERASED * size_bytes, f"at 0x{segment.address:x}"


def test_program_writes_every_byte(dut: Dut, firmware: FirmwareSource) -> None:
    """Read back, first and last bytes of each segment, across word borders."""
    dut.flash(firmware.baseline)
    for segment in read_hex(firmware.baseline):
        size_bytes = min(_SAMPLE_BYTES, len(segment.data))
        assert dut.read_memory(segment.address, size_bytes) == segment.data[:size_bytes]
        end = segment.end - size_bytes
        assert dut.read_memory(end, size_bytes) == segment.data[-size_bytes:]


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
@pytest.mark.parametrize("size_bytes", [1, 2, 3, 4, 5, 8])
def test_reads_of_any_size_and_alignment(
    flashed: Dut, segments: tuple[Segment, ...], offset: int, size_bytes: int
) -> None:
    """The bytes asked for, in the order of their addresses."""
    segment = segments[0]
    memory = flashed.read_memory(segment.address + offset, size_bytes)
    assert memory == segment.data[offset : offset + size_bytes]


def test_reading_does_not_disturb_the_firmware(flashed: Dut, segments: tuple[Segment, ...]) -> None:
    """No boot, and the application still answers to a reset."""
    since = flashed.position("reads")
    for segment in segments[:3]:
        flashed.read_memory(segment.address, _SAMPLE_BYTES)
    assert not flashed.boots_since(since)


@pytest.mark.parametrize("kind", list(ResetKind))
def test_reset_boots_the_firmware(flashed: Dut, kind: ResetKind) -> None:
    """Each kind starts it from the reset vector."""
    board = flashed.board
    since = flashed.position(f"{kind.value} reset")
    flashed.probe.reset(kind, _deadline(board))
    flashed.wait_for_boot(since, board.timeouts.boot_s)
    assert len(flashed.boots_since(since)) == 1


def test_file_that_does_not_fit_changes_nothing(
    flashed: Dut, segments: tuple[Segment, ...], tmp_path: Path
) -> None:
    """Refused before the board is touched."""
    hole = max(region.start + region.size for region in flashed.board.memory) + 0x1000
    strange = tmp_path / "strange.hex"
    write_hex(strange, [Segment(segments[0].address, b"\x00" * 16), Segment(hole, b"nowhere")])
    with pytest.raises((PackageError, ProbeError)):
        flashed.flash(strange)
    assert flashed.read_memory(segments[0].address, 16) == segments[0].data[:16]


def test_missing_file(dut: Dut, tmp_path: Path) -> None:
    """An error of the input, or of the probe; never a silence."""
    with pytest.raises((PackageError, ProbeError)):
        dut.probe.program(tmp_path / "missing.hex", _deadline(dut.board))


def test_unknown_core_is_refused(dut: Dut) -> None:
    """A board with one core has no network core to recover."""
    if Core.NETWORK in dut.board.probe.recover:
        pytest.skip(f"{dut.board.name} has a network core")
    with pytest.raises(ProbeError):
        dut.probe.recover(Core.NETWORK, _deadline(dut.board))


def test_external_erase(flashed: Dut, firmware: FirmwareSource) -> None:
    """All of it reads erased; a board without such flash refuses."""
    if flashed.board.external_flash is None:
        with pytest.raises(ProbeError):
            flashed.probe.erase_external(_deadline(flashed.board))
        return
    flashed.erase_external_flash_by_probe()
    start = flashed.board.slots.secondary.address
    assert flashed.read_memory(start, _SAMPLE_BYTES) == _ERASED * _SAMPLE_BYTES
    flashed.prepare(firmware.baseline)


def test_board_that_holds_the_baseline_is_not_flashed(
    flashed: Dut, firmware: FirmwareSource
) -> None:
    """Reading back shows it; `flash` flashes nevertheless, being told to.

    An application that stores something in its flash at each boot is flashed each time.
    """
    segments = read_hex(firmware.baseline)
    first = _event_count(flashed.recorder)
    flashed.flash(firmware.baseline)
    assert {"recover", "program"} <= set(_operations_since(flashed.recorder, first))
    assert difference_from_flashing(flashed.read_memory, segments, flashed.board) is None
    flashed.reset()
    stored = difference_from_flashing(flashed.read_memory, segments, flashed.board)
    first = _event_count(flashed.recorder)
    flashed.prepare(firmware.baseline)
    was_flashed = {"recover", "program"} <= set(_operations_since(flashed.recorder, first))
    assert was_flashed is (stored is not None), str(stored)


@pytest.mark.parametrize("skips_flash", [False, True])
def test_one_wrong_byte_makes_it_flash(
    flashed: Dut, firmware: FirmwareSource, tmp_path: Path, skips_flash: bool
) -> None:
    """Also with --skip-flash: nothing is taken on trust."""
    segments = read_hex(firmware.baseline)
    largest = max(segments, key=lambda segment: len(segment.data))
    changed = bytearray(largest.data)
    changed[-1] ^= 0x01
    wrong = tmp_path / "wrong.hex"
    others = [segment for segment in segments if segment is not largest]
    write_hex(wrong, [*others, Segment(largest.address, bytes(changed))])
    flashed.flash(wrong)
    first = _event_count(flashed.recorder)
    flashed.skips_flash = skips_flash
    flashed.prepare(firmware.baseline)
    assert {"recover", "program"} <= set(_operations_since(flashed.recorder, first))
    assert flashed.read_memory(largest.end - 1, 1) == largest.data[-1:]
    assert flashed.recorder.path is not None
    moments = [
        line.event.name
        for line in read_recording(flashed.recorder.path)
        if isinstance(line.event, Moment)
    ]
    assert any(f"flash: 0x{largest.end - 1:08x} holds" in name for name in moments)


def test_leftovers_beside_the_baseline(
    flashed: Dut, firmware: FirmwareSource, tmp_path: Path
) -> None:
    """They make it flash, except with --skip-flash."""
    segments = read_hex(firmware.baseline)
    place = _unused_place(flashed.board, segments)
    dirty = tmp_path / "dirty.hex"
    write_hex(dirty, [*segments, Segment(place, b"left")])
    flashed.flash(dirty)
    flashed.skips_flash = True
    first = _event_count(flashed.recorder)
    flashed.prepare(firmware.baseline)
    assert "program" not in _operations_since(flashed.recorder, first)
    assert flashed.read_memory(place, 4) == b"left"
    flashed.skips_flash = False
    flashed.prepare(firmware.baseline)
    assert flashed.read_memory(place, 4) == _ERASED * 4


def _unused_place(board: BoardType, segments: tuple[Segment, ...]) -> int:
    """An erased word of the application's flash, at the end of slot 0's last page but one."""
    slot = board.slots.primary
    place = slot.address + slot.size - 3 * board.memory[0].page_size
    assert memory_reader(segments)(place, 4) == _ERASED * 4, "the baseline fills its slot"
    return place
