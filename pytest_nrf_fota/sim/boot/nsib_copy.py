"""How MCUboot of NCS 2.8 and later brings a bootloader into its S0/S1 slot, operation by operation.

Source: sdk-mcuboot v2.1.0-ncs2 boot/bootutil/src/swap_nsib.c.
"""

from dataclasses import replace

from pytest_nrf_fota.sim.boot.swap_move import COPY_CHUNK_BYTES, SwapJob
from pytest_nrf_fota.sim.trailer_area import erase_trailer_sectors


def copy_into_s_slot(job: SwapJob) -> None:
    """Copy the secondary slot's beginning over the S0/S1 slot, then forget the update.

    Nothing is kept of what the S0/S1 slot held. After a cut before the trailer is erased the update
    is still pending, so the next boot copies it again. Where partial pages are refused, a slot that
    ends in one is not erased at all, and neither is the beginning of the secondary slot.
    """
    job.log("I: Starting swap using nsib algorithm.")
    size_bytes = job.primary.size_bytes
    job.primary.erase_all()
    for offset in range(0, size_bytes, COPY_CHUNK_BYTES):
        chunk_bytes = min(COPY_CHUNK_BYTES, size_bytes - offset)
        job.primary.write(offset, job.secondary.read(offset, chunk_bytes))
    erase_trailer_sectors(job.secondary, job.max_sectors)
    forgotten_bytes = min(size_bytes + job.sector_size_bytes, job.secondary.size_bytes)
    replace(job.secondary, refuses_partial_pages=job.primary.refuses_partial_pages).erase(
        0, forgotten_bytes
    )
