"""What lies in a memory: a hex file, a dump, a single image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.boards.nsib_release import KeyState
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.firmware.foreign_fw_info import COMMON_MAGIC, chip_of_foreign_fw_info
from pytest_nrf_fota.firmware.fw_info import STRUCT as FW_INFO_STRUCT
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.mcuboot_image import (
    IMAGE_MAGIC,
    NotAnImageError,
    PublicKey,
    key_hash,
)
from pytest_nrf_fota.firmware.provisioning import ProvisioningData
from pytest_nrf_fota.firmware.trailer import (
    MAGIC,
    Flag,
    Magic,
    TrailerState,
    decode_trailer,
)
from pytest_nrf_fota.inspection.contents import (
    FoundFirmware,
    FoundImage,
    FoundKey,
    FoundProvisioning,
    FoundTrailer,
    Role,
)
from pytest_nrf_fota.inspection.firmwares import Placed, find_firmwares
from pytest_nrf_fota.inspection.images import (
    PlacedImage,
    describe_image,
    find_images,
    keys_in,
    parse_image_at,
    role_of,
)
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.mcuboot_alone import code_at_0, is_mcuboot_alone
from pytest_nrf_fota.inspection.provisioning_data import (
    describe_provisioning,
    provisioning_of_app_core,
    provisioning_of_network_core,
    release_of_nsib,
)
from pytest_nrf_fota.inspection.remark import remark
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory

NO_KEYS = KeysAtHand()


@dataclass(frozen=True)
class MemoryContents:
    """What was found in one memory.

    `bootloader_keys` are those that could check an image. `boots_mcuboot_alone`: MCUboot lies at
    address 0, with no NSIB before it. `other_chips`: for which a fw_info in it was made.
    """

    images: tuple[FoundImage, ...]
    firmwares: tuple[FoundFirmware, ...]
    accepts: tuple[FoundKey, ...]
    bootloader_keys: tuple[PublicKey, ...]
    boots_mcuboot_alone: bool
    provisioning: FoundProvisioning | None
    network_provisioning: FoundProvisioning | None
    trailers: tuple[FoundTrailer, ...]
    remarks: tuple[Finding, ...]
    other_chips: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recognised."""
        return not (
            self.images
            or self.firmwares
            or self.provisioning
            or self.network_provisioning
            or self.trailers
            or self.remarks
        )


def inspect_memory(
    memory: SparseMemory,
    board: BoardType,
    *,
    has_addresses: bool,
    name: str,
    keys: KeysAtHand = NO_KEYS,
) -> MemoryContents:
    """Everything that can be recognised.

    Args:
        memory: the file's content.
        board: where slots and provisioning data lie.
        has_addresses: whether addresses are those of the chip; otherwise offsets in a file.
        name: what to call the images of a file without addresses.
        keys: what signatures are checked with, beside the keys in this memory.
    """
    provisioning = provisioning_of_app_core(memory, board) if has_addresses else None
    nsib = release_of_nsib(memory, board) if provisioning is not None else None
    placed = tuple(
        _with_provisioning(one, provisioning, nsib) for one in find_firmwares(memory, board, keys)
    )
    placed_images = find_images(memory)
    end_of_bootloaders = _end_of_bootloaders(placed_images, board, has_addresses)
    bootloader_keys = _bootloader_keys(memory, end_of_bootloaders, placed, has_addresses)
    images = tuple(
        describe_image(
            one.image,
            name=_place_name(one.address, board) if has_addresses else name,
            offset_bytes=one.address,
            board=board,
            firmware=next(
                (p.found for p in placed if one.address <= p.found.offset_bytes < one.end), None
            ),
            verifiers=bootloader_keys,
            keys=keys,
        )
        for one in placed_images
    )
    inside = [(one.address, one.end) for one in placed_images]
    foreign = tuple(_find_foreign(memory))
    firmwares = tuple(
        one.found
        for one in placed
        if not any(start <= one.found.offset_bytes < end for start, end in inside)
    )
    return MemoryContents(
        images=images,
        firmwares=firmwares,
        accepts=tuple(keys.name(key_hash(key)) for key in bootloader_keys),
        bootloader_keys=bootloader_keys,
        boots_mcuboot_alone=has_addresses
        and provisioning is None
        and _boots_mcuboot_alone(memory, end_of_bootloaders, firmwares, images),
        provisioning=None
        if provisioning is None or board.slots.provisioning_address is None
        else describe_provisioning(provisioning, board.slots.provisioning_address, keys, nsib),
        network_provisioning=provisioning_of_network_core(
            memory,
            board,
            [one.found.firmware_address for one in placed if one.found.role is Role.NETWORK_CORE],
            keys,
        )
        if has_addresses
        else None,
        trailers=_trailers(memory, board, has_addresses),
        other_chips=tuple(dict.fromkeys(chip for _, chip in foreign)),
        remarks=(
            *_broken_images(memory, board, has_addresses, [one.address for one in placed_images]),
            *_foreign_firmwares(foreign, inside),
        ),
    )


def _with_provisioning(
    placed: Placed, data: ProvisioningData | None, nsib: Release | None
) -> Placed:
    key = placed.found.key
    # The network core's bootloader has provisioning data of its own.
    if data is None or key is None or placed.found.role is Role.NETWORK_CORE:
        return placed
    found = [n for n, one in enumerate(data.keys) if one.key_hash.hex() == key.hash]
    provisioned = any(not _is_revoked(data, index, nsib) for index in found)
    return Placed(
        placed.start,
        placed.end,
        placed.found.model_copy(
            update={"provisioned": provisioned, "key_revoked": bool(found) and not provisioned}
        ),
    )


def _is_revoked(data: ProvisioningData, index: int, nsib: Release | None) -> bool:
    key = data.keys[index]
    if nsib is None:
        return key.invalidated
    return nsib.nsib.key_words.state(index, key.word) is KeyState.REVOKED


def _end_of_bootloaders(
    placed_images: Sequence[PlacedImage], board: BoardType, has_addresses: bool
) -> int:
    """Where the application begins: in this file, or on this board."""
    if not has_addresses:
        return 0
    applications = [
        one.address for one in placed_images if role_of(one.image, board)[0] is Role.APPLICATION
    ]
    return min([board.slots.primary.address, *applications])


def _bootloader_keys(
    memory: SparseMemory, end: int, placed: Sequence[Placed], has_addresses: bool
) -> tuple[PublicKey, ...]:
    """Keys compiled into whatever lies before the application, which begins at `end`."""
    found: dict[bytes, PublicKey] = {}
    if has_addresses:
        for segment in memory.segments:
            if segment.address < end:
                before = segment.data[: end - segment.address]
                found |= {key_hash(key): key for key in keys_in(before)}
    else:
        for one in placed:
            code = memory.read(one.start, one.found.firmware_size_bytes)
            found |= {key_hash(key): key for key in keys_in(code)}
    return tuple(found.values())


def _boots_mcuboot_alone(
    memory: SparseMemory, end: int, firmwares: Sequence[FoundFirmware], images: Sequence[FoundImage]
) -> bool:
    if any(one.role in (Role.MCUBOOT_S0, Role.MCUBOOT_S1) for one in firmwares):
        return False
    has_application = any(one.role is Role.APPLICATION for one in images)
    return is_mcuboot_alone(code_at_0(memory, end), has_application=has_application)


def _find_foreign(memory: SparseMemory) -> Iterator[tuple[int, str]]:
    """Every fw_info of another chip: where it lies, and the chip."""
    for address in memory.find(COMMON_MAGIC):
        chip = chip_of_foreign_fw_info(memory.read(address, FW_INFO_STRUCT.size))
        if chip is not None:
            yield address, chip


def _foreign_firmwares(
    foreign: Iterable[tuple[int, str]], images: Sequence[tuple[int, int]]
) -> Iterator[Finding]:
    """Those outside of images; of an image it is said what the image is."""
    for address, chip in foreign:
        if not any(start <= address < end for start, end in images):
            yield remark("fw_info_of_another_chip", f"fw_info at 0x{address:x}", chip=chip)


def _slots(board: BoardType) -> tuple[tuple[str, int, int], ...]:
    slots = board.slots
    named = (("S0", slots.s0), ("S1", slots.s1), ("primary", slots.primary))
    found = [(name, slot.address, slot.size) for name, slot in named if slot is not None]
    return (*found, ("secondary", slots.secondary.address, slots.secondary.size))


def _place_name(address: int, board: BoardType) -> str:
    for name, start, size_bytes in _slots(board):
        if start <= address < start + size_bytes:
            return f"{name} slot" if address == start else f"{name} slot + 0x{address - start:x}"
    return f"0x{address:08x}"


def _broken_images(
    memory: SparseMemory, board: BoardType, has_addresses: bool, found: Sequence[int]
) -> tuple[Finding, ...]:
    places = [start for _, start, _ in _slots(board)] if has_addresses else [0]
    remarks: list[Finding] = []
    magic = IMAGE_MAGIC.to_bytes(4, "little")
    for address in places:
        if address in found or memory.read(address, len(magic)) != magic:
            continue
        try:
            parse_image_at(memory, address)
        except NotAnImageError as error:
            place = _place_name(address, board) if has_addresses else "start of the file"
            remarks.append(remark("image_unreadable", place, error=error))
    return tuple(remarks)


def _trailers(
    memory: SparseMemory, board: BoardType, has_addresses: bool
) -> tuple[FoundTrailer, ...]:
    if has_addresses:
        ends = [(name, start + size_bytes) for name, start, size_bytes in _slots(board)]
    else:
        ends = [("end of the file", memory.segments[-1].end)]
    found: list[FoundTrailer] = []
    for name, end in ends:
        # A page's sign of life: the magic alone may be given (imgtool --pad), or the flags alone.
        if not memory.holds(end - len(MAGIC), len(MAGIC)):
            continue
        if not has_addresses and memory.read(end - len(MAGIC), len(MAGIC)) != MAGIC:
            continue
        state = decode_trailer(_reader_from(memory.read, end))
        if state.magic is Magic.UNSET and Flag.SET not in (state.copy_done, state.image_ok):
            continue
        # S0/S1 slots that hold code up to their end would show random flags.
        if state.magic is Magic.BAD:
            continue
        found.append(
            FoundTrailer(
                slot=name,
                magic=state.magic.value,
                swap_type=state.swap_type,
                copy_done=state.copy_done,
                image_ok=state.image_ok,
                meaning=_meaning(name, state),
            )
        )
    return tuple(found)


def _reader_from(read: ReadMemory, end: int) -> ReadMemory:
    def read_from_end(from_end_bytes: int, size_bytes: int) -> bytes:
        return read(max(0, end - from_end_bytes), size_bytes)

    return read_from_end


def _meaning(slot: str, state: TrailerState) -> str:
    confirmed = state.image_ok is Flag.SET
    as_secondary = "pending, permanent" if confirmed else "pending for one boot (test)"
    if state.magic is not Magic.GOOD:
        return "flags without a magic: MCUboot ignores them"
    if slot == "secondary":
        return as_secondary
    if confirmed:
        as_primary = "confirmed"
    elif state.copy_done is Flag.SET:
        as_primary = "test boot, not confirmed: the next reset reverts it"
    else:
        as_primary = "not confirmed, and not a test boot"
    if slot == "end of the file":
        return f"{as_primary} (in a secondary slot: {as_secondary})"
    return as_primary
