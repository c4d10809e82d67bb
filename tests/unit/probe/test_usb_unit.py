"""The unit for a kit on USB, whole: its tool drives a virtual kit, whose UARTs are its ports."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.providers.kit_wires import vcom_memory
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.usb import find_kit
from pytest_nrf_fota.record.events import ProbeOperation
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.smp.host_radio import HciController
from pytest_nrf_fota.wires.probe import Core, ResetKind

from .kit_behind_tool import write_tool

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only"),
]

_SN = "1050047412"
_SPECIMEN = 64
# Its counter is raised at the first boot.
_UICR = range(0xFF8000, 0xFF8800)


@pytest.fixture
def board() -> BoardType:
    return load_board("nrf5340dk")


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[SimUnit]:
    unit = SimUnit(load_board("nrf5340dk_sim"), "kit", tmp_path / "kit")
    yield unit
    unit.release()


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    return DemoSource(load_board("nrf5340dk_sim"), tmp_path / "firmware").baseline


@pytest.fixture(params=["nrfutil", "nrfjprog"])
def dut(
    request: pytest.FixtureRequest,
    board: BoardType,
    kit: SimUnit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Dut]:
    tools = tmp_path / "bin"
    write_tool(tools, request.param, kit.control_address, _SN)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    addresses = kit._running
    vcoms = (
        Vcom(addresses.net_uart, addresses.net_uart, 0),
        Vcom(addresses.app_uart, addresses.app_uart, 2),
    )
    attached = AttachedKit(_SN, vcoms)
    # A blank kit prints nothing that tells its ports apart.
    vcom_memory().remember(attached, vcoms[1])
    unit = find_kit(
        board.with_runner(request.param),
        tmp_path / "unit",
        f"00{_SN}",
        HciController(addresses.hci),
        lambda: (AttachedKit("7", ()), attached),
    )
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "usb unit")
    opened = Dut(board, unit.name, unit.open_wires(recorder), recorder)
    yield opened
    opened.close()
    unit.release()
    recorder.close()


def test_whole_way_to_a_running_baseline(dut: Dut, baseline: Path) -> None:
    """Recover, split, program, verify, reset, boot, erase; the same again flashes nothing."""
    boot = dut.prepare(baseline)
    assert boot.lines
    flash = [segment for segment in read_hex(baseline) if segment.address not in _UICR]
    for segment in flash:
        size_bytes = min(_SPECIMEN, len(segment.data))
        assert dut.read_memory(segment.address, size_bytes) == segment.data[:size_bytes]
    dut.prepare(baseline)
    assert dut.recorder.path is not None
    events = [line.event for line in read_recording(dut.recorder.path)]
    operations = [event.operation for event in events if isinstance(event, ProbeOperation)]
    assert operations.count("recover") == 2
    assert operations.count("program") == 1
    assert dut.probe.info(Deadline.after(60)).target == "NRF5340_xxAA_REV1"


def test_uicr_that_is_written_twice(dut: Dut, baseline: Path, tmp_path: Path) -> None:
    """The kit cannot write it without a recovery: verify failed, and the remedy says so."""
    dut.flash(baseline)
    otp = tmp_path / "otp.hex"
    write_hex(otp, [Segment(0xFF8200, b"\x00\x00\x00\x00")])
    dut.probe.program(otp, Deadline.after(60))
    write_hex(otp, [Segment(0xFF8200, b"\xff\x00\xff\x00")])
    with pytest.raises(ProbeFaultError) as raised:
        dut.probe.program(otp, Deadline.after(60))
    assert raised.value.fault is ProbeFault.VERIFY_FAILED
    assert "only a recover clears it" in raised.value.next_step


def test_external_flash_and_resets(dut: Dut, baseline: Path, tmp_path: Path) -> None:
    """A hex file's external part is programmed, and erased by the probe."""
    dut.prepare(baseline)
    external = tmp_path / "external.hex"
    write_hex(external, [Segment(0x1000_0000, b"in external flash")])
    dut.probe.program(external, Deadline.after(60))
    assert dut.read_memory(0x1000_0000, 17) == b"in external flash"
    dut.erase_external_flash_by_probe()
    assert dut.read_memory(0x1000_0000, 17) == b"\xff" * 17
    for kind in ResetKind:
        since = dut.position("reset")
        dut.probe.reset(kind, Deadline.after(60))
        dut.wait_for_boot(since, 60)
    dut.probe.recover(Core.NETWORK, Deadline.after(60))
    assert dut.read_memory(0x0100_0000, 4) == b"\xff" * 4


def test_several_kits(board: BoardType, tmp_path: Path) -> None:
    """None is taken by chance; the message lists them."""
    kits = (AttachedKit("10", ()), AttachedKit("20", ()))
    with pytest.raises(ProbeFaultError, match="10, 20") as raised:
        find_kit(board, tmp_path, None, None, lambda: kits)
    assert raised.value.fault is ProbeFault.SEVERAL
    with pytest.raises(RigError, match="virtual kit"):
        find_kit(board, tmp_path, None, None, lambda: ())
