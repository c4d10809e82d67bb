"""All images that the application can see: one `ImageManager` for each pair of slots.

The image group numbers slots through: 0 and 1 are image 0's, 2 and 3 image 1's (Zephyr's
img_mgmt.c).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.sim.app.image_result import (
    HASH_NOT_FOUND,
    NO_FREE_SLOT,
    NO_SUCH_SLOT,
    SLOT_IN_USE,
    ImageResult,
)
from pytest_nrf_fota.sim.app.images import HASH_SIZES_BYTES, ImageEntry, ImageManager

SLOTS_PER_IMAGE = 2


@dataclass(frozen=True)
class NumberedEntry:
    """One line of the image list, and the image that it is about."""

    image: int
    entry: ImageEntry


class ImageGroup:
    """What the SMP server asks for images.

    Args:
        managers: one for each of CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER images.
    """

    def __init__(self, managers: Sequence[ImageManager]) -> None:
        self._managers = tuple(managers)
        self._uploading = self._managers[0]

    @property
    def count(self) -> int:
        """How many images there are; with one, answers do not number it."""
        return len(self._managers)

    def list_images(self) -> tuple[NumberedEntry, ...]:
        """All slots that hold a header and a hash."""
        return tuple(
            NumberedEntry(number, entry)
            for number, manager in enumerate(self._managers)
            for entry in manager.list_images()
        )

    def set_state(self, image_hash: bytes | None, *, confirm: bool) -> ImageResult:
        """Set the image of that hash pending, or confirm it; without one the application."""
        application, *others = self._managers
        result = application.set_state(image_hash, confirm=confirm)
        if image_hash is None or len(image_hash) not in HASH_SIZES_BYTES:
            return result
        for manager in others:
            if result != HASH_NOT_FOUND:
                break
            result = manager.set_state(image_hash, confirm=confirm)
        return result

    def erase_slot(self, slot: int) -> ImageResult:
        """Erase a slot that is not in use; what was being uploaded is forgotten.

        So it is where there is no such slot (img_mgmt.c, img_mgmt_erase).
        """
        number = slot // SLOTS_PER_IMAGE
        if number >= self.count:
            result = NO_SUCH_SLOT
        else:
            result = self._managers[number].erase_slot(slot % SLOTS_PER_IMAGE)
        if result != SLOT_IN_USE:
            self._uploading.forget_upload()
        return result

    def upload(
        self,
        image: int,
        offset_bytes: int | None,
        data: bytes,
        size_bytes: int | None,
        sha: bytes | None,
        *,
        only_newer: bool = False,
    ) -> tuple[ImageResult, int]:
        """Take one upload request. Returns the result and the offset that is wanted next.

        With one image its number is ignored (zephyr_img_mgmt.c, img_mgmt_get_unused_slot_area_id):
        both files for S0 and S1 end up in the same slot. The server keeps one upload at a time.
        """
        if offset_bytes == 0 and not self._uploading.is_uploading(sha):
            number = 0 if self.count == 1 else image
            if number >= self.count:
                return self._uploading.refuse_upload(NO_FREE_SLOT), 0
            if self._managers[number] is not self._uploading:
                self._uploading.forget_upload()
                self._uploading = self._managers[number]
        return self._uploading.upload(offset_bytes, data, size_bytes, sha, only_newer=only_newer)
