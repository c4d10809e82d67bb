"""S slots of 0xC200 bytes end within a page: what that does to their trailers and to updates."""

import functools
from dataclasses import replace

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Flag, Magic
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import (
    BoardReset,
    Hardware,
    Jump,
    NsibSlots,
    Place,
    SlotMap,
    StageEnd,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import (
    Flash,
    FlashArea,
    MemoryLayout,
)
from pytest_nrf_fota.sim.trailer_area import erase_trailer_sectors, read_trailer, schedule_swap
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
# As NCS builds it: the trailer of 3120 bytes begins in the page before the partial one.
MAX_SECTORS = 256
APP_START = Jump(0x28200)
KEY = signing_key_for_tests("mcuboot")


@functools.cache
def image(version: int, size_bytes: int, address: int) -> bytes:
    payload = build_payload(address, size_bytes, AppDescription(build_time=str(version)))
    layout = SlotLayout(SLOT_BYTES, max_sectors=MAX_SECTORS)
    return sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, KEY)


APP = image(1, 0x1800, 0x28200)
FIRST = image(15, 0x4000, 0x18200)
SECOND = image(16, 0x4800, 0x18200)


class Board:
    """A kit whose MCUboot runs from S0, with S1 erased."""

    def __init__(self, ncs: str, *, refuses_partial_pages: bool) -> None:
        slots = replace(SLOTS, refuses_partial_pages=refuses_partial_pages)
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self.lines: list[str] = []
        self._hardware = Hardware(self.flash, slots, self.lines.append)
        self._profile = RELEASES[ncs]
        self.s1 = self._hardware.s_area(1)
        self.secondary = self._hardware.secondary_area()
        self._build = McubootBuild(McubootDescription(), (KEY.public_key(),), self.s1, MAX_SECTORS)
        put(self._hardware.primary_area(), APP)

    def update(self, data: bytes) -> None:
        self.secondary.erase_all()
        put(self.secondary, data)
        assert schedule_swap(self.secondary, permanent=True)

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_mcuboot(self._hardware, self._build, self._profile)

    def boot_and_cut_after(self, operations: int) -> bool:
        """Cut behind so many operations; False where the boot needs no more than that."""
        return boot_is_cut(self.flash, self.boot, operations)

    def took_both_updates(self) -> bool:
        """Whether S1 takes an update, and then another one."""
        for update in (FIRST, SECOND):
            self.update(update)
            while self.boot() == BoardReset():
                pass
            if not holds(self.s1, update):
                return False
        return True


def put(area: FlashArea, data: bytes) -> None:
    area.write(0, data + b"\xff" * (-len(data) % 4))


def holds(area: FlashArea, data: bytes) -> bool:
    return area.read(0, len(data)) == data


def s_area(*, refuses_partial_pages: bool) -> FlashArea:
    flash = Flash((INTERNAL,), VirtualClock())
    flash.write(0x18000, bytes(0xD000))
    return FlashArea(flash, "s1", 0x18000, 0xC200, refuses_partial_pages)


def test_the_partial_page_is_erased_whole_or_not_at_all() -> None:
    for refused in (False, True):
        area = s_area(refuses_partial_pages=refused)
        assert area.num_sectors == 13

        erase_trailer_sectors(area, MAX_SECTORS)

        assert area.flash.is_erased(0x18000 + 12 * SECTOR, SECTOR) != refused
        # The trailer begins in the page before, which is never erased.
        assert not area.flash.is_erased(0x18000 + 11 * SECTOR, SECTOR)


def test_a_whole_slot_that_ends_in_a_partial_page_is_refused_at_once() -> None:
    area = s_area(refuses_partial_pages=True)

    area.erase_all()

    assert area.read(0, 0xC200) == bytes(0xC200)
    area.erase(0, 2 * SECTOR)
    assert area.is_erased(0, 2 * SECTOR)


class TestSwap:
    """Up to NCS 2.7: the S slot is swapped as an application is."""

    @pytest.mark.parametrize("refused", [False, True])
    @pytest.mark.parametrize("ncs", ["2.3", "2.6"])
    def test_without_a_power_cut_nothing_is_seen_of_it(self, ncs: str, refused: bool) -> None:
        assert Board(ncs, refuses_partial_pages=refused).took_both_updates()

    def updated_once(self, *, refused: bool) -> Board:
        board = Board("2.6", refuses_partial_pages=refused)
        board.update(FIRST)
        assert board.boot() == APP_START
        trailer = read_trailer(board.s1)
        assert (trailer.magic, trailer.copy_done) == (Magic.GOOD, Flag.SET)
        board.update(SECOND)
        return board

    @pytest.mark.parametrize("refused", [False, True])
    def test_a_cut_in_the_second_update_loses_it(self, refused: bool) -> None:
        operations = lost = 0
        while True:
            board = self.updated_once(refused=refused)
            if not board.boot_and_cut_after(operations):
                break
            operations += 1
            # The application starts all the same: MCUboot itself runs from the other S slot.
            for _ in range(3):
                assert board.boot() == APP_START
            lost += not holds(board.s1, SECOND)
        # Stale status bytes, or a stale copy_done, hide how far the swap had come.
        assert lost > operations // 2

    def test_with_refused_erases_the_old_trailer_says_that_nothing_is_under_way(self) -> None:
        board = self.updated_once(refused=True)
        # Three sectors moved, each with an erase, four writes and a status byte.
        assert board.boot_and_cut_after(6 + 3 * 6)

        board.boot()

        assert board.lines.count("I: Boot source: none") == 2
        assert not holds(board.s1, SECOND)


class TestNsibCopy:
    """From NCS 2.8 on: erased whole, then written."""

    @pytest.mark.parametrize("ncs", ["2.9", "3.0"])
    def test_a_slot_that_cannot_be_erased_takes_only_one_update(self, ncs: str) -> None:
        assert Board(ncs, refuses_partial_pages=False).took_both_updates()
        assert not Board(ncs, refuses_partial_pages=True).took_both_updates()

    @pytest.mark.parametrize("ncs", ["2.9", "3.0"])
    def test_then_both_images_lie_on_each_other(self, ncs: str) -> None:
        board = Board(ncs, refuses_partial_pages=True)
        assert not board.took_both_updates()

        common_bytes = min(len(FIRST), len(SECOND)) - 0x400
        both = bytes(a & b for a, b in zip(FIRST, SECOND, strict=False))
        assert board.s1.read(0, common_bytes) == both[:common_bytes]
        assert read_trailer(board.secondary).magic is Magic.UNSET
