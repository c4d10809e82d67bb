"""The virtual kit fails as the kit in the support thread failed, line for line, in both sessions.

The thread's UART logs are not part of this repository; they lie in a folder `shared` beside it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.bootlog.text import TextCleaner
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.provisioning import CounterKind, parse_provisioning
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.sim.control import AtOperation, InjectFault
from pytest_nrf_fota.wires.probe import ResetKind

LOGS = Path(__file__).parents[3] / "shared" / "logs"
SESSION_A = LOGS / "thread-session-a-v11-to-v12.log"
SESSION_B = LOGS / "thread-session-b-v14-to-v15.log"


@dataclass(frozen=True)
class Rig:
    """A kit fresh from its box, and the harness's hold on it."""

    board: BoardType
    unit: SimUnit
    dut: Dut
    folder: Path


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    board = load_board("nrf5340dk_sim")
    recorder = FlightRecorder()
    unit = SimUnit(board, "kit", tmp_path / "unit")
    try:
        # A preflight looks into the external flash through the shell, which nobody did then.
        wires = unit.open_wires(recorder)
        dut = Dut(board, unit.name, wires, recorder, runs_preflight=False)
        try:
            yield Rig(board, unit, dut, tmp_path / "firmware")
        finally:
            dut.close()
    finally:
        unit.release()


def test_session_a_with_a_silent_mcuboot(rig: Rig) -> None:
    """MCUboot without a log; the capture begins while the kit is programmed."""
    expected = _logged(SESSION_A)
    firmware = DemoSource(
        rig.board,
        rig.folder,
        mcuboot=McubootDescription(logs=False),
        baseline_bootloader=11,
        baseline_build_time="May  6 2024 a 17:30:00",
    )
    dut = rig.dut
    dut.flash(firmware.baseline)
    # Programming both cores ends with two resets. The second comes while MCUboot, silent here,
    # checks the application: behind what NSIB does last in a first boot, its counter.
    with closing(KitControl(rig.unit.control_address)) as control:
        counter_word = AtOperation(address=_free_counter_address(rig))
        control.inject(InjectFault(fault="reset", when=counter_word), Deadline.after(10))
    begin = dut.console.position()
    dut.reset()

    _send_both_files(dut, firmware)

    lines = [line.text for line in dut.console.lines_since(begin)]
    assert _comparable(lines) == expected
    assert not any(line.startswith("I: ") for line in lines)


def test_session_b_with_both_files_sent(rig: Rig) -> None:
    """Same session, same lines; only time stamps and the key's hash may differ."""
    expected = _logged(SESSION_B)
    firmware = DemoSource(rig.board, rig.folder)
    dut = rig.dut
    # The thread's log begins after the first boot, which sets NSIB's counter.
    dut.prepare(firmware.baseline)
    begin = dut.console.position()
    dut.reset()

    _send_both_files(dut, firmware)

    lines = [line.text for line in dut.console.lines_since(begin)]
    # The capture ends before the last boot's build time line.
    assert _comparable(lines)[: len(expected)] == expected
    assert len(_comparable(lines)) <= len(expected) + 1


def _send_both_files(dut: Dut, firmware: DemoSource) -> None:
    """What the phone and the hand on the reset button did in both sessions."""
    upgrade = dut.start_upgrade(firmware.mcuboot_update)
    (file_for_running_slot,) = upgrade.other_files
    upgrade.upload(file_for_running_slot)
    upgrade.upload()
    with pytest.raises(BoardError, match="EINVAL"):
        upgrade.set_pending(file_for_running_slot)
    # The reset button, with the phone still connected.
    reset_at = dut.console.position()
    dut.probe.reset(ResetKind.PIN, Deadline.after(30))
    dut.wait_for_boot(reset_at, 30)
    # The application's last line, behind the one with which it is ready.
    expect(dut.console, "build time: ", since=reset_at, deadline=Deadline.after(30))


def _free_counter_address(rig: Rig) -> int:
    address = rig.board.slots.provisioning_address
    assert address is not None
    data = parse_provisioning(rig.dut.read_memory, address)
    assert data is not None
    counter = data.counter(CounterKind.NSIB_FIRMWARE)
    assert counter is not None and counter.free_slot_address is not None
    return counter.free_slot_address


def _logged(thread_log: Path) -> list[str]:
    if not thread_log.is_file():
        message = f"the thread's log is not here: {thread_log}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return _comparable(TextCleaner().clean(thread_log.read_bytes()).splitlines())


def _comparable(lines: list[str]) -> list[str]:
    without_prompt = [re.sub(r"^(uart:~\$ )+", "", line) for line in lines]
    without_times = [
        re.sub(r"\[\d\d:\d\d:\d\d\.\d{3},\d{3}\]", "[time]", line) for line in without_prompt
    ]
    return [re.sub(r"Hash: 0x\w\w\.\.\.\w\w", "Hash: 0x..", line) for line in without_times if line]
