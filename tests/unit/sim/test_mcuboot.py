"""MCUboot over real flash content: decisions, swaps, refusals, with their literal lines."""

import functools
import struct

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Magic
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import (
    BoardReset,
    Halt,
    Hardware,
    Jump,
    NsibSlots,
    Place,
    SlotMap,
    StageEnd,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import (
    read_trailer,
    schedule_swap,
    write_copy_done,
    write_image_ok,
    write_magic,
)

SECTOR = 0x1000
SLOT_BYTES = 24 * SECTOR
INTERNAL = MemoryLayout("application flash", 0, 0x40000, SECTOR, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, 0x20000, SECTOR, 4, 0.0, 0.0)
SLOTS = SlotMap(
    primary=Place(0x28000, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
)
BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***"
APP_START = Jump(0x28200)
MAGIC = "77c295f360d2ef7f3552500f2cb67980"
BLANK = "ff" * 8


@functools.cache
def image(
    version: int, size_bytes: int = 0x1800, address: int = 0x28200, key: str | None = "mcuboot"
) -> bytes:
    """A signed image whose payload is linked to `address`."""
    payload = build_payload(address, size_bytes, AppDescription(build_time=str(version)))
    return sign_for_mcuboot(
        payload,
        ImageVersion(version, 0, 0),
        SlotLayout(SLOT_BYTES, max_sectors=24),
        signing_key_for_tests(key) if key else None,
    )


OLD = image(1)
NEW = image(2, 0x2900)


def damaged(data: bytes) -> bytes:
    """One payload byte is another."""
    return data[:0x700] + bytes([data[0x700] ^ 1]) + data[0x701:]


class Board:
    """Flash of a kit that runs MCUboot from S0, with the old application in its slot."""

    def __init__(
        self,
        *,
        primary: bytes = OLD,
        keys: tuple[str, ...] = ("mcuboot",),
        has_nsib: bool = True,
        max_sectors: int = 24,
        description: McubootDescription | None = None,
        keep_last_line: bool = False,
        ncs: str = "2.3",
    ) -> None:
        self._profile = RELEASES[ncs]
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self.lines: list[str] = []
        self._hardware = Hardware(
            self.flash, SLOTS, self.lines.append, keep_last_line=keep_last_line
        )
        self.primary = self._hardware.primary_area()
        self.secondary = self._hardware.secondary_area()
        self.other_s_slot = self._hardware.s_area(1)
        self._build = McubootBuild(
            description or McubootDescription(),
            tuple(signing_key_for_tests(name).public_key() for name in keys),
            self.other_s_slot if has_nsib else None,
            max_sectors,
        )
        put(self.primary, primary)

    def update(self, data: bytes, *, permanent: bool = False) -> None:
        """Store an update and mark it."""
        put(self.secondary, data)
        assert schedule_swap(self.secondary, permanent=permanent)

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_mcuboot(self._hardware, self._build, self._profile)


def put(area: FlashArea, data: bytes) -> None:
    area.write(0, data + b"\xff" * (-len(data) % 4))


def holds(area: FlashArea, data: bytes) -> bool:
    return area.read(0, len(data)) == data


def trailer_bytes(area: FlashArea) -> list[str]:
    """Swap size, swap info, copy done, image ok, both halves of the magic."""
    text = area.read_from_end(48, 48).hex()
    return [text[start : start + 16] for start in range(0, 96, 16)]


UNSET = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"
PENDING_TEST = "magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3"
PENDING_PERM = "magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1"

START = [BANNER, "I: Starting bootloader"]
SWAP = "I: Starting swap using move algorithm."
JUMP = "I: Bootloader chainload address offset: 0x28000"


def pair(primary: str, secondary: str, swap_type: str | None) -> list[str]:
    """What one image pair prints while its swap type is determined."""
    lines = [
        f"I: Primary image: {primary}",
        f"I: Secondary image: {secondary}",
        "I: Boot source: none",
    ]
    return lines if swap_type is None else [*lines, f"I: Swap type: {swap_type}"]


NOTHING_IN_S1 = pair(UNSET, UNSET, "none")


class TestNothingPending:
    def test_both_image_pairs_are_reported(self) -> None:
        board = Board()

        assert board.boot() == APP_START
        assert board.lines == [*START, *pair(UNSET, UNSET, "none"), *NOTHING_IN_S1, JUMP]
        assert len(board.flash.operations) == 1  # the test's own write

    def test_without_nsib_there_is_one_pair(self) -> None:
        board = Board(has_nsib=False)

        assert board.boot() == APP_START
        assert board.lines == [*START, *pair(UNSET, UNSET, "none"), JUMP]

    def test_a_marker_follows_the_first_line(self) -> None:
        board = Board(description=McubootDescription(marker="14"))

        board.boot()

        assert board.lines[1] == "I: Starting bootloader 14"

    def test_without_logs_nothing_is_printed(self) -> None:
        board = Board(description=McubootDescription(logs=False), keep_last_line=True)

        assert board.boot() == APP_START
        assert board.lines == []

    def test_the_last_line_is_printed_where_it_is_not_lost(self) -> None:
        board = Board(keep_last_line=True)

        board.boot()

        assert board.lines[-2:] == [JUMP, "I: Jumping to the first image slot"]


@pytest.mark.parametrize("max_sectors", [24, 128])
class TestSwap:
    def test_a_test_swaps_both_images_and_a_reset_reverts_it(self, max_sectors: int) -> None:
        board = Board(max_sectors=max_sectors)
        board.update(NEW)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(UNSET, PENDING_TEST, "test"),
            *pair(UNSET, PENDING_TEST, None),
            SWAP,
            JUMP,
        ]
        assert holds(board.primary, NEW)
        assert holds(board.secondary, OLD)
        size = struct.pack("<I", len(NEW)).hex() + "ffffffff"
        assert trailer_bytes(board.primary) == [
            size, "02" + "ff" * 7, "01" + "ff" * 7, BLANK, MAGIC[:16], MAGIC[16:]
        ]  # fmt: skip
        assert trailer_bytes(board.secondary) == [BLANK] * 6

        testing = "magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x3"
        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(testing, UNSET, "revert"),
            *pair(UNSET, UNSET, None),
            SWAP,
            f"I: Secondary image: {UNSET}",
            JUMP,
        ]
        assert holds(board.primary, OLD)
        assert holds(board.secondary, NEW)
        assert trailer_bytes(board.primary) == [
            size, "04" + "ff" * 7, "01" + "ff" * 7, "01" + "ff" * 7, MAGIC[:16], MAGIC[16:]
        ]  # fmt: skip

        reverted = "magic=good, swap_type=0x4, copy_done=0x1, image_ok=0x1"
        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(reverted, UNSET, "none"),
            *pair(UNSET, UNSET, None),
            JUMP,
        ]
        assert holds(board.primary, OLD)

    def test_a_confirmed_test_stays(self, max_sectors: int) -> None:
        board = Board(max_sectors=max_sectors)
        board.update(NEW)
        board.boot()
        write_image_ok(board.primary)
        operations = len(board.flash.operations)

        assert board.boot() == APP_START
        confirmed = "magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x1"
        assert board.lines == [
            *START,
            *pair(confirmed, UNSET, "none"),
            *pair(UNSET, UNSET, None),
            JUMP,
        ]
        assert holds(board.primary, NEW)
        assert len(board.flash.operations) == operations

    def test_a_permanent_swap_stays(self, max_sectors: int) -> None:
        board = Board(max_sectors=max_sectors)
        board.update(NEW, permanent=True)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(UNSET, PENDING_PERM, "perm"),
            *pair(UNSET, PENDING_PERM, None),
            SWAP,
            JUMP,
        ]
        assert trailer_bytes(board.primary)[1:4] == [
            "03" + "ff" * 7,
            "01" + "ff" * 7,
            "01" + "ff" * 7,
        ]
        board.boot()
        assert "I: Swap type: none" in board.lines
        assert holds(board.primary, NEW)
        assert holds(board.secondary, OLD)

    def test_one_status_byte_per_step(self, max_sectors: int) -> None:
        board = Board(max_sectors=max_sectors)
        board.update(NEW)
        board.boot()

        sectors = -(-len(NEW) // SECTOR)
        start = SLOT_BYTES - (max_sectors * 12 + 48)
        entries = [
            board.primary.read(start + 4 * index, 4).hex() for index in range(3 * max_sectors)
        ]
        done, blank = ["01ffffff"], ["ffffffff"]
        assert entries == (
            done * sectors
            + blank * (max_sectors - sectors)
            + ["01ffffff", "02ffffff"] * sectors
            + blank * (2 * max_sectors - 2 * sectors)
        )

    def test_a_smaller_update_over_a_larger_image(self, max_sectors: int) -> None:
        board = Board(primary=NEW, max_sectors=max_sectors)
        board.update(OLD)

        assert board.boot() == APP_START
        assert holds(board.primary, OLD)
        assert holds(board.secondary, NEW)

    def test_a_second_update_after_the_first(self, max_sectors: int) -> None:
        board = Board(max_sectors=max_sectors)
        board.update(NEW, permanent=True)
        board.boot()
        newest = image(3, 0x3100)
        board.secondary.erase_all()
        board.update(newest)

        assert board.boot() == APP_START
        assert holds(board.primary, newest)
        assert holds(board.secondary, NEW)


class TestInvalidUpdate:
    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(damaged(NEW), id="damaged"),
            pytest.param(NEW[:-64], id="end missing"),
            pytest.param(image(2, key="other"), id="other key"),
            pytest.param(image(2, key=None), id="unsigned"),
            # One sector for the trailer: nothing of an image may lie in it (image_validate.c).
            pytest.param(image(2, 23 * SECTOR - 0x200), id="reaches into the trailer"),
        ],
    )
    @pytest.mark.parametrize("permanent", [False, True])
    def test_the_whole_slot_is_erased(self, data: bytes, permanent: bool) -> None:
        board = Board()
        board.update(data, permanent=permanent)

        assert board.boot() == APP_START
        pending = PENDING_PERM if permanent else PENDING_TEST
        assert board.lines == [
            *START,
            *pair(UNSET, pending, "perm" if permanent else "test"),
            "E: Image in the secondary slot is not valid!",
            *NOTHING_IN_S1,
            JUMP,
        ]
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert holds(board.primary, OLD)

    @pytest.mark.parametrize(
        "leftover",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"\xff" * 4 + NEW[4:], id="all but the magic"),
        ],
    )
    def test_an_erased_header_costs_only_the_trailer_and_no_word(self, leftover: bytes) -> None:
        board = Board()
        put(board.secondary, leftover)
        write_magic(board.secondary)

        assert board.boot() == APP_START
        pending = "magic=good, swap_type=0x1, copy_done=0x3, image_ok=0x3"
        assert board.lines == [*START, *pair(UNSET, pending, "test"), *NOTHING_IN_S1, JUMP]
        assert trailer_bytes(board.secondary) == [BLANK] * 6
        assert holds(board.secondary, leftover)
        assert holds(board.primary, OLD)


class TestTooLargeToMove:
    LARGE = image(2, 22 * SECTOR)

    def test_two_warnings_and_it_stays_pending(self) -> None:
        board = Board()
        board.update(self.LARGE)

        for copy_done in ("0x3", "0x1"):
            assert board.boot() == APP_START
            primary = f"magic=unset, swap_type=0x1, copy_done={copy_done}, image_ok=0x3"
            assert board.lines == [
                *START,
                *pair(primary, PENDING_TEST, "test"),
                *pair(UNSET, PENDING_TEST, None),
                SWAP,
                "W: Not enough free space to run swap upgrade",
                "W: required 98304 bytes but only 94208 are available",
                JUMP,
            ]
            assert holds(board.primary, OLD)
            assert holds(board.secondary, self.LARGE)

    def test_one_sector_less_fits(self) -> None:
        board = Board()
        largest = image(2, 22 * SECTOR - 0x400)
        board.update(largest)

        assert board.boot() == APP_START
        assert holds(board.primary, largest)
        assert holds(board.secondary, OLD)


class TestSSlotUpdate:
    FOR_S0 = image(15, 0x4000, address=0x8200)
    FOR_S1 = image(15, 0x4000, address=0x18200)

    def test_while_it_is_not_pending_the_line_of_image_0_is_missing(self) -> None:
        board = Board()
        put(board.secondary, self.FOR_S1)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(UNSET, UNSET, None),
            *pair(UNSET, UNSET, "none"),
            JUMP,
        ]

    @pytest.mark.parametrize("max_sectors", [24, 256])
    def test_when_pending_it_goes_into_the_other_s_slot(self, max_sectors: int) -> None:
        board = Board(max_sectors=max_sectors)
        board.update(self.FOR_S1)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(UNSET, PENDING_TEST, None),
            *pair(UNSET, PENDING_TEST, "test"),
            SWAP,
            JUMP,
        ]
        assert holds(board.other_s_slot, self.FOR_S1)
        assert holds(board.primary, OLD)
        assert board.flash.is_erased(0x8000, 0x10000)
        assert trailer_bytes(board.secondary) == [BLANK] * 6

        board.boot()
        assert holds(board.other_s_slot, self.FOR_S1)
        assert holds(board.primary, OLD)

    @pytest.mark.parametrize("permanent", [False, True])
    def test_2_7_resets_the_board_after_the_swap(self, permanent: bool) -> None:
        """An owner_nsib image is followed by sys_reboot() (v2.1.0-ncs1 loader.c)."""
        board = Board(ncs="2.7")
        board.update(self.FOR_S1, permanent=permanent)

        assert board.boot() == BoardReset()
        assert board.lines[-1] == SWAP
        assert holds(board.other_s_slot, self.FOR_S1)
        assert board.boot() == APP_START
        assert holds(board.other_s_slot, self.FOR_S1)

    def test_2_7_does_not_reset_after_an_application(self) -> None:
        board = Board(ncs="2.7")
        board.update(NEW)

        assert board.boot() == APP_START
        assert holds(board.primary, NEW)

    def test_what_was_in_the_s_slot_comes_back_in_the_secondary(self) -> None:
        board = Board()
        before = image(14, 0x3000, address=0x18200)
        put(board.other_s_slot, before)
        board.update(self.FOR_S1, permanent=True)

        board.boot()

        assert holds(board.other_s_slot, self.FOR_S1)
        assert holds(board.secondary, before)

    def test_for_the_running_slot_it_stays_where_it_is(self) -> None:
        board = Board()
        board.update(self.FOR_S0)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(UNSET, PENDING_TEST, None),
            *pair(UNSET, PENDING_TEST, None),
            JUMP,
        ]
        assert holds(board.secondary, self.FOR_S0)
        assert read_trailer(board.secondary).magic is Magic.GOOD
        assert holds(board.primary, OLD)

    def test_an_invalid_one_is_erased(self) -> None:
        board = Board()
        board.update(damaged(self.FOR_S1))

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(UNSET, PENDING_TEST, None),
            *pair(UNSET, PENDING_TEST, "test"),
            "E: Image in the secondary slot is not valid!",
            JUMP,
        ]
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert board.other_s_slot.is_erased(0, 0xC200)

    def test_without_nsib_nothing_looks_at_the_reset_vector(self) -> None:
        board = Board(has_nsib=False)
        put(board.secondary, self.FOR_S1)

        board.boot()

        assert board.lines == [*START, *pair(UNSET, UNSET, "none"), JUMP]


class TestWithoutKeys:
    @pytest.mark.parametrize("key", [None, "other"])
    def test_any_whole_image_is_taken(self, key: str | None) -> None:
        board = Board(keys=())
        update = image(2, key=key)
        board.update(update)

        assert board.boot() == APP_START
        assert holds(board.primary, update)

    def test_the_hash_still_counts(self) -> None:
        board = Board(keys=())
        board.update(damaged(image(2, key=None)))

        assert board.boot() == APP_START
        assert "E: Image in the secondary slot is not valid!" in board.lines
        assert holds(board.primary, OLD)


class TestInvalidPrimary:
    UNABLE = "E: Unable to find bootable image"

    @pytest.mark.parametrize("data", [damaged(OLD), image(1, key="other"), OLD[:-64]])
    def test_a_bad_image_halts(self, data: bytes) -> None:
        board = Board(primary=data)

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            *START,
            *pair(UNSET, UNSET, "none"),
            *NOTHING_IN_S1,
            "E: Image in the primary slot is not valid!",
            self.UNABLE,
        ]
        assert holds(board.primary, data)

    def test_an_empty_slot_halts_without_a_word_on_validity(self) -> None:
        board = Board(primary=b"")

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            *START,
            *pair(UNSET, UNSET, None),
            "W: Failed reading image headers; Image=0",
            *NOTHING_IN_S1,
            self.UNABLE,
        ]

    def test_an_update_does_not_repair_a_primary_without_header(self) -> None:
        board = Board(primary=b"no image" * 16)
        board.update(NEW)

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            *START,
            *pair(UNSET, PENDING_TEST, None),
            "W: Failed reading image headers; Image=0",
            *pair(UNSET, PENDING_TEST, None),
            "E: Image in the primary slot is not valid!",
            self.UNABLE,
        ]
        assert holds(board.secondary, NEW)


FOR_S0 = image(15, 0x4000, address=0x8200)
FOR_S1 = image(15, 0x4000, address=0x18200)
WRONG_VARIANT = "E: Image in slot is for wrong s0/s1 image"


@pytest.mark.parametrize(
    ("ncs", "start", "decision", "end"),
    [
        (
            "2.3",
            ["*** Booting Zephyr OS build v3.2.99-ncs2 ***"],
            ["I: Swap type: none"] * 2,
            [JUMP],
        ),
        (
            "2.6",
            ["*** Booting nRF Connect SDK v3.5.99-ncs1 ***"],
            [f"I: Image index: {number}, Swap type: none" for number in (0, 1)],
            [JUMP],
        ),
        (
            "2.9",
            [
                "*** Booting MCUboot v2.1.0-dev-12e5ee106034 ***",
                "*** Using nRF Connect SDK v2.9.0-7787b2649840 ***",
                "*** Using Zephyr OS v3.7.99-1f8f3dc29142 ***",
            ],
            [f"I: Image index: {number}, Swap type: none" for number in (0, 1)],
            [JUMP],
        ),
        (
            "3.0",
            [
                "*** Booting MCUboot v2.1.0-dev-ae1ee57f3906 ***",
                "*** Using nRF Connect SDK v3.0.0-3bfc46578e42 ***",
                "*** Using Zephyr OS v4.0.99-a0e545cb437a ***",
            ],
            [f"I: Image index: {number}, Swap type: none" for number in (0, 1)],
            [JUMP, "I: Image version: v1.0.0"],
        ),
    ],
)
def test_a_boot_without_an_update(
    ncs: str, start: list[str], decision: list[str], end: list[str]
) -> None:
    board = Board(ncs=ncs)

    assert board.boot() == APP_START
    states = [f"I: Primary image: {UNSET}", f"I: Secondary image: {UNSET}", "I: Boot source: none"]
    assert board.lines == [
        *start,
        "I: Starting bootloader",
        *states,
        decision[0],
        *states,
        decision[1],
        *end,
    ]


@pytest.mark.parametrize("ncs", RELEASES)
def test_an_application_is_swapped_the_same_way_in_every_release(ncs: str) -> None:
    board = Board(ncs=ncs)
    board.update(NEW)

    assert board.boot() == APP_START
    assert "I: Starting swap using move algorithm." in board.lines
    assert holds(board.primary, NEW)
    assert holds(board.secondary, OLD)
    assert board.boot() == APP_START
    assert holds(board.primary, OLD)


class TestNsibCopy:
    @pytest.mark.parametrize("ncs", ["2.3", "2.6"])
    def test_up_to_2_7_the_slots_are_swapped_and_the_application_starts(self, ncs: str) -> None:
        board = Board(ncs=ncs)
        before = image(14, 0x3000, address=0x18200)
        put(board.other_s_slot, before)
        board.update(FOR_S1)

        assert board.boot() == APP_START
        assert "I: Starting swap using move algorithm." in board.lines
        assert holds(board.other_s_slot, FOR_S1)
        assert holds(board.secondary, before)

    @pytest.mark.parametrize("ncs", ["2.9", "3.0"])
    @pytest.mark.parametrize("permanent", [False, True])
    def test_from_2_8_on_it_is_copied_and_the_board_is_reset(
        self, ncs: str, permanent: bool
    ) -> None:
        board = Board(ncs=ncs)
        put(board.other_s_slot, image(14, 0x5000, address=0x18200))
        board.update(FOR_S1, permanent=permanent)
        whole_slot = board.secondary.read(0, 0xC200)

        assert board.boot() == BoardReset()
        assert board.lines[-2:] == [
            f"I: Image index: 1, Swap type: {'perm' if permanent else 'test'}",
            "I: Starting swap using nsib algorithm.",
        ]
        assert board.other_s_slot.read(0, 0xC200) == whole_slot
        assert board.secondary.is_erased(0, 0xD200)
        assert read_trailer(board.secondary).magic is Magic.UNSET
        assert holds(board.primary, OLD)

    def test_only_the_beginning_of_the_secondary_slot_is_erased(self) -> None:
        board = Board(ncs="2.9")
        board.update(FOR_S1)
        board.secondary.write(0xE000, bytes(64))

        board.boot()

        assert board.secondary.read(0xE000, 64) == bytes(64)

    @pytest.mark.parametrize("ncs", ["2.9", "3.0"])
    def test_the_next_boot_starts_the_application(self, ncs: str) -> None:
        board = Board(ncs=ncs)
        board.update(FOR_S1)
        board.boot()

        assert board.boot() == APP_START
        assert "I: Image index: 1, Swap type: none" in board.lines


class TestWrongVariant:
    """An image for the S slot that MCUboot runs from."""

    def lines_after_the_states(self, board: Board) -> list[str]:
        board.update(FOR_S0)
        assert board.boot() == APP_START
        shared = (
            "***",
            "I: Starting",
            "I: Primary",
            "I: Secondary",
            "I: Boot source",
            "I: Image v",
        )
        return [line for line in board.lines if not line.startswith(shared)]

    @pytest.mark.parametrize("cleans_up", [False, True])
    @pytest.mark.parametrize(
        ("ncs", "lines", "cleaned_lines"),
        [
            ("2.3", [], []),
            ("2.6", [], ["E: Cleaned-up secondary slot of 0. image."]),
            (
                "2.9",
                [WRONG_VARIANT, "I: Image index: 1, Swap type: none"],
                [
                    WRONG_VARIANT,
                    "I: Image index: 1, Swap type: none",
                    "E: Cleaned-up secondary slot of image 0",
                    "E: Cleaned-up secondary slot of image 1",
                ],
            ),
        ],
    )
    def test_what_is_said_and_erased(
        self, ncs: str, lines: list[str], cleaned_lines: list[str], cleans_up: bool
    ) -> None:
        board = Board(
            ncs=ncs, description=McubootDescription(cleans_up_unusable_secondary=cleans_up)
        )

        expected = cleaned_lines if cleans_up else lines
        assert self.lines_after_the_states(board) == [*expected, JUMP]
        assert board.secondary.is_erased(0, SLOT_BYTES) == bool(expected)
        assert holds(board.primary, OLD)

    def test_3_0_says_at_once_that_it_cleaned_up(self) -> None:
        for cleans_up in (False, True):
            description = McubootDescription(cleans_up_unusable_secondary=cleans_up)
            board = Board(ncs="3.0", description=description)

            assert self.lines_after_the_states(board) == [
                WRONG_VARIANT,
                "E: Cleaned-up secondary slot of image 0",
                "I: Image index: 1, Swap type: none",
                JUMP,
            ]
            assert board.secondary.is_erased(0, SLOT_BYTES)

    @pytest.mark.parametrize("ncs", ["2.6", "2.9", "3.0"])
    def test_an_image_that_a_pair_takes_is_not_cleaned_up(self, ncs: str) -> None:
        description = McubootDescription(cleans_up_unusable_secondary=True)
        for update in (NEW, FOR_S1):
            board = Board(ncs=ncs, description=description)
            put(board.secondary, update)

            assert board.boot() == APP_START
            assert holds(board.secondary, update)

    @pytest.mark.parametrize("ncs", RELEASES)
    def test_an_image_for_nobody_is_only_cleaned_up_where_asked_for(self, ncs: str) -> None:
        description = McubootDescription(cleans_up_unusable_secondary=True)
        board = Board(ncs=ncs, description=description)
        put(board.secondary, image(2, address=0x50200))

        assert board.boot() == APP_START
        assert board.secondary.is_erased(0, SLOT_BYTES) == (ncs != "2.3")
        cleaned = [line for line in board.lines if "Cleaned-up" in line]
        assert len(cleaned) == {"2.3": 0, "2.6": 1, "2.7": 1}.get(ncs, 2)


class TestDowngradePrevention:
    PREVENTING = McubootDescription(downgrade_prevention=True)

    @pytest.mark.parametrize(
        ("ncs", "permanent", "line"),
        [
            ("2.3", False, "I: Image in slot 1 erased due to downgrade prevention"),
            ("2.3", True, None),
            *(
                (ncs, permanent, "I: Image 0 in slot 1 erased due to downgrade prevention")
                for ncs in ("2.6", "2.9", "3.0")
                for permanent in (False, True)
            ),
        ],
    )
    def test_an_older_image(self, ncs: str, permanent: bool, line: str | None) -> None:
        board = Board(primary=NEW, description=self.PREVENTING, ncs=ncs)
        board.update(OLD, permanent=permanent)

        assert board.boot() == APP_START
        assert [text for text in board.lines if "downgrade" in text] == ([line] if line else [])
        if line:
            assert holds(board.primary, NEW)
            assert board.secondary.is_erased(0, SLOT_BYTES)
            assert not any("Starting swap" in text for text in board.lines)
        else:
            assert holds(board.primary, OLD)

    @pytest.mark.parametrize("ncs", RELEASES)
    def test_the_same_or_a_newer_version_is_swapped_and_reverted(self, ncs: str) -> None:
        for update in (image(1, 0x900), NEW):
            board = Board(description=self.PREVENTING, ncs=ncs)
            board.update(update)

            board.boot()
            assert holds(board.primary, update)
            board.boot()
            assert holds(board.primary, OLD)

    @pytest.mark.parametrize("ncs", RELEASES)
    def test_without_the_option_an_older_image_is_taken(self, ncs: str) -> None:
        board = Board(primary=NEW, ncs=ncs)
        board.update(OLD)

        board.boot()

        assert holds(board.primary, OLD)

    @pytest.mark.parametrize(("ncs", "reaches_the_s_slot"), [("2.3", 0), ("2.6", 0), ("2.9", 1)])
    def test_an_s_slot_without_header_counts_as_newest_up_to_2_7(
        self, ncs: str, reaches_the_s_slot: bool
    ) -> None:
        board = Board(description=self.PREVENTING, ncs=ncs)
        board.update(FOR_S1)

        board.boot()

        assert holds(board.other_s_slot, FOR_S1) == reaches_the_s_slot
        assert board.secondary.is_erased(0, 0x4000)


FROM_3_0 = {"3.0", "3.2"}


class TestStuckRevert:
    @pytest.mark.parametrize("ncs", RELEASES)
    def test_3_0_and_later_give_up_a_revert_without_an_image(self, ncs: str) -> None:
        board = Board(ncs=ncs)
        write_magic(board.primary)
        write_copy_done(board.primary)

        assert board.boot() == APP_START
        gave_up = "I: Cleared image 0 primary slot trailer due to stuck revert" in board.lines
        assert gave_up == (ncs in FROM_3_0)
        assert (read_trailer(board.primary).magic is Magic.UNSET) == gave_up
        assert holds(board.primary, OLD)

    @pytest.mark.parametrize("ncs", RELEASES)
    def test_3_0_and_later_revert_over_a_bad_magic(self, ncs: str) -> None:
        board = Board(ncs=ncs)
        board.update(NEW)
        board.boot()
        board.secondary.write(SLOT_BYTES - 16, bytes(8))

        assert board.boot() == APP_START
        assert holds(board.primary, OLD if ncs in FROM_3_0 else NEW)

    def test_3_0_asks_twice_where_the_header_is_erased(self) -> None:
        board = Board(ncs="3.0")
        write_magic(board.secondary)

        board.boot()

        said = [line for line in board.lines if "Swap type" in line]
        assert said[:2] == [
            "I: Image index: 0, Swap type: test",
            "I: Image index: 0, Swap type: none",
        ]


class TestOverwriteOnly:
    OVERWRITING = McubootDescription(swap="overwrite")

    @pytest.mark.parametrize(
        ("ncs", "decision", "lines"),
        [
            (
                "2.3",
                "I: Swap type: ",
                [
                    "I: Image upgrade secondary slot -> primary slot",
                    "I: Erasing the primary slot",
                    "I: Copying the secondary slot to the primary slot: 0x{size:x} bytes",
                ],
            ),
            (
                "2.6",
                "I: Image index: 0, Swap type: ",
                [
                    "I: Image 0 upgrade secondary slot -> primary slot",
                    "I: Erasing the primary slot",
                    "I: Image 0 copying the secondary slot to the primary slot: 0x{size:x} bytes",
                ],
            ),
        ],
    )
    @pytest.mark.parametrize("permanent", [False, True])
    def test_the_old_image_is_gone_and_there_is_no_revert(
        self, ncs: str, decision: str, lines: list[str], permanent: bool
    ) -> None:
        board = Board(has_nsib=False, description=self.OVERWRITING, ncs=ncs)
        board.update(NEW, permanent=permanent)
        size = len(NEW) // 4 * 4 + 4

        assert board.boot() == APP_START
        assert board.lines[1:] == [
            "I: Starting bootloader",
            decision + ("perm" if permanent else "test"),
            *(line.format(size=size) for line in lines),
            JUMP,
        ]
        assert holds(board.primary, NEW)
        assert trailer_bytes(board.primary) == [BLANK] * 4 + [MAGIC[:16], MAGIC[16:]]
        assert board.secondary.is_erased(0, SECTOR)
        assert trailer_bytes(board.secondary) == [BLANK] * 6
        assert board.secondary.read(SECTOR, SECTOR) == NEW[SECTOR : 2 * SECTOR]

        operations = len(board.flash.operations)
        assert board.boot() == APP_START
        assert board.lines[1:] == ["I: Starting bootloader", decision + "none", JUMP]
        assert len(board.flash.operations) == operations

    def test_an_invalid_update_is_erased(self) -> None:
        board = Board(has_nsib=False, description=self.OVERWRITING)
        board.update(damaged(NEW))

        assert board.boot() == APP_START
        assert "E: Image in the secondary slot is not valid!" in board.lines
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert holds(board.primary, OLD)
        assert trailer_bytes(board.primary) == [BLANK] * 6

    def test_a_trailer_without_an_image_stays(self) -> None:
        board = Board(has_nsib=False, description=self.OVERWRITING)
        write_magic(board.secondary)

        assert board.boot() == APP_START
        assert read_trailer(board.secondary).magic is Magic.GOOD

    def test_an_image_may_reach_into_the_status_bytes_that_nobody_writes(self) -> None:
        board = Board(has_nsib=False, description=self.OVERWRITING)
        large = image(2, 23 * SECTOR - 0x200)
        board.update(large)

        assert board.boot() == APP_START
        assert holds(board.primary, large)

    @pytest.mark.parametrize("permanent", [False, True])
    @pytest.mark.parametrize("ncs", RELEASES)
    def test_downgrade_prevention_has_its_own_words(self, ncs: str, permanent: bool) -> None:
        description = McubootDescription(swap="overwrite", downgrade_prevention=True)
        board = Board(primary=NEW, has_nsib=False, description=description, ncs=ncs)
        board.update(OLD, permanent=permanent)

        assert board.boot() == APP_START
        assert "E: insufficient version in secondary slot" in board.lines
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert holds(board.primary, NEW)

    @pytest.mark.parametrize("ncs", RELEASES)
    def test_a_bootloader_is_copied_into_its_s_slot(self, ncs: str) -> None:
        """2.7 alone resets then (sdk-mcuboot v2.1.0-ncs1 loader.c, context_boot_go)."""
        board = Board(description=self.OVERWRITING, ncs=ncs)
        board.update(FOR_S1)

        assert board.boot() == (BoardReset() if ncs == "2.7" else APP_START)
        assert holds(board.other_s_slot, FOR_S1)
        assert holds(board.primary, OLD)
        assert board.boot() == APP_START
