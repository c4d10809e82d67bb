"""Firmwares with NSIB's fw_info, wherever they lie in a memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.firmware.fw_info import (
    INVALIDATION_WORD,
    MAGIC,
    SEARCH_OFFSETS_BYTES,
    STRUCT,
    VALID,
    FwInfo,
)
from pytest_nrf_fota.firmware.validation_info import ValidationInfo, find_validation_info
from pytest_nrf_fota.inspection.contents import FoundFirmware, Role
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.sparse_memory import LARGEST_READ_BYTES, SparseMemory

MOST_FIRMWARES = 16
_MOST_CANDIDATES = 4096
# The struct and its EXT_API lists; anything longer is a constant in NSIB's own code.
_LARGEST_STRUCT_BYTES = 4096
_BURNT_WORD = VALID & INVALIDATION_WORD


@dataclass(frozen=True)
class Placed:
    """A firmware, where its first byte lies in the memory, and where it ends."""

    start: int
    end: int
    found: FoundFirmware


def find_firmwares(memory: SparseMemory, board: BoardType, keys: KeysAtHand) -> tuple[Placed, ...]:
    """All firmwares with a believable fw_info."""
    placed: list[Placed] = []
    for info in _believable(memory):
        if placed and info.address < placed[-1].end:
            continue
        placed.append(_describe(memory, info, board, keys))
        if len(placed) == MOST_FIRMWARES:
            break
    return tuple(placed)


def role_at(address: int, board: BoardType) -> Role:
    """What runs at an address."""
    places: tuple[tuple[Slot | None, Role], ...] = (
        (board.slots.s0, Role.MCUBOOT_S0),
        (board.slots.s1, Role.MCUBOOT_S1),
        (board.slots.primary, Role.APPLICATION),
    )
    for slot, role in places:
        if slot is not None and slot.address <= address < slot.address + slot.size:
            return role
    return Role.NETWORK_CORE if board.soc.is_network_flash(address) else Role.UNKNOWN


def _believable(memory: SparseMemory) -> Iterator[FwInfo]:
    for number, address in enumerate(memory.find(MAGIC)):
        if number == _MOST_CANDIDATES:
            return
        info = FwInfo.unpack(memory.read(address, STRUCT.size), address)
        if (
            info is not None
            and STRUCT.size - 4 <= info.total_size_bytes <= _LARGEST_STRUCT_BYTES
            and 0 < info.firmware_size_bytes <= LARGEST_READ_BYTES
            and info.firmware_address <= info.boot_address
            and info.boot_address < info.firmware_address + info.firmware_size_bytes
            and info.valid_word in (VALID, _BURNT_WORD)
        ):
            yield info


def _describe(memory: SparseMemory, info: FwInfo, board: BoardType, keys: KeysAtHand) -> Placed:
    start, validation = _vouched_start(memory, info)
    end = start + info.firmware_size_bytes
    found = FoundFirmware(
        offset_bytes=info.address,
        version=info.version,
        firmware_address=info.firmware_address,
        firmware_size_bytes=info.firmware_size_bytes,
        boot_address=info.boot_address,
        is_valid=info.is_valid,
        role=_role_of(info, board),
    )
    if validation is None:
        return Placed(start, end, found)
    firmware = _unburnt(memory.read(start, info.firmware_size_bytes), info, start)
    found = found.model_copy(
        update={
            "key": keys.name(validation.key_hash),
            "hash_is_right": validation.firmware_hash == sha256(firmware).digest(),
            "signature_is_right": validation.signature_is_right(firmware),
        }
    )
    return Placed(start, end, found)


def _role_of(info: FwInfo, board: BoardType) -> Role:
    if _is_before_s_slots(info, board):
        return Role.NSIB
    role = role_at(info.boot_address, board)
    slot = {Role.MCUBOOT_S0: board.slots.s0, Role.MCUBOOT_S1: board.slots.s1}.get(role)
    # What does not fit the slot is of another layout.
    if slot is not None and info.firmware_size_bytes > slot.size:
        return Role.UNKNOWN
    return role


def _is_before_s_slots(info: FwInfo, board: BoardType) -> bool:
    s0 = board.slots.s0
    end = info.firmware_address + info.firmware_size_bytes
    return s0 is not None and info.firmware_address == 0 and end <= s0.address


def _unburnt(firmware: bytes, info: FwInfo, start: int) -> bytes:
    # A dump of a slot that NSIB has invalidated differs from what was signed in this one word.
    at = info.address - start + 32
    word = VALID.to_bytes(4, "little")
    return firmware if info.is_valid else firmware[:at] + word + firmware[at + 4 :]


def _vouched_start(memory: SparseMemory, info: FwInfo) -> tuple[int, ValidationInfo | None]:
    # In a .bin addresses of the chip mean nothing: there the struct's own distances do.
    starts = [info.address - offset_bytes for offset_bytes in SEARCH_OFFSETS_BYTES]
    if memory.holds(info.firmware_address, 4):
        starts.insert(0, info.firmware_address)
    for start in starts:
        if start < 0:
            continue
        validation = find_validation_info(memory.read, start + info.firmware_size_bytes)
        if validation is not None:
            return start, validation
    return max(0, starts[0] if len(starts) > len(SEARCH_OFFSETS_BYTES) else starts[1]), None
