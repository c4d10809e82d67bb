"""MCUboot's overwrite-only upgrade, operation by operation.

Source: boot_copy_image in sdk-mcuboot v1.9.99-ncs4 and
v2.0.99-ncs1 boot/bootutil/src/loader.c, built as Zephyr builds it (MCUBOOT_OVERWRITE_ONLY_FAST).
"""

from collections.abc import Callable

from pytest_nrf_fota.sim.boot.swap_move import COPY_CHUNK_BYTES, SwapJob
from pytest_nrf_fota.sim.trailer_area import erase_trailer_sectors, write_magic


def overwrite_primary(
    job: SwapJob,
    image_size_bytes: int,
    *,
    names_image: bool,
    after_copy: Callable[[], bool] = lambda: True,
) -> None:
    """Copy the image from the secondary slot over the primary one; the old image is lost.

    A cut before the secondary slot's first sector is erased leaves the update pending: the next
    boot overwrites again.

    Args:
        job: the pair of slots.
        image_size_bytes: of the image in the secondary slot, with its TLVs.
        names_image: whether the lines carry the image's number (NCS 2.6 and later).
        after_copy: what a build adds (boot_copy_region_post_hook). Where it returns False, the
            update stays pending; that this is an error is asserted, and NCS compiles the assertion
            out (inferred: minimal libc, no CONFIG_ASSERT).
    """
    number = job.image_number
    upgrade = f"Image {number} upgrade" if names_image else "Image upgrade"
    job.log(f"I: {upgrade} secondary slot -> primary slot")
    job.log("I: Erasing the primary slot")
    wanted_sectors = max(1, -(-image_size_bytes // job.sector_size_bytes))
    for sector in range(min(wanted_sectors, job.primary.num_sectors)):
        job.primary.erase_sector(sector)
    erase_trailer_sectors(job.primary, job.max_sectors)
    # loader.c rounds up to whole words and, where the size is one already, adds another. Of an
    # image that only a larger secondary slot can hold, it copies what fits.
    size_bytes = image_size_bytes + job.write_size_bytes - image_size_bytes % job.write_size_bytes
    size_bytes = min(size_bytes, job.primary.size_bytes)
    copying = f"Image {number} copying" if names_image else "Copying"
    job.log(f"I: {copying} the secondary slot to the primary slot: 0x{size_bytes:x} bytes")
    for offset in range(0, size_bytes, COPY_CHUNK_BYTES):
        chunk_bytes = min(COPY_CHUNK_BYTES, size_bytes - offset)
        job.primary.write(offset, job.secondary.read(offset, chunk_bytes))
    write_magic(job.primary)
    if not after_copy():
        return
    job.secondary.erase_sector(0)
    job.secondary.erase_sector(job.secondary.num_sectors - 1)
