"""Swap using offset: lines as real MCUboot printed them, and a power cut at every operation."""

import functools
import struct

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion, McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Magic
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import (
    Halt,
    Hardware,
    Jump,
    NsibSlots,
    Place,
    SlotMap,
    StageEnd,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import CutMoment, Flash, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import read_trailer, schedule_swap, write_image_ok
from tests.unit.sim.cut_boot import boot_is_cut

SECTOR = 0x1000
SLOT_BYTES = 24 * SECTOR
INTERNAL = MemoryLayout("application flash", 0, 0x40000, SECTOR, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SLOT_BYTES, SECTOR, 4, 0.0, 0.0)
SLOTS = SlotMap(
    primary=Place(0x28000, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
)
APP_START = Jump(0x28200)
KEY = signing_key_for_tests("mcuboot")


@functools.cache
def image(version: int, size_bytes: int) -> bytes:
    payload = build_payload(0x28200, size_bytes, AppDescription(build_time=str(version)))
    layout = SlotLayout(SLOT_BYTES, max_sectors=24)
    data = sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, KEY)
    return data + b"\xff" * (-len(data) % 4)


SMALL, MEDIUM, LARGE = image(1, 0x800), image(2, 0x1900), image(3, 0x2F00)


class Board:
    """A kit whose MCUboot swaps with an offset."""

    def __init__(self, old: bytes, new: bytes, *, permanent: bool, has_nsib: bool = False) -> None:
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self.lines: list[str] = []
        self.end: StageEnd | None = None
        self._hardware = Hardware(self.flash, SLOTS, self.lines.append)
        self.primary = self._hardware.primary_area()
        self.secondary = self._hardware.secondary_area()
        self._build = McubootBuild(
            McubootDescription(swap="offset"),
            (KEY.public_key(),),
            self._hardware.s_area(1) if has_nsib else None,
            max_sectors=24,
        )
        self.primary.write(0, old)
        if new:
            self.secondary.write(SECTOR, new)
            schedule_swap(self.secondary, permanent=permanent)

    def boot(self) -> StageEnd:
        self.lines.clear()
        self.end = run_mcuboot(self._hardware, self._build, RELEASES["3.0"])
        return self.end

    def boot_and_cut_after(self, operations: int, moment: CutMoment) -> bool:
        return boot_is_cut(self.flash, self.boot, operations, moment)

    def holds(self, data: bytes) -> bool:
        return self.primary.read(0, len(data)) == data


UNSET = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"
PENDING = "magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3"
START = [*RELEASES["3.0"].mcuboot_banner, "I: Starting bootloader"]
NONE, TEST, REVERT = (f"I: Image index: 0, Swap type: {w}" for w in ("none", "test", "revert"))
SWAP = "I: Starting swap using offset algorithm."


def states(primary: str, secondary: str, source: str = "none") -> list[str]:
    return [
        f"I: Primary image: {primary}",
        f"I: Secondary image: {secondary}",
        f"I: Boot source: {source}",
    ]


def end(version: int) -> list[str]:
    return [
        "I: Bootloader chainload address offset: 0x28000",
        f"I: Image version: v{version}.0.0",
    ]


class TestLines:
    """Logs of real MCUboot under QEMU."""

    def test_nothing_pending(self) -> None:
        board = Board(MEDIUM, b"", permanent=False)

        assert board.boot() == APP_START
        assert board.lines == [*START, NONE, NONE, *states(UNSET, UNSET), *[NONE] * 4, *end(2)]

    def test_a_trial_that_is_confirmed(self) -> None:
        board = Board(MEDIUM, LARGE, permanent=False)

        assert board.boot() == APP_START
        assert board.lines == [
            *START, TEST, *states(UNSET, PENDING), *[TEST] * 3, SWAP, NONE, REVERT, *end(3)
        ]  # fmt: skip
        assert board.holds(LARGE)
        assert board.secondary.read(0, len(MEDIUM)) == MEDIUM
        size = struct.pack("<I", len(McubootImage.parse(LARGE).data))
        assert board.primary.read_from_end(48, 4)[:2] == size[:2]

        write_image_ok(board.primary)
        board.boot()
        assert board.holds(LARGE)
        assert board.lines[len(START)] == NONE

    def test_a_trial_that_is_taken_back(self) -> None:
        board = Board(MEDIUM, LARGE, permanent=False)
        board.boot()

        assert board.boot() == APP_START
        assert SWAP in board.lines
        assert board.holds(MEDIUM)
        assert board.secondary.read(SECTOR, len(LARGE)) == LARGE
        assert board.secondary.is_erased(0, SECTOR)
        operations = len(board.flash.operations)
        board.boot()
        assert len(board.flash.operations) == operations

    def test_a_swap_that_is_resumed(self) -> None:
        board = Board(MEDIUM, LARGE, permanent=False)
        # Trailers: 2 erases, swap info, size, magic. A half step: erase, 4 writes, status.
        assert board.boot_and_cut_after(5 + 3 * 6, CutMoment.BEFORE)

        assert board.boot() == APP_START
        assert board.lines == [
            *START, NONE, NONE, *states(PENDING, UNSET, "primary slot"), NONE, NONE, SWAP, NONE,
            REVERT, *end(3),
        ]  # fmt: skip
        assert board.holds(LARGE)

    def test_an_update_at_the_slot_s_start_is_refused(self) -> None:
        board = Board(MEDIUM, b"", permanent=False)
        board.secondary.write(0, LARGE)
        schedule_swap(board.secondary, permanent=False)

        assert board.boot() == APP_START
        assert (
            board.lines.count(
                "E: Secondary header magic detected in first sector, wrong upload address?"
            )
            == 1
        )
        assert "E: Image in the secondary slot is not valid!" in board.lines
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert board.holds(MEDIUM)

    def test_with_nsib_only_the_application_can_be_updated(self) -> None:
        board = Board(MEDIUM, LARGE, permanent=False, has_nsib=True)

        assert board.boot() == APP_START
        assert "W: Cannot upgrade: not a compatible amount of sectors" in board.lines
        assert board.holds(LARGE)


@pytest.mark.parametrize("moment", CutMoment)
@pytest.mark.parametrize("has_nsib", [False, True])
@pytest.mark.parametrize(
    ("old", "new", "permanent", "reverting"),
    [
        pytest.param(MEDIUM, LARGE, False, False, id="test"),
        pytest.param(MEDIUM, LARGE, True, False, id="permanent"),
        pytest.param(MEDIUM, LARGE, False, True, id="revert"),
        pytest.param(LARGE, SMALL, False, True, id="revert of a smaller image"),
    ],
)
def test_a_cut_at_any_operation_is_finished_by_the_next_boots(
    old: bytes, new: bytes, permanent: bool, reverting: bool, has_nsib: bool, moment: CutMoment
) -> None:
    arriving, leaving = (old, new) if reverting else (new, old)
    operations = taken_back = 0
    while True:
        board = Board(old, new, permanent=permanent, has_nsib=has_nsib)
        if reverting:
            assert board.boot() == APP_START
        if not board.boot_and_cut_after(operations, moment):
            break

        assert board.boot() == APP_START, f"cut after {operations} operations: {board.lines}"
        if not board.holds(arriving):
            assert board.holds(leaving), f"cut after {operations} operations"
            taken_back += 1
        for _ in range(3):
            assert board.boot() == APP_START, f"cut after {operations} operations: {board.lines}"
        settled = len(board.flash.operations)
        board.boot()
        assert len(board.flash.operations) == settled, f"cut after {operations} operations"
        stays = new if permanent else old
        assert board.holds(stays), f"cut after {operations} operations"
        assert read_trailer(board.secondary).magic is not Magic.GOOD
        operations += 1
    assert taken_back <= 1
    assert operations >= 2 * 6 + 6


def ends_after_cuts(old: bytes, new: bytes, *, permanent: bool, boots: int) -> list[Board]:
    """Boards whose update was cut once, at every operation, and that were then reset so often."""
    boards: list[Board] = []
    while True:
        board = Board(old, new, permanent=permanent)
        if not board.boot_and_cut_after(len(boards), CutMoment.AFTER):
            return boards
        for _ in range(boots):
            board.boot()
        boards.append(board)


def test_a_cut_between_images_of_one_sector_may_end_the_board() -> None:
    """Once the status says that the only sector was moved, its header is looked for behind it.

    sdk-mcuboot v2.1.0-ncs5, swap_offset.c, boot_read_image_header: `bs->idx <= last_idx`.
    """
    boards = ends_after_cuts(SMALL, image(4, 0x900), permanent=True, boots=4)

    dead = [isinstance(board.end, Halt) for board in boards]
    assert dead.count(True) == 1
    assert boards[dead.index(True)].lines[-1] == "E: Unable to find bootable image"


def test_a_cut_test_of_a_smaller_image_may_not_be_reverted() -> None:
    """Where the swap was done and its end not yet recorded: the revert finds no image to move."""
    boards = ends_after_cuts(LARGE, SMALL, permanent=False, boots=5)

    assert all(board.end == APP_START for board in boards)
    stayed = [number for number, board in enumerate(boards) if board.holds(SMALL)]
    assert len(stayed) == 2
    assert stayed[1] == stayed[0] + 1
    assert all(board.holds(LARGE) for number, board in enumerate(boards) if number not in stayed)
