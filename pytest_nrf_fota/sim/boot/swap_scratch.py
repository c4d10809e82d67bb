"""MCUboot's swap using scratch, operation by operation.

From the last sector down, as many sectors as fit into the scratch area are exchanged at a time.
Source: boot/bootutil/src/swap_scratch.c of sdk-mcuboot v1.9.99-ncs4
and, where they differ, v2.0.99-ncs1 and v2.1.0-ncs5.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from pytest_nrf_fota.firmware.trailer import (
    SWAP_INFO_FROM_END_BYTES,
    Flag,
    Magic,
    SwapType,
    trailer_size_bytes,
)
from pytest_nrf_fota.sim.boot.swap_move import COPY_CHUNK_BYTES
from pytest_nrf_fota.sim.flash import ERASED_BYTE, FlashArea
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_swap_size,
    read_trailer,
    status_offset_bytes,
    write_image_ok,
    write_magic,
    write_swap_info,
    write_swap_size,
)

STATES = 3
# The scratch area's own trailer has status bytes for one exchange only (bootutil_misc.c).
SCRATCH_ENTRIES = 1


class StatusSource(Enum):
    """Where the status of an interrupted swap lies, in MCUboot's words."""

    NONE = "none"
    PRIMARY = "primary slot"
    SCRATCH = "scratch"


@dataclass(frozen=True)
class ScratchStatus:
    """How far a swap has come: `index` counts exchanges from 1, `state` from 1 within one."""

    index: int
    state: int

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was done yet."""
        return self == SCRATCH_FRESH


SCRATCH_FRESH = ScratchStatus(1, 1)


@dataclass(frozen=True)
class ScratchJob:
    """One pair of slots that is being swapped.

    Args:
        primary: the slot that boots.
        secondary: the update slot.
        scratch: the third area.
        image_number: number of the pair.
        num_images: how many pairs share the scratch area.
        max_sectors: CONFIG_BOOT_MAX_IMG_SECTORS.
        clears_whole_scratch: see `boards.ncs.Release.scratch_is_cleared_whole`.
        clears_whole_trailer: see `boards.ncs.Release.scratch_swap_clears_whole_trailer`.
        log: prints a line.
    """

    primary: FlashArea
    secondary: FlashArea
    scratch: FlashArea
    image_number: int
    num_images: int
    max_sectors: int
    clears_whole_scratch: bool
    clears_whole_trailer: bool
    log: Callable[[str], None]

    @property
    def sector_size_bytes(self) -> int:
        """Both slots and the scratch area have sectors of this size."""
        return self.primary.page_size_bytes

    @property
    def trailer_bytes(self) -> int:
        """Size of a slot's trailer."""
        return trailer_size_bytes(self.max_sectors, self.primary.write_size_bytes)

    @property
    def first_trailer_sector(self) -> int:
        """Index of the sector down to which a trailer's size is counted from the slot's end."""
        return self.primary.num_sectors - -(-self.trailer_bytes // self.sector_size_bytes)


@dataclass(frozen=True)
class _Exchange:
    """Sectors that go through the scratch area together."""

    offset_bytes: int
    size_bytes: int
    # Without what the trailer takes of them.
    copy_bytes: int
    # Whether trailer and status are kept in the scratch area meanwhile.
    status_in_scratch: bool


def read_scratch_source(job: ScratchJob) -> StatusSource:
    """Where the status of an interrupted swap lies; prints what was found."""
    primary = read_trailer(job.primary)
    scratch = read_trailer(job.scratch)
    job.log(f"I: Primary image: {primary.log_text}")
    job.log(f"I: Scratch: {scratch.log_text}")
    source = StatusSource.NONE
    if scratch.magic is Magic.GOOD:
        belongs_here = job.num_images == 1 or _image_number(job.scratch) == job.image_number
        source = StatusSource.SCRATCH if belongs_here else StatusSource.NONE
    elif primary.copy_done is Flag.UNSET and primary.magic is not Magic.BAD:
        # Also on a kit that was never updated; its status bytes are erased.
        source = StatusSource.PRIMARY
    job.log(f"I: Boot source: {source.value}")
    return source


def read_scratch_status(job: ScratchJob, source: StatusSource) -> ScratchStatus:
    """How far the interrupted swap has come by the status bytes at `source`."""
    match source:
        case StatusSource.NONE:
            return SCRATCH_FRESH
        case StatusSource.PRIMARY:
            area, sectors = job.primary, job.max_sectors
        case StatusSource.SCRATCH:
            area, sectors = job.scratch, SCRATCH_ENTRIES
    unit = area.write_size_bytes
    entries = sectors * STATES
    data = area.read(status_offset_bytes(area, sectors), entries * unit)
    written = [data[entry * unit] != ERASED_BYTE for entry in range(entries)]
    if not any(written):
        return SCRATCH_FRESH
    first = written.index(True)
    done = next((entry for entry in range(first, entries) if not written[entry]), entries)
    if any(written[done:]):
        job.log("E: Detected inconsistent status!")
    return ScratchStatus(done // STATES + 1, done % STATES + 1)


def status_area(job: ScratchJob) -> FlashArea | None:
    """Where the trailer of a swap under way lies, None where neither has the magic."""
    areas = (job.scratch, job.primary)
    return next((area for area in areas if read_trailer(area).magic is Magic.GOOD), None)


def read_scratch_swap_size(job: ScratchJob) -> int:
    """How many bytes the swap under way exchanges; 0 where no magic says that there is one."""
    area = status_area(job)
    return 0 if area is None else read_swap_size(area)


def exchange_count(job: ScratchJob, swap_size_bytes: int) -> int:
    """How many exchanges a swap of so many bytes takes."""
    return sum(1 for _ in _groups(job, min(swap_size_bytes, job.primary.size_bytes)))


def run_scratch_swap(
    job: ScratchJob, status: ScratchStatus, copy_size_bytes: int, swap_type: SwapType
) -> ScratchStatus:
    """Swap, or finish the swap that `status` describes; returns the status behind it."""
    job.log("I: Starting swap using scratch algorithm.")
    for number, (first, sectors) in enumerate(_groups(job, copy_size_bytes), start=1):
        if number >= status.index:
            exchange = _plan(job, status, first, sectors)
            _exchange(job, exchange, status, copy_size_bytes, swap_type)
            status = ScratchStatus(status.index + 1, 1)
    return status


def _groups(job: ScratchJob, copy_size_bytes: int) -> Iterator[tuple[int, int]]:
    """First sector and number of sectors of each exchange, from the end of the images down."""
    at_once = job.scratch.size_bytes // job.sector_size_bytes
    left = max(1, -(-copy_size_bytes // job.sector_size_bytes))
    while left > 0:
        sectors = min(at_once, left)
        left -= sectors
        yield left, sectors


def _plan(job: ScratchJob, status: ScratchStatus, first: int, sectors: int) -> _Exchange:
    sector = job.sector_size_bytes
    offset_bytes, size_bytes = first * sector, sectors * sector
    copy_bytes = size_bytes
    if first + sectors > job.first_trailer_sector:
        if job.clears_whole_trailer:
            copy_bytes = min(
                job.primary.size_bytes - offset_bytes - job.trailer_bytes,
                status_offset_bytes(job.scratch, SCRATCH_ENTRIES),
            )
        else:
            copy_bytes = size_bytes - job.trailer_bytes
    status_in_scratch = status.index == 1 and copy_bytes != size_bytes
    return _Exchange(offset_bytes, size_bytes, copy_bytes, status_in_scratch)


def _exchange(
    job: ScratchJob,
    exchange: _Exchange,
    status: ScratchStatus,
    swap_size_bytes: int,
    swap_type: SwapType,
) -> None:
    state = status.state
    if state == 1:
        job.scratch.erase_all()
        if status.index == 1:
            _write_trailers(job, exchange, swap_size_bytes, swap_type)
        _copy(job.secondary, exchange.offset_bytes, job.scratch, 0, exchange.copy_bytes)
        _write_status(job, exchange, status)
        state = 2
    if state == 2:
        _primary_to_secondary(job, exchange, is_first=status.index == 1)
        _write_status(job, exchange, replace(status, state=2))
    _scratch_to_primary(job, exchange, swap_size_bytes)
    _write_status(job, replace(exchange, status_in_scratch=False), replace(status, state=3))
    if exchange.status_in_scratch:
        # It would be taken for the status of a swap under way.
        cleared_bytes = job.scratch.size_bytes if job.clears_whole_scratch else exchange.size_bytes
        job.scratch.erase(0, cleared_bytes)


def _write_trailers(
    job: ScratchJob, exchange: _Exchange, swap_size_bytes: int, swap_type: SwapType
) -> None:
    # The scratch area keeps the swap type while the primary trailer is erased.
    _write_trailer(job, job.scratch, swap_size_bytes, swap_type)
    if not exchange.status_in_scratch:
        erase_trailer_sectors(job.primary, job.max_sectors)
        _write_trailer(job, job.primary, swap_size_bytes, swap_type)
        job.scratch.erase_all()


def _primary_to_secondary(job: ScratchJob, exchange: _Exchange, *, is_first: bool) -> None:
    erased_bytes = exchange.size_bytes
    if is_first and job.clears_whole_trailer:
        erase_trailer_sectors(job.secondary, job.max_sectors)
        if exchange.status_in_scratch:
            erased_bytes = _bytes_before_trailer(job, exchange)
    job.secondary.erase(exchange.offset_bytes, erased_bytes)
    _copy(
        job.primary,
        exchange.offset_bytes,
        job.secondary,
        exchange.offset_bytes,
        exchange.copy_bytes,
    )
    if is_first and not job.clears_whole_trailer and not exchange.status_in_scratch:
        erase_trailer_sectors(job.secondary, job.max_sectors)


def _scratch_to_primary(job: ScratchJob, exchange: _Exchange, swap_size_bytes: int) -> None:
    erased_bytes = exchange.size_bytes
    if exchange.status_in_scratch and job.clears_whole_trailer:
        erase_trailer_sectors(job.primary, job.max_sectors)
        erased_bytes = _bytes_before_trailer(job, exchange)
    job.primary.erase(exchange.offset_bytes, erased_bytes)
    _copy(job.scratch, 0, job.primary, exchange.offset_bytes, exchange.copy_bytes)
    if exchange.status_in_scratch:
        _move_trailer_into_primary(job, exchange, swap_size_bytes)


def _move_trailer_into_primary(job: ScratchJob, exchange: _Exchange, swap_size_bytes: int) -> None:
    _copy(
        job.scratch,
        status_offset_bytes(job.scratch, SCRATCH_ENTRIES),
        job.primary,
        exchange.offset_bytes + exchange.copy_bytes,
        (STATES - 1) * job.primary.write_size_bytes,
    )
    kept = read_trailer(job.scratch)
    if kept.image_ok is Flag.SET:
        write_image_ok(job.primary)
    if kept.swap_type != SwapType.NONE:
        write_swap_info(job.primary, SwapType(kept.swap_type), job.image_number)
    write_swap_size(job.primary, swap_size_bytes)
    write_magic(job.primary)


def _write_trailer(
    job: ScratchJob, area: FlashArea, swap_size_bytes: int, swap_type: SwapType
) -> None:
    secondary = read_trailer(job.secondary)
    if swap_type is not SwapType.NONE:
        write_swap_info(area, swap_type, job.image_number)
    if secondary.image_ok is Flag.SET:
        write_image_ok(area)
    write_swap_size(area, swap_size_bytes)
    write_magic(area)


def _write_status(job: ScratchJob, exchange: _Exchange, status: ScratchStatus) -> None:
    if exchange.status_in_scratch:
        area, sectors = job.scratch, SCRATCH_ENTRIES
    else:
        area, sectors = job.primary, job.max_sectors
    entry = (status.index - 1) * STATES + status.state - 1
    padding = bytes([ERASED_BYTE]) * (area.write_size_bytes - 1)
    offset = status_offset_bytes(area, sectors) + entry * area.write_size_bytes
    area.write(offset, bytes([status.state]) + padding)


def _bytes_before_trailer(job: ScratchJob, exchange: _Exchange) -> int:
    """How much of the exchanged sectors lies before those of the trailer."""
    return job.first_trailer_sector * job.sector_size_bytes - exchange.offset_bytes


def _copy(
    source: FlashArea, source_bytes: int, target: FlashArea, target_bytes: int, size_bytes: int
) -> None:
    for offset in range(0, size_bytes, COPY_CHUNK_BYTES):
        chunk_bytes = min(COPY_CHUNK_BYTES, size_bytes - offset)
        target.write(target_bytes + offset, source.read(source_bytes + offset, chunk_bytes))


def _image_number(area: FlashArea) -> int:
    (info,) = area.read_from_end(SWAP_INFO_FROM_END_BYTES, 1)
    is_known = info != ERASED_BYTE and info & 0x0F <= SwapType.REVERT
    return info >> 4 if is_known else 0
