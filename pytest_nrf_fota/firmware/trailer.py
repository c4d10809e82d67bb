"""The image trailer at the end of each slot: layout, decoding, swap decision.

Source: MCUboot bootutil_misc.c (BOOT_MAX_ALIGN 8, no encryption).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum

MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
MAGIC_FROM_END_BYTES = 16
IMAGE_OK_FROM_END_BYTES = 24
COPY_DONE_FROM_END_BYTES = 32
SWAP_INFO_FROM_END_BYTES = 40
SWAP_SIZE_FROM_END_BYTES = 48
STATUS_STATES = 3
ERASED = 0xFF
FLAG_SET_BYTE = 0x01


class Magic(Enum):
    """The trailer's magic, in MCUboot's words."""

    GOOD = "good"
    UNSET = "unset"
    BAD = "bad"


class Flag(IntEnum):
    """A one-byte trailer flag, with the numbers that MCUboot logs."""

    SET = 1
    BAD = 2
    UNSET = 3


class SwapType(IntEnum):
    """What MCUboot does, with the numbers that it stores and logs."""

    NONE = 1
    TEST = 2
    PERM = 3
    REVERT = 4
    FAIL = 5
    PANIC = 0xFF

    @property
    def log_word(self) -> str:
        """As `Swap type: %s` prints it."""
        return self.name.lower()

    @property
    def is_upgrade(self) -> bool:
        """Whether images are exchanged (bootutil_priv.h, BOOT_IS_UPGRADE)."""
        return self in (SwapType.TEST, SwapType.PERM, SwapType.REVERT)


@dataclass(frozen=True)
class TrailerState:
    """The decoded trailer of one slot. `swap_type` may be 0 where the slot holds zeros."""

    magic: Magic
    swap_type: int
    copy_done: Flag
    image_ok: Flag

    @property
    def log_text(self) -> str:
        """As in `Primary image: magic=..., ...`."""
        return (
            f"magic={self.magic.value}, swap_type=0x{self.swap_type:x}, "
            f"copy_done=0x{self.copy_done:x}, image_ok=0x{self.image_ok:x}"
        )


def trailer_size_bytes(max_sectors: int, write_size_bytes: int, states: int = STATUS_STATES) -> int:
    """Status bytes and the fixed fields: 3120 for 256 sectors of 4-byte writes.

    Swap using offset has 2 `states` for each sector, the other algorithms 3 (bootutil_priv.h).
    """
    return max_sectors * states * write_size_bytes + SWAP_SIZE_FROM_END_BYTES


def decode_trailer(read_from_end: Callable[[int, int], bytes]) -> TrailerState:
    """Decode the trailer of a slot.

    Args:
        read_from_end: called with the distance of a field's first byte from the slot's end, and
            the field's size in bytes.
    """
    magic_bytes = read_from_end(MAGIC_FROM_END_BYTES, len(MAGIC))
    (info,) = read_from_end(SWAP_INFO_FROM_END_BYTES, 1)
    (copy_done,) = read_from_end(COPY_DONE_FROM_END_BYTES, 1)
    (image_ok,) = read_from_end(IMAGE_OK_FROM_END_BYTES, 1)
    return TrailerState(
        magic=_decode_magic(magic_bytes),
        swap_type=_decode_swap_info(info),
        copy_done=_decode_flag(copy_done),
        image_ok=_decode_flag(image_ok),
    )


def decide_swap(
    primary: TrailerState,
    secondary: TrailerState,
    *,
    reverts_over_any_magic: bool = False,
    uses_offset: bool = False,
) -> SwapType:
    """MCUboot's table, first match wins (bootutil_public.c, boot_swap_tables).

    Args:
        primary: trailer of the slot that boots.
        secondary: trailer of the update slot.
        reverts_over_any_magic: whether an unconfirmed test image is reverted also where the
            secondary slot's magic is bad (sdk-mcuboot v2.1.0-ncs5; it must be unset up to
            v2.1.0-ncs3).
        uses_offset: swap using offset marks a revert that is about to begin with copy_done in the
            secondary slot.
    """
    if secondary.magic is Magic.GOOD:
        if uses_offset and secondary.image_ok is Flag.UNSET and secondary.copy_done is Flag.SET:
            return SwapType.REVERT
        if secondary.image_ok is Flag.UNSET:
            return SwapType.TEST
        if secondary.image_ok is Flag.SET:
            return SwapType.PERM
    if (
        primary.magic is Magic.GOOD
        and primary.copy_done is Flag.SET
        and primary.image_ok is Flag.UNSET
        and (secondary.magic is Magic.UNSET or reverts_over_any_magic)
    ):
        return SwapType.REVERT
    return SwapType.NONE


def _decode_magic(data: bytes) -> Magic:
    if data == MAGIC:
        return Magic.GOOD
    if all(byte == ERASED for byte in data):
        return Magic.UNSET
    return Magic.BAD


def _decode_flag(byte: int) -> Flag:
    if byte == ERASED:
        return Flag.UNSET
    return Flag.SET if byte == FLAG_SET_BYTE else Flag.BAD


def _decode_swap_info(byte: int) -> int:
    # The low nibble is the type, the high nibble the image number; an erased byte and types that
    # do not exist count as NONE (bootutil_public.c, boot_read_swap_state).
    low = byte & 0x0F
    return SwapType.NONE if byte == ERASED or low > SwapType.REVERT else low
