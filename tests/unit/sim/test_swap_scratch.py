"""Swap using scratch: literal lines and bytes, and a power cut at every operation."""

import functools
from dataclasses import dataclass, replace

import pytest
from pydantic import TypeAdapter

from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Magic
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, NsibSlots, Place, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import (
    CutMoment,
    Flash,
    FlashArea,
    MemoryLayout,
    Operation,
    OperationKind,
    PowerCut,
    PowerLostError,
)
from pytest_nrf_fota.sim.kit import KitSettings
from pytest_nrf_fota.sim.trailer_area import read_trailer, schedule_swap, write_image_ok
from tests.unit.sim.cut_boot import boot_is_cut

pytestmark = pytest.mark.long_proof

SECTOR = 0x1000
SLOT_SECTORS = 5
SLOT_BYTES = SLOT_SECTORS * SECTOR
INTERNAL = MemoryLayout("application flash", 0, 0x40000, SECTOR, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SLOT_BYTES, SECTOR, 4, 0.0, 0.0)
SCRATCH_START = 0x38000
SLOTS = SlotMap(
    primary=Place(0x28000, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
)
APP_START = Jump(0x28200)
KEY = signing_key_for_tests("mcuboot")
MAGIC = "77c295f360d2ef7f3552500f2cb67980"
BLANK = "ff" * 8


@functools.cache
def image(version: int, size_bytes: int, address: int = 0x28200) -> bytes:
    payload = build_payload(address, size_bytes, AppDescription(build_time=str(version)))
    # imgtool would refuse what is too large for the slot.
    layout = SlotLayout(2 * SLOT_BYTES, max_sectors=SLOT_SECTORS)
    return sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, KEY)


SMALL = image(1, 0x800)
MEDIUM = image(2, 0x1900)
LARGE = image(3, 0x2F00)
# Reaches into the sector that holds the trailer.
WHOLE_SLOT = image(4, SLOT_BYTES - 0x700)


@dataclass(frozen=True)
class Scenario:
    """What is swapped, and by which build of MCUboot."""

    old: bytes = MEDIUM
    new: bytes = LARGE
    permanent: bool = False
    reverting: bool = False
    has_nsib: bool = False
    scratch_sectors: int = 1
    max_sectors: int = SLOT_SECTORS
    ncs: str = "2.3"


class Board:
    """A kit in which the scenario's swap is about to happen."""

    def __init__(self, scenario: Scenario) -> None:
        slots = replace(SLOTS, scratch=Place(SCRATCH_START, scenario.scratch_sectors * SECTOR))
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self.lines: list[str] = []
        self._hardware = Hardware(self.flash, slots, self.lines.append)
        self.primary = self._hardware.primary_area()
        self.secondary = self._hardware.secondary_area()
        self.other_s_slot = self._hardware.s_area(1)
        scratch = self._hardware.scratch_area()
        assert scratch is not None
        self.scratch = scratch
        self._profile = RELEASES[scenario.ncs]
        self._build = McubootBuild(
            McubootDescription(swap="scratch"),
            (KEY.public_key(),),
            self.other_s_slot if scenario.has_nsib else None,
            scenario.max_sectors,
        )
        put(self.primary, scenario.old)
        self.update(scenario.new, permanent=scenario.permanent)
        if scenario.reverting:
            assert self.boot() == APP_START

    def update(self, data: bytes, *, permanent: bool = False) -> None:
        """Store an update in the erased secondary slot and mark it."""
        self.secondary.erase_all()
        put(self.secondary, data)
        assert schedule_swap(self.secondary, permanent=permanent)

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_mcuboot(self._hardware, self._build, self._profile)

    def boot_and_cut_after(self, operations: int, moment: CutMoment = CutMoment.BEFORE) -> bool:
        """Cut at the operation behind so many; False where the boot needs no more than that."""
        return boot_is_cut(self.flash, self.boot, operations, moment)

    def operations_of_a_boot(self) -> list[Operation]:
        before = len(self.flash.operations)
        assert self.boot() == APP_START
        return self.flash.operations[before:]


def settings_of(board: BoardType) -> KitSettings:
    """As the kit's process gets them."""
    return TypeAdapter(KitSettings).validate_json(kit_settings_json(board))


def put(area: FlashArea, data: bytes) -> None:
    area.write(0, data + b"\xff" * (-len(data) % 4))


def holds(area: FlashArea, data: bytes) -> bool:
    return area.read(0, len(data)) == data


def trailer_bytes(area: FlashArea) -> list[str]:
    """Swap size, swap info, copy done, image ok, both halves of the magic."""
    text = area.read_from_end(48, 48).hex()
    return [text[start : start + 16] for start in range(0, 96, 16)]


def status_entries(area: FlashArea, sectors: int) -> list[str]:
    """The status bytes of a slot, or of the scratch area (one sector)."""
    size_bytes = sectors * 3 * 4
    text = area.read_from_end(48 + size_bytes, size_bytes).hex()
    return [text[start : start + 8] for start in range(0, len(text), 8)]


UNSET = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"
PENDING = "magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3"
TESTING = "magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x3"
REVERTED = "magic=good, swap_type=0x4, copy_done=0x1, image_ok=0x1"
START = ["*** Booting Zephyr OS build v3.2.99-ncs2 ***", "I: Starting bootloader"]
SWAP = "I: Starting swap using scratch algorithm."
JUMP = "I: Bootloader chainload address offset: 0x28000"


def pair(primary: str, scratch: str, source: str, *more: str) -> list[str]:
    return [
        f"I: Primary image: {primary}",
        f"I: Scratch: {scratch}",
        f"I: Boot source: {source}",
        *more,
    ]


# The secondary trailer is not looked at before the swap type is asked for; image 1 is not asked.
OTHER = pair(UNSET, UNSET, "primary slot")


class TestLines:
    def test_nothing_pending(self) -> None:
        board = Board(Scenario(has_nsib=True))
        board.secondary.erase_all()

        assert board.boot() == APP_START
        none = "I: Swap type: none"
        assert board.lines == [
            *START,
            *pair(UNSET, UNSET, "primary slot", none),
            *pair(UNSET, UNSET, "primary slot", none),
            JUMP,
        ]

    def test_test_then_revert_then_nothing(self) -> None:
        board = Board(Scenario(has_nsib=True, scratch_sectors=3))

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(UNSET, UNSET, "primary slot", "I: Swap type: test"),
            *OTHER,
            SWAP,
            JUMP,
        ]
        assert (holds(board.primary, LARGE), holds(board.secondary, MEDIUM)) == (True, True)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(TESTING, UNSET, "none", "I: Swap type: revert"),
            *OTHER,
            SWAP,
            JUMP,
        ]
        assert (holds(board.primary, MEDIUM), holds(board.secondary, LARGE)) == (True, True)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            *pair(REVERTED, UNSET, "none", "I: Swap type: none"),
            *OTHER,
            JUMP,
        ]

    def test_image_bytes_left_at_the_end_of_scratch_are_a_bad_trailer(self) -> None:
        board = Board(Scenario(has_nsib=True))
        board.boot()
        assert board.scratch.read(0, SECTOR) == LARGE[:SECTOR]

        assert board.boot() == APP_START
        assert board.lines[3].startswith("I: Scratch: magic=bad, swap_type=0x")
        assert board.lines[4:6] == ["I: Boot source: none", "I: Swap type: revert"]
        assert holds(board.primary, MEDIUM)

    def test_permanent_stays(self) -> None:
        board = Board(Scenario(permanent=True))

        assert board.boot() == APP_START
        assert board.lines[5] == "I: Swap type: perm"
        assert trailer_bytes(board.primary)[1:4] == [
            "03" + "ff" * 7,
            "01" + "ff" * 7,
            "01" + "ff" * 7,
        ]
        assert board.operations_of_a_boot() == []
        assert holds(board.primary, LARGE)

    def test_a_confirmed_trial_stays(self) -> None:
        board = Board(Scenario(has_nsib=True))
        board.boot()
        write_image_ok(board.primary)

        assert board.operations_of_a_boot() == []
        assert holds(board.primary, LARGE)

    @pytest.mark.parametrize("ncs", ["2.6", "2.9", "3.0"])
    def test_later_releases_name_the_image(self, ncs: str) -> None:
        board = Board(Scenario(ncs=ncs))

        assert board.boot() == APP_START
        assert "I: Image index: 0, Swap type: test" in board.lines
        assert SWAP in board.lines
        assert holds(board.primary, LARGE)

    def test_the_board_file_names_the_scratch_area(self) -> None:
        board = load_board("nrf5340dk_sim")
        assert settings_of(board).slots.scratch is None
        place = Slot(address=0xFE000, size=0x2000)
        slots = board.slots.model_copy(update={"scratch": place})

        settings = settings_of(board.model_copy(update={"slots": slots}))

        assert settings.slots.scratch == Place(0xFE000, 0x2000)

    def test_a_kit_without_scratch_area_does_not_start(self) -> None:
        flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        build = McubootBuild(McubootDescription(swap="scratch"), (), None)

        end = run_mcuboot(Hardware(flash, SLOTS, print), build, RELEASES["2.3"])

        assert isinstance(end, Halt)
        assert "slots.scratch" in end.reason


@pytest.mark.parametrize("ncs", RELEASES)
class TestBytes:
    def test_trailers_after_a_test(self, ncs: str) -> None:
        board = Board(Scenario(ncs=ncs))
        board.boot()

        size = len(LARGE).to_bytes(4, "little").hex() + "ffffffff"
        assert trailer_bytes(board.primary) == [
            size, "02" + "ff" * 7, "01" + "ff" * 7, BLANK, MAGIC[:16], MAGIC[16:]
        ]  # fmt: skip
        assert trailer_bytes(board.secondary) == [BLANK] * 6
        assert trailer_bytes(board.scratch) != trailer_bytes(board.primary)

    @pytest.mark.parametrize(
        ("scratch_sectors", "exchanges"), [(1, 4), (2, 2), (3, 2), (4, 1), (5, 1)]
    )
    def test_three_states_for_as_many_sectors_as_scratch_takes(
        self, scratch_sectors: int, exchanges: int, ncs: str
    ) -> None:
        new = image(5, 0x3800)
        board = Board(Scenario(new=new, scratch_sectors=scratch_sectors, ncs=ncs))
        board.boot()

        entries = status_entries(board.primary, SLOT_SECTORS)
        done = ["01ffffff", "02ffffff", "03ffffff"] * exchanges
        assert entries == done + ["ffffffff"] * (3 * SLOT_SECTORS - len(done))
        assert holds(board.primary, new)
        assert holds(board.secondary, MEDIUM)

    def test_the_last_sectors_come_first(self, ncs: str) -> None:
        board = Board(Scenario(ncs=ncs))
        images = [
            operation.address - SLOTS.primary.address
            for operation in board.operations_of_a_boot()
            if operation.kind is OperationKind.ERASE
            and 0 <= operation.address - SLOTS.primary.address < SLOT_BYTES - SECTOR
        ]

        assert images == [3 * SECTOR, 2 * SECTOR, SECTOR, 0]

    @pytest.mark.parametrize("scratch_sectors", [1, 3, SLOT_SECTORS])
    def test_an_image_in_the_trailers_sector_keeps_the_status_in_scratch(
        self, scratch_sectors: int, ncs: str
    ) -> None:
        scenario = Scenario(new=WHOLE_SLOT, scratch_sectors=scratch_sectors, ncs=ncs)
        board = Board(scenario)
        size = len(WHOLE_SLOT).to_bytes(4, "little").hex() + "ffffffff"
        # Cut when the primary slot loses the sector with its trailer.
        board.flash.power_cut = PowerCut(
            None, CutMoment.BEFORE, SLOTS.primary.address + SLOT_BYTES - SECTOR
        )
        with pytest.raises(PowerLostError):
            board.boot()
        board.flash.has_power = True

        assert status_entries(board.scratch, 1) == ["01ffffff", "02ffffff", "ffffffff"]
        assert trailer_bytes(board.scratch) == [
            size, "02" + "ff" * 7, BLANK, BLANK, MAGIC[:16], MAGIC[16:]
        ]  # fmt: skip
        assert trailer_bytes(board.primary) == [BLANK] * 6

        board.boot()
        assert board.lines[len(RELEASES[ncs].mcuboot_banner) + 1 :][:4] == [
            *pair(UNSET, PENDING, "scratch"),
            SWAP,
        ]
        assert holds(board.primary, WHOLE_SLOT)
        assert holds(board.secondary, MEDIUM)
        assert trailer_bytes(board.primary)[:2] == [size, "02" + "ff" * 7]
        assert read_trailer(board.scratch).magic is not Magic.GOOD

    def test_an_image_may_reach_up_to_the_status_bytes(self, ncs: str) -> None:
        room_bytes = SLOT_BYTES - SLOT_SECTORS * 12 - 48
        overhead_bytes = len(SMALL) - 0x800
        # Signatures differ in length by a few bytes.
        fits = image(6, room_bytes - overhead_bytes - 8)
        too_long = image(6, room_bytes - overhead_bytes + 8)
        assert room_bytes - 16 < len(fits) <= room_bytes < len(too_long) < room_bytes + 16
        for update, is_taken in ((fits, True), (too_long, False)):
            board = Board(Scenario(ncs=ncs))
            board.update(update)

            assert board.boot() == APP_START
            assert holds(board.primary, update) == is_taken
            assert ("E: Image in the secondary slot is not valid!" in board.lines) != is_taken


SCENARIOS = [
    pytest.param(Scenario(), id="test"),
    pytest.param(Scenario(permanent=True), id="permanent"),
    pytest.param(Scenario(reverting=True), id="revert"),
    pytest.param(Scenario(has_nsib=True), id="test, two images"),
    pytest.param(Scenario(reverting=True, has_nsib=True), id="revert, two images"),
    pytest.param(Scenario(old=LARGE, new=SMALL), id="test of a smaller image"),
    pytest.param(Scenario(old=SMALL, new=image(4, 0x900), permanent=True), id="one sector"),
    pytest.param(Scenario(scratch_sectors=3), id="several sectors at once"),
    pytest.param(Scenario(new=WHOLE_SLOT), id="test of a whole slot"),
    pytest.param(Scenario(new=WHOLE_SLOT, reverting=True), id="revert of a whole slot"),
    pytest.param(Scenario(new=WHOLE_SLOT, permanent=True, scratch_sectors=3), id="whole, at once"),
]


def boots_without_a_stop(board: Board, ncs: str) -> None:
    """Boot; NCS 2.9 stops once after it has resumed a swap, and starts after a reset."""
    end = board.boot()
    if ncs == "2.9" and isinstance(end, Halt):
        assert SWAP in board.lines
        assert board.lines[-1] == "E: Unable to find bootable image"
        end = board.boot()
    assert end == APP_START, board.lines


def hits_scratch_after_its_trailer_was_moved(board: Board, moment: CutMoment) -> bool:
    """Whether the cut left half of a scratch area of several sectors that still looks used.

    Its sectors are erased from the first to the last, in which the trailer lies.
    """
    cut = board.flash.operations[-1]
    index, rest = divmod(cut.address - SCRATCH_START, SECTOR)
    last = board.scratch.num_sectors - 1
    both_know = read_trailer(board.scratch).magic is read_trailer(board.primary).magic is Magic.GOOD
    if cut.kind is not OperationKind.ERASE or rest or not 0 <= index <= last or not both_know:
        return False
    return index > 0 if moment is CutMoment.BEFORE else index < last


LATER_RELEASES = [
    pytest.param(ncs, scenario, id=f"{name}, {ncs}")
    for name, scenario, releases in (
        ("test", Scenario(), ("2.6", "2.9", "3.0")),
        ("revert", Scenario(reverting=True), ("3.0",)),
        ("whole slot", Scenario(new=WHOLE_SLOT), ("2.9", "3.0")),
        ("whole slot at once", Scenario(new=WHOLE_SLOT, scratch_sectors=3), ("3.0",)),
    )
    for ncs in releases
]


@pytest.mark.parametrize("moment", CutMoment)
@pytest.mark.parametrize(
    ("ncs", "scenario"),
    [*(pytest.param("2.3", *p.values, id=p.id) for p in SCENARIOS), *LATER_RELEASES],
)
def test_a_cut_at_any_operation_is_finished(
    scenario: Scenario, ncs: str, moment: CutMoment
) -> None:
    scenario = replace(scenario, ncs=ncs)
    stays = scenario.new if scenario.permanent else scenario.old
    operations = 0
    while True:
        board = Board(scenario)
        if not board.boot_and_cut_after(operations, moment):
            break

        if hits_scratch_after_its_trailer_was_moved(board, moment):
            # A true defect, see below.
            operations += 1
            continue
        boots_without_a_stop(board, ncs)
        first = scenario.old if holds(board.primary, scenario.old) else scenario.new
        second = scenario.new if first is scenario.old else scenario.old
        assert holds(board.primary, first), f"cut after {operations} operations"
        assert holds(board.secondary, second), f"cut after {operations} operations"
        boots_without_a_stop(board, ncs)
        settled = board.operations_of_a_boot()
        assert settled == [], f"cut after {operations} operations"
        assert holds(board.primary, stays), f"cut after {operations} operations"
        operations += 1
    sectors = -(-max(len(scenario.old), len(scenario.new)) // SECTOR)
    # Per sector 3 copies of an erase and 4 writes; one trailer at least, copy_done.
    assert operations >= sectors * 3 * 5 + 4


@pytest.mark.parametrize("ncs", RELEASES)
def test_two_cuts_can_turn_a_trial_into_the_last_word(ncs: str) -> None:
    """MCUboot's own defect: between two trailers, a revert is noted nowhere for a moment."""
    board = Board(Scenario(reverting=True, ncs=ncs))
    assert holds(board.primary, LARGE)
    last_sector = SLOTS.primary.address + SLOT_BYTES - SECTOR
    # The trailer in scratch speaks for the erased one; then it is erased too, to be written again.
    for address in (last_sector, SCRATCH_START):
        board.flash.power_cut = PowerCut(None, CutMoment.AFTER, address)
        with pytest.raises(PowerLostError):
            board.boot()
        board.flash.has_power = True

    assert board.operations_of_a_boot() == []
    assert holds(board.primary, LARGE)
    assert holds(board.secondary, MEDIUM)


@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("ncs", RELEASES)
def test_a_cut_while_several_sectors_of_scratch_are_erased_damages_the_image(
    ncs: str, permanent: bool
) -> None:
    """MCUboot's own defect: the trailer in scratch outlives what it describes."""
    damaged = 0
    operations = 0
    while True:
        board = Board(Scenario(new=WHOLE_SLOT, permanent=permanent, scratch_sectors=3, ncs=ncs))
        if not board.boot_and_cut_after(operations, CutMoment.AFTER):
            break
        operations += 1
        if not hits_scratch_after_its_trailer_was_moved(board, CutMoment.AFTER):
            continue
        assert isinstance(board.boot(), Halt)
        assert not holds(board.primary, WHOLE_SLOT)
        # Only the trial that failed can be taken back.
        assert isinstance(board.boot(), Halt if permanent else Jump)
        assert holds(board.primary, MEDIUM) != permanent
        damaged += 1
    # After the first and the second of three sectors.
    assert damaged == 2
