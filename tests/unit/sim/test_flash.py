"""NOR flash: what erase and write do to content, what the hardware refuses, what is logged."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.boards.soc import NRF5340, NRF52840, Soc
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import (
    Flash,
    FlashArea,
    FlashError,
    MemoryLayout,
    Operation,
    OperationKind,
)
from pytest_nrf_fota.sim.memories import memories_of

PAGE = 0x100
SMALL = MemoryLayout("small", 0x4000, 4 * PAGE, PAGE, 4, 0.5, 0.25)
OTHER = MemoryLayout("other", 0x8000, 2 * PAGE, PAGE, 4, 0.0, 0.0)
ONE_TIME = MemoryLayout("one time", 0xC000, PAGE, PAGE, 4, 0.0, 0.0, pages_can_be_erased=False)


def make_flash() -> Flash:
    return Flash((SMALL, OTHER, ONE_TIME), VirtualClock())


@dataclass(frozen=True)
class Erase:
    first_page: int
    num_pages: int


@dataclass(frozen=True)
class Write:
    offset_bytes: int
    data: bytes


@st.composite
def erases(draw: st.DrawFn) -> Erase:
    first = draw(st.integers(0, 3))
    return Erase(first, draw(st.integers(0, 4 - first)))


@st.composite
def writes(draw: st.DrawFn) -> Write:
    first = draw(st.integers(0, SMALL.size_bytes // 4 - 1))
    words = draw(st.integers(0, min(8, SMALL.size_bytes // 4 - first)))
    return Write(4 * first, draw(st.binary(min_size=4 * words, max_size=4 * words)))


@given(st.lists(erases() | writes(), max_size=12))
@settings(deadline=None)
def test_content_is_what_erases_set_and_writes_clear(steps: list[Erase | Write]) -> None:
    flash = make_flash()
    model = [0xFF] * SMALL.size_bytes

    for step in steps:
        match step:
            case Erase(first_page, num_pages):
                flash.erase(SMALL.start + first_page * PAGE, num_pages * PAGE)
                for index in range(first_page * PAGE, (first_page + num_pages) * PAGE):
                    model[index] = 0xFF
            case Write(offset_bytes, data):
                flash.write(SMALL.start + offset_bytes, data)
                for index, byte in enumerate(data):
                    model[offset_bytes + index] &= byte

    assert flash.read(SMALL.start, SMALL.size_bytes) == bytes(model)
    assert flash.is_erased(SMALL.start, SMALL.size_bytes) == all(byte == 0xFF for byte in model)
    assert flash.is_erased(OTHER.start, OTHER.size_bytes)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
@settings(deadline=None)
def test_a_second_write_only_clears_bits(first: bytes, second: bytes) -> None:
    flash = make_flash()

    flash.write(SMALL.start, first)
    flash.write(SMALL.start, second)

    assert flash.read(SMALL.start, 4) == bytes(a & b for a, b in zip(first, second, strict=True))


@given(st.integers(0, 64), st.integers(0, 64))
@settings(max_examples=60, deadline=None)
def test_a_write_that_is_not_word_aligned_is_refused(offset: int, size: int) -> None:
    flash = make_flash()

    if offset % 4 or size % 4:
        with pytest.raises(FlashError, match="not aligned"):
            flash.write(SMALL.start + offset, bytes(size))
        assert flash.operations == []
        assert flash.is_erased(SMALL.start, SMALL.size_bytes)
    else:
        flash.write(SMALL.start + offset, bytes(size))
        assert flash.read(SMALL.start + offset, size) == bytes(size)


@pytest.mark.parametrize(
    ("address", "size_bytes"),
    [(SMALL.start + 4, PAGE), (SMALL.start, PAGE + 4), (SMALL.start + 1, PAGE - 1)],
)
def test_an_erase_that_is_not_page_aligned_is_refused(address: int, size_bytes: int) -> None:
    flash = make_flash()
    flash.write(SMALL.start, bytes(8))

    with pytest.raises(FlashError, match="not page aligned"):
        flash.erase(address, size_bytes)

    assert flash.read(SMALL.start, 8) == bytes(8)
    assert len(flash.operations) == 1


@pytest.mark.parametrize(
    ("address", "size_bytes"),
    [
        (SMALL.start - 4, 4),
        (SMALL.start - 4, 8),
        (SMALL.end, 4),
        (SMALL.end - 4, 8),
        (OTHER.end, PAGE),
        (0xFFFF_FFFC, 4),
    ],
)
def test_no_access_reaches_outside_one_memory(address: int, size_bytes: int) -> None:
    flash = make_flash()

    with pytest.raises(FlashError, match="no memory"):
        flash.read(address, size_bytes)
    with pytest.raises(FlashError, match="no memory"):
        flash.write(address, bytes(size_bytes))
    with pytest.raises(FlashError, match="no memory"):
        flash.erase(address, size_bytes)
    assert flash.operations == []


def test_uicr_is_erased_only_as_a_whole_memory() -> None:
    flash = make_flash()
    flash.write(ONE_TIME.start, bytes(4))

    with pytest.raises(FlashError, match="only with a full erase"):
        flash.erase(ONE_TIME.start, PAGE)
    assert flash.read(ONE_TIME.start, 4) == bytes(4)

    flash.erase_memory("one time", 0.0)
    assert flash.is_erased(ONE_TIME.start, PAGE)


@pytest.mark.parametrize(
    ("soc", "external_flash_bytes", "spans"),
    [
        (
            NRF5340,
            0x800000,
            {
                (0x0, 0x100000, 0x1000, True),
                (0xFF8000, 0x800, 0x800, False),
                (0x01000000, 0x40000, 0x800, True),
                (0x01FF8000, 0x800, 0x800, False),
                (0x10000000, 0x800000, 0x1000, True),
            },
        ),
        (
            NRF52840,
            0x800000,
            {
                (0x0, 0x100000, 0x1000, True),
                (0x10001000, 0x1000, 0x1000, False),
                (0x12000000, 0x800000, 0x1000, True),
            },
        ),
        (
            NRF52840,
            None,
            {(0x0, 0x100000, 0x1000, True), (0x10001000, 0x1000, 0x1000, False)},
        ),
    ],
)
def test_a_kit_has_the_memories_of_its_soc(
    soc: Soc, external_flash_bytes: int | None, spans: set[tuple[int, int, int, bool]]
) -> None:
    """And a UICR has no pages that can be erased one by one."""
    memories = memories_of(soc, external_flash_bytes)

    assert {
        (m.start, m.size_bytes, m.page_size_bytes, m.pages_can_be_erased) for m in memories
    } == spans


def test_every_change_is_logged_page_by_page() -> None:
    flash = make_flash()

    flash.write(SMALL.start + 8, bytes(12))
    flash.erase(SMALL.start + PAGE, 2 * PAGE)
    flash.erase_memory("other", 0.0)

    assert flash.operations == [
        Operation(1, OperationKind.WRITE, "small", SMALL.start + 8, 12),
        Operation(2, OperationKind.ERASE, "small", SMALL.start + PAGE, PAGE),
        Operation(3, OperationKind.ERASE, "small", SMALL.start + 2 * PAGE, PAGE),
        Operation(4, OperationKind.ERASE, "other", OTHER.start, 2 * PAGE),
    ]


def test_reading_is_no_change() -> None:
    flash = make_flash()

    flash.read(SMALL.start, 16)
    flash.is_erased(SMALL.start, 16)

    assert flash.operations == []


def test_operations_move_the_clock_by_what_the_hardware_needs() -> None:
    clock = VirtualClock()
    flash = Flash((SMALL, OTHER), clock)

    before_s = clock.now_s
    flash.erase(SMALL.start, 2 * PAGE)
    flash.write(SMALL.start, bytes(8))
    flash.erase_memory("other", 50.0)

    assert clock.now_s - before_s >= 2 * 0.5 + 2 * 0.25 + 50.0


class TestFlashArea:
    """A slot inside a memory."""

    def area(self, size_bytes: int = 2 * PAGE) -> FlashArea:
        return FlashArea(make_flash(), "slot", SMALL.start + PAGE, size_bytes)

    def test_offsets_count_from_the_areas_start(self) -> None:
        area = self.area()

        area.write(4, b"\x01\x02\x03\x04")

        assert area.flash.read(SMALL.start + PAGE + 4, 4) == b"\x01\x02\x03\x04"
        assert area.read(4, 4) == b"\x01\x02\x03\x04"

    def test_the_end_counts_from_the_areas_last_byte(self) -> None:
        area = self.area()

        area.write(area.size_bytes - 8, b"trailer!")

        assert area.read_from_end(8, 8) == b"trailer!"

    def test_erasing_touches_only_its_own_sectors(self) -> None:
        area = self.area()
        area.flash.write(SMALL.start, bytes(SMALL.size_bytes))

        area.erase_all()

        assert area.is_erased(0, area.size_bytes)
        assert area.flash.read(SMALL.start, PAGE) == bytes(PAGE)
        assert area.flash.read(SMALL.start + 3 * PAGE, PAGE) == bytes(PAGE)

    def test_erasing_a_range_takes_every_sector_that_it_touches(self) -> None:
        area = self.area()
        area.write(0, bytes(2 * PAGE))

        area.erase(PAGE - 4, 8)

        assert area.is_erased(0, 2 * PAGE)

    def test_a_partial_last_sector_counts(self) -> None:
        area = self.area(size_bytes=PAGE + 0x40)
        area.flash.write(SMALL.start + 2 * PAGE, bytes(PAGE))

        assert area.num_sectors == 2
        area.erase_sector(1)
        assert area.flash.is_erased(SMALL.start + 2 * PAGE, PAGE)

    @pytest.mark.parametrize(("offset_bytes", "size_bytes"), [(2 * PAGE - 4, 8), (2 * PAGE, 4)])
    def test_nothing_reaches_beyond_the_area(self, offset_bytes: int, size_bytes: int) -> None:
        area = self.area()

        with pytest.raises(FlashError):
            area.read(offset_bytes, size_bytes)
        with pytest.raises(FlashError):
            area.write(offset_bytes, bytes(size_bytes))
        with pytest.raises(FlashError):
            area.erase(offset_bytes, size_bytes)
        with pytest.raises(FlashError):
            area.erase_sector(area.num_sectors)
        assert area.flash.operations == []


def test_otp_takes_each_halfword_once() -> None:
    otp = MemoryLayout("OTP", 0, 0x1000, 0x1000, 4, 0.0, 0.0, False, True)
    flash = Flash((otp,), VirtualClock())
    flash.write(0, bytes.fromhex("34120000"))
    flash.write(0, bytes.fromhex("30100000"))
    flash.write(4, bytes.fromhex("ffff7856"))
    flash.write(4, bytes.fromhex("bc9aff00"))
    assert flash.read(0, 8).hex() == "34120000bc9a7856"
