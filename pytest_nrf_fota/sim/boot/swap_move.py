"""MCUboot's swap using move, operation by operation.

Source: sdk-mcuboot v1.9.99-ncs4 boot/bootutil/src/swap_move.c.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType, trailer_size_bytes
from pytest_nrf_fota.sim.flash import ERASED_BYTE, FlashArea
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_trailer,
    status_offset_bytes,
    write_image_ok,
    write_magic,
    write_swap_info,
    write_swap_size,
)

COPY_CHUNK_BYTES = 1024
SWAP_STATES = 2


class Phase(Enum):
    """Which half of the algorithm a swap is in."""

    MOVE = "move"
    SWAP = "swap"


@dataclass(frozen=True)
class SwapStatus:
    """How far a swap has come: `index` counts sectors from 1, `state` from 1 within a sector."""

    phase: Phase
    index: int
    state: int

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was done yet."""
        return self == FRESH


FRESH = SwapStatus(Phase.MOVE, 1, 1)


@dataclass(frozen=True)
class SwapJob:
    """One pair of slots that is being swapped."""

    primary: FlashArea
    secondary: FlashArea
    image_number: int
    max_sectors: int
    log: Callable[[str], None]

    @property
    def write_size_bytes(self) -> int:
        """Size of a status entry."""
        return self.primary.write_size_bytes

    @property
    def sector_size_bytes(self) -> int:
        """Both slots have sectors of this size."""
        return self.primary.page_size_bytes


def read_status(job: SwapJob) -> SwapStatus:
    """How far the interrupted swap in the primary slot's status bytes has come.

    MCUboot's `Detected inconsistent status!` is not here: in v1.9.99-ncs4 the count behind it
    never exceeds one (swap_move.c, swap_read_status_bytes), so the line cannot appear.
    """
    entries = job.max_sectors * 3
    start = status_offset_bytes(job.primary, job.max_sectors)
    data = job.primary.read(start, entries * job.write_size_bytes)
    written = [data[entry * job.write_size_bytes] != ERASED_BYTE for entry in range(entries)]
    found = next((entry for entry in range(entries, 0, -1) if written[entry - 1]), None)
    if found is None:
        return FRESH
    if found < job.max_sectors:
        return SwapStatus(Phase.MOVE, found + 1, 1)
    done = found - job.max_sectors
    return SwapStatus(Phase.SWAP, done // SWAP_STATES + 1, done % SWAP_STATES + 1)


def last_index(job: SwapJob, copy_size_bytes: int) -> int:
    """How many sectors a swap of so many bytes exchanges, which is the last one's index."""
    return max(1, -(-copy_size_bytes // job.sector_size_bytes))


def run_swap(
    job: SwapJob,
    status: SwapStatus,
    copy_size_bytes: int,
    swap_type: SwapType,
    *,
    trailer_in_primary: bool,
) -> SwapStatus:
    """Swap, or finish the swap that `status` describes; returns the status behind it.

    Where there is no room nothing is done.
    """
    job.log("I: Starting swap using move algorithm.")
    last = last_index(job, copy_size_bytes)
    if status.is_fresh and not _has_room(job, last):
        return status
    _make_revert_look_permanent(job, status, swap_type, copy_size_bytes)
    if status.phase is Phase.MOVE:
        for index in range(last - status.index + 1, 0, -1):
            if status.index == 1:
                _prepare_trailers(job, swap_type, copy_size_bytes, trailer_in_primary)
            _copy_sector(job.primary, index - 1, job.primary, index)
            _write_status(job, status)
            status = replace(status, index=status.index + 1)
        status = SwapStatus(Phase.SWAP, 1, 1)
    for index in range(status.index, last + 1):
        if status.index != index:
            status = SwapStatus(Phase.SWAP, index, 1)
        if status.state == 1:
            _copy_sector(job.secondary, index - 1, job.primary, index - 1)
            _write_status(job, status)
            status = replace(status, state=2)
        _copy_sector(job.primary, index, job.secondary, index - 1)
        _write_status(job, status)
        status = SwapStatus(Phase.SWAP, index + 1, 1)
    return status


def _has_room(job: SwapJob, last: int) -> bool:
    trailer = trailer_size_bytes(job.max_sectors, job.write_size_bytes)
    first_trailer_sector = job.primary.num_sectors - -(-trailer // job.sector_size_bytes)
    if last < first_trailer_sector:
        return True
    required = (last + 1) * job.sector_size_bytes
    available = first_trailer_sector * job.sector_size_bytes
    job.log("W: Not enough free space to run swap upgrade")
    job.log(f"W: required {required} bytes but only {available} are available")
    return False


def _make_revert_look_permanent(
    job: SwapJob, status: SwapStatus, swap_type: SwapType, copy_size_bytes: int
) -> None:
    # A cut between erasing the primary trailer and the first status byte would otherwise lose
    # the revert (swap_move.c, fixup_revert).
    if swap_type is not SwapType.REVERT or status.phase is not Phase.MOVE or status.index != 1:
        return
    state = read_trailer(job.secondary)
    job.log(f"I: Secondary image: {state.log_text}")
    if state.magic is Magic.UNSET:
        erase_trailer_sectors(job.secondary, job.max_sectors)
        write_image_ok(job.secondary)
        write_swap_size(job.secondary, copy_size_bytes)
        write_magic(job.secondary)


def _prepare_trailers(
    job: SwapJob, swap_type: SwapType, copy_size_bytes: int, trailer_in_primary: bool
) -> None:
    if not trailer_in_primary:
        erase_trailer_sectors(job.primary, job.max_sectors)
        secondary = read_trailer(job.secondary)
        if swap_type is not SwapType.NONE:
            write_swap_info(job.primary, swap_type, job.image_number)
        if secondary.image_ok is Flag.SET:
            write_image_ok(job.primary)
        write_swap_size(job.primary, copy_size_bytes)
        write_magic(job.primary)
    erase_trailer_sectors(job.secondary, job.max_sectors)


def _copy_sector(
    source: FlashArea, source_index: int, target: FlashArea, target_index: int
) -> None:
    # Between slots of unequal size, what lies outside of one is refused, and MCUboot asserts the
    # result (inferred: in builds without assertions), so the swap goes on without it.
    if target_index >= target.num_sectors:
        return
    target.erase_sector(target_index)
    if source_index >= source.num_sectors:
        return
    size = target.page_size_bytes
    for offset in range(0, size, COPY_CHUNK_BYTES):
        data = source.read(source_index * size + offset, COPY_CHUNK_BYTES)
        target.write(target_index * size + offset, data)


def _write_status(job: SwapJob, status: SwapStatus) -> None:
    match status.phase:
        case Phase.MOVE:
            entry = status.index - 1
        case Phase.SWAP:
            entry = job.max_sectors + (status.index - 1) * SWAP_STATES + status.state - 1
    offset = status_offset_bytes(job.primary, job.max_sectors) + entry * job.write_size_bytes
    padding = bytes([ERASED_BYTE]) * (job.write_size_bytes - 1)
    job.primary.write(offset, bytes([status.state]) + padding)
