"""Programs that run for ever: each look at them says so, and a boot of them ends."""

import asyncio
import struct
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.preflight.executing import MOST_ERASES, ExecutingBooter
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.boot.stage import Halt
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.execution import machine, watchdog
from pytest_nrf_fota.sim.execution.boot import ExecutedBoot, make_rams
from pytest_nrf_fota.sim.execution.ends import Busy
from pytest_nrf_fota.sim.flash import Flash, Operation
from pytest_nrf_fota.sim.kit import Kit as VirtualKit
from pytest_nrf_fota.sim.kit import KitSettings
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
# NVMC's CONFIG = erase; ERASEPAGE = the primary slot, again and again.
ERASES = (
    Segment(0, struct.pack("<II", 0x2000_1000, CODE | 1)),
    Segment(
        CODE,
        struct.pack("<6H", 0x4802, 0x2102, 0x6001, 0x4A02, 0x6042, 0xE7FD)
        + struct.pack("<II", 0x4001_E504, BOARD.slots.primary.address),
    ),
)
_LIMIT_S = 60.0
MOST_OPERATIONS = 10_000


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


def test_debug_port_ends_a_boot_that_does_not(tmp_path: Path) -> None:
    """As MCUboots that copy an image again and again: the kit can be recovered, and reset."""
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(BOARD))

    async def recover() -> None:
        kit = VirtualKit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        try:
            for _ in range(2):
                await kit.program(ERASES)
                before = len(kit.flash.operations)
                boot = asyncio.create_task(kit.reset())
                while len(kit.flash.operations) < before + 10:
                    await asyncio.sleep(0)
                await kit.recover(network=False)
                assert kit.state == "held"
                assert kit.flash.is_erased(0, len(ERASES[1].data))
                await boot
        finally:
            await kit.close()

    asyncio.run(asyncio.wait_for(recover(), _LIMIT_S))


def test_preflight_of_a_boot_that_copies_for_ever_ends() -> None:
    def is_enough(operation: Operation) -> None:
        assert operation.number < MOST_OPERATIONS, "nothing ends it"

    board = SimulatedBoard(BOARD, ERASES, None, booter=ExecutingBooter(BOARD.soc))
    board.chain.hardware.flash.on_operation = is_enough
    board.boot()
    assert f"the primary slot again and again, {MOST_ERASES + 1} times" in board.halted
