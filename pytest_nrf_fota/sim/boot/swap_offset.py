"""MCUboot's swap using offset, operation by operation.

The update lies in the secondary slot from its second sector on, so that each sector can be
exchanged without moving anything first. Source: sdk-mcuboot
v2.1.0-ncs5 boot/bootutil/src/swap_offset.c.
"""

from dataclasses import dataclass

from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType, trailer_size_bytes
from pytest_nrf_fota.sim.boot.held_header import HeldHeader
from pytest_nrf_fota.sim.boot.swap_move import COPY_CHUNK_BYTES, SwapJob
from pytest_nrf_fota.sim.flash import ERASED_BYTE, FlashArea
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_trailer,
    status_offset_bytes,
    write_copy_done,
    write_image_ok,
    write_magic,
    write_swap_info,
    write_swap_size,
)

STATES = 2


@dataclass(frozen=True)
class OffsetStatus:
    """How far a swap has come: sectors done, and whether the current one is half done."""

    done_sectors: int
    half_done: bool

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was done yet."""
        return self == OFFSET_FRESH


OFFSET_FRESH = OffsetStatus(0, half_done=False)


def last_sector_index(job: SwapJob, copy_size_bytes: int) -> int:
    """Index of the last sector that a swap of so many bytes exchanges."""
    return max(0, -(-copy_size_bytes // job.sector_size_bytes) - 1)


def read_offset_status(job: SwapJob) -> OffsetStatus:
    """How far the interrupted swap in the primary slot's status bytes has come."""
    entries = job.max_sectors * STATES
    start = status_offset_bytes(job.primary, job.max_sectors, STATES)
    data = job.primary.read(start, entries * job.write_size_bytes)
    for entry in range(entries, 0, -1):
        if data[(entry - 1) * job.write_size_bytes] != ERASED_BYTE:
            return OffsetStatus(entry // STATES, half_done=entry % STATES == 1)
    return OFFSET_FRESH


def has_room(job: SwapJob, copy_size_bytes: int) -> bool:
    """Whether the swap leaves the trailer's sectors alone; says so where it does not."""
    last = last_sector_index(job, copy_size_bytes)
    trailer = trailer_size_bytes(job.max_sectors, job.write_size_bytes, STATES)
    first_trailer_sector = job.primary.num_sectors - -(-trailer // job.sector_size_bytes)
    if last < first_trailer_sector:
        return True
    required = (last + 1) * job.sector_size_bytes
    available = first_trailer_sector * job.sector_size_bytes
    job.log("W: Not enough free space to run swap upgrade")
    job.log(f"W: required {required} bytes but only {available} are available")
    return False


def prepare_offset_swap(
    job: SwapJob, copy_size_bytes: int, swap_type: SwapType, *, trailer_in_primary: bool
) -> None:
    """Write the primary trailer and erase the secondary one, before the first sector is done."""
    if swap_type is SwapType.REVERT:
        _keep_revert_in_secondary(job, copy_size_bytes)
    if not trailer_in_primary:
        erase_trailer_sectors(job.primary, job.max_sectors, STATES)
        _write_trailer(job, job.primary, swap_type, copy_size_bytes)
    erase_trailer_sectors(job.secondary, job.max_sectors, STATES)


def exchange(
    job: SwapJob,
    status: OffsetStatus,
    copy_size_bytes: int,
    headers: tuple[HeldHeader, HeldHeader],
    *,
    reverting: bool,
) -> None:
    """Exchange the sectors that are left; sectors behind the end of an image are skipped.

    `headers` are those of the primary and the secondary slot as they were read last: of a resumed
    swap swap_offset.c looks for them in the wrong place in some steps.
    """
    last = last_sector_index(job, copy_size_bytes)
    size = job.sector_size_bytes
    arriving_shift, leaving_shift = (0, 1) if reverting else (1, 0)
    used_leaving, used_arriving = (-(-header.used_bytes // size) for header in headers)
    half_done = status.half_done
    for done in range(status.done_sectors, last + 1):
        index = last - done if reverting else done
        if not half_done:
            if index <= used_leaving:
                _copy_sector(job, job.primary, index, job.secondary, index + leaving_shift)
            _write_status(job, done * STATES)
        if index <= used_arriving:
            _copy_sector(job, job.secondary, index + arriving_shift, job.primary, index)
        _write_status(job, done * STATES + 1)
        half_done = False
    if reverting:
        # The header left there must not be taken for an update.
        job.secondary.erase(0, size)
        erase_trailer_sectors(job.secondary, job.max_sectors, STATES)


def _keep_revert_in_secondary(job: SwapJob, copy_size_bytes: int) -> None:
    # A cut between erasing the primary trailer and writing it would otherwise lose the revert
    # (swap_offset.c, fixup_revert).
    state = read_trailer(job.secondary)
    job.log(f"I: Secondary image: {state.log_text}")
    if state.magic is Magic.UNSET:
        erase_trailer_sectors(job.secondary, job.max_sectors, STATES)
        write_copy_done(job.secondary)
        _write_trailer(job, job.secondary, SwapType.REVERT, copy_size_bytes)


def _write_trailer(
    job: SwapJob, area: FlashArea, swap_type: SwapType, copy_size_bytes: int
) -> None:
    secondary = read_trailer(job.secondary)
    if swap_type is not SwapType.NONE:
        write_swap_info(area, swap_type, job.image_number)
    if secondary.image_ok is Flag.SET:
        write_image_ok(area)
    write_swap_size(area, copy_size_bytes)
    write_magic(area)


def _copy_sector(
    job: SwapJob, source: FlashArea, source_index: int, target: FlashArea, target_index: int
) -> None:
    size = job.sector_size_bytes
    target.erase_sector(target_index)
    for offset in range(0, size, COPY_CHUNK_BYTES):
        data = source.read(source_index * size + offset, COPY_CHUNK_BYTES)
        target.write(target_index * size + offset, data)


def _write_status(job: SwapJob, entry: int) -> None:
    start = status_offset_bytes(job.primary, job.max_sectors, STATES)
    padding = bytes([ERASED_BYTE]) * (job.write_size_bytes - 1)
    job.primary.write(start + entry * job.write_size_bytes, bytes([entry % STATES + 1]) + padding)
