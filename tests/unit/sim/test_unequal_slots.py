"""Slots of unequal size: what MCUboot makes of them in each algorithm, alone and under NSIB."""

import functools
from typing import Literal

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, NsibSlots, Place, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import schedule_swap

SECTOR = 0x1000
SECTORS = 24
PRIMARY = 0x20000
INTERNAL = MemoryLayout("application flash", 0, 0x60000, SECTOR, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, 0x60000, SECTOR, 4, 0.0, 0.0)
KEY = signing_key_for_tests("mcuboot")
APP_START = Jump(PRIMARY + 0x200)
Swap = Literal["move", "offset", "scratch", "overwrite"]
UNEQUAL = "W: Cannot upgrade: not a compatible amount of sectors"


@functools.cache
def image(version: int, size_bytes: int) -> bytes:
    payload = build_payload(PRIMARY + 0x200, size_bytes, AppDescription(build_time=str(version)))
    layout = SlotLayout(0x60000, max_sectors=SECTORS)
    data = sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, KEY)
    return data + b"\xff" * (-len(data) % 4)


OLD, NEW = image(1, 0x1800), image(2, 0x2800)


class Board:
    """A kit whose update is marked for good; its secondary slot lies behind something else."""

    def __init__(
        self,
        swap: Swap,
        *,
        primary: int = SECTORS,
        secondary: int = SECTORS,
        ncs: str = "3.0",
        has_nsib: bool = False,
        old: bytes = OLD,
        new: bytes = NEW,
        max_sectors: int = SECTORS,
    ) -> None:
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self.lines: list[str] = []
        slots = SlotMap(
            primary=Place(PRIMARY, primary * SECTOR),
            secondary=Place(EXTERNAL.start + 0x8000, secondary * SECTOR),
            nsib=NsibSlots(Place(0x8000, 0xC000), Place(0x14000, 0xC000), 0xFF8100)
            if has_nsib
            else None,
            scratch=Place(0x58000, 3 * SECTOR),
        )
        self._hardware = Hardware(self.flash, slots, self.lines.append)
        self.primary, self.secondary = self._hardware.image_pairs()[0]
        self._build = McubootBuild(
            McubootDescription(swap=swap),
            (KEY.public_key(),),
            self._hardware.s_area(1) if has_nsib else None,
            max_sectors=max_sectors,
        )
        self._profile = RELEASES[ncs]
        self.primary.write(0, old)
        self.secondary.write(SECTOR if swap == "offset" else 0, new)
        schedule_swap(self.secondary, permanent=True)

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_mcuboot(self._hardware, self._build, self._profile)

    def holds(self, data: bytes) -> bool:
        return self.primary.read(0, len(data)) == data


@pytest.mark.parametrize("ncs", RELEASES)
@pytest.mark.parametrize("swap", ["move", "offset", "scratch", "overwrite"])
def test_equal_slots_are_updated_without_nsib(swap: Swap, ncs: str) -> None:
    board = Board(swap, ncs=ncs)
    assert board.boot() == APP_START
    assert board.holds(NEW)
    assert board.boot() == APP_START
    assert board.holds(NEW)


@pytest.mark.parametrize(
    ("swap", "primary", "secondary", "line"),
    [
        ("move", 24, 23, ""),
        ("move", 24, 25, UNEQUAL),
        ("move", 24, 20, UNEQUAL),
        ("offset", 24, 25, ""),
        ("offset", 24, 23, UNEQUAL),
        ("offset", 24, 30, UNEQUAL),
        ("scratch", 24, 23, "W: Cannot upgrade: slots are not compatible"),
        ("scratch", 22, 24, "W: Cannot upgrade: slots have non-compatible sectors"),
        ("overwrite", 23, 24, "W: Cannot upgrade: slots are not compatible"),
        ("overwrite", 24, 12, "W: Cannot upgrade: slots have non-compatible sectors"),
    ],
)
def test_mcuboot_alone_compares_the_slots(
    swap: Swap, primary: int, secondary: int, line: str
) -> None:
    board = Board(swap, primary=primary, secondary=secondary)
    assert board.boot() == APP_START
    assert board.holds(OLD if line else NEW)
    assert [said for said in board.lines if "Cannot upgrade" in said] == ([line] if line else [])


@pytest.mark.parametrize(("ncs", "is_taken"), [("2.6", False), ("2.9", True), ("3.0", True)])
def test_swap_using_move_leaves_out_the_trailer_since_2_9(ncs: str, *, is_taken: bool) -> None:
    # A trailer of 256 sectors' status bytes and one write unit takes one page: 24 - 1 - 1.
    board = Board("move", secondary=22, ncs=ncs, max_sectors=256)
    assert board.boot() == APP_START
    assert board.holds(NEW) is is_taken


@pytest.mark.parametrize("swap", ["move", "overwrite"])
def test_under_nsib_nothing_is_compared(swap: Swap) -> None:
    board = Board(swap, secondary=12, ncs="2.3", has_nsib=True)
    assert board.boot() == APP_START
    assert board.holds(NEW)


def test_what_only_the_secondary_slot_can_hold_bricks_a_board_that_overwrites() -> None:
    board = Board("overwrite", primary=8, ncs="2.3", has_nsib=True, new=image(3, 10 * SECTOR))
    end = board.boot()
    assert isinstance(end, Halt)
    assert "I: Image upgrade secondary slot -> primary slot" in board.lines
    assert "E: Image in the primary slot is not valid!" in board.lines


def test_swap_loses_what_the_smaller_secondary_slot_cannot_take() -> None:
    old = image(1, 14 * SECTOR)
    board = Board("move", secondary=10, ncs="2.6", has_nsib=True, old=old)
    behind = EXTERNAL.start + 0x8000 + 10 * SECTOR
    assert board.boot() == APP_START
    assert board.holds(NEW)
    assert board.secondary.read(0, 8 * SECTOR) == old[: 8 * SECTOR]
    assert board.flash.is_erased(behind, SECTOR)


def test_an_image_is_too_large_for_its_own_slot_only() -> None:
    # It ends in the last sector of 16, where the trailer lies.
    large = image(2, 15 * SECTOR)
    refused = Board("move", secondary=16, ncs="2.3", has_nsib=True, new=large)
    assert refused.boot() == APP_START
    assert "E: Image in the secondary slot is not valid!" in refused.lines
    taken = Board("move", secondary=20, ncs="2.3", has_nsib=True, new=large)
    assert taken.boot() == APP_START
    assert taken.holds(large)
