"""What a build says of its board: names and slots, beside those of the board file."""

from collections.abc import Sequence

from pytest_nrf_fota.board import BoardType, Slot
from pytest_nrf_fota.inspection.contents import FoundPartition

# sdk-nrf partition manager: regions count from their own beginning; the external flash is seen
# through the QSPI peripheral's window (nRF5340 product specification, memory map).
_EXTERNAL_REGION = "external_flash"
_EXTERNAL_ADDRESS = 0x10000000


def board_as_built(board: BoardType, partitions: Sequence[FoundPartition]) -> BoardType:
    """The board with the slots of the build, where its partitions.yml names them.

    A build with a primary slot and without S0 has no NSIB.
    """
    found = {one.name: one for one in partitions}
    primary = _slot(found.get("mcuboot_primary"))
    if primary is None:
        return board
    s0, s1 = _slot(found.get("s0")), _slot(found.get("s1"))
    provision = found.get("provision")
    has_nsib = s0 is not None
    address = board.slots.provisioning_address if provision is None else provision.address
    slots = board.slots.model_copy(
        update={
            "primary": primary,
            "secondary": _slot(found.get("mcuboot_secondary")) or board.slots.secondary,
            "s0": s0,
            "s1": s1,
            "provisioning_address": address if has_nsib else None,
        }
    )
    return board.model_copy(update={"slots": slots})


def is_of_board(config_board: str, board: BoardType) -> bool:
    """Whether a CONFIG_BOARD is a name of the board: bare, with qualifiers, for either core.

    True where the board file knows no names.
    """
    bare = config_board.lower().partition("@")[0].partition("/")[0]
    bare = bare.removesuffix("_ns").replace("cpunet", "cpuapp")
    known = {name.lower().partition("/")[0] for name in (*board.manifest_boards, *board.platforms)}
    return not known or bare in known


def _slot(partition: FoundPartition | None) -> Slot | None:
    if partition is None:
        return None
    offset = _EXTERNAL_ADDRESS if partition.region == _EXTERNAL_REGION else 0
    return Slot(address=offset + partition.address, size=partition.size_bytes)
