"""Power cuts from random states: whatever lay in the slots, the kit ends with one image whole.

Each example is a kit with leftovers in its slots, an image that is uploaded or not and marked or
not, and a few boots that are cut at random operations; then it boots undisturbed. What MCUboot
itself gets wrong is left out by name, see the functions `is_...` below.
"""

import functools
from dataclasses import dataclass, replace
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Magic, SwapType
from pytest_nrf_fota.sim.boot.image_check import read_header
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
    MemoryLayout,
)
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_trailer,
    schedule_swap,
    write_copy_done,
    write_image_ok,
    write_magic,
    write_swap_info,
)
from tests.unit.sim.cut_boot import boot_is_cut

pytestmark = pytest.mark.long_proof

SECTOR = 0x1000
SLOT_SECTORS = 6
SLOT_BYTES = SLOT_SECTORS * SECTOR
INTERNAL = MemoryLayout("application flash", 0, 0x40000, SECTOR, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SLOT_BYTES, SECTOR, 4, 0.0, 0.0)
SLOTS = SlotMap(
    primary=Place(0x28000, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 3 * SECTOR), Place(0x18000, 3 * SECTOR), 0xFF8100),
    scratch=Place(0x38000, SECTOR),
)
APP_START = Jump(0x28200)
KEY = signing_key_for_tests("mcuboot")
EXAMPLES = 60
PAYLOAD_BYTES = (0x800, 0xC00, 0xD60, 0x1400, 0x1D60, 0x2600, 0x3400)


@functools.cache
def image(version: int, payload_bytes: int, address: int = 0x28200) -> bytes:
    payload = build_payload(address, payload_bytes, AppDescription(build_time=str(version)))
    layout = SlotLayout(SLOT_BYTES, max_sectors=SLOT_SECTORS)
    data = sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, KEY)
    return data + b"\xff" * (-len(data) % 4)


class Way(Enum):
    """How the update comes into its slot."""

    MOVE = "move"
    OFFSET = "offset"
    SCRATCH = "scratch"
    OVERWRITE = "overwrite"
    NSIB_COPY = "nsib copy"


class Leftover(Enum):
    """What an earlier life left in a slot."""

    ERASED = "erased"
    STALE_IMAGE = "stale image"
    ZEROS = "zeros"
    GARBAGE = "garbage"
    HALF_ERASED = "half erased"


class Mark(Enum):
    """What is pending when the boots begin."""

    NONE = "none"
    TEST = "test"
    PERMANENT = "permanent"
    REVERT = "revert"
    CONFIRMED = "a trial that was confirmed"


RELEASES_OF_WAY = {
    Way.MOVE: ("2.3", "2.6", "2.9", "3.0"),
    Way.OFFSET: ("3.0",),
    Way.SCRATCH: ("2.3", "2.6", "2.9", "3.0"),
    Way.OVERWRITE: ("2.3", "2.6", "2.9", "3.0"),
    Way.NSIB_COPY: ("2.9", "3.0"),
}
WAYS = [(way, ncs) for way, releases in RELEASES_OF_WAY.items() for ncs in releases]


@dataclass(frozen=True)
class State:
    """What a kit holds before it boots."""

    old_bytes: int
    new_bytes: int
    behind_old: Leftover
    in_secondary: Leftover
    is_uploaded: bool
    mark: Mark
    was_updated_before: bool


states = st.builds(
    State,
    old_bytes=st.sampled_from(PAYLOAD_BYTES),
    new_bytes=st.sampled_from(PAYLOAD_BYTES),
    behind_old=st.sampled_from(Leftover),
    in_secondary=st.sampled_from(Leftover),
    is_uploaded=st.sampled_from((True, True, True, False)),
    mark=st.sampled_from(Mark),
    was_updated_before=st.booleans(),
)
cut_lists = st.lists(
    st.tuples(st.integers(0, 110), st.sampled_from(CutMoment)), min_size=0, max_size=4
)


def content(leftover: Leftover, size_bytes: int) -> bytes:
    """So many bytes of it."""
    erased, garbage = b"\xff" * size_bytes, bytes((7 * n + 3) % 251 for n in range(size_bytes))
    stale = image(9, 0x1400)
    match leftover:
        case Leftover.ERASED:
            return erased
        case Leftover.STALE_IMAGE:
            return (stale + erased)[:size_bytes]
        case Leftover.ZEROS:
            return bytes(size_bytes)
        case Leftover.GARBAGE:
            return garbage
        case Leftover.HALF_ERASED:
            middle = size_bytes // 2 // 4 * 4
            return erased[:middle] + (stale + garbage)[middle:size_bytes]


class Board:
    """A kit in that state, about to boot."""

    def __init__(self, way: Way, ncs: str, state: State) -> None:
        self.way, self.ncs, self.state = way, ncs, state
        self.lines: list[str] = []
        self.flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self._hardware = Hardware(self.flash, SLOTS, self.lines.append)
        self.primary = self._hardware.primary_area()
        self.secondary = self._hardware.secondary_area()
        self.s1 = self._hardware.s_area(1)
        is_nsib_copy = way is Way.NSIB_COPY
        self._build = McubootBuild(
            McubootDescription.model_validate({"swap": "move" if is_nsib_copy else way.value}),
            (KEY.public_key(),),
            self.s1 if is_nsib_copy else None,
            SLOT_SECTORS,
        )
        self.target = self.s1 if is_nsib_copy else self.primary
        address = 0x18200 if is_nsib_copy else 0x28200
        self.application = image(1, state.old_bytes)
        if is_nsib_copy:
            # What the S slot can hold.
            state = replace(
                state,
                old_bytes=min(state.old_bytes, 0x2600),
                new_bytes=min(state.new_bytes, 0x2600),
            )
        self.old = image(1, state.old_bytes, address)
        self.new = image(2, state.new_bytes, address)
        self.update = self.new if state.is_uploaded else image(9, 0x1400)
        self._fill(state)

    def _fill(self, state: State) -> None:
        self.primary.write(0, self.application)
        if self.way is Way.NSIB_COPY:
            self.s1.write(0, self.old)
        behind = -(-len(self.application) // SECTOR) * SECTOR
        self.primary.write(behind, content(state.behind_old, SLOT_BYTES - SECTOR - behind))
        if state.was_updated_before and self.way is not Way.OVERWRITE:
            write_swap_info(self.primary, SwapType.PERM, 0)
            write_copy_done(self.primary)
            write_image_ok(self.primary)
            write_magic(self.primary)
        self.secondary.write(0, content(state.in_secondary, SLOT_BYTES))
        if state.is_uploaded:
            self._upload()
        match state.mark:
            case Mark.NONE:
                return
            case Mark.PERMANENT:
                schedule_swap(self.secondary, permanent=True)
            case Mark.TEST | Mark.REVERT | Mark.CONFIRMED:
                schedule_swap(self.secondary, permanent=False)
        if state.mark in (Mark.REVERT, Mark.CONFIRMED):
            self.boot()
            if state.mark is Mark.CONFIRMED and read_trailer(self.primary).magic is Magic.GOOD:
                write_image_ok(self.primary)

    def _upload(self) -> None:
        """As the image group does: the image's sectors and the trailer's are erased first."""
        start = SECTOR if self.way is Way.OFFSET else 0
        if self.way is Way.OFFSET:
            self.secondary.erase_sector(0)
        self.secondary.erase(start, len(self.new))
        erase_trailer_sectors(self.secondary, SLOT_SECTORS)
        self.secondary.write(start, self.new)

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_mcuboot(self._hardware, self._build, RELEASES[self.ncs])

    def boot_and_cut_after(self, operations: int, moment: CutMoment) -> bool:
        """Cut at the operation behind so many; False where the boot needs no more than that."""
        return boot_is_cut(self.flash, self.boot, operations, moment)

    def settle(self) -> None:
        """Boot until nothing changes any more."""
        for _ in range(8):
            before = len(self.flash.operations)
            end = self.boot()
            if end == BoardReset():
                assert self.way is Way.NSIB_COPY
                continue
            if isinstance(end, Halt) and self.ncs == "2.9" and self.way is Way.SCRATCH:
                # It verifies a resumed swap with the wrong header, once.
                assert "I: Starting swap using scratch algorithm." in self.lines
                continue
            assert end == APP_START, (end, self.lines)
            if len(self.flash.operations) == before:
                return
        raise AssertionError(f"the kit changes its flash with every boot: {self.lines}")

    def holds(self, data: bytes) -> bool:
        return self.target.read(0, len(data)) == data


def is_lost_first_sector(board: Board) -> bool:
    """NCS 2.3 cannot find the header that swap using move has moved (`boards.ncs`)."""
    return board.way is Way.MOVE and board.ncs == "2.3" and read_header(board.primary) is None


def is_stuck_trial(board: Board) -> bool:
    """Half a magic in the secondary slot: up to NCS 2.9 MCUboot then takes no trial back."""
    return (
        not RELEASES[board.ncs].reverts_over_any_magic
        and read_trailer(board.secondary).magic is Magic.BAD
    )


def is_forgotten_revert(board: Board) -> bool:
    """Swap using scratch, cut twice before its first status byte, may forget a revert.

    tests/unit/sim/test_swap_scratch.py shows where.
    """
    return board.way is Way.SCRATCH and read_trailer(board.primary).magic is not Magic.GOOD


@pytest.mark.parametrize(("way", "ncs"), WAYS)
def test_cuts_do_not_change_what_a_kit_ends_with(way: Way, ncs: str) -> None:
    @given(state=states, cuts=cut_lists)
    # The same examples in each run: a defect must not show up on somebody else's change.
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    def check(state: State, cuts: list[tuple[int, CutMoment]]) -> None:
        board, undisturbed = Board(way, ncs, state), Board(way, ncs, state)
        undisturbed.settle()
        ends_with_update = undisturbed.holds(undisturbed.update)
        # What was confirmed is neither lost nor replaced: both kits end with it.
        assert ends_with_update or undisturbed.holds(undisturbed.old)

        for operations, moment in cuts:
            if board.boot_and_cut_after(operations, moment) and is_lost_first_sector(board):
                assert isinstance(board.boot(), Halt)
                return
        board.settle()

        if not ends_with_update and (is_stuck_trial(board) or is_forgotten_revert(board)):
            ends_with_update = board.holds(board.update)
        assert board.holds(board.update if ends_with_update else board.old)

    check()
