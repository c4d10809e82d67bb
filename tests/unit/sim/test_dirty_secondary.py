"""What MCUboot does when the external flash holds something that no update left there.

The kit's external flash survives `recover`, so tests meet such states. One image pair, so that each
line appears once; tests/unit/sim/test_mcuboot.py has those with NSIB.
"""

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
from pytest_nrf_fota.sim.boot.stage import Hardware, Jump, NsibSlots, Place, SlotMap
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import schedule_swap, write_image_ok, write_magic

SECTOR = 0x1000
SLOT_BYTES = 8 * SECTOR
INTERNAL = MemoryLayout("application flash", 0, 0x40000, SECTOR, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SLOT_BYTES, SECTOR, 4, 0.0, 0.0)
SLOTS = SlotMap(
    primary=Place(0x28000, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
    scratch=Place(0x38000, 3 * SECTOR),
)
APP_START = Jump(0x28200)
KEY = signing_key_for_tests("mcuboot")


@functools.cache
def image(version: int, size_bytes: int) -> bytes:
    payload = build_payload(0x28200, size_bytes, AppDescription(build_time=str(version)))
    layout = SlotLayout(SLOT_BYTES, max_sectors=8)
    data = sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, KEY)
    return data + b"\xff" * (-len(data) % 4)


RUNNING = image(5, 0x1800)
OLDER = image(4, 0x2900)


def garbage(*, is_flagged: bool) -> bytes:
    """Anything, with or without the header's flag NON_BOOTABLE (byte 16, bit 4)."""
    data = bytes((7 * n + (3 if is_flagged else 16)) % 251 for n in range(SLOT_BYTES - SECTOR))
    assert bool(data[16] & 0x10) == is_flagged
    return data


GARBAGE = garbage(is_flagged=False)
FLAGGED_GARBAGE = garbage(is_flagged=True)


class Board:
    """A kit with a confirmed application and that in its secondary slot."""

    def __init__(
        self,
        ncs: str,
        in_secondary: bytes,
        *,
        swap: Literal["move", "overwrite", "scratch"] = "move",
        downgrade_prevention: bool = False,
    ) -> None:
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self._lines: list[str] = []
        self._hardware = Hardware(self.flash, SLOTS, self._lines.append)
        self._profile = RELEASES[ncs]
        self.primary = self._hardware.primary_area()
        self.secondary = self._hardware.secondary_area()
        self._build = McubootBuild(
            McubootDescription(swap=swap, downgrade_prevention=downgrade_prevention),
            (KEY.public_key(),),
            None,
            max_sectors=8,
        )
        self.primary.write(0, RUNNING)
        self.secondary.write(0, in_secondary)

    def boot(self) -> list[str]:
        """What is printed between the first line and the jump."""
        self._lines.clear()
        assert run_mcuboot(self._hardware, self._build, self._profile) == APP_START
        start = self._lines.index("I: Starting bootloader") + 1
        end = self._lines.index("I: Bootloader chainload address offset: 0x28000")
        return self._lines[start:end]

    def boot_changes_nothing(self) -> bool:
        before = len(self.flash.operations)
        self.boot()
        return len(self.flash.operations) == before

    def runs(self, data: bytes) -> bool:
        return self.primary.read(0, len(data)) == data

    def secondary_is_erased(self) -> bool:
        return self.secondary.is_erased(0, SLOT_BYTES)


UNSET = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"
# Only the magic was written, as imgtool pads.
ONLY_MAGIC = "magic=good, swap_type=0x1, copy_done=0x3, image_ok=0x3"
INVALID = "E: Image in the secondary slot is not valid!"
ASKS_TWICE = {"3.0", "3.2"}


def states(secondary: str) -> list[str]:
    return [
        f"I: Primary image: {UNSET}",
        f"I: Secondary image: {secondary}",
        "I: Boot source: none",
    ]


def swap_type(ncs: str, word: str) -> str:
    return f"I: Swap type: {word}" if ncs == "2.3" else f"I: Image index: 0, Swap type: {word}"


@pytest.mark.parametrize("ncs", RELEASES)
class TestMove:
    def test_garbage_without_a_trailer_is_left_alone(self, ncs: str) -> None:
        board = Board(ncs, GARBAGE)

        assert board.boot() == [*states(UNSET), swap_type(ncs, "none")]
        assert board.boot_changes_nothing()

    def test_garbage_with_a_good_magic_is_erased(self, ncs: str) -> None:
        board = Board(ncs, GARBAGE)
        write_magic(board.secondary)

        assert board.boot() == [*states(ONLY_MAGIC), swap_type(ncs, "test"), INVALID]
        assert board.secondary_is_erased()
        assert board.boot() == [*states(UNSET), swap_type(ncs, "none")]
        assert board.runs(RUNNING)

    def test_garbage_that_is_flagged_loses_its_trailer_without_a_word(self, ncs: str) -> None:
        board = Board(ncs, FLAGGED_GARBAGE)
        write_magic(board.secondary)

        # Looking for a stuck revert asks once more.
        again = [swap_type(ncs, "none")] if ncs in ASKS_TWICE else []
        assert board.boot() == [*states(ONLY_MAGIC), swap_type(ncs, "test"), *again]
        assert board.secondary.is_erased(SLOT_BYTES - SECTOR, SECTOR)
        assert board.secondary.read(0, len(FLAGGED_GARBAGE)) == FLAGGED_GARBAGE
        assert board.boot_changes_nothing()

    def test_a_bad_magic_hides_even_a_good_image(self, ncs: str) -> None:
        board = Board(ncs, OLDER)
        board.secondary.write(SLOT_BYTES - 16, bytes.fromhex("77c295f3 00000000"))

        bad = "magic=bad, swap_type=0x1, copy_done=0x3, image_ok=0x3"
        assert board.boot() == [*states(bad), swap_type(ncs, "none")]
        assert board.boot_changes_nothing()
        # The next attempt to mark it erases the slot instead.
        assert not schedule_swap(board.secondary, permanent=False)
        assert board.secondary_is_erased()

    def test_zeros_everywhere(self, ncs: str) -> None:
        board = Board(ncs, bytes(SLOT_BYTES))

        bad = "magic=bad, swap_type=0x0, copy_done=0x2, image_ok=0x2"
        assert board.boot() == [*states(bad), swap_type(ncs, "none")]
        assert board.boot_changes_nothing()

    def test_a_slot_whose_beginning_is_erased_loses_its_trailer(self, ncs: str) -> None:
        board = Board(ncs, b"\xff" * 2 * SECTOR + OLDER[2 * SECTOR :])
        schedule_swap(board.secondary, permanent=False)

        pending = "magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3"
        # Looking for a stuck revert asks once more.
        again = [swap_type(ncs, "none")] if ncs in ASKS_TWICE else []
        assert board.boot() == [*states(pending), swap_type(ncs, "test"), *again]
        assert board.secondary.is_erased(SLOT_BYTES - SECTOR, SECTOR)
        assert board.secondary.read(2 * SECTOR, 64) == OLDER[2 * SECTOR :][:64]
        assert board.runs(RUNNING)

    def test_a_slot_whose_end_is_erased_is_erased_whole(self, ncs: str) -> None:
        board = Board(ncs, OLDER[: 2 * SECTOR])
        schedule_swap(board.secondary, permanent=True)

        pending = "magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1"
        assert board.boot() == [*states(pending), swap_type(ncs, "perm"), INVALID]
        assert board.secondary_is_erased()
        assert board.runs(RUNNING)

    def test_an_old_confirmed_image_is_installed_for_good(self, ncs: str) -> None:
        board = Board(ncs, OLDER)
        write_magic(board.secondary)
        write_image_ok(board.secondary)

        confirmed = "magic=good, swap_type=0x1, copy_done=0x3, image_ok=0x1"
        assert board.boot() == [
            *states(confirmed),
            swap_type(ncs, "perm"),
            "I: Starting swap using move algorithm.",
        ]
        assert board.runs(OLDER)
        assert board.boot_changes_nothing()

    def test_downgrade_prevention_stops_it_from_2_6_on(self, ncs: str) -> None:
        board = Board(ncs, OLDER, downgrade_prevention=True)
        write_magic(board.secondary)
        write_image_ok(board.secondary)

        said = board.boot()
        if ncs == "2.3":
            assert board.runs(OLDER)
            return
        assert said[-1] == "I: Image 0 in slot 1 erased due to downgrade prevention"
        assert board.secondary_is_erased()
        assert board.runs(RUNNING)

    def test_a_flag_that_is_neither_set_nor_unset_is_no_mark(self, ncs: str) -> None:
        board = Board(ncs, OLDER)
        write_magic(board.secondary)
        board.secondary.write(SLOT_BYTES - 24, b"\x55\xff\xff\xff")

        bad = "magic=good, swap_type=0x1, copy_done=0x3, image_ok=0x2"
        assert board.boot() == [*states(bad), swap_type(ncs, "none")]
        assert board.boot_changes_nothing()

    def test_a_trailer_alone_is_erased(self, ncs: str) -> None:
        board = Board(ncs, b"")
        schedule_swap(board.secondary, permanent=True)

        board.boot()
        assert board.secondary_is_erased()
        assert board.boot_changes_nothing()


@pytest.mark.parametrize("ncs", RELEASES)
class TestScratch:
    def test_garbage_with_a_good_magic_is_erased(self, ncs: str) -> None:
        board = Board(ncs, GARBAGE, swap="scratch")
        write_magic(board.secondary)

        assert board.boot() == [
            f"I: Primary image: {UNSET}",
            f"I: Scratch: {UNSET}",
            "I: Boot source: primary slot",
            swap_type(ncs, "test"),
            INVALID,
        ]
        assert board.secondary_is_erased()

    def test_garbage_that_is_flagged_loses_its_trailer_without_a_word(self, ncs: str) -> None:
        board = Board(ncs, FLAGGED_GARBAGE, swap="scratch")
        write_magic(board.secondary)

        assert board.boot()[-1] == swap_type(ncs, "test")
        assert board.secondary.is_erased(SLOT_BYTES - SECTOR, SECTOR)
        assert board.secondary.read(0, len(FLAGGED_GARBAGE)) == FLAGGED_GARBAGE

    def test_garbage_in_the_scratch_area_does_no_harm(self, ncs: str) -> None:
        board = Board(ncs, OLDER, swap="scratch")
        board.flash.write(0x38000, GARBAGE[: 3 * SECTOR])
        schedule_swap(board.secondary, permanent=True)

        said = board.boot()
        assert said[1].startswith("I: Scratch: magic=bad, ")
        assert board.runs(OLDER)

    def test_a_good_magic_in_the_scratch_area_names_the_swap(self, ncs: str) -> None:
        board = Board(ncs, OLDER, swap="scratch")
        write_magic(FlashArea(board.flash, "scratch", 0x38000, 3 * SECTOR))

        assert board.boot() == [
            f"I: Primary image: {UNSET}",
            f"I: Scratch: {ONLY_MAGIC}",
            "I: Boot source: scratch",
            swap_type(ncs, "none"),
        ]
        assert board.boot_changes_nothing()


@pytest.mark.parametrize("ncs", RELEASES)
class TestOverwrite:
    def test_garbage_with_a_good_magic_is_erased(self, ncs: str) -> None:
        board = Board(ncs, GARBAGE, swap="overwrite")
        write_magic(board.secondary)

        assert board.boot() == [swap_type(ncs, "test"), INVALID]
        assert board.secondary_is_erased()
        assert board.runs(RUNNING)

    def test_garbage_that_is_flagged_is_asked_for_again_and_again(self, ncs: str) -> None:
        board = Board(ncs, FLAGGED_GARBAGE, swap="overwrite")
        write_magic(board.secondary)

        for _ in range(2):
            assert board.boot() == [swap_type(ncs, "test")]
        assert board.boot_changes_nothing()

    def test_a_bad_magic_is_left_alone(self, ncs: str) -> None:
        board = Board(ncs, bytes(SLOT_BYTES), swap="overwrite")

        assert board.boot() == [swap_type(ncs, "none")]
        assert board.boot_changes_nothing()

    def test_a_trailer_over_an_erased_beginning_is_asked_for_again_and_again(
        self, ncs: str
    ) -> None:
        board = Board(ncs, b"\xff" * SECTOR + OLDER[SECTOR:], swap="overwrite")
        write_magic(board.secondary)

        for _ in range(2):
            assert board.boot() == [swap_type(ncs, "test")]
        assert board.boot_changes_nothing()

    def test_an_old_confirmed_image_is_installed(self, ncs: str) -> None:
        board = Board(ncs, OLDER, swap="overwrite")
        write_magic(board.secondary)
        write_image_ok(board.secondary)

        assert board.boot()[0] == swap_type(ncs, "perm")
        assert board.runs(OLDER)
        assert board.boot_changes_nothing()
