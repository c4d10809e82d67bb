"""Which image is a bootloader for S0 or S1."""

from collections.abc import Sequence
from enum import Enum

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.soc import NSIB_SOC
from pytest_nrf_fota.firmware.fw_info import FwInfo, find_fw_info
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage


class Hiding(Enum):
    """Why the payload of an image is not its code as it runs. Encryption comes last."""

    ENCRYPTED = "encrypted"
    COMPRESSED = "compressed"


def s_slot_ranges(board: BoardType) -> tuple[range, ...]:
    """The addresses of S0 and S1; empty for a board without them."""
    slots = [slot for slot in (board.slots.s0, board.slots.s1) if slot is not None]
    return tuple(range(slot.address, slot.address + slot.size) for slot in slots)


def s_slot_of(image: McubootImage, s_slots: Sequence[range]) -> int | None:
    """0 or 1 for a MCUboot that runs from S0 or S1, None for everything else.

    Where code starts does not tell: in a layout without NSIB the application lies at the same
    addresses. NSIB starts nothing without fw_info, and an S0/S1 slot is smaller than most
    applications.

    Args:
        image: the update.
        s_slots: where S0 and S1 lie.

    Raises `NotAnImageError` where the payload is too short to hold a vector table.
    """
    return None if why_no_bootloader(image, s_slots) else _slot_at(image.reset_vector, s_slots)


def why_no_bootloader(image: McubootImage, s_slots: Sequence[range]) -> str:
    """Why the image is no MCUboot for S0 or S1, as words behind its name; empty where it is one.

    Raises `NotAnImageError` where the payload is too short to hold a vector table.
    """
    hiding = hiding_of(image)
    if hiding is not None:
        return f"is {hiding.value}, so where it runs cannot be seen"
    slot = _slot_at(image.reset_vector, s_slots)
    if slot is None:
        return f"starts at {image.reset_vector & ~1:#x}, outside S0 and S1"
    if fw_info_of(image) is None:
        return f"starts in S{slot}, and has no fw_info of the {NSIB_SOC.title}, which NSIB asks for"
    if len(image.data) > len(s_slots[slot]):
        return f"has {len(image.data)} bytes, and S{slot} {len(s_slots[slot])}"
    return ""


def hiding_of(image: McubootImage) -> Hiding | None:
    """What keeps the code of an image from being read, None where it lies open."""
    if image.is_encrypted:
        return Hiding.ENCRYPTED
    return Hiding.COMPRESSED if image.is_compressed else None


def fw_info_of(image: McubootImage) -> FwInfo | None:
    """NSIB's struct inside an update image, its address relative to the image's first byte."""

    def read(address: int, size_bytes: int) -> bytes:
        return image.data[address : address + size_bytes]

    return find_fw_info(read, 0)


def _slot_at(address: int, s_slots: Sequence[range]) -> int | None:
    return next((n for n, addresses in enumerate(s_slots) if address in addresses), None)
