"""Trailer fields at the offsets of bootutil_misc.c, compared byte by byte."""

import pytest

from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_swap_size,
    read_trailer,
    schedule_swap,
    status_offset_bytes,
    write_copy_done,
    write_image_ok,
    write_magic,
    write_swap_info,
    write_swap_size,
)

MAGIC = "77c295f360d2ef7f3552500f2cb67980"
BLANK = "ff" * 8
SECTOR = 0x1000


def make_area(size_bytes: int = 8 * SECTOR) -> FlashArea:
    layout = MemoryLayout("flash", 0, 8 * SECTOR, SECTOR, 4, 0.0, 0.0)
    return FlashArea(Flash((layout,), VirtualClock()), "slot", 0, size_bytes)


def last_bytes(area: FlashArea) -> list[str]:
    """From -48 on: swap size, swap info, copy done, image ok, magic in two halves."""
    text = area.read_from_end(48, 48).hex()
    return [text[start : start + 16] for start in range(0, 96, 16)]


@pytest.mark.parametrize(
    ("permanent", "swap_info", "image_ok"),
    [(False, "02ffffffffffffff", BLANK), (True, "03ffffffffffffff", "01ffffffffffffff")],
)
def test_scheduling_writes_magic_swap_info_and_image_ok(
    permanent: bool, swap_info: str, image_ok: str
) -> None:
    area = make_area()

    assert schedule_swap(area, permanent=permanent)

    assert last_bytes(area) == [BLANK, swap_info, BLANK, image_ok, MAGIC[:16], MAGIC[16:]]
    assert area.is_erased(0, area.size_bytes - 48)


def test_scheduling_twice_changes_nothing() -> None:
    area = make_area()
    schedule_swap(area, permanent=False)
    operations = len(area.flash.operations)

    assert schedule_swap(area, permanent=True)

    assert len(area.flash.operations) == operations
    assert read_trailer(area).image_ok is Flag.UNSET


def test_scheduling_on_a_bad_magic_erases_the_slot() -> None:
    area = make_area()
    area.write(0, bytes(16))
    area.write(area.size_bytes - 16, b"\x77\xc2\x95\x00")

    assert not schedule_swap(area, permanent=False)

    assert area.is_erased(0, area.size_bytes)


def test_each_field_lies_at_its_own_distance_from_the_end() -> None:
    area = make_area()

    write_swap_size(area, 0x12345)
    write_swap_info(area, SwapType.REVERT, 1)
    write_copy_done(area)
    write_image_ok(area)
    write_magic(area)

    assert last_bytes(area) == [
        "45230100ffffffff",
        "14ffffffffffffff",
        "01ffffffffffffff",
        "01ffffffffffffff",
        MAGIC[:16],
        MAGIC[16:],
    ]
    assert read_swap_size(area) == 0x12345
    state = read_trailer(area)
    assert (state.magic, state.swap_type) == (Magic.GOOD, SwapType.REVERT)
    assert (state.copy_done, state.image_ok) == (Flag.SET, Flag.SET)


@pytest.mark.parametrize(("max_sectors", "trailer_bytes"), [(128, 1584), (256, 3120), (512, 6192)])
def test_status_bytes_begin_below_the_fixed_fields(max_sectors: int, trailer_bytes: int) -> None:
    area = make_area()

    assert status_offset_bytes(area, max_sectors) == area.size_bytes - trailer_bytes


@pytest.mark.parametrize(("max_sectors", "num_sectors"), [(128, 1), (256, 1), (512, 2)])
def test_erasing_the_trailer_takes_whole_sectors_from_the_end(
    max_sectors: int, num_sectors: int
) -> None:
    area = make_area()
    area.write(0, bytes(area.size_bytes))

    erase_trailer_sectors(area, max_sectors)

    kept = area.size_bytes - num_sectors * SECTOR
    assert area.read(0, kept) == bytes(kept)
    assert area.is_erased(kept, num_sectors * SECTOR)


def test_a_partial_last_sector_counts_as_a_whole_one() -> None:
    area = make_area(size_bytes=7 * SECTOR + 0x200)
    area.flash.write(0, bytes(8 * SECTOR))

    erase_trailer_sectors(area, 256)

    assert area.flash.read(0, 7 * SECTOR) == bytes(7 * SECTOR)
    assert area.flash.is_erased(7 * SECTOR, SECTOR)
