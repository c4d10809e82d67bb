"""Power is cut at every single flash operation of a swap; MCUboot must finish it afterwards."""

import functools
from dataclasses import dataclass, replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from pytest_nrf_fota.sim.flash import (
    CutMoment,
    Flash,
    FlashArea,
    MemoryLayout,
    OperationKind,
    PowerCut,
    PowerLostError,
)
from pytest_nrf_fota.sim.trailer_area import read_trailer, schedule_swap
from tests.unit.sim.cut_boot import boot_is_cut

pytestmark = pytest.mark.long_proof

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
def image(version: int, size_bytes: int, address: int = 0x28200) -> bytes:
    payload = build_payload(address, size_bytes, AppDescription(build_time=str(version)))
    layout = SlotLayout(SLOT_BYTES, max_sectors=24)
    return sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, KEY)


SMALL = image(1, 0x800)
MEDIUM = image(2, 0x1900)
LARGE = image(3, 0x2F00)


@dataclass(frozen=True)
class Scenario:
    """What is swapped, and by which build of MCUboot."""

    old: bytes = MEDIUM
    new: bytes = LARGE
    permanent: bool = False
    reverting: bool = False
    has_nsib: bool = True
    max_sectors: int = 24
    ncs: str = "2.6"
    swap: Literal["move", "overwrite"] = "move"


class Board:
    """A kit in which the scenario's swap is about to happen."""

    def __init__(self, scenario: Scenario) -> None:
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self.lines: list[str] = []
        self._hardware = Hardware(self.flash, SLOTS, self.lines.append)
        self.primary = self._hardware.primary_area()
        self.secondary = self._hardware.secondary_area()
        self.other_s_slot = self._hardware.s_area(1)
        self._profile = RELEASES[scenario.ncs]
        self._build = McubootBuild(
            McubootDescription(swap=scenario.swap),
            (KEY.public_key(),),
            self.other_s_slot if scenario.has_nsib else None,
            scenario.max_sectors,
        )
        put(self.primary, scenario.old)
        put(self.secondary, scenario.new)
        schedule_swap(self.secondary, permanent=scenario.permanent)
        if scenario.reverting:
            assert self.boot() == APP_START

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_mcuboot(self._hardware, self._build, self._profile)

    def boot_and_cut_after(self, operations: int, moment: CutMoment = CutMoment.BEFORE) -> bool:
        """Cut at the operation behind so many; False where the boot needs no more than that."""
        return boot_is_cut(self.flash, self.boot, operations, moment)

    def boot_until_nothing_changes(self) -> list[bytes]:
        """Boot, each time successfully; returns what the primary slot began with each time."""
        seen: list[bytes] = []
        for _ in range(6):
            operations = len(self.flash.operations)
            assert self.boot() == APP_START, self.lines
            seen.append(self.primary.read(0, SLOT_BYTES))
            if len(self.flash.operations) == operations:
                return seen
        raise AssertionError("the kit changes its flash with every boot")


def put(area: FlashArea, data: bytes) -> None:
    area.write(0, data + b"\xff" * (-len(data) % 4))


def holds(area: FlashArea, data: bytes) -> bool:
    return area.read(0, len(data)) == data


SCENARIOS = [
    pytest.param(Scenario(), id="test"),
    pytest.param(Scenario(permanent=True), id="permanent"),
    pytest.param(Scenario(reverting=True), id="revert"),
    pytest.param(Scenario(has_nsib=False), id="test, one image"),
    pytest.param(Scenario(permanent=True, has_nsib=False), id="permanent, one image"),
    pytest.param(Scenario(reverting=True, has_nsib=False), id="revert, one image"),
    pytest.param(Scenario(old=LARGE, new=SMALL), id="test of a smaller image"),
    pytest.param(Scenario(old=SMALL, new=image(4, 0x900), permanent=True), id="one sector"),
    pytest.param(Scenario(permanent=True, max_sectors=512), id="trailer of two sectors"),
    pytest.param(Scenario(ncs="3.0"), id="test, NCS 3.0"),
]


@pytest.mark.parametrize("moment", CutMoment)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cut_at_any_operation_is_finished_by_the_next_boot(
    scenario: Scenario, moment: CutMoment
) -> None:
    arriving = scenario.old if scenario.reverting else scenario.new
    leaving = scenario.new if scenario.reverting else scenario.old
    stays = scenario.new if scenario.permanent else scenario.old
    operations = taken_back = stuck = 0
    while True:
        board = Board(scenario)
        if not board.boot_and_cut_after(operations, moment):
            break

        assert board.boot() == APP_START, f"cut after {operations} operations: {board.lines}"
        # A cut behind the last operation leaves a finished trial, which the next boot takes back.
        took_back = not holds(board.primary, arriving)
        first, second = (leaving, arriving) if took_back else (arriving, leaving)
        assert holds(board.primary, first), f"cut after {operations} operations"
        assert holds(board.secondary, second), f"cut after {operations} operations"
        taken_back += took_back
        board.boot_until_nothing_changes()
        if read_trailer(board.secondary).magic is Magic.BAD:
            # Half a magic in the secondary slot stops a revert for good: MCUboot's table asks for
            # an unset one (releases from NCS 3.0 on clear it as a "stuck revert").
            assert scenario.reverting and moment is CutMoment.DURING
            assert holds(board.primary, leaving), f"cut after {operations} operations"
            stuck += 1
        else:
            assert holds(board.primary, stays), f"cut after {operations} operations"
        operations += 1
    assert taken_back <= 1
    assert stuck <= 1
    sectors = -(-max(len(scenario.old), len(scenario.new)) // SECTOR)
    # Per sector 3 copies of an erase, 4 writes and a status byte; 2 trailers, copy_done.
    assert operations >= sectors * 3 * 6 + 6


class TestFirstSectorOfNcs23:
    """Up to sdk-mcuboot 74530753 the moved header was not found (resumes_cut_swap_...)."""

    @pytest.mark.parametrize("moment", CutMoment)
    @pytest.mark.parametrize(
        "scenario", [Scenario(), Scenario(reverting=True), Scenario(old=SMALL)]
    )
    @pytest.mark.parametrize("has_nsib", [True, False])
    def test_a_cut_between_its_erase_and_its_write_is_the_end(
        self, scenario: Scenario, has_nsib: bool, moment: CutMoment
    ) -> None:
        scenario = replace(scenario, ncs="2.3", has_nsib=has_nsib)
        ended = []
        operations = 0
        while True:
            board = Board(scenario)
            if not board.boot_and_cut_after(operations, moment):
                break
            cut = board.flash.operations[-1]

            if isinstance(board.boot(), Halt):
                ended.append((cut.kind, cut.address))
                assert "W: Failed reading image headers; Image=0" in board.lines
                assert board.lines[-1] == "E: Unable to find bootable image"
                before = len(board.flash.operations)
                assert isinstance(board.boot(), Halt)
                assert len(board.flash.operations) == before
            operations += 1
        # Half of a first chunk brings the header already.
        kind = OperationKind.WRITE if moment is CutMoment.BEFORE else OperationKind.ERASE
        assert ended == [(kind, SLOTS.primary.address)]

    def test_what_it_prints(self) -> None:
        board = Board(Scenario(ncs="2.3"))
        cut_at_first_sector(board, CutMoment.AFTER)

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            *START,
            f"I: Primary image: {PENDING}",
            f"I: Secondary image: {UNSET}",
            "I: Boot source: primary slot",
            "W: Failed reading image headers; Image=0",
            *IMAGE_1,
            "E: Unable to find bootable image",
        ]

    @pytest.mark.parametrize("ncs", ["2.6", "2.9", "3.0"])
    def test_later_releases_finish_it(self, ncs: str) -> None:
        board = Board(Scenario(ncs=ncs))
        cut_at_first_sector(board, CutMoment.AFTER)

        assert board.boot() == APP_START
        assert holds(board.primary, LARGE)


def cut_at_first_sector(board: Board, moment: CutMoment) -> None:
    """Cut when the swap erases the primary slot's first sector."""
    board.flash.power_cut = PowerCut(None, moment, SLOTS.primary.address)
    with pytest.raises(PowerLostError):
        board.boot()
    board.flash.has_power = True


@pytest.mark.parametrize("ncs", RELEASES)
def test_an_update_that_vanished_in_the_middle_of_a_swap_is_not_swapped_in(ncs: str) -> None:
    """As when the external flash is erased after a power cut."""
    board = Board(Scenario(ncs=ncs))
    assert board.boot_and_cut_after(operations_until_secondary_trailer() + 1 + 6)
    board.secondary.erase_all()

    assert board.boot() == APP_START
    assert "W: Failed reading image headers; Image=0" in board.lines
    assert holds(board.primary, MEDIUM)


FOR_S1 = image(15, 0x4000, address=0x18200)


@pytest.mark.parametrize("moment", CutMoment)
@pytest.mark.parametrize("ncs", ["2.9", "3.0"])
def test_a_cut_at_any_operation_of_the_nsib_copy_is_made_good(ncs: str, moment: CutMoment) -> None:
    operations = repeated = 0
    while True:
        board = Board(Scenario(new=FOR_S1, ncs=ncs))
        before = image(14, 0x5000, address=0x18200)
        put(board.other_s_slot, before)
        if not board.boot_and_cut_after(operations, moment):
            break

        end = board.boot()
        if end == BoardReset():
            repeated += 1
            end = board.boot()
        assert end == APP_START, f"cut after {operations} operations: {board.lines}"
        assert holds(board.other_s_slot, FOR_S1), f"cut after {operations} operations"
        assert holds(board.primary, MEDIUM)
        assert read_trailer(board.secondary).magic is not Magic.GOOD
        operations += 1
    # 13 sectors erased, 49 chunks written; then the trailer and 14 sectors of the secondary slot.
    assert operations == 13 + 49 + 1 + 14
    # All cuts that leave the secondary trailer whole lead to a second copy.
    assert repeated == 13 + 49 + (moment is CutMoment.BEFORE)


@pytest.mark.parametrize("moment", CutMoment)
@pytest.mark.parametrize("permanent", [False, True])
def test_a_cut_at_any_operation_of_an_overwrite_is_made_good(
    permanent: bool, moment: CutMoment
) -> None:
    scenario = Scenario(
        old=LARGE, new=MEDIUM, permanent=permanent, has_nsib=False, swap="overwrite"
    )
    operations = 0
    while True:
        board = Board(scenario)
        if not board.boot_and_cut_after(operations, moment):
            break

        assert board.boot() == APP_START, f"cut after {operations} operations: {board.lines}"
        assert holds(board.primary, MEDIUM), f"cut after {operations} operations"
        operations += 1
    # 2 sectors and the trailer erased, 7 chunks, the magic; both ends of the secondary slot.
    assert operations == 2 + 1 + 7 + 1 + 2


@given(
    permanent=st.booleans(),
    has_nsib=st.booleans(),
    cuts=st.lists(
        st.tuples(st.integers(0, 90), st.sampled_from(CutMoment)), min_size=2, max_size=8
    ),
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_cuts_loses_an_image(
    permanent: bool, has_nsib: bool, cuts: list[tuple[int, CutMoment]]
) -> None:
    scenario = Scenario(permanent=permanent, has_nsib=has_nsib)
    board = Board(scenario)
    for operations, moment in cuts:
        board.boot_and_cut_after(operations, moment)

    for content in board.boot_until_nothing_changes():
        assert content.startswith((scenario.old, scenario.new))

    first, second = scenario.old, scenario.new
    if holds(board.primary, scenario.new):
        first, second = second, first
    assert holds(board.primary, first)
    assert holds(board.secondary, second)


UNSET = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"
PENDING = "magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3"
START = ["*** Booting Zephyr OS build v3.2.99-ncs2 ***", "I: Starting bootloader"]
IMAGE_1 = [
    f"I: Primary image: {UNSET}",
    f"I: Secondary image: {UNSET}",
    "I: Boot source: none",
]
SWAP = "I: Starting swap using move algorithm."
JUMP = "I: Bootloader chainload address offset: 0x28000"


def operations_until_secondary_trailer() -> int:
    """How many operations come before the secondary slot's trailer is erased."""
    board = Board(Scenario(ncs="2.3"))
    before = len(board.flash.operations)
    board.boot()
    trailer = EXTERNAL.start + SLOT_BYTES - SECTOR
    return next(
        index
        for index, operation in enumerate(board.flash.operations[before:])
        if operation.address == trailer
    )


class TestLinesOfTheNextBoot:
    """The four places where a cut leaves another state (swap_move.c)."""

    def cut_after(self, operations: int) -> Board:
        board = Board(Scenario(ncs="2.3"))
        assert board.boot_and_cut_after(operations)
        return board

    def test_a_before_the_primary_magic_it_starts_afresh(self) -> None:
        board = self.cut_after(operations_until_secondary_trailer() - 1)

        assert board.boot() == APP_START
        primary = "magic=unset, swap_type=0x2, copy_done=0x3, image_ok=0x3"
        assert board.lines[:6] == [
            *START,
            f"I: Primary image: {primary}",
            f"I: Secondary image: {PENDING}",
            "I: Boot source: none",
            "I: Swap type: test",
        ]
        assert board.lines[-2:] == [SWAP, JUMP]

    def test_b_with_both_magics_it_starts_afresh(self) -> None:
        board = self.cut_after(operations_until_secondary_trailer())

        assert board.boot() == APP_START
        assert board.lines[:6] == [
            *START,
            f"I: Primary image: {PENDING}",
            f"I: Secondary image: {PENDING}",
            "I: Boot source: none",
            "I: Swap type: test",
        ]

    def test_c_the_type_comes_from_the_primary_trailer_without_a_line(self) -> None:
        board = self.cut_after(operations_until_secondary_trailer() + 1)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            f"I: Primary image: {PENDING}",
            f"I: Secondary image: {UNSET}",
            "I: Boot source: primary slot",
            *IMAGE_1,
            SWAP,
            JUMP,
        ]
        assert holds(board.primary, LARGE)

    def test_c_a_secondary_that_was_damaged_meanwhile_is_erased(self) -> None:
        board = self.cut_after(operations_until_secondary_trailer() + 1)
        board.secondary.write(0x1000, bytes(64))

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            f"I: Primary image: {PENDING}",
            f"I: Secondary image: {UNSET}",
            "I: Boot source: primary slot",
            "E: Image in the secondary slot is not valid!",
            *IMAGE_1,
            "I: Swap type: none",
            JUMP,
        ]
        assert holds(board.primary, MEDIUM)
        assert board.secondary.is_erased(0, SLOT_BYTES)

    @pytest.mark.parametrize("has_nsib", [False, True])
    def test_c_only_a_build_with_two_images_writes_the_primary_trailer_again(
        self, has_nsib: bool
    ) -> None:
        board = Board(Scenario(has_nsib=has_nsib, ncs="2.3"))
        board.boot_and_cut_after(operations_until_secondary_trailer() + 1)
        before = len(board.flash.operations)

        board.boot()

        trailer = SLOTS.primary.address + SLOT_BYTES - SECTOR
        again = board.flash.operations[before:]
        erased = [operation.address for operation in again if operation.size_bytes == SECTOR]
        assert (trailer in erased) == has_nsib

    @pytest.mark.parametrize("moved_sectors", [1, 3])
    def test_d_later_the_swap_is_resumed_at_once(self, moved_sectors: int) -> None:
        operations = operations_until_secondary_trailer() + 1 + 6 * moved_sectors
        board = self.cut_after(operations)

        assert board.boot() == APP_START
        assert board.lines == [
            *START,
            f"I: Primary image: {PENDING}",
            f"I: Secondary image: {UNSET}",
            "I: Boot source: primary slot",
            SWAP,
            *IMAGE_1,
            JUMP,
        ]
        assert holds(board.primary, LARGE)
