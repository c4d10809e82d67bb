"""How requests of the image group end: the codes of SMP version 1 and 2."""

from dataclasses import dataclass

from smp.error import MGMT_ERR
from smp.image_management import IMG_MGMT_ERR


@dataclass(frozen=True)
class ImageResult:
    """How a request of the image group ended.

    `rc` is what the server of NCS 2.3 answers; `group_rc` is what later ones have for it (Zephyr's
    img_mgmt.h): in `err` for clients of SMP version 2, translated for others.
    """

    rc: MGMT_ERR
    group_rc: IMG_MGMT_ERR

    @property
    def translated_rc(self) -> MGMT_ERR:
        """What a server that knows version 2 tells a client of version 1.

        Zephyr's img_mgmt.c, img_mgmt_translate_error_code: not always what 2.3 would have said.
        """
        match self.group_rc:
            case IMG_MGMT_ERR.OK:
                return MGMT_ERR.EOK
            case IMG_MGMT_ERR.NO_FREE_MEMORY:
                return MGMT_ERR.ENOMEM
            case IMG_MGMT_ERR.NO_IMAGE | IMG_MGMT_ERR.NO_TLVS:
                return MGMT_ERR.ENOENT
            case (
                IMG_MGMT_ERR.NO_FREE_SLOT
                | IMG_MGMT_ERR.CURRENT_VERSION_IS_NEWER
                | IMG_MGMT_ERR.IMAGE_ALREADY_PENDING
            ):
                return MGMT_ERR.EBADSTATE
            case (
                IMG_MGMT_ERR.INVALID_SLOT
                | IMG_MGMT_ERR.INVALID_PAGE_OFFSET
                | IMG_MGMT_ERR.INVALID_OFFSET
                | IMG_MGMT_ERR.INVALID_LENGTH
                | IMG_MGMT_ERR.INVALID_IMAGE_HEADER
                | IMG_MGMT_ERR.INVALID_HASH
                | IMG_MGMT_ERR.INVALID_FLASH_ADDRESS
            ):
                return MGMT_ERR.EINVAL
            case _:
                return MGMT_ERR.EUNKNOWN


DONE = ImageResult(MGMT_ERR.EOK, IMG_MGMT_ERR.OK)
BAD_HASH = ImageResult(MGMT_ERR.EINVAL, IMG_MGMT_ERR.INVALID_HASH)
HASH_NOT_FOUND = ImageResult(MGMT_ERR.EINVAL, IMG_MGMT_ERR.HASH_NOT_FOUND)
ALREADY_PENDING = ImageResult(MGMT_ERR.EBADSTATE, IMG_MGMT_ERR.IMAGE_ALREADY_PENDING)
CANNOT_PEND_RUNNING = ImageResult(
    MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.IMAGE_SETTING_TEST_TO_ACTIVE_DENIED
)
MARK_NOT_WRITTEN = ImageResult(MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC)
# A slot that is none is flash area 255, which cannot be opened (img_mgmt_flash_area_id).
NO_SUCH_SLOT = ImageResult(MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.FLASH_OPEN_FAILED)
SLOT_IN_USE = ImageResult(MGMT_ERR.EBADSTATE, IMG_MGMT_ERR.NO_FREE_SLOT)
NO_FREE_SLOT = ImageResult(MGMT_ERR.ENOENT, IMG_MGMT_ERR.NO_FREE_SLOT)
HEADER_MALFORMED = ImageResult(MGMT_ERR.EINVAL, IMG_MGMT_ERR.INVALID_IMAGE_HEADER)
OFFSET_MISSING = ImageResult(MGMT_ERR.EINVAL, IMG_MGMT_ERR.INVALID_OFFSET)
LENGTH_MISSING = ImageResult(MGMT_ERR.EINVAL, IMG_MGMT_ERR.INVALID_LENGTH)
MAGIC_MISMATCH = ImageResult(MGMT_ERR.EINVAL, IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC)
NOT_NEWER = ImageResult(MGMT_ERR.EBADSTATE, IMG_MGMT_ERR.CURRENT_VERSION_IS_NEWER)
BAD_PAGE_OFFSET = ImageResult(MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.INVALID_PAGE_OFFSET)
ERASE_FAILED = ImageResult(MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.FLASH_ERASE_FAILED)
WRITE_FAILED = ImageResult(MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.FLASH_WRITE_FAILED)
TOO_LARGE = ImageResult(MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.INVALID_IMAGE_TOO_LARGE)
DATA_OVERRUN = ImageResult(MGMT_ERR.EUNKNOWN, IMG_MGMT_ERR.INVALID_IMAGE_DATA_OVERRUN)
