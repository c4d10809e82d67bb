"""MCUboot images, wherever they lie in a memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.firmware.foreign_fw_info import foreign_chips_in
from pytest_nrf_fota.firmware.mcuboot_image import (
    HEADER,
    IMAGE_MAGIC,
    PROTECTED_TLV_INFO_MAGIC,
    SIGNATURE_TLVS,
    TLV_ENTRY,
    TLV_INFO,
    TLV_INFO_MAGIC,
    ImageHeader,
    McubootImage,
    NotAnImageError,
    PublicKey,
    find_embedded_keys,
    is_named,
    key_hash,
)
from pytest_nrf_fota.firmware.s_slot import (
    hiding_of,
    s_slot_of,
    s_slot_ranges,
    why_no_bootloader,
)
from pytest_nrf_fota.firmware.tlv_names import flag_names, tlv_name
from pytest_nrf_fota.firmware.trailer import SWAP_INFO_FROM_END_BYTES, trailer_size_bytes
from pytest_nrf_fota.inspection.contents import (
    FoundDependency,
    FoundFirmware,
    FoundImage,
    FoundTlv,
    Role,
)
from pytest_nrf_fota.inspection.firmwares import role_at
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.sparse_memory import LARGEST_READ_BYTES, SparseMemory

MOST_IMAGES = 32
MOST_KEYS = 16
_MOST_CANDIDATES = 4096
_SHOWN_TLV_BYTES = 64
_TLV_AREAS_BYTES = 2 * 0x10000
_MAGIC = IMAGE_MAGIC.to_bytes(4, "little")
# Keys are searched where a bootloader's code can be: no slot for one is larger.
_SEARCHED_FOR_KEYS_BYTES = 1024 * 1024


@dataclass(frozen=True)
class PlacedImage:
    """An image and the address of its first byte."""

    address: int
    image: McubootImage

    @property
    def end(self) -> int:
        """Address behind the last TLV."""
        return self.address + len(self.image.data)


def find_images(memory: SparseMemory) -> tuple[PlacedImage, ...]:
    """All complete images, none inside another."""
    placed: list[PlacedImage] = []
    for number, address in enumerate(memory.find(_MAGIC)):
        if number == _MOST_CANDIDATES or len(placed) == MOST_IMAGES:
            break
        if placed and address < placed[-1].end:
            continue
        try:
            placed.append(PlacedImage(address, parse_image_at(memory, address)))
        except NotAnImageError:
            continue
    return tuple(placed)


def parse_image_at(memory: SparseMemory, address: int) -> McubootImage:
    """The image at `address`. Raises `NotAnImageError` with the reason."""
    header = ImageHeader.parse(memory.read(address, HEADER.size))
    tlv_offset = header.header_size_bytes + header.image_size_bytes
    if header.header_size_bytes < HEADER.size or tlv_offset > LARGEST_READ_BYTES // 2:
        raise NotAnImageError("its header's sizes cannot be true")
    # Looked at before anything large is copied.
    info_size_bytes = TLV_INFO.size
    magic, _ = TLV_INFO.unpack(memory.read(address + tlv_offset, info_size_bytes))
    if magic not in (TLV_INFO_MAGIC, PROTECTED_TLV_INFO_MAGIC):
        raise NotAnImageError(
            f"there is no TLV area behind its {header.image_size_bytes} bytes: it is cut off or "
            "was overwritten"
        )
    return McubootImage.parse(memory.read(address, tlv_offset + _TLV_AREAS_BYTES))


def keys_in(binary: bytes) -> tuple[PublicKey, ...]:
    """Public keys compiled into a bootloader."""
    return find_embedded_keys(binary[:_SEARCHED_FOR_KEYS_BYTES])[:MOST_KEYS]


def role_of(image: McubootImage, board: BoardType) -> tuple[Role, str]:
    """What the image is, and what speaks against that or keeps it from being known."""
    hiding = hiding_of(image)
    if hiding is not None:
        return Role.UNKNOWN, f"it is {hiding.value}, so its code cannot be seen"
    chip = next(foreign_chips_in(image.payload), None)
    if chip is not None:
        return Role.UNKNOWN, f"its fw_info is for {chip}: this image is for another chip"
    try:
        slot = s_slot_of(image, s_slot_ranges(board))
        role = role_at(image.reset_vector, board)
    except NotAnImageError:
        return Role.UNKNOWN, "it has no vector table"
    match slot, role:
        case 0, _:
            return Role.MCUBOOT_S0, ""
        case 1, _:
            return Role.MCUBOOT_S1, ""
        case _, Role.MCUBOOT_S0 | Role.MCUBOOT_S1:
            why = why_no_bootloader(image, s_slot_ranges(board))
            return Role.APPLICATION, f"of another layout than board {board.name}'s: it {why}"
        case _, Role.UNKNOWN:
            return role, f"its code starts at {image.reset_vector:#x}, in no slot of {board.name}"
        case _:
            return role, ""


def describe_image(
    image: McubootImage,
    *,
    name: str,
    offset_bytes: int,
    board: BoardType,
    firmware: FoundFirmware | None,
    verifiers: Sequence[PublicKey],
    keys: KeysAtHand,
) -> FoundImage:
    """Everything that an image says of itself.

    Args:
        image: the parsed image.
        name: file name, or what the place is called.
        offset_bytes: where it lies in its file.
        board: whose slots it is measured against.
        firmware: NSIB's view of its payload.
        verifiers: keys of the same file that may have signed it, beside those of `keys`.
        keys: all others that are available.
    """
    role, role_reason = role_of(image, board)
    named = image.signing_key_hash
    unchecked = "encrypted, the hash is over the plain text" if image.is_encrypted else ""
    bootloader = role in (Role.MCUBOOT_S0, Role.MCUBOOT_S1)
    try:
        reset_vector = image.reset_vector
    except NotAnImageError:
        reset_vector = None
    return FoundImage(
        name=name,
        offset_bytes=offset_bytes,
        role=role,
        version=str(image.version),
        size_bytes=len(image.data),
        header_size_bytes=image.header.header_size_bytes,
        payload_size_bytes=image.header.image_size_bytes,
        load_address=image.header.load_address,
        reset_vector=reset_vector,
        flags=flag_names(image.header.flags),
        hash=image.hash.hex() if image.hash else None,
        hash_algorithm=None if image.hash is None else image.hash_algorithm,
        hash_is_right=_hash_is_right(image),
        unchecked=unchecked,
        signs_content=image.signs_content,
        carries_public_key=image.carried_key is not None,
        role_reason=role_reason,
        other_chip="" if hiding_of(image) else next(foreign_chips_in(image.payload), ""),
        signature=next((tlv_name(t.kind) for t in image.tlvs if t.kind in SIGNATURE_TLVS), None),
        key=None if named is None else keys.name(named),
        signature_is_right=None
        if unchecked
        else _signature_is_right(image, (*verifiers, *keys.public_keys)),
        security_counter=image.security_counter,
        dependencies=tuple(
            FoundDependency(image_index=one.image_index, lowest_version=str(one.lowest_version))
            for one in image.dependencies
        ),
        tlvs=tuple(_describe_tlvs(image)),
        room_bytes=None if role_reason else room_for(role, board),
        firmware=firmware,
        accepts=tuple(keys.name(key_hash(k)) for k in keys_in(image.payload)) if bootloader else (),
    )


def room_for(role: Role, board: BoardType) -> int | None:
    """The largest image that the slot takes, header and TLVs included.

    What MCUboot leaves of a primary slot depends on how it updates (mcu-tools/mcuboot v2.4.0,
    boot/bootutil/src/bootutil_misc.c, bootutil_max_image_size): all but the trailer's fixed fields
    where it overwrites; where it swaps by moving, what lies before the trailer's sectors, less the
    one sector that it moves by. An S0/S1 slot can be filled.
    """
    slots = board.slots
    if role is Role.MCUBOOT_S0 and slots.s0 is not None:
        return slots.s0.size
    if role is Role.MCUBOOT_S1 and slots.s1 is not None:
        return slots.s1.size
    region = board.region_of(slots.primary.address, slots.primary.size)
    if role is not Role.APPLICATION or region is None:
        return None
    mode = board.boot.bootloader_mode
    if mode == "overwrite_only":
        return slots.primary.size - SWAP_INFO_FROM_END_BYTES
    if mode not in ("swap_move", "swap_offset"):
        return None
    sector_bytes = region.page_size
    sectors = -(-slots.primary.size // sector_bytes)
    trailer_sectors = -(-trailer_size_bytes(sectors, 4) // sector_bytes)
    return (sectors - trailer_sectors - 1) * sector_bytes


def _hash_is_right(image: McubootImage) -> bool | None:
    # An image that is signed as a whole may go without a hash (MCUboot's CONFIG_BOOT_SIGNATURE_
    # TYPE_PURE looks for none).
    if image.is_encrypted or (image.hash is None and image.signs_content):
        return None
    return image.hash_is_right


def _signature_is_right(image: McubootImage, verifiers: Sequence[PublicKey]) -> bool | None:
    if not image.is_signed:
        return None
    wanted, carried = image.signing_key_hash, image.carried_key
    if wanted is None:
        # Nothing names the key, so that one which does not fit says nothing.
        return True if any(image.signed_by(key) for key in verifiers) else None
    candidates = [key for key in verifiers if is_named(key, wanted)]
    if carried is not None:
        candidates.append(carried)
    return any(image.signed_by(key) for key in candidates) if candidates else None


def _describe_tlvs(image: McubootImage) -> Iterator[FoundTlv]:
    protected_left = image.header.protected_tlv_size_bytes - TLV_INFO.size
    for tlv in image.tlvs:
        size_bytes = TLV_ENTRY.size + len(tlv.value)
        yield FoundTlv(
            kind=tlv.kind,
            name=tlv_name(tlv.kind),
            size_bytes=len(tlv.value),
            protected=protected_left >= size_bytes,
            value=tlv.value[:_SHOWN_TLV_BYTES].hex(),
        )
        protected_left -= size_bytes
