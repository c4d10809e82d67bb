"""Programs that compute for ever: each look at them says so, and a boot of them ends."""

import struct

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.sim.boot.stage import Halt
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.execution import machine, watchdog
from pytest_nrf_fota.sim.execution.boot import ExecutedBoot, make_rams
from pytest_nrf_fota.sim.execution.ends import Busy
from pytest_nrf_fota.sim.flash import Flash
from pytest_nrf_fota.sim.memories import memories_of_board, program
from pytest_nrf_fota.sim.slot_map import slot_map_of

BOARD = load_board("nrf52dk_exec")
SILENT = machine.Wires(application=lambda data: None, network=lambda data: None)
CODE = 0x100
# Stack and reset vector; adds r0, #1; b to it: no two states are the same.
COUNTS = (
    Segment(0, struct.pack("<II", 0x2000_1000, CODE | 1)),
    Segment(CODE, b"\x01\x30\xfd\xe7"),
)


@pytest.fixture
def flash(monkeypatch: pytest.MonkeyPatch) -> Flash:
    # So short that the watchdog barks again while it is found out whether that is a circle.
    monkeypatch.setattr(watchdog, "QUIET_S", 0.002)
    monkeypatch.setattr(watchdog, "_LOOK_S", 0.001)
    found = Flash(memories_of_board(BOARD), VirtualClock())
    program(found, COUNTS)
    return found


def test_work_is_no_circle(flash: Flash) -> None:
    chip = machine.Machine(BOARD.soc, flash, make_rams(BOARD.soc), SILENT, ((), ()))
    chip.application.start(0)
    try:
        ends = [chip.application.run() for _ in range(50)]
    finally:
        chip.close()
    assert {type(end) for end in ends} == {Busy}


def test_boot_that_never_ends_ends(flash: Flash, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_BUSY", 5)
    slots = slot_map_of(BOARD)
    end = ExecutedBoot(BOARD.soc, flash, make_rams(BOARD.soc), slots, SILENT).run()
    assert isinstance(end, Halt)
    assert end.reason.startswith("the bootloader computes without an end, at last at 0x10")
