"""How requests of the image group end: the codes of SMP version 1 and 2."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageResult:
    """How a request of the image group ended.

    `rc` is what the server of NCS 2.3 answers; `group_rc` is what later ones have for it
    (facts/dual-stage-boot.md, 6.2; Zephyr's img_mgmt.h): in `err` for clients of SMP version 2,
    translated for others.
    """

    rc: int
    group_rc: int

    @property
    def translated_rc(self) -> int:
        """What a server that knows version 2 tells a client of version 1.

        Zephyr's img_mgmt.c, img_mgmt_translate_error_code: not always what 2.3 would have said.
        """
        return _TRANSLATED.get(self.group_rc, _UNKNOWN)


_UNKNOWN, _NO_MEMORY, _INVALID, _NO_ENTRY, _BAD_STATE = 1, 2, 3, 5, 6
_TRANSLATED = (
    {0: 0, 15: _NO_MEMORY}
    | dict.fromkeys((3, 4), _NO_ENTRY)
    | dict.fromkeys((9, 27, 28), _BAD_STATE)
    | dict.fromkeys((14, 19, 20, 21, 22, 24, 25), _INVALID)
)

DONE = ImageResult(0, 0)
BAD_HASH = ImageResult(3, 24)
HASH_NOT_FOUND = ImageResult(3, 8)
ALREADY_PENDING = ImageResult(6, 28)
CANNOT_PEND_RUNNING = ImageResult(1, 33)
MARK_NOT_WRITTEN = ImageResult(1, 23)
NO_SUCH_SLOT = ImageResult(1, 14)
SLOT_IN_USE = ImageResult(6, 9)
NO_FREE_SLOT = ImageResult(5, 9)
HEADER_MALFORMED = ImageResult(3, 22)
OFFSET_MISSING = ImageResult(3, 20)
LENGTH_MISSING = ImageResult(3, 21)
MAGIC_MISMATCH = ImageResult(3, 23)
NOT_NEWER = ImageResult(6, 27)
BAD_PAGE_OFFSET = ImageResult(1, 19)
ERASE_FAILED = ImageResult(1, 13)
WRITE_FAILED = ImageResult(1, 12)
TOO_LARGE = ImageResult(1, 30)
DATA_OVERRUN = ImageResult(1, 31)
